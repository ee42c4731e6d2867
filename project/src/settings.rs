//! The settings of a project: `twinstore.toml`, each key with a twin in the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use feature::Span;
use figment::Figment;
use figment::error::{Actual, Kind};
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::Value;
use serde::{Deserialize, Serialize};

use crate::error::ProjectError;

/// The largest file of settings, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Everything that `twinstore.toml` may say.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the project is called.
    pub project: String,
    /// Who changes the registry, as its audit log says; empty for whoever runs the process.
    #[serde(deserialize_with = "actor")]
    pub actor: String,
    /// The token that this project's commands show to a server; empty for none.
    pub token: ClientToken,
    /// By what this project's commands trust a server.
    pub client: ClientSettings,
    /// Who may do what.
    pub access: AccessSettings,
    /// Where definitions are kept.
    pub registry: Location,
    /// Where the logs lie.
    pub offline: OfflineSettings,
    /// Where the packed rows lie.
    pub online: Location,
    /// How the server answers.
    pub serve: ServeSettings,
    /// Where streams come from.
    pub stream: StreamSettings,
    /// Who is notified of runs.
    pub lineage: LineageSettings,
    /// Where traces and metrics go.
    pub telemetry: TelemetrySettings,
}

/// A token, which is never shown.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientToken(String);

impl ClientToken {
    /// This token; none where it is empty.
    pub(crate) fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token; `None` where there is none.
    pub fn get(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&self.0)
    }
}

impl fmt::Debug for ClientToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "…" })
    }
}

/// By what commands trust a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// The file of the authorities; empty for those of the system.
    pub ca: String,
}

/// Who may do what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    /// The file of the policy.
    pub policy: String,
    /// The `iss` of an OpenID issuer; empty for none.
    pub oidc_issuer: String,
    /// The `aud` of its tokens.
    pub oidc_audience: String,
    /// Its keys: a file, or a URL.
    pub oidc_keys: String,
}

/// The address of one part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Its address.
    pub url: String,
}

/// Where the logs lie, and how long their older versions are kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfflineSettings {
    /// Their folder, or their bucket.
    pub url: String,
    /// Disk for copies of files that lie in a bucket.
    pub copied_bytes: u64,
    /// How long a version is kept that is not current any more.
    pub keep_versions_for: Span,
    /// How often `stream` and `serve` remove what is not kept; none for never.
    #[serde(deserialize_with = "upkeep_every")]
    pub upkeep_every: Option<Span>,
}

/// How the server answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeSettings {
    /// The address of gRPC.
    pub grpc: String,
    /// The address of HTTP.
    pub http: String,
    /// Memory for packed rows that are read often.
    pub hot_bytes: usize,
    /// How long rows that are held there are answered while the online store is out of reach.
    pub longest_outage: Span,
    /// Memory for the bodies of requests.
    pub body_bytes: usize,
    /// Connections that one address may have.
    pub connections_per_peer: usize,
    /// The file of the certificate; empty without TLS.
    pub tls_certificate: String,
    /// The file of its private key.
    pub tls_key: String,
    /// The file of the authorities of clients' certificates; empty where clients need none.
    pub tls_client_ca: String,
    /// Whether others than this machine are answered though there is no policy.
    pub unprotected: bool,
}

/// Where streams come from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSettings {
    /// The Kafka brokers, or the folder of topics on disk.
    pub brokers: String,
    /// Where the schemas of streams are that name no file; empty where nowhere.
    #[serde(default)]
    pub schema_registry: String,
    /// Settings of librdkafka that are passed on, as `security.protocol`.
    #[serde(default)]
    pub kafka: BTreeMap<String, String>,
}

/// Who is notified of runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageSettings {
    /// Where OpenLineage events go: a file, or a URL that they are posted to; empty where nowhere.
    pub url: String,
}

/// Where traces and metrics go.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// A collector that takes OTLP over HTTP; empty where there is none.
    pub url: String,
    /// The share of requests that are traced whose callers are in no trace.
    pub sample: f64,
}

