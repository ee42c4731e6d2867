//! What a comparison of two versions found, and whether the new one may replace the old one by it.

use std::path::PathBuf;
use std::time::Duration;

use feature::{DataType, ExpectedChange, Micros, Position, Value, VersionId};
use monitor::{Bounds, Figures, Judgement, Verdict};
use registry::{Kind, LogRead};

/// A comparison of two versions.
#[derive(Clone, Debug)]
pub struct ParityReport {
    /// What kind of definitions they are.
    pub kind: Kind,
    /// The version that is used now.
    pub old: VersionId,
    /// The version that is to replace it.
    pub new: VersionId,
    /// When they were compared.
    pub at: Micros,
    /// Where entities and moments come from.
    pub moments: Moments,
    /// The features that both have, in the order of the new one. There is at least one.
    pub features: Vec<ComparedFeature>,
    /// The ages of the rows that features read, to which they refer.
    pub ages: Vec<Figures>,
    /// Features of the old version only.
    pub only_old: Vec<String>,
    /// Features of the new version only.
    pub only_new: Vec<String>,
    /// Features of both that were not compared.
    pub not_compared: Vec<NotCompared>,
    /// The logs that were read, at which versions.
    pub logs: Vec<LogRead>,
    /// How long it took.
    pub took: Duration,
}

/// Where entities and moments come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Moments {
    /// From rows of the logs of these views.
    Drawn {
        /// The views.
        views: Vec<VersionId>,
        /// What decided which rows.
        seed: u64,
    },
    /// From a file.
    Spine {
        /// The file.
        path: PathBuf,
        /// Its column of moments.
        time: String,
    },
}

/// A feature of both versions that was not compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotCompared {
    /// Its name.
    pub name: String,
    /// The request columns that it needs, which only a spine brings.
    pub request: Vec<String>,
    /// Whether both versions compute it by the same definition from the same rows.
    pub is_same: bool,
}

/// One feature in both versions.
#[derive(Clone, Debug)]
pub struct ComparedFeature {
    /// Its name.
    pub name: String,
    /// Its type in the old version.
    pub old_type: DataType,
    /// Its type in the new version.
    pub new_type: DataType,
    /// What it was measured in.
    pub old_unit: Option<String>,
    /// What it is measured in.
    pub new_unit: Option<String>,
    /// The change that is declared of it.
    pub expected: Option<ExpectedChange>,
    /// The bounds by which it was checked.
    pub bounds: Bounds,
    /// The verdict.
    pub judgement: Judgement,
    /// The figures.
    pub figures: Figures,
    /// The index of its ages in [`ParityReport::ages`].
    pub ages: usize,
    /// The rows that differ most.
    pub differences: Vec<DifferingRow>,
}

/// A row whose values differ.
#[derive(Clone, PartialEq, Debug)]
pub struct DifferingRow {
    /// The join keys of the row, with their names.
    pub entity: Vec<(String, Value)>,
    /// The moment.
    pub at: Micros,
    /// The old version's value.
    pub old: Value,
    /// The new version's value.
    pub new: Value,
    /// The latest rows that the old version read, the latest first.
    pub old_inputs: Vec<InputRow>,
    /// The latest rows that the new version read, the latest first.
    pub new_inputs: Vec<InputRow>,
}

/// A row of a log that a feature read.
#[derive(Clone, PartialEq, Debug)]
pub struct InputRow {
    /// Whose log.
    pub view: VersionId,
    /// When it happened; `None` of a static source, whose rows always hold.
    pub event_time: Option<Micros>,
    /// When it could first have been read; `None` of a static source.
    pub available_at: Option<Micros>,
    /// Its position in the source.
    pub position: Position,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// The columns that the feature reads, by their expressions.
    pub values: Vec<(String, Value)>,
}

impl ParityReport {
    /// How many rows were compared.
    pub fn rows(&self) -> u64 {
        self.features.first().map_or(0, |feature| feature.figures.rows)
    }

    /// Whether no feature is outside its bounds, there was something to compare, and all was compared that may differ.
    pub fn passed(&self) -> bool {
        self.failure().is_none()
    }

    /// Whether neither version has a value of any feature in any row.
    pub fn has_no_value(&self) -> bool {
        self.features.iter().all(|feature| feature.figures.has_no_value())
    }

    /// The features that are outside their bounds.
    pub fn outside(&self) -> impl Iterator<Item = &ComparedFeature> {
        self.features.iter().filter(|feature| feature.judgement.verdict == Verdict::Outside)
    }

    /// Why it did not pass, in one sentence; `None` if it did.
    pub fn failure(&self) -> Option<String> {
        /// Features that are named.
        const NAMED: usize = 3;
        let Self { old, new, .. } = self;
        if self.rows() == 0 {
            return Some(format!("{new} and {old} were compared at no row: the spine is empty"));
        }
        if self.has_no_value() {
            return Some(format!(
                "neither {new} nor {old} has a value at any of the {}: compare them at moments by which their rows could be read",
                feature::counted(self.rows(), "moment")
            ));
        }
        let outside: Vec<&ComparedFeature> = self.outside().collect();
        let named = outside.iter().take(NAMED).map(|feature| {
            let exceeded: Vec<String> = feature.judgement.exceeded.iter().map(ToString::to_string).collect();
            format!("{} ({})", feature.name, exceeded.join(", "))
        });
        let named: Vec<String> = named.collect();
        let others = match outside.len().saturating_sub(NAMED) as u64 {
            0 => String::new(),
            others => format!(" and {}", feature::counted(others, "other feature")),
        };
        if !outside.is_empty() {
            return Some(format!(
                "{new} is outside its bounds beside {old}: {}{others}: correct the definition, or declare in `expect_change` what is meant",
                named.join(", ")
            ));
        }
        let unknown: Vec<&NotCompared> = self.not_compared.iter().filter(|one| !one.is_same).collect();
        let names: Vec<String> = unknown.iter().map(|one| format!("`{}`", one.name)).collect();
        let mut request: Vec<&str> =
            unknown.iter().flat_map(|one| &one.request).map(String::as_str).collect();
        request.sort_unstable();
        request.dedup();
        (!unknown.is_empty()).then(|| {
            format!(
                "{} of {new} and {old} is computed otherwise and was not compared, since it needs {}: name a spine with {}",
                names.join(", "),
                feature::counted(request.len() as u64, "request column"),
                request.join(", ")
            )
        })
    }
}
