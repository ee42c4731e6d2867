//! How a database is reached: its address and login, the session and what it is set to, and what is said where it fails.

use std::error::Error as _;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use feature::{BatchQuery, DatabaseConnection, DatabaseUrl, Encryption};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Connection, NoTls};

use super::tls::Tls;
use crate::blocking;

/// After how long without an answer a connection is looked after, and how often.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVES: u32 = 3;
/// The first version whose server looks whether its client is still there while a query runs.
const LOOKS_FOR_CLIENT: i32 = 140_000;

/// What makes values into the same text everywhere.
const SETTINGS: &str = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 1; \
    SET bytea_output = 'hex'; SET IntervalStyle = 'postgres'; SET default_transaction_read_only = on;";

/// A database and who connects to it.
#[derive(Clone)]
pub struct Database {
    url: DatabaseUrl,
    user: String,
    password: Option<String>,
}

/// Where it is, without the login.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

impl Database {
    /// The database of a query; what it leaves out is found in the variables of an environment, and the password in the
    /// file that libpq keeps passwords in. Files are named from the project's folder. An error says what is missing.
    /// Blocks: may read that file.
    pub fn of(
        query: &BatchQuery,
        project: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let mut url = match query.connection.parse()? {
            DatabaseConnection::Url(url) => url,
            DatabaseConnection::Variable(name) => {
                let text = set(&name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
                text.parse().map_err(|why| format!("the environment variable {name}: {why}"))?
            }
        };
        if let Some(file) = &mut url.authorities {
            *file = project.join(&*file).display().to_string();
        }
        let user = url.user.clone().or_else(|| set("PGUSER")).or_else(|| set("USER"));
        let user = user.ok_or_else(|| format!("{url} has no user: name one in its URL, or set PGUSER"))?;
        let file = set("PGPASSFILE").or_else(|| Some(format!("{}/.pgpass", set("HOME")?)));
        let kept = || password_of_file(&PathBuf::from(file?), &url, &user);
        let password = url.password.clone().or_else(|| set("PGPASSWORD")).or_else(kept);
        Ok(Self { url, user, password })
    }

    /// Seconds for which an answer is waited for where nothing is extracted.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.url.connect_timeout_s.into())
    }

    /// Connects, and sets the session to what makes values into text. An error says why that failed.
    pub(super) async fn connect(&self) -> Result<Session, String> {
        let patience = self.patience();
        match tokio::time::timeout(patience, self.connected()).await {
            Ok(connected) => connected,
            Err(_) => Err(format!("it did not answer within {}s", patience.as_secs())),
        }
    }

    async fn connected(&self) -> Result<Session, String> {
        let mut config = Config::new();
        config.host(&self.url.host).port(self.url.port).dbname(&self.url.database).user(&self.user);
        config.application_name("twinstore").connect_timeout(self.patience());
        config.keepalives_idle(KEEPALIVE).keepalives_interval(KEEPALIVE_EVERY).keepalives_retries(KEEPALIVES);
        config.tcp_user_timeout(KEEPALIVE + KEEPALIVE_EVERY * KEEPALIVES);
        if let Some(password) = &self.password {
            config.password(password);
        }
        if let Some(options) = &self.url.options {
            config.options(options);
        }
        let session = match self.url.encryption {
            Encryption::None => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = config.connect(NoTls).await.map_err(|error| why(&error))?;
                Session::driven(client, connection)
            }
            Encryption::Verified => {
                config.ssl_mode(SslMode::Require);
                let authorities = self.url.authorities.clone();
                let tls = blocking::run(move || Tls::trusting(authorities.as_deref())).await;
                let tls = tls.map_err(|error| error.to_string())??;
                let (client, connection) = config.connect(tls).await.map_err(|error| why(&error))?;
                Session::driven(client, connection)
            }
        };
        session.client.batch_execute(SETTINGS).await.map_err(|error| why(&error))?;
        session.look_for_client().await.map_err(|error| why(&error))?;
        Ok(session)
    }
}

/// A connection that is open as long as this lives. Where it is dropped, the socket is closed, and the server ends the
/// query that it is executing.
pub(super) struct Session {
    pub(super) client: Client,
    driver: JoinHandle<()>,
}

