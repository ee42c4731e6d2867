//! Where OpenLineage events go: to the end of a file, or to a URL that they are posted to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use tokio::io::AsyncWriteExt;

use crate::error::ProjectError;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where events go.
#[derive(Debug)]
pub(crate) enum Emitter {
    File(PathBuf),
    Url(String),
}

/// Why an event was lost.
#[derive(Debug, Error)]
pub(crate) enum Lost {
    #[error("it cannot be written to {}: {source}", .file.display())]
    File { file: PathBuf, source: std::io::Error },
    #[error("{url} did not take it: {source}", url = feature::redacted(.url))]
    Url { url: String, source: reqwest::Error },
}

impl Emitter {
    /// Of a setting: a file from the project's folder, or an `http` or `https` URL; `None` if it is empty.
    pub(crate) fn of(setting: &str, folder: &Path) -> Result<Option<Self>, ProjectError> {
        Ok(Some(match setting.split_once("://") {
            None if setting.is_empty() => return Ok(None),
            None => Self::File(folder.join(setting)),
            Some(("file", path)) => Self::File(folder.join(path)),
            Some(("http" | "https", _)) => Self::Url(setting.to_owned()),
            Some(_) => return Err(ProjectError::LineageUrl { url: feature::redacted(setting).into_owned() }),
        }))
    }

    /// Sends an event. A line of a file is written at once, so that lines of several processes do not mix.
    pub(crate) async fn emit(&self, event: &Value) -> Result<(), Lost> {
        match self {
            Self::File(file) => {
                append(file, event).await.map_err(|source| Lost::File { file: file.clone(), source })
            }
            Self::Url(url) => post(url, event).await.map_err(|source| {
                // The error would show the URL with its password.
                Lost::Url { url: url.clone(), source: source.without_url() }
            }),
        }
    }
}

async fn append(file: &Path, event: &Value) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    if let Some(folder) = file.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let mut file = tokio::fs::OpenOptions::new().append(true).create(true).open(file).await?;
    file.write_all(&line).await?;
    file.flush().await
}

async fn post(url: &str, event: &Value) -> Result<(), reqwest::Error> {
    let body = serde_json::to_vec(event).expect("invariant: an event is valid JSON");
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let request = client.post(url).header("content-type", "application/json").body(body);
    request.send().await?.error_for_status().map(|_| ())
}
