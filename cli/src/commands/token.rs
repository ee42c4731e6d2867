//! `token`: who may come to a server.

use feature::Micros;
use serde_json::{Value, json};
use twinstore::{CreateToken, CreatedToken, KeptToken, KnownToken, Project, Token};

use crate::arguments::{CreateTokenArgs, Format, TokenCommand, WhichToken};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, counted};

pub async fn token(project: &Project, command: &TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Create(args) => create(project, args).await,
        TokenCommand::List(format) => list(project, format.format).await,
        TokenCommand::Revoke(which) => {
            let revoked = project.revoke_tokens(&which.which).await?;
            changed(project, which, &revoked, "revoked")
        }
        TokenCommand::Expire { which, after } => {
            let expiring = project.expire_tokens(&which.which, *after).await?;
            changed(project, which, &expiring, "to expire")
        }
    }
}

async fn create(project: &Project, args: &CreateTokenArgs) -> Result<(), Failure> {
    let create = CreateToken { name: args.name.clone(), roles: args.roles.clone(), expires_in: args.expires };
    let mut random = [0; Token::RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(|error| {
        Failure::new(format!("the operating system gives no random bytes ({error}): no token was created"))
    })?;
    let CreatedToken { text, kept, is_without_role } = project.create_token(&create, random).await?;
    if args.format.format == Format::Json {
        return output::json(&json!({
            "token": text,
            "id": kept.id.to_string(),
            "name": kept.name.as_str(),
            "roles": kept.roles,
            "expires_at": kept.expires_at.map(|at| at.to_string()),
        }));
    }
    println!("{text}");
    let until = kept.expires_at.map_or_else(|| "for good".to_owned(), |at| format!("until {at}"));
    eprintln!("this is the only time that token {} ({}) is shown; it counts {until}", kept.name, kept.id);
    if is_without_role {
        let policy = &project.settings().access.policy;
        eprintln!(
            "note: it may do nothing yet: give `token: {}` a role in {policy}, or create one with --role",
            kept.name
        );
    }
    Ok(())
}

async fn list(project: &Project, format: Format) -> Result<(), Failure> {
    let tokens = project.tokens().await?;
    match format {
        Format::Json => {
            output::json(&tokens.iter().map(|kept| shown(kept, project.now())).collect::<Vec<_>>())
        }
        Format::Table if tokens.is_empty() => {
            println!("no token");
            Ok(())
        }
        Format::Table => {
            table(&tokens, project.now());
            Ok(())
        }
    }
}

fn changed(project: &Project, which: &WhichToken, changed: &[KeptToken], how: &str) -> Result<(), Failure> {
    match which.format.format {
        Format::Json => {
            return output::json(&changed.iter().map(|kept| shown(kept, project.now())).collect::<Vec<_>>());
        }
        Format::Table if changed.is_empty() => println!("nothing to do: all of them are revoked"),
        Format::Table => {
            table(changed, project.now());
            println!("\n{} {how}; servers follow within a second", counted(changed.len() as u64, "token"));
        }
    }
    Ok(())
}

fn table(tokens: &[KeptToken], now: Micros) {
    let rows = tokens.iter().map(|kept| {
        let KnownToken { id, name, roles, .. } = &kept.token;
        vec![
            id.to_string(),
            name.to_string(),
            roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            state(&kept.token, now),
            kept.created_at.to_string(),
            kept.created_by.clone(),
        ]
    });
    println!("{}", output::table(&headings::TOKENS, &[], rows));
}

fn state(token: &KnownToken, now: Micros) -> String {
    match (token.revoked_at, token.expires_at) {
        (Some(at), _) => format!("revoked at {at}"),
        (None, Some(at)) if at <= now => format!("expired at {at}"),
        (None, Some(at)) => format!("until {at}"),
        (None, None) => "valid".to_owned(),
    }
}

fn shown(kept: &KeptToken, now: Micros) -> Value {
    let KnownToken { id, name, roles, expires_at, revoked_at, .. } = &kept.token;
    let moment = |at: &Option<Micros>| at.map(|at| at.to_string());
    json!({
        "id": id.to_string(),
        "name": name.as_str(),
        "roles": roles,
        "is_valid": revoked_at.is_none() && expires_at.is_none_or(|at| at > now),
        "expires_at": moment(expires_at),
        "revoked_at": moment(revoked_at),
        "created_at": kept.created_at.to_string(),
        "created_by": kept.created_by,
    })
}
