//! What an apply would change, and how it is said.

use std::fmt;

use feature::{VersionId, View};
use serde::Serialize;

use crate::body::DefinitionId;
use crate::definition::Definition;
use crate::difference::{Difference, sentence};
use crate::keys::Kind;
use crate::pinned::PinnedTrainingSet;
use crate::problem::Problems;
use crate::reach::Reach;

/// What an apply would change.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Plan {
    /// The generation of the registry that the plan was made on.
    pub generation: u64,
    /// What becomes of each definition, by kind, name and version.
    pub changes: Vec<Change>,
    /// Why it is refused; nothing is applied while there is a reason.
    pub refused: Problems,
    /// What is allowed, and often not meant.
    pub notes: Problems,
    /// The longest packed row of each view that is new or edited.
    pub largest_rows: Vec<LargestRow>,
    #[serde(skip)]
    pub(crate) writes: Vec<Definition>,
}

/// How long the packed row of an entity may become. The registry knows no rows: whoever plans brings the rule of
/// the online store.
#[derive(Clone, Copy, Debug)]
pub struct RowBound {
    /// The most bytes that an entity's row of a view can take.
    pub longest: fn(&View) -> usize,
    /// The most bytes that the online store takes; a view with longer rows is refused.
    pub max_bytes: usize,
}

/// The longest packed row that an entity of a view can have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LargestRow {
    /// The view.
    pub view: VersionId,
    /// The file that defines it.
    pub file: String,
    /// Its bytes.
    pub bytes: usize,
}

/// What becomes of one definition.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Change {
    /// What becomes of it.
    pub action: Action,
    /// Which definition.
    #[serde(flatten)]
    pub id: DefinitionId,
    /// How many features it defines or gives; `None` for entities and sources.
    pub features: Option<usize>,
    /// What differs from what is registered.
    pub differences: Vec<Difference>,
    /// The views and services that read it, directly or through others.
    pub reaches: Vec<Reach>,
    /// The recorded training sets that were built from it, or from what it reaches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub training_sets: Vec<PinnedTrainingSet>,
    /// Whether it could be removed: it is registered, was never used, and nothing reads it.
    pub is_removable: bool,
}

/// What becomes of a definition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Add,
    /// It computes the same, and says something else: a new revision.
    Revise,
    /// It computes something else, and was never used: it becomes what the file says.
    Edit,
    /// It is as it is registered.
    Keep,
    /// It is registered and may not become what the file says.
    Refuse,
    /// It has no file any more, and stays registered.
    Gone,
}

impl Plan {
    /// Whether an apply would change nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.refused.is_empty()
    }

    /// How many definitions have this action.
    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }
}

impl fmt::Display for Plan {
    /// A line for each change, then the reasons of refusals, then the counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in self.changes.iter().filter(|change| change.action != Action::Keep) {
            writeln!(f, "{change}")?;
        }
        for problem in self.refused.iter() {
            writeln!(f, "{problem}")?;
        }
        for note in self.notes.iter() {
            writeln!(f, "note: {note}")?;
        }
        let count = |action, what| match self.count(action) {
            0 => None,
            n => Some(format!("{n} {what}")),
        };
        let counts: Vec<String> = [
            count(Action::Add, "to add"),
            count(Action::Revise, "to revise"),
            count(Action::Edit, "to edit before its first use"),
            count(Action::Keep, "unchanged"),
            count(Action::Gone, "without a file"),
            count(Action::Refuse, "refused"),
        ]
        .into_iter()
        .flatten()
        .collect();
        match counts.is_empty() {
            true => f.write_str("nothing is defined"),
            false => f.write_str(&counts.join(", ")),
        }
    }
}

/// Views and services that are named of those that one change reaches; of more, the number is.
const MOST_REACHED: usize = 100;
/// Training sets that are named of one change; of more, the number is.
const MOST_NAMED: usize = 5;

/// The training sets that a change reaches.
fn training_sets(f: &mut fmt::Formatter<'_>, sets: &[PinnedTrainingSet]) -> fmt::Result {
    for (i, set) in sets.iter().take(MOST_NAMED).enumerate() {
        f.write_str(if i == 0 { "; training sets " } else { ", " })?;
        write!(f, "{} ({})", set.file, set.service)?;
    }
    match sets.len().saturating_sub(MOST_NAMED) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// What a plan calls a definition of a kind.
fn said(kind: Kind) -> &'static str {
    match kind {
        Kind::Entity => "entity",
        Kind::Source => "source",
        Kind::FeatureView => "view",
        Kind::OnDemandView => "on-demand view",
        Kind::FeatureService => "service",
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            Action::Add => "+",
            Action::Revise | Action::Edit => "~",
            Action::Keep => "=",
            Action::Refuse => "!",
            Action::Gone => "-",
        };
        write!(f, "{sign} {} {}", said(self.id.kind), self.id.reference())?;
        if let (Action::Add, Some(features), true) =
            (self.action, self.features, self.id.kind != Kind::FeatureService)
        {
            write!(f, " ({features} feature{})", if features == 1 { "" } else { "s" })?;
        }
        if self.action == Action::Gone {
            f.write_str(" has no file any more and stays registered")?;
            if self.is_removable {
                f.write_str("; nothing used it, so it may be removed")?;
            }
        }
        if self.action == Action::Edit {
            f.write_str(" is edited before its first use")?;
        }
        if !self.differences.is_empty() && self.action != Action::Refuse {
            write!(f, ": {}", sentence(&self.differences))?;
        }
        for (i, reach) in self.reaches.iter().take(MOST_REACHED).enumerate() {
            f.write_str(if i == 0 { " → " } else { ", " })?;
            // A view and a service may have one name.
            let has_namesake = self.id.version_id().as_ref() == Some(&reach.id)
                || self.reaches.iter().any(|other| other.id == reach.id && other.kind != reach.kind);
            match has_namesake {
                true => write!(f, "{} {}", said(reach.kind), reach.id)?,
                false => write!(f, "{}", reach.id)?,
            }
            if let Some(consumer) = &reach.consumer {
                write!(f, " ({consumer})")?;
            }
        }
        if let more @ 1.. = self.reaches.len().saturating_sub(MOST_REACHED) {
            write!(f, " and {more} more")?;
        }
        training_sets(f, &self.training_sets)
    }
}
