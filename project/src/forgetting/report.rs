//! What a forgetting found, removed and proved, in a form that is shown and stored.

use std::collections::BTreeMap;

use feature::{Micros, Name, Value, VersionId};
use serde::Serialize;

use super::subject::Subject;

/// The part that is all other files.
pub(super) const BYTES: &str = "bytes of all other files";

/// The outcome of a forgetting.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ForgetReport {
    /// The entity.
    pub entity: String,
    /// Its join keys.
    pub keys: BTreeMap<Name, Value>,
    /// What stands for the key in the audit log; `None` where nothing was removed.
    pub hash: Option<String>,
    /// Up to which moment rows of it are left out by whatever loads them.
    pub until: Option<Micros>,
    /// Everything that was searched.
    pub parts: Vec<SearchedPart>,
    /// Sources that hold rows of it: they are the user's, and stay as they are.
    pub sources: Vec<HoldingSource>,
    /// Training sets that hold rows of it: likewise.
    pub training_sets: Vec<HoldingTrainingSet>,
    /// Views whose rows name the key as a value: they are rows of others, and stay.
    pub values: Vec<NamingView>,
    /// Tables of views that are registered no more, which were not searched.
    pub beside: Vec<String>,
}

/// One part that was searched.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct SearchedPart {
    /// What it is.
    pub part: String,
    /// What was searched in it.
    pub searched: String,
    /// What was found of the entity: rows, records or answers.
    pub found: u64,
    /// What was removed.
    pub removed: u64,
    /// What is still there.
    pub left: u64,
    /// What else is to be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A source that holds rows of the entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldingSource {
    /// The source.
    pub source: Name,
    /// Its file, or its topic.
    pub file: String,
    /// How many rows.
    pub rows: u64,
}

/// A view whose rows name the entity as a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamingView {
    /// The view.
    pub view: VersionId,
    /// How many rows, in all files of its log.
    pub rows: u64,
}

/// A training set that holds rows of the entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldingTrainingSet {
    /// The file, as it was named.
    pub file: String,
    /// The service.
    pub service: VersionId,
    /// How many rows; `None` where the file is gone or cannot be read.
    pub rows: Option<u64>,
    /// Whether its manifest says from now on that it cannot be made again to the bit.
    pub is_marked: bool,
}

impl ForgetReport {
    pub(super) fn of(subject: &Subject) -> Self {
        let keys = subject.keys.iter().map(|key| key.name.clone()).zip(subject.values.iter().cloned());
        Self { entity: subject.entity.to_string(), keys: keys.collect(), ..Self::default() }
    }

    /// What is still there of the entity.
    pub fn left(&self) -> u64 {
        self.parts.iter().map(|part| part.left).sum()
    }

    /// What was found.
    pub fn found(&self) -> u64 {
        self.parts.iter().map(|part| part.found).sum()
    }

    /// What was removed.
    pub fn removed(&self) -> u64 {
        self.parts.iter().map(|part| part.removed).sum()
    }

    pub(super) fn note_removed(&mut self, parts: Vec<SearchedPart>) {
        for other in parts {
            let part = self.part(&other);
            part.found = part.found.max(other.found);
            part.removed += other.removed;
            part.note = other.note.or_else(|| part.note.take());
        }
    }

    pub(super) fn note_left(&mut self, parts: Vec<SearchedPart>) {
        for other in parts {
            let part = self.part(&other);
            (part.left, part.searched) = (other.found, other.searched);
            part.note = part.note.take().or(other.note);
        }
    }

    /// Files that hold the bytes of the key are explained where rows of others name it: they lie in the same files.
    pub(super) fn explain_bytes(&mut self) {
        if self.values.is_empty() {
            return;
        }
        for part in self.parts.iter_mut().filter(|part| part.part == BYTES && part.left > 0) {
            (part.found, part.left) = (0, 0);
            let note = part.note.take().unwrap_or_default();
            part.note = Some(format!("{note}, as a value of rows of others"));
        }
    }

    fn part(&mut self, other: &SearchedPart) -> &mut SearchedPart {
        let index = self.parts.iter().position(|part| part.part == other.part).unwrap_or_else(|| {
            let (part, searched) = (other.part.clone(), other.searched.clone());
            self.parts.push(SearchedPart { part, searched, ..SearchedPart::default() });
            self.parts.len() - 1
        });
        self.parts.get_mut(index).expect("invariant: the part was found or added")
    }

    /// What the audit log keeps: how much was removed where, and nothing of the entity.
    pub(super) fn receipt(&self, until: Micros) -> String {
        let removed = self.parts.iter().filter(|part| part.removed > 0);
        let removed: Vec<String> =
            removed.map(|part| format!("{} from {}", part.removed, part.part)).collect();
        let removed = if removed.is_empty() { "nothing was there".to_owned() } else { removed.join(", ") };
        format!("rows up to {until}: {removed}; {} left", self.left())
    }
}
