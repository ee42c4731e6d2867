//! Where a Redis is, as a project's configuration names it; its password is never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

/// The port of a Redis, where none is named.
const PORT: u16 = 6379;
/// The port of a Sentinel, where none is named.
const SENTINEL_PORT: u16 = 26379;

/// How the servers behind an address belong together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Deployment {
    /// One server.
    One,
    /// The servers named are Sentinels, which know the server that is the master of this name.
    Sentinel { master: String },
    /// The servers named know the others of their cluster.
    Cluster,
}

/// A host and its port.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Node {
    pub(super) host: String,
    pub(super) port: u16,
}

/// The address of a Redis:
/// `redis://[user:password@]host[:port][/database]`, `redis+cluster://host:port,host:port` or
/// `redis+sentinel://host:port,host:port/master-name[/database]`; `rediss` for `redis` means TLS, and
/// `?ca=file` the certificate that is trusted then, where it is not one of the system's.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    pub(super) deployment: Deployment,
    pub(super) nodes: Vec<Node>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: i64,
    pub(super) tls: bool,
    /// A file of PEM certificates.
    pub(super) ca: Option<PathBuf>,
}

impl RedisUrl {
    /// Reads an address; none where it is none.
    pub(crate) fn parse(url: &str) -> Option<RedisUrl> {
        let (scheme, rest) = url.split_once("://")?;
        let (kind, tls) = match scheme.strip_prefix("rediss") {
            Some(kind) => (kind, true),
            None => (scheme.strip_prefix("redis")?, false),
        };
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let ca = match query {
            None => None,
            Some(query) => Some(PathBuf::from(decoded(query.strip_prefix("ca=")?)?)).filter(|_| tls),
        };
        if query.is_some() && ca.is_none() {
            return None;
        }
        let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
        let (user, password) = match login {
            None => (None, None),
            Some(login) => {
                let (user, password) = login.split_once(':')?;
                let user = Some(decoded(user)?).filter(|user| !user.is_empty());
                (user, Some(decoded(password)?).filter(|password| !password.is_empty()))
            }
        };
        let (hosts, path) = rest.split_once('/').map_or((rest, ""), |(hosts, path)| (hosts, path));
        let database = |text: &str| if text.is_empty() { Some(0) } else { text.parse().ok() };
        let (deployment, database, port) = match kind {
            "" => (Deployment::One, database(path)?, PORT),
            "+cluster" if path.is_empty() => (Deployment::Cluster, 0, PORT),
            "+sentinel" => {
                let (master, path) = path.split_once('/').unwrap_or((path, ""));
                let master = decoded(master).filter(|master| !master.is_empty())?;
                (Deployment::Sentinel { master }, database(path)?, SENTINEL_PORT)
            }
            _ => return None,
        };
        let nodes: Option<Vec<Node>> = hosts.split(',').map(|host| Node::parse(host, port)).collect();
        let nodes = nodes.filter(|nodes| nodes.len() == 1 || deployment != Deployment::One)?;
        Some(RedisUrl { deployment, nodes, user, password, database, tls, ca })
    }

    /// The address with a relative file taken from this folder.
    pub(crate) fn in_folder(self, folder: &Path) -> Self {
        Self { ca: self.ca.map(|ca| folder.join(ca)), ..self }
    }
}

impl Node {
    fn parse(text: &str, default_port: u16) -> Option<Node> {
        let (host, port) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']')?;
                (host, rest.strip_prefix(':'))
            }
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Some(default_port), |port| port.parse().ok())?;
        (!host.is_empty()).then(|| Node { host: host.to_owned(), port })
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Without the user and the password.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.nodes.iter().map(Node::to_string).collect::<Vec<_>>().join(",");
        let scheme = if self.tls { "rediss" } else { "redis" };
        match &self.deployment {
            Deployment::One => write!(f, "{scheme}://{nodes}")?,
            Deployment::Cluster => write!(f, "{scheme}+cluster://{nodes}")?,
            Deployment::Sentinel { master } => write!(f, "{scheme}+sentinel://{nodes}/{master}")?,
        }
        match self.database {
            0 => Ok(()),
            database => write!(f, "/{database}"),
        }
    }
}

/// As [`fmt::Display`]: without the user and the password.
impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_redis_reads_back() {
        for (url, shown) in [
            ("redis://cache", "redis://cache:6379"),
            ("redis://10.0.0.1:7000/3", "redis://10.0.0.1:7000/3"),
            ("rediss://[::1]:7000", "rediss://[::1]:7000"),
            ("redis+cluster://a:1,b:2,c", "redis+cluster://a:1,b:2,c:6379"),
            ("redis+sentinel://a,b:2/main", "redis+sentinel://a:26379,b:2/main"),
            ("redis+sentinel://a/main/2", "redis+sentinel://a:26379/main/2"),
        ] {
            assert_eq!(RedisUrl::parse(url).unwrap().to_string(), shown);
        }
        let url = RedisUrl::parse("rediss://ann:a%40b%3Ac@cache?ca=ca.pem").unwrap();
        assert_eq!(url.user.as_deref(), Some("ann"));
        assert_eq!(url.password.as_deref(), Some("a@b:c"));
        assert_eq!(url.clone().in_folder("/p".as_ref()).ca, Some("/p/ca.pem".into()));
        assert_eq!(RedisUrl::parse("redis://:secret@cache").unwrap().user, None);
        for bad in [
            "redis://",
            "redis:/a",
            "redis://a:b",
            "redis://a/x",
            "redis://a,b",
            "redis+cluster://a/1",
            "redis+sentinel://a",
            "redis://a?ca=x",
            "rediss://a?b=x",
            "redis+other://a",
            "redis://ann@a",
        ] {
            assert_eq!(RedisUrl::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = RedisUrl::parse("redis://ann:secret@cache").unwrap();
        assert!(!format!("{url} {url:?}").contains("secret"));
        for bad in ["redis://ann:sec@ret@cache:x", "ann:secret@cache", "redis://:secret@a,b"] {
            let shown = feature::redacted(bad);
            assert!(!shown.contains("sec") && shown.contains('…'), "{shown}");
        }
    }
}
