//! Whether what is served is what the log gives at the same positions, to the bit: of entities that are read now, and all
//! day of a sample of what a server answers.

mod checking;
mod comparing;
mod expected;
mod kept_line;
pub(crate) mod kept_reads;
mod verifier;

use std::collections::BTreeMap;

use feature::{Micros, Name, Status, Value, VersionId};
use read::json::AsJson;
use serde::{Serialize, Serializer};

pub(crate) use self::checking::verify_values;
#[cfg(feature = "fuzzing")]
pub(crate) use self::kept_reads::fuzzed_reads;
pub(crate) use self::kept_reads::{ComparedReads, DifferingReads, compared_since};
pub(crate) use self::verifier::{ServedCounts, Verifier};
use crate::slo::moment_text;

/// Entities of which values are compared in each view, if nothing else is said.
pub const DEFAULT_ENTITIES: usize = 1000;

/// Which values to compare with the log.
#[derive(Clone, Debug)]
pub struct VerifyValues {
    /// Of this view, or of the views of this service, by name, with its version or without; of all views without one.
    pub of: Option<String>,
    /// Entities that are drawn from the log of each view.
    pub entities: usize,
    /// Whether the sample of what servers answered is compared, and not what is online now.
    pub served: bool,
}

/// How online values compare with the log.
#[derive(Clone, Debug, Serialize)]
pub struct ValuesReport {
    /// When they were read.
    #[serde(serialize_with = "moment_text")]
    pub at: Micros,
    /// View by view.
    pub views: Vec<ComparedView>,
    /// Answers of the sample that are not as they were written, from which nothing was taken, and views whose online rows are
    /// not of their logs; a sentence each.
    pub damaged: Vec<String>,
}

/// How the online values of one view compare with its log.
#[derive(Clone, Debug, Serialize)]
pub struct ComparedView {
    /// The view.
    pub view: VersionId,
    /// Entities that were read, or answers of the sample.
    pub entities: u64,
    /// Of these, entities whose values are what the log gives, to the bit.
    pub same: u64,
    /// Entities of which a value, a status or an event time is another.
    pub differing: u64,
    /// Entities of which it is not known, as the log lacks rows that were served.
    pub unknown: u64,
    /// Why nothing was compared, if so.
    pub passed_over: Option<String>,
    /// The first entities that differ.
    pub differences: Vec<DifferingEntity>,
}

/// An entity whose online values are not what the log gives.
#[derive(Clone, Debug, Serialize)]
pub struct DifferingEntity {
    /// Its join keys.
    #[serde(serialize_with = "keys_as_json")]
    pub entity: BTreeMap<Name, Value>,
    /// The moment of the read.
    #[serde(serialize_with = "moment_text")]
    pub at: Micros,
    /// Rows that its online row has folded, of those that the log has.
    pub rows: u64,
    /// The features that differ.
    pub features: Vec<DifferingFeature>,
    /// Why, in a sentence.
    pub why: String,
}

/// A feature whose online value is not what the log gives.
#[derive(Clone, Debug, Serialize)]
pub struct DifferingFeature {
    /// Its name.
    pub feature: Name,
    /// What was served.
    pub served: ServedCell,
    /// What the log gives.
    pub folded: ServedCell,
}

/// A value and why it is what it is.
#[derive(Clone, Debug, Serialize)]
pub struct ServedCell {
    /// The value.
    #[serde(serialize_with = "as_json")]
    pub value: Value,
    /// Why.
    pub status: Status,
}

/// Entities that differ and are listed.
const MOST_LISTED: usize = 5;

impl ComparedView {
    /// Counts an entity that differs.
    fn differs(&mut self, entity: DifferingEntity) {
        self.differing += 1;
        if self.differences.len() < MOST_LISTED {
            self.differences.push(entity);
        }
    }
}

impl ValuesReport {
    /// How many entities differ.
    pub fn differing(&self) -> u64 {
        self.views.iter().map(|view| view.differing).sum()
    }
}

fn as_json<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    AsJson(value).serialize(serializer)
}

fn keys_as_json<S: Serializer>(keys: &BTreeMap<Name, Value>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(keys.iter().map(|(name, value)| (name, AsJson(value))))
}
