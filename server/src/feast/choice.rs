//! From Feast's names to features: a service by its name, or features of views as `view:feature`,
//! where a bare name means the highest version of the view and `view@2:feature` exactly that one.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use feature::{Origin, ServicePlan, VersionId, excerpt, nearest};
use read::{MOST_FEATURES, RequestColumn, RequestError};

use crate::catalog::Services;
use crate::error::ServeError;
use crate::request_fault::RequestFault;
use crate::served::Served;

/// A request as Feast makes it. It does not tell join keys and request columns apart, and may bring
/// columns that nothing needs.
pub(crate) struct FeastRequest<C> {
    pub selection: Selection,
    pub columns: Vec<(String, C)>,
    pub full_names: bool,
}

/// What a Feast client asks for.
pub(crate) enum Selection {
    /// All features of a service, by its name for the live version, or `name@version`.
    Service(String),
    /// Features of views.
    Features(Vec<String>),
}

/// The features that were meant.
pub(crate) struct Choice {
    pub reader: Arc<Served>,
    /// For each feature the name that Feast gives it, and its name among the reader's outputs.
    pub outputs: Vec<(String, String)>,
}

impl Choice {
    /// Finds what is requested. With full names, each feature's has its view's before it.
    pub fn of<C: RequestColumn + Clone>(
        services: &Services,
        request: &FeastRequest<C>,
    ) -> Result<Self, ServeError> {
        match &request.selection {
            Selection::Service(name) => {
                Self::of_service(services.answering(name, &request.columns)?, request.full_names)
            }
            Selection::Features(texts) => Self::of_views(services, texts, request.full_names),
        }
    }

    fn of_service(reader: Arc<Served>, full_names: bool) -> Result<Self, ServeError> {
        let plan = reader.plan();
        let named = |output: &feature::Output| {
            let view = if full_names { view_of(reader.plan(), output.origin) } else { None };
            let name = match view {
                Some(view) => format!("{}__{}", view.name, output.name),
                None => output.name.clone(),
            };
            (name, output.name.clone())
        };
        let outputs = plan.outputs.iter().map(named).collect();
        Ok(Self { outputs, reader })
    }

    fn of_views(services: &Services, texts: &[String], full_names: bool) -> Result<Self, ServeError> {
        if texts.len() > MOST_FEATURES {
            let (given, limit) = (texts.len(), MOST_FEATURES);
            return Err(RequestError::TooManyNames { given, limit, what: "features" }.into());
        }
        let references: Vec<Reference<'_>> =
            texts.iter().map(|text| Reference::parse(text)).collect::<Result<_, _>>()?;
        let Some(views) = services.views() else {
            let view = references.first().map_or("", |reference| reference.view);
            return Err(RequestFault::unknown_view(view, []).into());
        };
        let find = |reference: &Reference<'_>| views.find(reference.view, reference.version);
        let ids: Vec<&VersionId> = references.iter().map(find).collect::<Result<_, _>>()?;
        let distinct: BTreeSet<&VersionId> = ids.iter().copied().collect();
        let reader = views.reader(&distinct)?;
        let mut outputs: Vec<(String, String)> = Vec::with_capacity(texts.len());
        let mut given = HashSet::new();
        for (reference, id) in references.iter().zip(ids) {
            let output = format!("{id}:{}", reference.feature);
            if reader.reader().output(&output).is_none() {
                return Err(unknown_feature(reader.plan(), id, reference.feature).into());
            }
            let name = if full_names {
                format!("{}__{}", reference.written, reference.feature)
            } else {
                reference.feature.to_owned()
            };
            // What is requested twice is given once.
            let named = (name, output);
            if given.insert(named.clone()) {
                outputs.push(named);
            }
        }
        Ok(Self { reader, outputs })
    }

    /// The views of the features, each once, in their order.
    pub fn views(&self) -> Vec<VersionId> {
        let mut views: Vec<VersionId> = Vec::new();
        let mut seen = HashSet::new();
        let indices = self.outputs.iter().filter_map(|(_, output)| self.reader.reader().output(output));
        for output in indices.filter_map(|index| self.reader.plan().outputs.get(index)) {
            if let Some(view) = view_of(self.reader.plan(), output.origin).filter(|view| seen.insert(*view)) {
                views.push(view.clone());
            }
        }
        views
    }
}

fn view_of(plan: &ServicePlan, origin: Origin) -> Option<&VersionId> {
    match origin {
        Origin::Stored { lookup, .. } => Some(&plan.lookups.get(lookup)?.view.id),
        Origin::Computed { computation, .. } => Some(&plan.computations.get(computation)?.view.id),
    }
}

fn unknown_feature(plan: &ServicePlan, view: &VersionId, feature: &str) -> RequestFault {
    const LONGEST_CHARS: usize = 80;
    let of_view = format!("{view}:");
    let names = plan.outputs.iter().filter_map(|output| output.name.strip_prefix(&of_view));
    let nearest = nearest(feature, names).map(str::to_owned);
    RequestFault::UnknownFeature {
        view: view.clone(),
        feature: excerpt(feature, LONGEST_CHARS).into_owned(),
        nearest,
    }
}

/// One feature of a view, as it is written.
struct Reference<'a> {
    /// The view with its version, if it has one.
    written: &'a str,
    view: &'a str,
    version: Option<u32>,
    feature: &'a str,
}

impl<'a> Reference<'a> {
    /// `view:feature`, `view@2:feature`, and as Feast writes versions `view@v2:feature` and
    /// `view@latest:feature`.
    fn parse(text: &'a str) -> Result<Self, RequestFault> {
        const LONGEST_CHARS: usize = 80;
        let not_one = || RequestFault::NotAReference(excerpt(text, LONGEST_CHARS).into_owned());
        let (written, feature) = text.split_once(':').ok_or_else(not_one)?;
        let (view, version) = view_and_version(written).ok_or_else(not_one)?;
        Ok(Self { written, view, version, feature })
    }
}

/// A view as it is written: its name, and its version where it has one.
pub(super) fn view_and_version(written: &str) -> Option<(&str, Option<u32>)> {
    Some(match written.split_once('@') {
        None => (written, None),
        Some((view, "latest")) => (view, None),
        Some((view, version)) => {
            let number = version.strip_prefix('v').unwrap_or(version);
            (view, Some(number.parse().ok()?))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_written_as_here_or_as_feast_writes_it() {
        let parsed = |text| {
            let reference = Reference::parse(text).unwrap();
            (reference.view, reference.version, reference.feature)
        };
        assert_eq!(parsed("weather:temp"), ("weather", None, "temp"));
        assert_eq!(parsed("weather@2:temp"), ("weather", Some(2), "temp"));
        assert_eq!(parsed("weather@v2:temp"), ("weather", Some(2), "temp"));
        assert_eq!(parsed("weather@latest:temp"), ("weather", None, "temp"));
        for wrong in ["weather", "weather@two:temp", "weather@:temp"] {
            let error = ServeError::from(Reference::parse(wrong).err().unwrap()).sentence();
            assert!(error.contains("write it as `view:feature`"), "{error}");
        }
    }
}
