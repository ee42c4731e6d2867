//! Rows of a file that repeat others: of which expectation each fails.

use std::sync::Arc;

use roaring::RoaringTreemap;

/// The rows of a file that have the entity and event time of another row, by the expectation that quarantines for it. They
/// are refused as any row is that fails an expectation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repeats(Arc<Vec<(String, RoaringTreemap)>>);

impl Repeats {
    /// The rows that fail each expectation, by their numbers in the file.
    pub(crate) fn new(rows: Vec<(String, RoaringTreemap)>) -> Self {
        Self(Arc::new(rows))
    }

    /// The expectation that a row fails.
    pub(crate) fn expectation(&self, row: u64) -> Option<&str> {
        let found = self.0.iter().find(|(_, rows)| rows.contains(row));
        found.map(|(name, _)| name.as_str())
    }
}
