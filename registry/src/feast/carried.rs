//! Definitions that were made of Feast's objects, before they are text: a definition, or a feature of one, can be taken
//! out, and what depends on it follows.

use feature::{DataType, Name};

use crate::keys::Kind;

use super::code_line::CodeLine;
use super::finding::{FeastFinding, FeastOutcome};
use super::repository::Described;

/// A definition, and the object that it was made of.
pub(crate) struct CarriedDefinition {
    pub(crate) name: Name,
    /// What Feast calls it, as in "feature view `driver_stats`".
    pub(crate) object: String,
    pub(crate) described: Described,
    /// Sentences that stand above it as comments.
    pub(crate) notes: Vec<String>,
    pub(crate) body: CarriedBody,
}

pub(crate) enum CarriedBody {
    Entity { keys: Vec<(Name, DataType)> },
    Source(CarriedSource),
    View(CarriedView),
    OnDemand { request: Vec<(Name, DataType)>, inputs: Vec<Choice>, features: Vec<CarriedFeature> },
    Service { choices: Vec<Choice> },
}

pub(crate) struct CarriedSource {
    pub(crate) columns: Vec<CarriedColumn>,
    /// A column, or a SQL expression.
    pub(crate) event_time: CarriedTime,
    /// A column that may say when a row could be read.
    pub(crate) created: Option<Name>,
    /// The path, and the format where the name does not say it.
    pub(crate) batch: Option<(String, Option<&'static str>)>,
    pub(crate) stream: Option<CarriedStream>,
    pub(crate) lateness: Option<String>,
}

pub(crate) enum CarriedTime {
    Column(Name),
    Sql(String),
}

pub(crate) struct CarriedColumn {
    pub(crate) name: Name,
    /// What it is called in the files.
    pub(crate) stored: String,
    pub(crate) data_type: DataType,
}

pub(crate) struct CarriedStream {
    pub(crate) topic: String,
    pub(crate) format: &'static str,
    /// The file of its schema, and what is in it.
    pub(crate) schema: Option<(String, String)>,
}

pub(crate) struct CarriedView {
    pub(crate) entity: Name,
    pub(crate) source: Name,
    /// Join keys that are not the column of their name.
    pub(crate) keys: Vec<(Name, String)>,
    pub(crate) ttl: Option<String>,
    pub(crate) features: Vec<CarriedFeature>,
}

pub(crate) struct CarriedFeature {
    pub(crate) name: Name,
    pub(crate) feast: String,
    pub(crate) value: FeatureValue,
    pub(crate) description: String,
}

pub(crate) enum FeatureValue {
    Latest(String),
    Aggregate { aggregate: String, window: Option<String>, hop: Option<String> },
    Expression(String),
}

pub(crate) struct Choice {
    pub(crate) from: Name,
    pub(crate) on: Vec<(Name, Name)>,
    pub(crate) take: Vec<Name>,
    pub(crate) prefix: String,
}

impl CarriedDefinition {
    pub(crate) fn kind(&self) -> Kind {
        match self.body {
            CarriedBody::Entity { .. } => Kind::Entity,
            CarriedBody::Source(_) => Kind::Source,
            CarriedBody::View(_) => Kind::FeatureView,
            CarriedBody::OnDemand { .. } => Kind::OnDemandView,
            CarriedBody::Service { .. } => Kind::FeatureService,
        }
    }

    /// Whether it has features that others read.
    pub(crate) fn is_view(&self) -> bool {
        matches!(self.body, CarriedBody::View(_) | CarriedBody::OnDemand { .. })
    }

    pub(crate) fn features(&self) -> &[CarriedFeature] {
        match &self.body {
            CarriedBody::View(CarriedView { features, .. }) | CarriedBody::OnDemand { features, .. } => {
                features
            }
            _ => &[],
        }
    }

    fn features_mut(&mut self) -> Option<&mut Vec<CarriedFeature>> {
        match &mut self.body {
            CarriedBody::View(CarriedView { features, .. }) | CarriedBody::OnDemand { features, .. } => {
                Some(features)
            }
            _ => None,
        }
    }

    fn choices_mut(&mut self) -> Option<&mut Vec<Choice>> {
        match &mut self.body {
            CarriedBody::OnDemand { inputs: choices, .. } | CarriedBody::Service { choices } => Some(choices),
            _ => None,
        }
    }

    /// The name by which it is pinned, as `driver_stats@1`.
    pub(crate) fn reference(&self) -> String {
        match self.kind().is_versioned() {
            true => format!("{}@1", self.name),
            false => self.name.to_string(),
        }
    }

