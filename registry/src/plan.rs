//! What an apply would change, decided from the files and what is registered alone.

use std::collections::BTreeMap;
use std::fmt;

use feature::{DataType, Name, Source, View};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::canonical::source_part;
use crate::definition::{Body, Definition, DefinitionId};
use crate::definitions::Definitions;
use crate::difference::{Difference, differences, sentence};
use crate::keys::Kind;
use crate::places::Places;
use crate::problem::{Problem, Problems};
use crate::reach::{Reach, reaches};
use crate::registered::Registered;

/// What an apply would change.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Plan {
    /// The generation of the registry that the plan was made on.
    pub generation: u64,
    /// What becomes of each definition, by kind, name and version.
    pub changes: Vec<Change>,
    /// Why it is refused; nothing is applied while there is a reason.
    pub refused: Problems,
    #[serde(skip)]
    pub(crate) writes: Vec<Definition>,
}

/// What becomes of one definition.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Change {
    /// What becomes of it.
    pub action: Action,
    /// Which definition.
    #[serde(flatten)]
    pub id: DefinitionId,
    /// How many features it defines or chooses from; none for entities and sources.
    pub features: Option<usize>,
    /// What differs from what is registered.
    pub differences: Vec<Difference>,
    /// The views and services that read it, directly or through others.
    pub reaches: Vec<Reach>,
}

/// What becomes of a definition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Add,
    /// It computes the same, and says something else: a new revision.
    Revise,
    /// It is as it is registered.
    Keep,
    /// It is registered and may not become what the file says.
    Refuse,
    /// It has no file any more, and stays registered.
    Gone,
}

impl Plan {
    /// What an apply of these definitions would change in a registry that holds `registered`.
    pub fn of(definitions: &Definitions, registered: &Registered) -> Plan {
        let mut planning = Planning { definitions, registered, refused: Vec::new(), writes: Vec::new() };
        let mut changes: Vec<Change> =
            definitions.with_places().map(|(id, new, places)| planning.change(id, new, places)).collect();
        let gone = registered.ids().filter(|id| definitions.get(id).is_none());
        changes.extend(gone.map(|id| planning.gone(id)));
        changes.sort_by(|a, b| a.id.cmp(&b.id));
        Plan {
            generation: registered.generation(),
            changes,
            refused: Problems::sorted(planning.refused),
            writes: planning.writes,
        }
    }

    /// Whether an apply would change nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.refused.is_empty()
    }

    /// How many definitions have this action.
    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }
}

struct Planning<'a> {
    definitions: &'a Definitions,
    registered: &'a Registered,
    refused: Vec<Problem>,
    writes: Vec<Definition>,
}

impl Planning<'_> {
    fn change(&mut self, id: &DefinitionId, new: &Definition, places: &Places) -> Change {
        let Some(old) = self.registered.definition(id) else {
            self.writes.push(new.clone());
            return self.changed(Action::Add, id, new, Vec::new());
        };
        let refused = match &new.body {
            _ if old.hash == new.hash => None,
            Body::Entity(_) => self.refuse_entity(id, old, new),
            Body::Source { source, .. } => self.refuse_source(source),
            Body::FeatureView(_) | Body::OnDemandView(_) | Body::FeatureService(_) => {
                self.refuse_edit(old, new)
            }
        };
        if let Some((message, found)) = refused {
            let message = format!("{} `{}`: {message}", id.kind.name(), id.name);
            let at = found.iter().map(|difference| places.at(&difference.path)).min();
            let at = at.unwrap_or_else(|| places.at(&[]));
            self.refused.push(Problem { file: new.file.clone(), at, message });
            return self.changed(Action::Refuse, id, new, found);
        }
        let mut found = differences(&free(&old.body), &free(&new.body));
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
        self.changed(Action::Revise, id, new, found)
    }

    fn changed(
        &self,
        action: Action,
        id: &DefinitionId,
        new: &Definition,
        differences: Vec<Difference>,
    ) -> Change {
        let features = new.body.features();
        Change { action, id: id.clone(), features, differences, reaches: self.reaches(id) }
    }

    fn gone(&self, id: &DefinitionId) -> Change {
        let features = self.registered.definition(id).and_then(|old| old.body.features());
        Change {
            action: Action::Gone,
            id: id.clone(),
            features,
            differences: Vec::new(),
            reaches: self.reaches(id),
        }
    }

    fn reaches(&self, id: &DefinitionId) -> Vec<Reach> {
        reaches(self.bodies(), id)
    }

    /// Every definition as it would be, those without a file included.
    fn bodies(&self) -> impl Iterator<Item = &Body> + Clone {
        let files = self.definitions.iter().map(|definition| &definition.body);
        let gone = self.registered.definitions().filter(|d| self.definitions.get(&d.id()).is_none());
        files.chain(gone.map(|definition| &definition.body))
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
        let message = format!(
            "version {version} is registered and never changes ({}): undo that, and add version {next} instead",
            sentence(&found)
        );
        Some((message, found))
    }

    fn refuse_source(&self, source: &Source) -> Option<(String, Vec<Difference>)> {
        let (mut views, mut found) = (Vec::new(), Vec::new());
        for (view, old) in self.registered_views().filter(|(view, _)| view.source == source.name) {
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
            .filter(|(view, _)| view.entity == id.name)
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
        Body::Source { source, about } => json!({"about": about, "source": source}),
        Body::FeatureView(view) => json!({
            "about": view.about,
            "name of the source": view.source,
            "freshness": view.freshness,
            "offline retention": view.retention.and_then(|retention| retention.offline),
            "warnings": view.expectations.iter().filter(|e| !e.rejects).map(|e| e.condition.clone()).collect::<Vec<_>>(),
            "names of expectations": view.expectations.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(", "),
            "features": described(view.features.iter().map(|f| (&f.name, &f.description)).collect()),
        }),
        Body::OnDemandView(view) => json!({
            "about": view.about,
            "features": described(view.features.iter().map(|f| (&f.name, &f.description)).collect()),
        }),
        Body::FeatureService(service) => json!({"about": service.about, "consumer": service.consumer}),
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
        let count = |action, what| match self.count(action) {
            0 => None,
            n => Some(format!("{n} {what}")),
        };
        let counts: Vec<String> = [
            count(Action::Add, "to add"),
            count(Action::Revise, "to revise"),
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

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            Action::Add => "+",
            Action::Revise => "~",
            Action::Keep => "=",
            Action::Refuse => "!",
            Action::Gone => "-",
        };
        let kind = match self.id.kind {
            Kind::Entity => "entity",
            Kind::Source => "source",
            Kind::FeatureView => "view",
            Kind::OnDemandView => "on-demand view",
            Kind::FeatureService => "service",
        };
        write!(f, "{sign} {kind} {}", self.id.reference())?;
        if let (Action::Add, Some(features), true) =
            (self.action, self.features, self.id.kind != Kind::FeatureService)
        {
            write!(f, " ({features} feature{})", if features == 1 { "" } else { "s" })?;
        }
        if self.action == Action::Gone {
            f.write_str(" has no file any more and stays registered")?;
        }
        if !self.differences.is_empty() && self.action != Action::Refuse {
            write!(f, ": {}", sentence(&self.differences))?;
        }
        for (i, reach) in self.reaches.iter().enumerate() {
            f.write_str(if i == 0 { " → " } else { ", " })?;
            write!(f, "{}", reach.id)?;
            if let Some(consumer) = &reach.consumer {
                write!(f, " ({consumer})")?;
            }
        }
        Ok(())
    }
}
