//! The embedded store: packed rows on disk in LMDB, shared by all processes of a project.

use std::path::Path;

use feature::{Micros, VersionId};

use crate::error::OnlineError;
use crate::store::{Found, Outcome, Read, Reader, Replacement, Stats, Writer};

/// The online store on disk, in one folder. Clones and further openings share it; so do other
/// processes.
#[derive(Clone, Debug)]
pub struct Embedded {}

impl Embedded {
    /// Opens the store in this folder, and makes it where there is none.
    pub fn open(path: &Path) -> Result<Self, OnlineError> {
        let _ = path;
        Ok(Self {})
    }
}

impl Reader for Embedded {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<Found>, OnlineError> {
        let _ = reads;
        todo!()
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        let _ = view;
        todo!()
    }
}

impl Writer for Embedded {
    async fn replace(
        &self,
        view: &VersionId,
        rows: &[Replacement<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        let _ = (view, rows, applied_at);
        todo!()
    }

    async fn drop_view(&self, view: &VersionId) -> Result<(), OnlineError> {
        let _ = view;
        todo!()
    }
}
