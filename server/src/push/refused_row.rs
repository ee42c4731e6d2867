//! A row that a push brought and that was refused, as answers name it.

use feature::VersionId;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A row that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Its index in the push, from 0.
    pub index: usize,
    /// The view that refuses it; none where no view can read it.
    pub view: Option<VersionId>,
    /// The kind of reason where a view refuses it, and everything that is wrong with it.
    pub reason: String,
}

impl RefusedRow {
    /// As messages say it: rows are numbered from 1.
    pub fn sentence(&self) -> String {
        match &self.view {
            Some(view) => format!("row {}: {view}: {}", self.index + 1, self.reason),
            None => format!("row {}: {}", self.index + 1, self.reason),
        }
    }
}

impl Serialize for RefusedRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(Some(4))?;
        row.serialize_entry("index", &self.index)?;
        row.serialize_entry("row", &(self.index + 1))?;
        row.serialize_entry("view", &self.view)?;
        row.serialize_entry("reason", &self.reason)?;
        row.end()
    }
}
