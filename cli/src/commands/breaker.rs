//! `breaker`: circuit breakers of views, listed, opened and closed.

use serde_json::json;
use twinstore::{BreakerRecord, CloseBreaker, OpenBreaker, Project, Run};

use crate::arguments::{BreakerCommand, Format, OpenBreakerArgs};
use crate::failure::Failure;
use crate::headings;
use crate::output;

pub async fn breaker(project: &Project, command: &BreakerCommand, run: &Run) -> Result<(), Failure> {
    match command {
        BreakerCommand::List { view, open, format } => {
            let now = project.now();
            let mut found = project.breakers(view.as_ref()).await?;
            found.retain(|one| !open || one.is_open(now));
            found.reverse();
            list(&found, format.format)
        }
        BreakerCommand::Open(args) => open(project, args, run).await,
        BreakerCommand::Close(args) => {
            let close =
                CloseBreaker { view: args.view.clone(), number: args.number, reason: args.reason.clone() };
            let closed = project.close_breaker(&close).await?;
            if args.format.format == Format::Json {
                return output::json(&json!({"breaker": closed}));
            }
            let until = closed.until.map(|until| until.to_string()).unwrap_or_default();
            println!(
                "the breaker of {} is closed from {until} on: readers get what its rows give for {}",
                closed.view,
                closed.held()
            );
            Ok(())
        }
    }
}

async fn open(project: &Project, args: &OpenBreakerArgs, run: &Run) -> Result<(), Failure> {
    let open = OpenBreaker {
        view: args.view.clone(),
        features: args.features.clone(),
        answers: args.answers.map(Into::into),
        good_until: args.good_until,
        reason: args.reason.clone(),
    };
    let opened = project.open_breaker(&open, run).await?;
    let record = &opened.record;
    if args.format.format == Format::Json {
        let seconds = opened.took.as_secs_f64();
        return output::json(&json!({"breaker": record, "entities": opened.entities, "seconds": seconds}));
    }
    let from = record.from.map(|from| from.to_string()).unwrap_or_default();
    let held = if record.features.is_empty() { String::new() } else { format!(" for {}", record.held()) };
    println!("the breaker of {} is open{held} from {from} on: it answers {}", record.view, record.answers);
    if let Some(entities) = opened.entities {
        println!(
            "it has the answers of {} as of {}, prepared in {:.1}s",
            if entities == 1 {
                "1 entity".to_owned()
            } else {
                format!("{} entities", output::count(entities))
            },
            record.good_until,
            opened.took.as_secs_f64()
        );
    }
    Ok(())
}

fn list(found: &[BreakerRecord], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&json!({"breakers": found}));
    }
    if found.is_empty() {
        println!("no breaker was open");
        return Ok(());
    }
    let moment = |moment: Option<feature::Micros>, none: &str| {
        moment.map_or_else(|| none.to_owned(), |moment| moment.to_string())
    };
    let rows = found.iter().map(|one| {
        vec![
            one.number.to_string(),
            one.view.to_string(),
            if one.features.is_empty() { "all".to_owned() } else { one.held() },
            one.answers.to_string(),
            one.good_until.to_string(),
            moment(one.from, ""),
            moment(one.until, "open"),
            one.rule.clone().unwrap_or_else(|| one.opened_by.clone()),
            one.why.clone(),
        ]
    });
    println!("{}", output::table(&headings::BREAKERS, &[0], rows));
    Ok(())
}