    pub(crate) fn lost(&self, what: String) -> FeastFinding {
        FeastFinding {
            at: self.described.at.clone(),
            object: self.object.clone(),
            outcome: FeastOutcome::NotCarried,
            what,
        }
    }
}

/// All definitions, and what is to be said of them.
#[derive(Default)]
pub(crate) struct Carried {
    pub(crate) definitions: Vec<CarriedDefinition>,
    pub(crate) findings: Vec<FeastFinding>,
}

impl Carried {
    pub(crate) fn note(
        &mut self,
        at: &Option<CodeLine>,
        object: &str,
        outcome: FeastOutcome,
        what: impl Into<String>,
    ) {
        let (at, object, what) = (at.clone(), object.to_owned(), what.into());
        self.findings.push(FeastFinding { at, object, outcome, what });
    }

    pub(crate) fn view(&self, name: &str) -> Option<&CarriedDefinition> {
        self.definitions.iter().find(|definition| definition.is_view() && definition.name.as_str() == name)
    }

    /// Takes a definition out, or one of its features, for this reason.
    pub(crate) fn take_out(&mut self, definition: usize, feature: Option<usize>, why: &str) {
        let Some(there) = self.definitions.get_mut(definition) else { return };
        let named = feature.and_then(|feature| there.features().get(feature)).map(|f| f.feast.clone());
        let what = match &named {
            Some(name) => format!("feature `{name}`: {why}"),
            None => why.to_owned(),
        };
        let finding = there.lost(what);
        self.findings.push(finding);
        match (feature, there.features_mut()) {
            (Some(feature), Some(features)) if feature < features.len() => {
                features.remove(feature);
            }
            _ => {
                self.definitions.remove(definition);
            }
        }
    }

    /// Takes out what reads something that is not there.
    pub(crate) fn settle(&mut self) {
        while let Some((definition, why)) = self.broken() {
            self.take_out(definition, None, &why);
        }
    }

    /// A definition that cannot be without what is gone. Choices of others are cut to what is there.
    fn broken(&mut self) -> Option<(usize, String)> {
        let there: Vec<(Kind, Name)> = self.definitions.iter().map(|d| (d.kind(), d.name.clone())).collect();
        let has = |kind, name: &Name| there.contains(&(kind, name.clone()));
        let features: Vec<(Name, Vec<Name>)> = self
            .definitions
            .iter()
            .filter(|definition| definition.is_view())
            .map(|view| (view.name.clone(), view.features().iter().map(|f| f.name.clone()).collect()))
            .collect();
        let mut found = Vec::new();
        let mut broken = None;
        for (index, definition) in self.definitions.iter_mut().enumerate() {
            let (object, at) = (definition.object.clone(), definition.described.at.clone());
            let is_service = definition.kind() == Kind::FeatureService;
            if let Some(choices) = definition.choices_mut() {
                let count = choices.len();
                choices.retain(|choice| features.iter().any(|(name, _)| *name == choice.from));
                let mut lost: Vec<String> = Vec::new();
                for choice in choices.iter_mut() {
                    let Some((_, known)) = features.iter().find(|(name, _)| *name == choice.from) else {
                        continue;
                    };
                    lost.extend(
                        choice
                            .take
                            .iter()
                            .filter(|f| !known.contains(f))
                            .map(|f| format!("{}:{f}", choice.from)),
                    );
                    choice.take.retain(|feature| known.contains(feature));
                }
                choices.retain(|choice| !choice.take.is_empty());
                if choices.is_empty() && is_service {
                    broken = broken.or(Some((index, "nothing that it gives is carried".to_owned())));
                } else if is_service && (choices.len() < count || !lost.is_empty()) {
                    let what = match lost.is_empty() {
                        true => "it is without the views that are not carried".to_owned(),
                        false => format!("it is without {}, which are not carried", lost.join(", ")),
                    };
                    found.push(FeastFinding { at, object, outcome: FeastOutcome::NotCarried, what });
                }
            }
            let why = match &definition.body {
                CarriedBody::View(view) if !has(Kind::Source, &view.source) => {
                    Some("its source is not carried".to_owned())
                }
                CarriedBody::View(view) if !has(Kind::Entity, &view.entity) => {
                    Some("its entity is not carried".to_owned())
                }
                CarriedBody::View(CarriedView { features, .. }) | CarriedBody::OnDemand { features, .. }
                    if features.is_empty() =>
                {
                    Some("none of its features is carried".to_owned())
                }
                _ => None,
            };
            if let Some(why) = why {
                broken = broken.or(Some((index, why)));
            }
        }
        self.findings.extend(found);
        broken
    }
}
