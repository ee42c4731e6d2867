//! Decides what becomes of each definition, from the files and what is registered alone.

use std::collections::BTreeMap;

use feature::{DataType, Name, Source, View, thousands};
use serde_json::{Map, Value, json};

use crate::body::{Body, DefinitionId};
use crate::canonical::source_part;
use crate::definition::Definition;
use crate::definitions::Definitions;
use crate::difference::{Difference, differences, sentence};
use crate::key_positions::KeyPositions;
use crate::keys::Kind;
use crate::lifecycle::Deprecated;
use crate::plan::{Action, Change, LargestRow, Plan, RowBound};
use crate::problem::{Problem, Problems};
use crate::reach::{Reach, Readers, reads};
use crate::registered::Registered;

impl Plan {
    /// What an apply of these definitions would change in a registry that holds `registered`. A view whose packed
    /// row could become longer than the bound is refused.
    pub fn of(definitions: &Definitions, registered: &Registered, bound: &RowBound) -> Plan {
        let mut planning = Planning::new(definitions, registered, bound);
        let mut changes: Vec<Change> = definitions
            .with_positions()
            .map(|(id, new, positions)| planning.change(id, new, positions))
            .collect();
        // A retired version needs no file.
        let gone = registered
            .ids()
            .filter(|id| definitions.get(id).is_none() && registered.retirement(id).is_none());
        changes.extend(gone.map(|id| planning.gone(id)));
        changes.sort_by(|a, b| a.id.cmp(&b.id));
        let Planned { refused, notes, largest_rows, writes } = planning.finish();
        Plan { generation: registered.generation(), changes, refused, notes, largest_rows, writes }
    }
}

/// What is decided so far.
struct Planning<'a> {
    definitions: &'a Definitions,
    registered: &'a Registered,
    bound: &'a RowBound,
    readers: Readers,
    refused: Vec<Problem>,
    notes: Vec<Problem>,
    largest_rows: Vec<LargestRow>,
    writes: Vec<Definition>,
}

/// What is decided of all definitions.
struct Planned {
    refused: Problems,
    notes: Problems,
    largest_rows: Vec<LargestRow>,
    writes: Vec<Definition>,
}

