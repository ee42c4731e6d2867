//! Schemas by their id, from a registry that speaks Confluent's routes: `GET /schemas/ids/{id}`, and for
//! what a schema refers to, `GET /subjects/{subject}/versions/{version}`. Only an id that the registry
//! itself does not know is the record's fault; whatever else fails is requested again.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use crate::error::MaterializerError;

/// How long an answer may take.
const ASKING: Duration = Duration::from_secs(10);
/// Bytes of an answer, at most.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// Schemas that one schema may refer to, directly and by others.
const MAX_REFERENCES: usize = 64;
/// What the registry says of an id that it does not have.
const NO_SUCH_SCHEMA: u32 = 40403;

/// A schema registry.
#[derive(Clone, Debug)]
pub struct SchemaRegistry {
    url: Url,
    user: Option<(String, String)>,
    client: reqwest::Client,
}

/// A schema as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegisteredSchema {
    /// `AVRO`, `PROTOBUF` or `JSON`.
    pub(crate) kind: String,
    /// The schema itself.
    pub(crate) text: String,
    /// The name and the text of each schema that it refers to; what others need comes before them.
    pub(crate) references: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    schema: String,
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Clone, Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: i64,
}

#[derive(Deserialize)]
struct ErrorBody {
    error_code: u32,
}

impl SchemaRegistry {
    /// The registry at an address: `http://host:port` or `https://user:password@host/path`. Nothing is
    /// requested yet.
    pub fn at(address: &str) -> Result<Self, MaterializerError> {
        let refused = |why: String| MaterializerError::SchemaRegistryRefused {
            url: feature::redacted(address).into_owned(),
            why,
        };
        let mut url = Url::parse(address).map_err(|error| refused(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(refused("it is no http or https address".to_owned()));
        }
        let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = (!url.username().is_empty())
            .then(|| (plain(url.username()), plain(url.password().unwrap_or_default())));
        let is_kept = url.set_username("").and_then(|()| url.set_password(None));
        is_kept.map_err(|()| refused("it has a user and no host".to_owned()))?;
        let client = reqwest::Client::builder().timeout(ASKING).build();
        let client = client.map_err(|error| refused(error.to_string()))?;
        Ok(Self { url, user, client })
    }

    /// The schema with this id; none where the registry does not have it.
    pub(crate) async fn schema(&self, id: u32) -> Result<Option<RegisteredSchema>, MaterializerError> {
        let Some(answer) = self.ask(&["schemas", "ids", &id.to_string()]).await? else { return Ok(None) };
        let references = self.references(&answer.references).await?;
        let kind = answer.schema_type.unwrap_or_else(|| "AVRO".to_owned());
        Ok(Some(RegisteredSchema { kind, text: answer.schema, references }))
    }

    /// All that these refer to and they themselves, what others need first.
    async fn references(&self, direct: &[Reference]) -> Result<Vec<(String, String)>, MaterializerError> {
        // The deepest is requested last: put in front, it comes before all that need it.
        let mut waiting = direct.to_vec();
        let mut requests = 0;
        let mut found: Vec<(String, String)> = Vec::new();
        while let Some(reference) = waiting.pop() {
            requests += 1;
            if requests > MAX_REFERENCES {
                return Err(self.refused(format!("a schema refers to more than {MAX_REFERENCES} others")));
            }
            let version = reference.version.to_string();
            let path = ["subjects", &reference.subject, "versions", &version];
            let answer = self.ask(&path).await?.ok_or_else(|| {
                self.refused(format!("it does not have version {version} of `{}`", reference.subject))
            })?;
            found.retain(|(name, _)| *name != reference.name);
            found.insert(0, (reference.name, answer.schema));
            waiting.extend(answer.references);
        }
        Ok(found)
    }

    /// None where it says that there is no such schema.
    async fn ask(&self, path: &[&str]) -> Result<Option<Answer>, MaterializerError> {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self.client.get(url);
        if let Some((user, password)) = &self.user {
            request = request.basic_auth(user, Some(password));
        }
        let down = |error: reqwest::Error| self.down(error.without_url().to_string());
        let mut answered = request.send().await.map_err(down)?;
        let status = answered.status();
        let mut body = Vec::new();
        while let Some(part) = answered.chunk().await.map_err(down)? {
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                return Err(self.refused(format!("its answer has more than {MAX_ANSWER_BYTES} bytes")));
            }
            body.extend_from_slice(&part);
        }
        match status {
            StatusCode::OK => match serde_json::from_slice(&body) {
                Ok(answer) => Ok(Some(answer)),
                Err(error) => Err(self.down(format!("its answer is not as documented: {error}"))),
            },
            StatusCode::NOT_FOUND
                if serde_json::from_slice::<ErrorBody>(&body)
                    .is_ok_and(|body| body.error_code == NO_SUCH_SCHEMA) =>
            {
                Ok(None)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(self.refused(format!("it says {status}: put `user:password@` before its host")))
            }
            status => Err(self.down(format!("it says {status}"))),
        }
    }

    fn down(&self, why: String) -> MaterializerError {
        MaterializerError::SchemaRegistryDown { url: self.url.to_string(), why }
    }

    fn refused(&self, why: String) -> MaterializerError {
        MaterializerError::SchemaRegistryRefused { url: self.url.to_string(), why }
    }
}
