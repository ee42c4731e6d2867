//! Feature services.

use feature::{About, Consumer, Freshness, Service};

use crate::body::Body;
use crate::canonical::{self, Read};
use crate::catalog::Planner;
use crate::definition::Definition;
use crate::draft::Draft;
use crate::problem::Report;
use crate::yaml::Node;

use super::expected_change::expected_changes;
use super::known::Known;
use super::take::{Choice, choices};

pub(super) fn service(draft: &Draft, known: &Known<'_>, report: &mut Report<'_>) -> Option<Definition> {
    let (root, context) = (draft.root(), draft.context());
    let mut planner = Planner::new(&known.catalog);
    let choices = choices(root, "features", &context, known, &mut planner, report)?;
    let names = choices.iter().flat_map(|choice| &choice.taken).map(|(name, ..)| name.as_str());
    let expect_change = expected_changes(draft, names, report);
    if report.has_problems() {
        return None;
    }
    let canonical = canonical::service(&reads(&choices, known));
    let service = Service {
        id: draft.version_id(),
        consumer: root.get("consumer").and_then(consumer),
        about: About { expect_change, ..draft.about() },
        hash: canonical.hash(),
        features: choices.into_iter().map(|choice| choice.take).collect(),
    };
    let body = Body::FeatureService(service);
    Some(Definition::new(body, canonical, &draft.document.text, &draft.document.file))
}

fn consumer(node: &Node) -> Option<Consumer> {
    let freshness = node.get("freshness").and_then(|freshness| {
        Some(Freshness { objective: freshness.parse("objective"), target: freshness.parse("target")? })
    });
    Some(Consumer { model: node.string("model")?, owner: node.string("owner"), freshness })
}

/// What these choices read, for the canonical form of who reads it.
pub(super) fn reads<'c>(choices: &'c [Choice], known: &'c Known<'_>) -> Vec<Read<'c>> {
    let mut reads = Vec::new();
    for Choice { take, .. } in choices {
        let Some(readable) = known.catalog.get(&take.from) else { continue };
        let chosen = match &take.take {
            Some(names) => names.iter().collect(),
            None => readable.features().into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
        };
        let read = |feature: &'c feature::Name| Read {
            name: format!("{}{feature}", take.prefix),
            feature,
            take,
            hash: readable.hash(),
        };
        reads.extend(chosen.into_iter().map(read));
    }
    reads
}