impl<'a> Planning<'a> {
    fn new(definitions: &'a Definitions, registered: &'a Registered, bound: &'a RowBound) -> Planning<'a> {
        // Every definition as it would be, those without a file included.
        let files = definitions.iter().map(|definition| &definition.body);
        let gone = registered.definitions().filter(|d| definitions.get(&d.id()).is_none());
        Planning {
            definitions,
            registered,
            bound,
            readers: Readers::new(files.chain(gone.map(|definition| &definition.body))),
            refused: Vec::new(),
            notes: Vec::new(),
            largest_rows: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// Why the plan is refused, what there is to note, and what it would write.
    fn finish(mut self) -> Planned {
        self.largest_rows.sort_by(|a, b| a.view.cmp(&b.view));
        Planned {
            refused: Problems::sorted(self.refused),
            notes: Problems::sorted(self.notes),
            largest_rows: self.largest_rows,
            writes: self.writes,
        }
    }

    /// What becomes of a definition of the files.
    fn change(&mut self, id: &DefinitionId, new: &Definition, positions: &KeyPositions) -> Change {
        self.note_deprecated(new, positions);
        if let Some(message) = self.refuse_retired(id, new) {
            let message = format!("{} `{}`: {message}", id.kind.name(), id.name);
            self.refused.push(Problem { file: new.file.clone(), at: positions.at(&[]), message });
            return self.changed(Action::Refuse, id, new, Vec::new());
        }
        let Some(old) = self.registered.definition(id) else {
            if let Some(message) = self.refuse_other_kind(id) {
                let message = format!("{} `{}`: {message}", id.kind.name(), id.name);
                self.refused.push(Problem { file: new.file.clone(), at: positions.at(&[]), message });
                return self.changed(Action::Refuse, id, new, Vec::new());
            }
            if !self.row_fits(new, positions) {
                return self.changed(Action::Refuse, id, new, Vec::new());
            }
            self.writes.push(new.clone());
            self.note(new, positions);
            return self.changed(Action::Add, id, new, Vec::new());
        };
        let is_edit = old.hash != new.hash && id.version.is_some() && !self.registered.is_used(id);
        let refused = match &new.body {
            _ if old.hash == new.hash => None,
            _ if is_edit => self.refuse_under_others(id),
            Body::Entity(_) => self.refuse_entity(id, old, new),
            Body::Source { source, .. } => self.refuse_source(source),
            Body::FeatureView(_) | Body::OnDemandView(_) | Body::FeatureService(_) => {
                self.refuse_edit(old, new)
            }
        };
        if let Some((message, found)) = refused {
            let message = format!("{} `{}`: {message}", id.kind.name(), id.name);
            let at = found.iter().map(|difference| positions.at(&difference.path)).min();
            let at = at.unwrap_or_else(|| positions.at(&[]));
            self.refused.push(Problem { file: new.file.clone(), at, message });
            return self.changed(Action::Refuse, id, new, found);
        }
        let mut found = differences(&free(&old.body), &free(&new.body));
        if is_edit {
            let mut computed = differences(old.canonical.value(), new.canonical.value());
            computed.retain(|difference| difference.path.last().is_none_or(|last| last != "hash"));
            found.splice(0..0, computed);
            if found.is_empty() {
                found.push(Difference::plain("what it reads is edited"));
            }
            if !self.row_fits(new, positions) {
                return self.changed(Action::Refuse, id, new, found);
            }
            self.writes.push(Definition { revision: old.revision + 1, ..new.clone() });
            return self.changed(Action::Edit, id, new, found);
        }
        if old.file != new.file {
            found.push(Difference {
                from: Some(old.file.to_string()),
                to: Some(new.file.to_string()),
                ..Difference::plain("file")
            });
        }
        if found.is_empty() && old.text != new.text {
            found.push(Difference::plain("comments or layout"));
        }
        if found.is_empty() {
            return self.changed(Action::Keep, id, new, Vec::new());
        }
        self.writes.push(Definition { revision: old.revision + 1, ..new.clone() });
        self.note(new, positions);
        self.changed(Action::Revise, id, new, found)
    }

    /// Refuses what is retired and written otherwise than it was, and what reads a version that is retired.
    fn refuse_retired(&self, id: &DefinitionId, new: &Definition) -> Option<String> {
        let version = id.version.unwrap_or(1);
        if let Some(retirement) = self.registered.retirement(id) {
            let is_same = self.registered.definition(id).is_some_and(|old| old.text == new.text);
            return (!is_same).then(|| {
                format!(
                    "version {version} was {retirement} and is not edited any more: remove it from the file"
                )
            });
        }
        let retired = self.registered.retirements().find(|(retired, _)| reads(&new.body, retired));
        retired.map(|(retired, retirement)| {
            format!(
                "version {version} reads {}, which was {retirement}: read another version",
                retired.reference()
            )
        })
    }

    /// Notes where a deprecated version is read.
    fn note_deprecated(&mut self, new: &Definition, positions: &KeyPositions) {
        if self.registered.retirement(&new.id()).is_some() {
            return;
        }
        for (read, deprecation) in self.registered.deprecations().filter(|(id, _)| reads(&new.body, id)) {
            let deprecated = Deprecated { version: read.clone(), deprecation: deprecation.clone() };
            let message = format!("{} reads a deprecated version: {deprecated}", new.id().reference());
            self.notes.push(Problem { file: new.file.clone(), at: positions.at(&[]), message });
        }
    }

    /// Whether the online store takes every row that a view which is new or edited can have; else it is refused.
    fn row_fits(&mut self, new: &Definition, positions: &KeyPositions) -> bool {
        let Body::FeatureView(view) = &new.body else { return true };
        let (bytes, max_bytes) = ((self.bound.longest)(view), self.bound.max_bytes);
        self.largest_rows.push(LargestRow { view: view.id.clone(), file: new.file.to_string(), bytes });
        if bytes <= max_bytes {
            return true;
        }
        let message = format!(
            "an entity's row of view {} could take {} bytes, more than the {} that a row may have: use shorter \
             windows, longer hops or shorter lists, or divide the view",
            view.id,
            thousands(bytes as u64),
            thousands(max_bytes as u64)
        );
        let at = positions.at(&["features".to_owned()]);
        self.refused.push(Problem { file: new.file.clone(), at, message });
        false
    }

    /// Notes what is allowed and often not meant: history that counts as known the moment it happened.
    fn note(&mut self, new: &Definition, positions: &KeyPositions) {
        let Body::Source { source, .. } = &new.body else { return };
        let is_undeclared = source.available_at.is_none() && !positions.has("assumed_delay");
        if source.batch.is_some() && source.event_time.is_some() && is_undeclared {
            let message = format!(
                "source `{}` has history and no `assumed_delay`: its rows count as known the moment they happened, so labels \
                 may see what could not be read yet; say how long rows take (`assumed_delay: 5m`), or name the column that says when (`available_at`)",
                source.name
            );
            self.notes.push(Problem {
                file: new.file.clone(),
                at: positions.at(&["batch".to_owned()]),
                message,
            });
        }
    }

    fn changed(
        &self,
        action: Action,
        id: &DefinitionId,
        new: &Definition,
        differences: Vec<Difference>,
    ) -> Change {
        let features = new.body.features(|id| self.defined(id));
        let is_removable = self.registered.is_removable(id);
        Change {
            action,
            id: id.clone(),
            features,
            differences,
            reaches: self.reaches(id),
            training_sets: Vec::new(),
            is_removable,
        }
    }

    /// A definition as it would be.
    fn defined(&self, id: &DefinitionId) -> Option<&Body> {
        self.definitions.get(id).or_else(|| self.registered.definition(id)).map(|found| &found.body)
    }

    /// What becomes of a registered definition that has no file.
    fn gone(&self, id: &DefinitionId) -> Change {
        let features =
            self.registered.definition(id).and_then(|old| old.body.features(|id| self.defined(id)));
        Change {
            action: Action::Gone,
            id: id.clone(),
            features,
            differences: Vec::new(),
            reaches: self.reaches(id),
            training_sets: Vec::new(),
            is_removable: self.registered.is_removable(id),
        }
    }

    fn reaches(&self, id: &DefinitionId) -> Vec<Reach> {
        self.readers.reached_from(id)
    }

    /// Refuses an edit of a version, but for what comes of an edit of its source, its entity or
    /// what it reads: that is refused there.
    fn refuse_edit(&self, old: &Definition, new: &Definition) -> Option<(String, Vec<Difference>)> {
        let (same_source, same_entity) = match (&old.body, &new.body) {
            (Body::FeatureView(old), Body::FeatureView(new)) => {
                (old.source == new.source, old.entity == new.entity)
            }
            _ => (false, false),
        };
        let mut found = differences(old.canonical.value(), new.canonical.value());
        let of_source = |d: &Difference| same_source && d.path.first().is_some_and(|first| first == "source");
        let is_hash = |d: &Difference| d.path.last().is_some_and(|last| last == "hash");
        let follows = found.iter().any(|difference| of_source(difference) || is_hash(difference));
        found.retain(|difference| {
            let path: Vec<&str> = difference.path.iter().map(String::as_str).collect();
            match path.as_slice() {
                ["entity", "keys", ..] => !same_entity,
                ["features", _, "type"] => !follows,
                _ => !of_source(difference) && !is_hash(difference),
            }
        });
        if found.is_empty() {
            return None;
        }
        let id = new.id();
        let of_name = |other: &DefinitionId| other.name == id.name && other.kind == id.kind;
        let files = self.definitions.iter().map(Definition::id);
        let all = self.registered.ids().cloned().chain(files).filter(of_name);
        let next = all.filter_map(|id| id.version).max().unwrap_or(1) + 1;
        let version = id.version.unwrap_or(1);
        let derived = match self.derived_from(&id).as_slice() {
            [] => String::new(),
            derived => format!(", and {} is derived from it", derived.join(", ")),
        };
        let message = format!(
            "version {version} is registered and never changes ({}){derived}: undo that, and add version {next} instead",
            sentence(&found)
        );
        Some((message, found))
    }

    /// The registered views whose rows are those of this one.
    fn derived_from(&self, id: &DefinitionId) -> Vec<String> {
        let reads = |definition: &&Definition| {
            matches!(definition.body, Body::FeatureView(_)) && reads(&definition.body, id)
        };
        self.registered.definitions().filter(reads).map(|definition| definition.id().reference()).collect()
    }

    /// Refuses an edit of a version that was never used, where what is registered without a file reads it:
    /// that would read something else than it was checked against.
    fn refuse_under_others(&self, id: &DefinitionId) -> Option<(String, Vec<Difference>)> {
        let gone = self.registered.definitions().filter(|d| self.definitions.get(&d.id()).is_none());
        let readers: Vec<String> = gone.filter(|d| reads(&d.body, id)).map(|d| d.id().reference()).collect();
        (!readers.is_empty()).then(|| {
            let message = format!(
                "version {} cannot be edited while {}, which has no file, reads it: bring the file back, or remove that \
                 first",
                id.version.unwrap_or(1),
                readers.join(", ")
            );
            (message, Vec::new())
        })
    }

    /// Refuses a view of a name and version that is registered as the other kind of view.
    fn refuse_other_kind(&self, id: &DefinitionId) -> Option<String> {
        let other = match id.kind {
            Kind::FeatureView => Kind::OnDemandView,
            Kind::OnDemandView => Kind::FeatureView,
            Kind::Entity | Kind::Source | Kind::FeatureService => return None,
        };
        let registered = self.registered.definition(&DefinitionId { kind: other, ..id.clone() })?;
        let reference = registered.id().reference();
        Some(format!(
            "{reference} is registered as a {}: give this one another name or version",
            other.name()
        ))
    }

    fn refuse_source(&self, source: &Source) -> Option<(String, Vec<Difference>)> {
        let (mut views, mut found) = (Vec::new(), Vec::new());
        let reading = self.registered_views().filter(|(view, _)| view.source.name() == Some(&source.name));
        for (view, old) in reading.filter(|(_, old)| self.is_fixed(old)) {
            let before = old.canonical.value().get("source").cloned().unwrap_or_default();
            let columns = before.get("columns").and_then(Value::as_object);
            let used: BTreeMap<Name, DataType> = columns
                .into_iter()
                .flat_map(Map::keys)
                .filter_map(|name| Some((name.parse().ok()?, source.column(name)?)))
                .collect();
            let after = source_part(source, &used);
            let changed = differences(&json!({"source": before}), &json!({"source": after}));
            if !changed.is_empty() {
                views.push(view.id.to_string());
                found.extend(changed);
            }
        }
        found.sort();
        found.dedup();
        (!views.is_empty()).then(|| {
            let message = format!(
                "this changes what {} computes ({}): undo that, and define a new source for the next version of \
                 each view",
                views.join(", "),
                sentence(&found)
            );
            (message, found)
        })
    }

    fn refuse_entity(
        &self,
        id: &DefinitionId,
        old: &Definition,
        new: &Definition,
    ) -> Option<(String, Vec<Difference>)> {
        let views: Vec<String> = self
            .registered_views()
            .filter(|(view, old)| view.entity == id.name && self.is_fixed(old))
            .map(|(view, _)| view.id.to_string())
            .collect();
        let found = differences(old.canonical.value(), new.canonical.value());
        (!views.is_empty()).then(|| {
            let message = format!(
                "this changes the join keys of {} ({}): undo that, and define a new entity for the next version of \
                 each view",
                views.join(", "),
                sentence(&found)
            );
            (message, found)
        })
    }

    /// Whether what a registered version computes may not change: it was used, or no file says what it
    /// would become.
    fn is_fixed(&self, old: &Definition) -> bool {
        let id = old.id();
        self.registered.is_used(&id) || self.definitions.get(&id).is_none()
    }

    /// The registered views, each with the source and entity that its file names now.
    fn registered_views(&self) -> impl Iterator<Item = (&View, &Definition)> {
        self.registered.definitions().filter_map(|old| {
            let now = self.definitions.get(&old.id()).unwrap_or(old);
            match &now.body {
                Body::FeatureView(view) => Some((view, old)),
                _ => None,
            }
        })
    }
}

/// What a definition says beyond its canonical form: what may change and is kept as revisions.
fn free(body: &Body) -> Value {
    let described = |names: Vec<(&Name, &Option<String>)>| -> Map<String, Value> {
        names.into_iter().map(|(name, text)| (name.to_string(), json!({"description": text}))).collect()
    };
    match body {
        Body::Entity(entity) => json!({"about": entity.about, "keys": entity.keys}),
        Body::Source { source, about } => {
            let mut form = json!({"about": about, "source": source});
            // A moment as its author writes it.
            if let (Some(from), Some(written)) = (
                source.stream.as_ref().and_then(|stream| stream.from),
                form.pointer_mut("/source/stream/from"),
            ) {
                *written = json!(from.to_string());
            }
            form
        }
        Body::FeatureView(view) => json!({
            "about": view.about,
            "name of the source": view.source.to_string(),
            "freshness": view.freshness,
            "freshness of features": view.feature_freshness,
            "offline retention": view.retention.and_then(|retention| retention.offline),
            "warnings": view.expectations.iter().filter(|e| !e.rejects()).map(warning).collect::<Vec<_>>(),
            "names of expectations": view.expectations.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(", "),
            "expectations that quarantine": quarantining(view),
            "breaker": view.breaker,
            "bad share of a batch": view.batches.max_bad_share.map(feature::Bound::get),
            "features": described(view.features.iter().map(|f| (&f.name, &f.description)).collect()),
        }),
        Body::OnDemandView(view) => json!({
            "about": view.about,
            "features": described(view.features.iter().map(|f| (&f.name, &f.description)).collect()),
        }),
        Body::FeatureService(service) => json!({"about": service.about, "consumer": service.consumer}),
    }
}

/// A condition that only warns, and what it is about where that is not a row of the source.
fn warning(expectation: &feature::Expectation) -> String {
    match expectation.stage {
        feature::ExpectationStage::Source => expectation.condition.clone(),
        stage => format!("{}: {}", stage.name(), expectation.condition),
    }
}

/// What is quarantined: as a text, since what a version computes does not depend on it.
fn quarantining(view: &View) -> Option<String> {
    let rows = view.expectations.iter().filter(|e| e.on_failure == feature::OnFailure::Quarantine);
    let batches = view.batches.expectations.iter().map(|expectation| {
        let what = if expectation.quarantines { "" } else { " (only warns)" };
        format!("{}: {}{what}", expectation.name, expectation.check)
    });
    let all: Vec<String> = rows.map(|e| e.name.clone()).chain(batches).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
