//! The URL of a registry on a Postgres server: that of a source's query, and the schema.

use std::time::Duration;

use feature::{DatabaseUrl, Encryption};
use sqlx::any::AnyConnectOptions;

use super::connections::BUSY;
use crate::error::RegistryError;

/// The key of the schema in the query.
const SCHEMA: &str = "schema=";
/// The longest name that Postgres keeps whole.
const LONGEST_NAME: usize = 63;
/// For how long a transaction may do nothing before the server ends it: another writer waits for it.
const IDLE_SECONDS: u64 = 60;

/// Whether a URL names a Postgres server.
pub(crate) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// How connections are made, and the schema that keeps the registry, if one is named.
#[derive(Debug)]
pub(super) struct PostgresUrl {
    pub(super) options: AnyConnectOptions,
    /// How long a connection is waited for.
    pub(super) patience: Duration,
    pub(super) schema: Option<String>,
}

impl PostgresUrl {
    pub(super) fn parse(url: &str) -> Result<Self, RegistryError> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        // A misspelled key may have a password as its value.
        let refused = |reason: String| RegistryError::Address { url: address.to_owned(), reason };
        let (schema, query): (Vec<&str>, Vec<&str>) =
            query.split('&').partition(|pair| pair.starts_with(SCHEMA));
        let schema = schema.first().and_then(|pair| pair.strip_prefix(SCHEMA)).map(str::to_owned);
        if schema.as_ref().is_some_and(|name| !is_schema(name)) {
            return Err(refused(format!(
                "its schema is not a name: take lower-case letters, digits and `_`, at most {LONGEST_NAME}"
            )));
        }
        let url: DatabaseUrl = format!("{address}?{}", query.join("&")).parse().map_err(refused)?;
        let patience = Duration::from_secs(url.connect_timeout_s.into());
        let options = options(&url, schema.as_deref()).map_err(|error| refused(error.to_string()))?;
        Ok(Self { options, patience, schema })
    }
}

/// What SQLx takes of it, which is a URL again. The user and the password may be those of the environment.
fn options(url: &DatabaseUrl, schema: Option<&str>) -> Result<AnyConnectOptions, sqlx::Error> {
    let mut settings =
        format!("-c lock_timeout={}s -c idle_in_transaction_session_timeout={IDLE_SECONDS}s", BUSY.as_secs());
    if let Some(schema) = schema {
        settings.push_str(&format!(" -c search_path={schema}"));
    }
    if let Some(given) = &url.options {
        settings.push_str(&format!(" {given}"));
    }
    let encryption = match url.encryption {
        Encryption::None => "disable",
        Encryption::Verified => "verify-full",
    };
    let mut options: AnyConnectOptions = "postgres://localhost".parse()?;
    let mut query = options.database_url.query_pairs_mut();
    query.append_pair("host", &url.host).append_pair("port", &url.port.to_string());
    query.append_pair("dbname", &url.database).append_pair("sslmode", encryption);
    let given = [("user", &url.user), ("password", &url.password), ("sslrootcert", &url.authorities)];
    query.extend_pairs(given.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))));
    // A prepared statement is refused once a newer version has added a column.
    query.append_pair("statement-cache-capacity", "0").append_pair("application_name", "twinstore");
    query.append_pair("options", &settings);
    drop(query);
    Ok(options)
}

fn is_schema(name: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    begins && name.len() <= LONGEST_NAME && name.chars().all(is_legal) && !name.starts_with("pg_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_taken_out_of_the_url_and_the_rest_goes_to_the_server() {
        let url =
            PostgresUrl::parse("postgres://ann:s3%2Fcret@h:6432/ops?schema=flights&sslmode=require").unwrap();
        assert_eq!(url.schema.as_deref(), Some("flights"));
        let given: Vec<(String, String)> = url.options.database_url.query_pairs().into_owned().collect();
        for (key, value) in [
            ("host", "h"),
            ("port", "6432"),
            ("user", "ann"),
            ("password", "s3/cret"),
            ("dbname", "ops"),
            ("sslmode", "verify-full"),
        ] {
            assert!(given.contains(&(key.to_owned(), value.to_owned())), "{key}: {given:?}");
        }
        let options = &given.iter().find(|(key, _)| key == "options").unwrap().1;
        assert!(
            options.ends_with("-c search_path=flights") && options.contains("lock_timeout=10s"),
            "{options}"
        );
        let plain = PostgresUrl::parse("postgres://127.0.0.1/ops").unwrap();
        assert!(plain.options.database_url.to_string().contains("sslmode=disable"));
        assert_eq!(plain.schema, None);
    }

    #[test]
    fn a_url_that_names_no_schema_or_an_unknown_key_is_refused_without_its_password() {
        for (query, says) in [
            ("?schema=Flights", "its schema is not a name"),
            ("?schema=", "its schema is not a name"),
            ("?schema=a%20-c%20x", "its schema is not a name"),
            ("?schema=pg_catalog", "its schema is not a name"),
            ("?sslmode=prefer", "its `sslmode` is none of"),
            ("?pasword=s3cret", "its query has a key beside"),
        ] {
            let refused = PostgresUrl::parse(&format!("postgres://ann:s3cret@h/ops{query}")).unwrap_err();
            let said = refused.to_string();
            assert!(said.contains(says) && !said.contains("s3cret"), "{said}");
        }
    }
}