/// One key of the settings, for the documentation.
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// What it holds where nothing is said.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// Every key. Its twin in the environment is `TWINSTORE_` and the key in capitals, with `_` for `.`.
pub const SETTINGS: [Setting; 29] = [
    Setting { key: "project", default: "twinstore", meaning: "what the project is called" },
    Setting {
        key: "actor",
        default: "",
        meaning: "who changes the registry, as the audit log says; where it is empty, the user of the operating system who runs the command",
    },
    Setting {
        key: "token",
        default: "",
        meaning: "the token that `get`, `push` and the Python client show to a server; better given by the environment than written down",
    },
    Setting {
        key: "client.ca",
        default: "",
        meaning: "the file of the authorities, in PEM, that `get` trusts of a server at `grpcs://host:port`; those of the system where it is empty",
    },
    Setting {
        key: "access.policy",
        default: "access.yaml",
        meaning: "the file of the policy: who may do what. Without the file, and with the default, nobody has to say who they are",
    },
    Setting {
        key: "access.oidc_issuer",
        default: "",
        meaning: "the `iss` of an OpenID issuer whose tokens count as those of this project do; with it the two keys below",
    },
    Setting {
        key: "access.oidc_audience",
        default: "",
        meaning: "what has to be among the `aud` of its tokens",
    },
    Setting {
        key: "access.oidc_keys",
        default: "",
        meaning: "its keys (JWKS): a file, or an `http` or `https` URL; fetched in the background every 5 minutes, and when a token names a key that is not known",
    },
    Setting {
        key: "registry.url",
        default: "sqlite://.twinstore/registry.db",
        meaning: "where definitions are kept: a file as sqlite://PATH, or a schema of a Postgres server as postgres://USER@HOST:PORT/DATABASE?schema=NAME",
    },
    Setting {
        key: "offline.url",
        default: ".twinstore/offline",
        meaning: "where the logs lie: a folder, or a bucket as s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX, with the credentials of the environment",
    },
    Setting {
        key: "offline.copied_bytes",
        default: "17179869184",
        meaning: "disk for copies of the logs' files that lie in a bucket, in `.twinstore/copies`; the oldest go first",
    },
    Setting {
        key: "offline.keep_versions_for",
        default: "7d",
        meaning: "how long a vacuum keeps the files of a version of a log that is not current any more; those from which training sets were built that are there are kept anyway",
    },
    Setting {
        key: "offline.upkeep_every",
        default: "",
        meaning: "how often `serve` and `stream` drop rows beyond retention and remove files that no kept version needs, as `1d`; empty for never",
    },
    Setting {
        key: "online.url",
        default: "embedded://.twinstore/online",
        meaning: "the online store: embedded://folder, redis://host:port, redis+cluster://host:port,host:port or redis+sentinel://host:port/master; rediss for TLS",
    },
    Setting {
        key: "stream.brokers",
        default: "embedded://.twinstore/topics",
        meaning: "the Kafka brokers, as host:port,host:port, or `embedded://FOLDER`: topics on disk, into which rows are pushed; a table `stream.kafka` passes settings on to librdkafka",
    },
    Setting {
        key: "stream.schema_registry",
        default: "",
        meaning: "the schema registry, as `https://user:password@host`: schemas of Avro and protobuf streams that name no file",
    },
    Setting { key: "serve.grpc", default: "127.0.0.1:6566", meaning: "where the server listens for gRPC" },
    Setting { key: "serve.http", default: "127.0.0.1:6567", meaning: "where the server listens for HTTP" },
    Setting {
        key: "serve.hot_bytes",
        default: "268435456",
        meaning: "memory in which the server keeps packed rows that are read often, at least a MiB; 0 for none",
    },
    Setting {
        key: "serve.longest_outage",
        default: "5m",
        meaning: "how long the server answers rows that it keeps while the online store is out of reach; less for a view whose freshness objective or ttl is shorter",
    },
    Setting {
        key: "serve.body_bytes",
        default: "100663296",
        meaning: "memory for the bodies of requests, over all connections; one more is refused with 429 or RESOURCE_EXHAUSTED",
    },
    Setting {
        key: "serve.connections_per_peer",
        default: "1024",
        meaning: "connections that one address may have to each protocol; for one more the longest idle one is ended",
    },
    Setting {
        key: "serve.tls_certificate",
        default: "",
        meaning: "the file of the server's certificate and of those that lead from it to an authority, in PEM; with it both protocols speak TLS alone. It is read again when it changes",
    },
    Setting {
        key: "serve.tls_key",
        default: "",
        meaning: "the file of the certificate's private key, in PEM",
    },
    Setting {
        key: "serve.tls_client_ca",
        default: "",
        meaning: "the file of the authorities of clients' certificates, in PEM; with it every client has to show one",
    },
    Setting {
        key: "serve.unprotected",
        default: "false",
        meaning: "whether the server answers others than this machine though there is no policy that says who may read",
    },
    Setting {
        key: "lineage.url",
        default: "",
        meaning: "where OpenLineage events of loads, streams and training sets go: a file, which they are appended to, or an `http` or `https` URL, which they are posted to",
    },
    Setting {
        key: "telemetry.url",
        default: "",
        meaning: "where traces and metrics of `serve` and `stream` go: a collector that takes OTLP over HTTP, as `http://127.0.0.1:4318`",
    },
    Setting {
        key: "telemetry.sample",
        default: "0.01",
        meaning: "the share of requests, from 0 to 1, that are traced whose callers are in no trace; in one, the caller decides",
    },
];

