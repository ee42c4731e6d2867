//! The certificate of a server, its key and the authorities of its clients: read from their files, and again when they
//! change. A pair that cannot be used leaves the one of before, with a warning.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use server::{Tls, TlsFiles};

use super::following::version;
use crate::error::ProjectError;
use crate::project::Project;

/// The largest file of certificates or of a key, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// TLS by files that are followed.
pub(crate) struct FollowedTls {
    tls: Arc<Tls>,
    paths: Paths,
    versions: [Option<(i64, i64, u64, u64)>; 3],
}

struct Paths {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

impl FollowedTls {
    /// TLS as the settings name it; `None` where they name none.
    pub(crate) fn begin(project: &Project) -> Result<Option<Self>, ProjectError> {
        let settings = &project.settings.serve;
        let path = |text: &str| (!text.is_empty()).then(|| project.folder.join(text));
        let client_ca = path(&settings.tls_client_ca);
        let paths = match (path(&settings.tls_certificate), path(&settings.tls_key)) {
            (None, None) if client_ca.is_none() => return Ok(None),
            (Some(certificate), Some(key)) => Paths { certificate, key, client_ca },
            _ => {
                let why = "`serve.tls_certificate` and `serve.tls_key` belong together: name both".to_owned();
                return Err(ProjectError::Tls { why });
            }
        };
        let versions = paths.versions();
        let files = paths.read().map_err(|why| ProjectError::Tls { why })?;
        let tls = Arc::new(Tls::new(&files).map_err(|why| ProjectError::Tls { why })?);
        Ok(Some(Self { tls, paths, versions }))
    }

    /// What the server encrypts with.
    pub(crate) fn tls(&self) -> Arc<Tls> {
        Arc::clone(&self.tls)
    }

    /// Takes on files that changed.
    pub(crate) fn follow(&mut self) {
        let versions = self.paths.versions();
        if versions == self.versions {
            return;
        }
        self.versions = versions;
        match self.paths.read().and_then(|files| self.tls.replace(&files)) {
            Ok(()) => tracing::info!("the certificate has changed: new connections get it"),
            Err(why) => tracing::warn!("the certificate of before is shown: {why}"),
        }
    }
}

impl Paths {
    fn versions(&self) -> [Option<(i64, i64, u64, u64)>; 3] {
        let of_clients = self.client_ca.as_ref().and_then(|path| version(path));
        [version(&self.certificate), version(&self.key), of_clients]
    }

    fn read(&self) -> Result<TlsFiles, String> {
        let client_ca = self.client_ca.as_ref().map(|path| read(path)).transpose()?;
        Ok(TlsFiles { certificate: read(&self.certificate)?, key: read(&self.key)?, client_ca })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let text = files::read_text(path, MOST_BYTES);
    text.map(String::into_bytes).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}
