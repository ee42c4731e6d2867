//! Feature services of Feast: the features of each in their order, under the names that Feast gives them.

use std::collections::BTreeSet;

use super::carried::{Carried, CarriedBody, CarriedDefinition, Choice};
use super::feast_functions::roles;
use super::feast_sources::legal_name_or_same;
use super::finding::FeastOutcome;
use super::naming::Naming;
use super::repository::{FeastService, Projection};

/// How things are called here.
pub(crate) struct ServiceNames<'a> {
    pub(crate) services: &'a mut Naming,
    pub(crate) views: &'a Naming,
    pub(crate) keys: &'a Naming,
}

/// Adds the definition of a service.
pub(crate) fn add(service: &FeastService, names: ServiceNames<'_>, carried: &mut Carried) {
    let ServiceNames { services, views, keys } = names;
    let object = format!("feature service `{}`", service.described.name);
    let at = &service.described.at;
    let mut projections: Vec<Projection> = Vec::new();
    for reference in &service.references {
        let (view, feature) = reference.split_once(':').unwrap_or((reference, ""));
        let features = Some(feature.to_owned()).filter(|feature| !feature.is_empty()).into_iter().collect();
        match projections.last_mut() {
            Some(last) if last.view == view && !feature.is_empty() => last.features.push(feature.to_owned()),
            _ => projections.push(Projection {
                view: view.to_owned(),
                alias: String::new(),
                features,
                join_key_map: Default::default(),
                version: None,
            }),
        }
    }
    let all: Vec<&Projection> = service.projections.iter().chain(&projections).collect();
    let mut choices = Vec::new();
    let mut prefixed = Vec::new();
    for (index, projection) in all.iter().enumerate() {
        let from = views.known(&projection.view).filter(|name| carried.view(name.as_str()).is_some());
        let Some(from) = from.cloned() else {
            let what = format!("it is without `{}`, which is not carried", projection.view);
            carried.note(at, &object, FeastOutcome::NotCarried, what);
            continue;
        };
        if projection.version.is_some() {
            let what = format!(
                "it pins a version of `{}`, of which only the newest is in the repository",
                projection.view
            );
            carried.note(at, &object, FeastOutcome::Differs, what);
        }
        let others = all.iter().enumerate().filter(|(other, _)| *other != index);
        let is_shared = |feature: &String| others.clone().any(|(_, other)| other.features.contains(feature));
        let alias = if projection.alias.is_empty() { &projection.view } else { &projection.alias };
        let prefix = match projection.features.iter().any(is_shared) {
            true => format!("{}__", legal_name_or_same(alias, "view", &mut BTreeSet::new())),
            false => String::new(),
        };
        if !prefix.is_empty() {
            prefixed.push(prefix.clone());
        }
        let there = carried.view(from.as_str()).map(CarriedDefinition::features).unwrap_or_default();
        let wanted = |name: &String| there.iter().find(|feature| feature.feast == *name);
        let lost: Vec<&str> =
            projection.features.iter().filter(|f| wanted(f).is_none()).map(String::as_str).collect();
        let take = match projection.features.as_slice() {
            [] => there.iter().map(|feature| feature.name.clone()).collect(),
            features => features.iter().filter_map(wanted).map(|feature| feature.name.clone()).collect(),
        };
        if !lost.is_empty() {
            let what = format!("it is without {} of `{}`", lost.join(", "), projection.view);
            carried.note(at, &object, FeastOutcome::NotCarried, what);
        }
        choices.push(Choice { from, on: roles(projection, keys), take, prefix });
    }
    if !prefixed.is_empty() {
        let what = format!(
            "features of several views have one name, so they are called as with `full_feature_names=True`: {}",
            prefixed.join(", ")
        );
        carried.note(at, &object, FeastOutcome::Differs, what);
    }
    if service.logged {
        carried.note(
            at,
            &object,
            FeastOutcome::NotCarried,
            "`logging_config`: a hundredth of the served values is compared with the log instead",
        );
    }
    carried.definitions.push(CarriedDefinition {
        name: services.of(&service.described.name, "service"),
        object,
        described: service.described.clone(),
        notes: Vec::new(),
        body: CarriedBody::Service { choices },
    });
}