impl Settings {
    /// The settings of the project in a folder.
    pub fn read(folder: &Path) -> Result<Settings, ProjectError> {
        let defaults = SETTINGS.iter().fold(Figment::new(), |figment, setting| {
            // As a value of the environment is read: numbers are numbers.
            let Ok(default) = setting.default.parse::<Value>();
            figment.join(Serialized::default(setting.key, default))
        });
        let file = folder.join("twinstore.toml");
        let twins: Vec<String> = SETTINGS.iter().map(|setting| setting.key.replace('.', "_")).collect();
        let twins: Vec<&str> = twins.iter().map(String::as_str).collect();
        let environment =
            Env::prefixed("TWINSTORE_").only(&twins).map(|key| key.as_str().replacen('_', ".", 1).into());
        let text = match files::read_text(&file, MOST_BYTES) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(ProjectError::file("read", &file)(error)),
        };
        let said = text.map_or(defaults.clone(), |text| defaults.merge(Toml::string(&text)));
        said.merge(environment).extract().map_err(|error: figment::Error| {
            let problems = sentence(&file, error.clone());
            ProjectError::Settings { problems, source: Box::new(error) }
        })
    }
}

/// Who changes the registry: one line, as its audit log is read line by line.
fn actor<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    /// The longest name, in characters.
    const MOST_CHARS: usize = 200;
    let actor = String::deserialize(deserializer)?;
    let why = match () {
        () if actor.chars().any(char::is_control) => "it has a line break or another control character",
        () if actor.chars().count() > MOST_CHARS => "it has more than 200 characters",
        () => return Ok(actor),
    };
    Err(serde::de::Error::custom(format!("{why}: name who changes the registry on one short line")))
}

/// How often something is done; nothing where the text is empty.
fn upkeep_every<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    let every = text.parse::<Span>().map_err(serde::de::Error::custom)?;
    match every < Span::SECOND {
        true => Err(serde::de::Error::custom("name a second or more, or leave it empty for never")),
        false => Ok(Some(every)),
    }
}

/// Everything that is wrong with the settings, a line each: where, and what.
fn sentence(file: &Path, error: figment::Error) -> String {
    let problem = |error: figment::Error| {
        // A syntax error of TOML is drawn over several lines: its first says where, its last what.
        let what = match &error.kind {
            // It may hold a password.
            Kind::InvalidType(Actual::Str(_), expected) => format!("a text, where {expected} is needed"),
            Kind::InvalidValue(Actual::Str(_), expected) => format!("its text is not {expected}"),
            kind => kind.to_string(),
        };
        let what = what.replace("``", "`");
        let mut lines = what.lines().map(str::trim).filter(|line| !line.is_empty());
        let ends = [lines.next(), lines.next_back()].into_iter().flatten().collect::<Vec<_>>().join(": ");
        match error.path.as_slice() {
            [] => format!("{}: {ends}", file.display()),
            path => format!("{}: `{}`: {ends}", file.display(), path.join(".")),
        }
    };
    error.into_iter().map(problem).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_without_a_file_has_every_default() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::read(folder.path()).unwrap();
        assert_eq!(settings.registry.url, "sqlite://.twinstore/registry.db");
        assert_eq!(settings.serve.grpc, "127.0.0.1:6566");
        assert_eq!(settings.serve.hot_bytes, 256 << 20);
        assert_eq!(settings.serve.longest_outage.to_string(), "5m");
    }

    #[test]
    fn what_a_server_keeps_is_a_number_and_a_duration() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("twinstore.toml");
        std::fs::write(&file, "serve.hot_bytes = 0\nserve.longest_outage = \"90s\"\n").unwrap();
        let serve = Settings::read(folder.path()).unwrap().serve;
        assert_eq!((serve.hot_bytes, serve.longest_outage.to_string()), (0, "90s".to_owned()));
        std::fs::write(&file, "serve.hot_bytes = \"much\"\nserve.longest_outage = \"0s\"\n").unwrap();
        let failure = Settings::read(folder.path()).unwrap_err().to_string();
        assert!(failure.contains("serve.hot_bytes") || failure.contains("serve.longest_outage"), "{failure}");
    }

    #[test]
    fn who_changes_the_registry_is_named_on_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("twinstore.toml");
        for (actor, said) in [
            ("eve\\n  9  alice  cutover", "line break"),
            ("eve\\u001b[2K", "control character"),
            (&"e".repeat(201), "200 characters"),
        ] {
            std::fs::write(&file, format!("actor = \"{actor}\"\n")).unwrap();
            let failure = Settings::read(folder.path()).unwrap_err().to_string();
            assert!(failure.contains("actor") && failure.contains(said), "{failure}");
        }
    }

    #[test]
    fn a_key_that_is_not_known_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("twinstore.toml"), "online.urll = \"x\"\n").unwrap();
        let failure = Settings::read(folder.path()).unwrap_err().to_string();
        assert!(failure.contains("urll"), "{failure}");
    }
}
