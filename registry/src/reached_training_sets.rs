//! Which training sets a change reaches, and that none of them may come to mean something else.

use std::collections::BTreeSet;

use crate::body::DefinitionId;
use crate::definitions::Definitions;
use crate::error::RegistryError;
use crate::pinned::PinnedTrainingSet;
use crate::plan::{Action, Change, Plan};
use crate::problem::{Problem, Problems};
use crate::store::Registry;

/// The newest training sets that are looked at.
const MOST_TRAINING_SETS: u32 = 1_000;

impl Registry {
    /// The training sets that were recorded, each file once, the newest first; at most 1,000 builds are looked at.
    pub async fn training_sets(&self) -> Result<Vec<PinnedTrainingSet>, RegistryError> {
        let runs = self.newest_training_sets(MOST_TRAINING_SETS).await?;
        let mut seen = BTreeSet::new();
        let sets = runs.iter().filter_map(PinnedTrainingSet::of);
        Ok(sets.filter(|set| seen.insert((set.file.clone(), set.service.clone()))).collect())
    }
}

impl Plan {
    /// The plan, which says of each change which training sets it reaches. A version that one of them was built from is
    /// not edited: it would mean something else.
    #[must_use]
    pub fn with_training_sets(mut self, definitions: &Definitions, sets: &[PinnedTrainingSet]) -> Plan {
        let mut refused: Vec<Problem> = self.refused.iter().cloned().collect();
        for change in &mut self.changes {
            change.training_sets = sets.iter().filter(|set| is_reached(set, change)).cloned().collect();
            let pinning: Vec<&str> =
                sets.iter().filter(|set| set.pins(&change.id)).map(|set| set.file.as_str()).collect();
            let definition = definitions.with_positions_of(&change.id);
            if let (Action::Edit, false, Some((id, definition, positions))) =
                (change.action, pinning.is_empty(), definition)
            {
                let version = id.version.unwrap_or(1);
                let message = format!(
                    "{} `{}`: version {version} never changes, as the training set {} was built from it: undo that, and \
                     add version {} instead",
                    id.kind.name(),
                    id.name,
                    pinning.join(", "),
                    version + 1
                );
                refused.push(Problem { file: definition.file.clone(), at: positions.at(&[]), message });
                change.action = Action::Refuse;
                self.writes.retain(|written| written.id() != change.id);
            }
        }
        self.refused = Problems::sorted(refused);
        self
    }
}

/// Whether a change reaches a training set: itself, or through a view or a service.
fn is_reached(set: &PinnedTrainingSet, change: &Change) -> bool {
    let reached = change.reaches.iter().map(|reach| DefinitionId::versioned(reach.kind, &reach.id));
    set.pins(&change.id) || reached.into_iter().any(|id| set.pins(&id))
}