impl Session {
    fn driven<S, T>(client: Client, connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let driver = tokio::spawn(async move {
            // The request under way fails with the same error.
            if let Err(error) = connection.await {
                tracing::debug!("the connection to a database ended: {error}");
            }
        });
        Self { client, driver }
    }

    /// Lets the server look whether this process is still there while it executes a query that gives no row for long.
    async fn look_for_client(&self) -> Result<(), tokio_postgres::Error> {
        let row = self.client.query_one("SELECT current_setting('server_version_num')::int", &[]).await?;
        if row.try_get::<_, i32>(0)? >= LOOKS_FOR_CLIENT {
            self.client.batch_execute("SET client_connection_check_interval = '1s'").await?;
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What an error of a database says, in one line.
pub(super) fn why(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        return feature::visible_line(&text).into_owned();
    };
    let more: Vec<&str> = [said.detail(), said.hint()].into_iter().flatten().collect();
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join("; ")) };
    feature::visible_line(&format!("{}{more}", said.message())).into_owned()
}

/// The password that a file of libpq has for a database and a user. A file that others may read is not used.
fn password_of_file(path: &Path, url: &DatabaseUrl, user: &str) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!("{} is not used: others may read it; set its mode to 0600", path.display());
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    let port = url.port.to_string();
    let wanted = [&*url.host, &port, &url.database, user];
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(fields_of_line);
    lines.filter(|fields| fields.len() == 5).find_map(|fields| {
        let (password, names) = fields.split_last()?;
        let fits = |(name, wanted): (&String, &&str)| name == "*" || name == wanted;
        names.iter().zip(&wanted).all(fits).then(|| password.clone())
    })
}

/// The fields of a line, between colons; what follows a backslash is a part of its field.
fn fields_of_line(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut rest = line.chars();
    while let Some(found) = rest.next() {
        match found {
            // Whatever follows the fourth belongs to the password.
            ':' if fields.len() < 5 => fields.push(String::new()),
            _ => {
                let literal = if found == '\\' { rest.next() } else { Some(found) };
                if let Some(field) = fields.last_mut() {
                    field.extend(literal);
                }
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(connection: &str, set: &[(&str, &str)]) -> Result<Database, String> {
        let query = BatchQuery {
            sql: String::new(),
            connection: connection.to_owned(),
            cursor: None,
            lookback: None,
        };
        let environment =
            |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Database::of(&query, Path::new("/project"), &environment)
    }

    #[test]
    fn what_a_url_leaves_out_is_found_where_libpq_finds_it() {
        let url = "postgres://db.example/ops?sslrootcert=ca.pem";
        let found = of(url, &[("PGUSER", "reader"), ("PGPASSWORD", "s3cret")]).unwrap();
        assert_eq!((found.user.as_str(), found.password.as_deref()), ("reader", Some("s3cret")));
        assert_eq!(found.url.authorities.as_deref(), Some("/project/ca.pem"));
        assert!(!format!("{found} {found:?}").contains("s3cret"));
        let variable = [("OPS", "postgres://me:s3cret@h/x")];
        let found = of("$OPS", &variable).unwrap();
        assert_eq!((found.user.as_str(), found.password.as_deref()), ("me", Some("s3cret")));
        assert!(of("$OTHER", &variable).unwrap_err().contains("OTHER is not set"));
        assert!(of(url, &[]).unwrap_err().contains("PGUSER"));
    }

    #[test]
    fn a_password_is_taken_from_the_first_line_that_fits_of_a_file_that_others_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        let lines =
            "# db.example:*:*:*:no\nother:*:*:*:no\ndb.example:5432:ops:re\\:ader:a:b\\\\c\n*:*:*:*:last\n";
        fs::write(&path, lines).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let file = path.display().to_string();
        let password = |user: &str| {
            of("postgres://db.example/ops", &[("PGUSER", user), ("PGPASSFILE", &file)]).unwrap().password
        };
        assert_eq!(password("re:ader").as_deref(), Some("a:b\\c"));
        assert_eq!(password("someone").as_deref(), Some("last"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(password("someone"), None);
    }
}
