//! The keys of an OpenID issuer: read from a file or fetched from a URL, in a task of its own so that nothing waits for the
//! issuer, now and then and when a token names a key that is not known.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::{Issuer, IssuerKeys};
use tokio::task::JoinHandle;

use crate::error::ProjectError;
use crate::project::Project;
use crate::run::blocking;

/// How often keys are fetched.
const FETCHED_EVERY: Duration = Duration::from_secs(300);
/// How long nobody makes them be fetched again.
const NOT_BEFORE: Duration = Duration::from_secs(10);
/// How long the issuer may take.
const ANSWERING: Duration = Duration::from_secs(5);
/// The largest set of keys, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// The keys of an issuer, as they were last fetched.
pub(super) struct FollowedKeys {
    pub issuer: Issuer,
    pub keys: Arc<IssuerKeys>,
    from: KeysAt,
    fetched: Instant,
    fetching: Option<JoinHandle<Result<IssuerKeys, String>>>,
    said: String,
}

/// Where the keys are.
#[derive(Clone, Debug)]
enum KeysAt {
    File(PathBuf),
    Url(String),
}

impl FollowedKeys {
    /// The keys of the issuer that the settings name; `None` where they name none. Where they cannot be had now, none of its
    /// tokens counts until they can.
    pub async fn begin(project: &Project) -> Result<Option<Self>, ProjectError> {
        let settings = &project.settings.access;
        let (issuer, audience, keys) = (&settings.oidc_issuer, &settings.oidc_audience, &settings.oidc_keys);
        if [issuer, audience, keys].iter().all(|text| text.is_empty()) {
            return Ok(None);
        }
        if [issuer, audience, keys].iter().any(|text| text.is_empty()) {
            return Err(ProjectError::IssuerInPart);
        }
        let from = match keys.starts_with("http://") || keys.starts_with("https://") {
            true => KeysAt::Url(keys.clone()),
            false => KeysAt::File(project.folder.join(keys)),
        };
        let issuer = Issuer { issuer: issuer.clone(), audience: audience.clone() };
        let (keys, fetched, said) = (Arc::default(), Instant::now(), String::new());
        let mut followed = Self { issuer, keys, from, fetched, fetching: None, said };
        let first = fetch(followed.from.clone()).await;
        followed.take_on(first);
        Ok(Some(followed))
    }

    /// Fetches them again where it is time, or they are missed; gives whether there are others.
    pub async fn follow(&mut self, are_missed: bool) -> bool {
        if self.fetching.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(fetched) = self.fetching.take()
        {
            let keys = fetched.await.unwrap_or_else(|error| Err(format!("they were not fetched: {error}")));
            return self.take_on(keys);
        }
        let since = self.fetched.elapsed();
        if self.fetching.is_none() && (since >= FETCHED_EVERY || are_missed && since >= NOT_BEFORE) {
            self.fetched = Instant::now();
            self.fetching = Some(tokio::spawn(fetch(self.from.clone())));
        }
        false
    }

    fn take_on(&mut self, keys: Result<IssuerKeys, String>) -> bool {
        match keys {
            Ok(keys) => {
                self.said.clear();
                self.keys = Arc::new(keys);
                true
            }
            Err(why) => {
                if why != self.said {
                    tracing::warn!("the keys of the issuer are those of before: {why}");
                    self.said = why;
                }
                false
            }
        }
    }
}

impl Drop for FollowedKeys {
    fn drop(&mut self) {
        if let Some(fetching) = &self.fetching {
            fetching.abort();
        }
    }
}

async fn fetch(from: KeysAt) -> Result<IssuerKeys, String> {
    let (text, shown) = match from {
        KeysAt::File(path) => {
            let shown = path.display().to_string();
            let text = blocking(move || files::read_text(&path, MOST_BYTES as u64)).await;
            (text.map_err(|error| error.to_string())?.map_err(|error| error.to_string()), shown)
        }
        KeysAt::Url(url) => {
            let shown = feature::redacted(&url).into_owned();
            (fetched(&url).await.map_err(|error| error.to_string()), shown)
        }
    };
    text.and_then(|text| IssuerKeys::parse(&text)).map_err(|why| format!("{shown}: {why}"))
}

async fn fetched(url: &str) -> Result<String, String> {
    let said = |error: reqwest::Error| error.without_url().to_string();
    let client = reqwest::Client::builder().timeout(ANSWERING).build().map_err(said)?;
    let mut response =
        client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(said)?;
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(said)? {
        if bytes.len() + part.len() > MOST_BYTES {
            return Err(format!("it has more than {MOST_BYTES} bytes"));
        }
        bytes.extend_from_slice(&part);
    }
    String::from_utf8(bytes).map_err(|_| "it is not text".to_owned())
}
