//! Where a Postgres database is: a URL without a password, as definitions write it, or the name of an environment
//! variable that holds a URL.

use std::fmt;
use std::str::FromStr;

/// The port of Postgres.
const PORT: u16 = 5432;
/// Seconds for which a connection is waited for where the URL does not say it.
const CONNECT_TIMEOUT_S: u16 = 10;

/// Where a database is, as a definition says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DatabaseConnection {
    /// At this URL.
    Url(DatabaseUrl),
    /// At the URL that this environment variable holds, which may have a password.
    Variable(String),
}

/// How a connection is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encryption {
    /// Not at all.
    None,
    /// By TLS, and the server's certificate is verified, its name too.
    Verified,
}

/// `postgres://user@host:port/database?sslmode=…`
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// Who connects, if the URL says it.
    pub user: Option<String>,
    /// The password, if the URL has one.
    pub password: Option<String>,
    /// The name or the address of the server.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The name of the database.
    pub database: String,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// The file with the authorities that may have signed the server's certificate; `None` means those of the system.
    pub authorities: Option<String>,
    /// Seconds for which a connection is waited for.
    pub connect_timeout_s: u16,
    /// What the server sets for the session, as in `-c statement_timeout=60s`.
    pub options: Option<String>,
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}:{}/{}", self.host, self.port, self.database)
    }
}

/// Without the password.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self}, {:?})", self.encryption)
    }
}

impl fmt::Display for DatabaseConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::Variable(name) => write!(f, "${name}"),
        }
    }
}

impl FromStr for DatabaseConnection {
    type Err = String;

    /// A URL, or the name of an environment variable after a `$`. An error quotes nothing that could be a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some(name) = text.strip_prefix('$') else { return text.parse().map(Self::Url) };
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_word) {
            true => Ok(Self::Variable(name.to_owned())),
            false => Err("behind its `$` stands no name of an environment variable".to_owned()),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    /// An error quotes nothing that could be a password.
    fn from_str(text: &str) -> Result<Self, String> {
        const SHAPE: &str =
            "write it as postgres://host:5432/database, with the user and an @ before the host";
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest = rest.ok_or_else(|| format!("it is not the URL of a Postgres database: {SHAPE}"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
        let (host, database) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() || host.contains(',') {
            return Err(format!("it names no host, or several: {SHAPE}"));
        }
        let (host, port) = host_and_port(host).ok_or_else(|| format!("its port is not a number: {SHAPE}"))?;
        let database = decoded(database)?;
        if database.is_empty() {
            return Err(format!("it names no database: {SHAPE}"));
        }
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => (some(decoded(user)?), some(decoded(password)?)),
            None => (None, None),
        };
        // What stays on this machine is not encrypted.
        let is_local = ["localhost", "127.0.0.1", "::1"].contains(&host.as_str());
        let encryption = if is_local { Encryption::None } else { Encryption::Verified };
        let mut url = Self {
            user,
            password,
            host,
            port,
            database,
            encryption,
            authorities: None,
            connect_timeout_s: CONNECT_TIMEOUT_S,
            options: None,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            url.set(key, decoded(value)?)?;
        }
        Ok(url)
    }
}

impl DatabaseUrl {
    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        match key {
            "sslmode" => {
                self.encryption = match value.as_str() {
                    "disable" => Encryption::None,
                    "require" | "verify-full" => Encryption::Verified,
                    _ => {
                        let what = "its `sslmode` is none of disable, require and verify-full; the last two \
                            encrypt and verify the server's certificate";
                        return Err(what.to_owned());
                    }
                }
            }
            "sslrootcert" => self.authorities = some(value).filter(|file| file != "system"),
            "connect_timeout" => {
                let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
                self.connect_timeout_s =
                    seconds.ok_or("its `connect_timeout` is not a number of seconds from 1 to 65535")?;
            }
            "options" => self.options = some(value),
            "password" => self.password = some(value),
            "user" => self.user = some(value),
            _ => {
                return Err(
                    "its query has a key beside sslmode, sslrootcert, connect_timeout and options: remove it"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// An address of IPv6 stands in brackets.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(PORT), |port| port.parse().ok())?;
    Some((host.to_owned(), port))
}

/// A part of a URL without its percent signs.
fn decoded(text: &str) -> Result<String, String> {
    const WRONG: &str = "a `%` in it does not begin two hexadecimal digits: write `%25` for the sign itself";
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        bytes.push(digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(WRONG)?);
        bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> DatabaseUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_url_is_read_with_what_it_leaves_out() {
        let read = url("postgres://reader@db.example/ops");
        assert_eq!(
            (read.user.as_deref(), read.port, read.encryption),
            (Some("reader"), 5432, Encryption::Verified)
        );
        assert_eq!(read.to_string(), "db.example:5432/ops");
        let read =
            url("postgresql://127.0.0.1:5433/a%2Fb?options=-c%20statement_timeout%3D60s&connect_timeout=3");
        assert_eq!((read.user, read.encryption, read.database.as_str()), (None, Encryption::None, "a/b"));
        assert_eq!(read.options.as_deref(), Some("-c statement_timeout=60s"));
        assert_eq!(read.connect_timeout_s, 3);
        assert_eq!(url("postgres://[2001:db8::1]:1/x").to_string(), "[2001:db8::1]:1/x");
        let read = url("postgres://h/x?sslmode=disable&sslrootcert=ca.pem");
        assert_eq!((read.encryption, read.authorities.as_deref()), (Encryption::None, Some("ca.pem")));
        assert_eq!("$OPS_DB".parse(), Ok(DatabaseConnection::Variable("OPS_DB".to_owned())));
    }

    #[test]
    fn a_password_is_read_and_never_shown() {
        for text in ["postgres://u:s3cr%21et@h/x", "postgres://h/x?password=s3cr%21et"] {
            let read = url(text);
            assert_eq!(read.password.as_deref(), Some("s3cr!et"));
            assert!(!format!("{read} {read:?}").contains("s3cr"));
        }
    }

    #[test]
    fn what_is_no_url_of_a_database_is_refused_and_not_quoted() {
        for text in [
            "",
            "s3cret",
            "mysql://u:s3cret@h/x",
            "postgres://u:s3cret@h",
            "postgres://u:s3cret@/x",
            "postgres://u:s3cret@a,b/x",
            "postgres://u:s3cret@h:port/x",
            "postgres://u:s3cret%@h/x",
            "postgres://u:s3cret@h/x?sslmode=prefer",
            "postgres://u:s3cret@h/x?connect_timeout=0",
            "postgres://u:s3cret@h/x?s3cret=1",
            "$",
            "$1S3",
            "$s3cret/",
        ] {
            let refused = text.parse::<DatabaseConnection>().unwrap_err();
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }
}
