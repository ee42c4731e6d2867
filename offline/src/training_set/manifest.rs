//! What lies beside each training set: everything from which it can be made again, and what it holds.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::datatypes::{Schema, SchemaRef};
use feature::{AsOf, Micros, Name, Openings, ServicePlan, VersionId, hexadecimal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Cause, OfflineError};
use crate::training_set::content_hash::ColumnHash;
use crate::training_set::manifest_hash::{FORMAT, ManifestHash};
use crate::training_set::options::Options;
use crate::training_set::partial::MANIFEST;
use crate::training_set::summary::{OpenLabels, Summary};

/// The largest manifest, in bytes.
const MOST_BYTES: u64 = 64 << 20;

/// A training set's manifest: `FILE.manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of this file.
    pub format: u32,
    /// The version of the binary that made the training set.
    pub twinstore: String,
    /// The service version whose features it holds.
    pub service: VersionId,
    /// The semantic hash of the service.
    pub service_hash: String,
    /// The views that it was made from.
    pub views: Vec<ManifestView>,
    /// The batches of these views that were in quarantine when it was begun: no label sees their rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<QuarantinedRows>,
    /// The openings of circuit breakers into which labels of it fall, and how many: they have what was served meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breakers: Vec<OpenLabels>,
    /// Entities in it that were forgotten since: it cannot be made again to the bit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forgotten: Vec<ManifestForgotten>,
    /// The spine that it was made for.
    pub spine: ManifestSpine,
    /// Which rows a label may see.
    pub as_of: AsOf,
    /// Whether it has the times of each view.
    pub explain: bool,
    /// How many rows it has.
    pub rows: usize,
    /// The SHA-256 of its file's bytes, in hexadecimal.
    pub sha256: String,
    /// What each of its columns holds.
    pub columns: Vec<ColumnHash>,
}

/// A view that a training set was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestView {
    /// The view version.
    pub view: VersionId,
    /// Its semantic hash.
    pub hash: String,
    /// The version of its log.
    pub log_version: u64,
}

/// An entity of a training set that was forgotten after it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestForgotten {
    /// The entity.
    pub entity: Name,
    /// What stands for its key: the same as in the audit log.
    pub hash: String,
    /// The moment up to which its rows are gone, in microseconds since 1970.
    pub until: Micros,
    /// How many rows of the training set are of it.
    pub rows: u64,
}

/// A quarantined batch of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedRows {
    /// The view version.
    pub view: VersionId,
    /// The number of the batch.
    pub batch: u32,
    /// Its file.
    pub file: String,
    /// How many rows it has.
    pub rows: u64,
}

/// The spine of a training set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestSpine {
    /// The file, as it was named.
    pub path: PathBuf,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The column of label times.
    pub time: String,
}

/// How a training set was built, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The version of the binary that made it.
    pub twinstore: String,
    /// The spine that it was made for.
    pub spine: ManifestSpine,
    /// The SHA-256 of its file's bytes, in hexadecimal.
    pub sha256: String,
    /// What each of its columns holds.
    pub columns: Vec<ColumnHash>,
    /// The batches of its views that were in quarantine.
    pub quarantined: Vec<QuarantinedRows>,
}

impl Manifest {
    /// The manifest of a training set that was just built with these options.
    pub fn new(plan: &ServicePlan, options: &Options, summary: &Summary, built: BuildInfo) -> Self {
        let mut views: Vec<ManifestView> = plan
            .lookups
            .iter()
            .zip(&summary.log_versions)
            .map(|(lookup, (view, log_version))| ManifestView {
                view: view.clone(),
                hash: lookup.view.hash.clone(),
                log_version: *log_version,
            })
            .collect();
        views.dedup();
        Self {
            format: FORMAT,
            twinstore: built.twinstore,
            service: plan.id.clone(),
            service_hash: plan.hash.clone(),
            views,
            quarantined: built.quarantined,
            breakers: summary.openings.iter().filter(|open| open.labels > 0).cloned().collect(),
            forgotten: Vec::new(),
            spine: built.spine,
            as_of: options.as_of,
            explain: options.explain,
            rows: summary.rows,
            sha256: built.sha256,
            columns: built.columns,
        }
    }

    /// Where the manifest of a training set lies.
    pub fn path_of(training_set: &Path) -> PathBuf {
        let mut name = training_set.file_name().unwrap_or_default().to_os_string();
        name.push(MANIFEST);
        training_set.with_file_name(name)
    }

    /// The SHA-256 of the manifest as it lies beside its training set, in hexadecimal.
    pub fn sha256_of_text(&self) -> Result<String, OfflineError> {
        let text = self
            .text()
            .map_err(|error| OfflineError::file("write", Path::new(MANIFEST), Cause::from(error)))?;
        Ok(hexadecimal(&Sha256::digest(text)))
    }

    /// The manifest with one forgotten entity more, or with a later moment; `None` if it says so already.
    #[must_use]
    pub fn marked(&self, forgotten: ManifestForgotten) -> Option<Self> {
        if self.forgotten.contains(&forgotten) {
            return None;
        }
        let mut marked = self.clone();
        marked.forgotten.retain(|other| other.hash != forgotten.hash);
        marked.forgotten.push(forgotten);
        Some(marked)
    }

    /// Writes the manifest of a training set instead of the one that lies there, at once.
    pub fn replace(&self, training_set: &Path) -> Result<(), OfflineError> {
        let path = Self::path_of(training_set);
        let failed = |error: Cause| OfflineError::file("write", &path, error);
        let text = self.text().map_err(|error| failed(error.into()))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut staged = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(error.into()))?;
        let write = |file: &mut std::fs::File| {
            if let Ok(before) = path.metadata() {
                file.set_permissions(before.permissions())?;
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write(staged.as_file_mut()).map_err(|error| failed(error.into()))?;
        staged.persist(&path).map_err(|error| failed(error.error.into()))?;
        Ok(())
    }

    /// The manifest as it lies beside its training set.
    pub(crate) fn text(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The hash that it holds, of rows that are built again for a file.
    pub fn hash_of_built(&self, file: &Path, schema: &SchemaRef) -> Result<ManifestHash, OfflineError> {
        ManifestHash::of_built(self.format, file, schema)
    }

    /// The hash that it holds, of rows that are read from its file.
    pub fn hash_of_stored(&self, schema: &Schema) -> ManifestHash {
        ManifestHash::of_stored(self.format, schema)
    }

    /// Reads the manifest that lies beside a training set.
    pub fn read(training_set: &Path) -> Result<Self, OfflineError> {
        let path = Self::path_of(training_set);
        let failed = |error: Cause| OfflineError::file("read", &path, error);
        let text = files::read_text(&path, MOST_BYTES).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound if training_set.exists() => failed(
                "there is no such file beside the training set, as when its command was killed in its last moment: make the training set again".into(),
            ),
            _ => failed(error.into()),
        })?;
        let manifest: Self = serde_json::from_str(&text).map_err(|error| failed(error.into()))?;
        if manifest.format > FORMAT {
            let why = format!(
                "it has format {}, and this twinstore reads up to {FORMAT}: upgrade",
                manifest.format
            );
            return Err(failed(why.into()));
        }
        Ok(manifest)
    }

    /// The options with which the training set is made again.
    pub fn options(&self) -> Options {
        let log_versions = self.views.iter().map(|view| (view.view.clone(), view.log_version)).collect();
        let openings = Openings::new(self.breakers.iter().map(|open| open.opening.clone()));
        Options { as_of: self.as_of, explain: self.explain, log_versions, openings, ..Options::default() }
    }

    /// What of the definitions is not as it was when the training set was built.
    pub fn differences_of(&self, plan: &ServicePlan) -> Vec<String> {
        let mut differences = Vec::new();
        if plan.hash != self.service_hash {
            differences.push(format!("{} is registered with another hash", self.service));
        }
        for view in &self.views {
            match plan.lookups.iter().find(|lookup| lookup.view.id == view.view) {
                Some(lookup) if lookup.view.hash == view.hash => {}
                Some(_) => differences.push(format!("{} is registered with another hash", view.view)),
                None => differences.push(format!("{} does not read {} any more", self.service, view.view)),
            }
        }
        differences
    }
}
