//! Which outputs of a plan are compared with each other, and what is known of each side.

use feature::{DataType, ExpectedChange, Fold, Origin, ServicePlan, Span};
use registry::SideBySide;

use super::report::NotCompared;

/// One feature in both versions.
#[derive(Clone, Debug)]
pub(super) struct FeaturePair {
    pub(super) name: String,
    pub(super) old: FeatureSide,
    pub(super) new: FeatureSide,
    pub(super) expected: Option<ExpectedChange>,
}

/// A feature in one version.
#[derive(Clone, Debug)]
pub(super) struct FeatureSide {
    /// Its index among the plan's outputs.
    pub(super) output: usize,
    pub(super) data_type: DataType,
    pub(super) unit: Option<String>,
    /// The lookups that it reads, ascending.
    pub(super) lookups: Vec<usize>,
    /// How long a latest value lives; `None` of aggregates, and where it lives forever.
    pub(super) ttl: Option<Span>,
    pub(super) origin: Origin,
}

/// The plan of what can be compared, its pairs, and what cannot: without a spine nothing brings request columns.
pub(super) fn comparable(
    versions: &SideBySide,
    has_request: bool,
) -> (ServicePlan, Vec<FeaturePair>, Vec<NotCompared>) {
    let mut not_compared = Vec::new();
    let mut outputs = Vec::new();
    let mut matched = Vec::new();
    for one in &versions.matched {
        let mut request: Vec<String> = [one.old, one.new]
            .into_iter()
            .flat_map(|output| versions.plan.request_of(output))
            .map(|field| field.name.to_string())
            .collect();
        request.sort();
        request.dedup();
        if has_request || request.is_empty() {
            matched.push((one, outputs.len()));
            outputs.extend([one.old, one.new]);
        } else {
            let is_same = is_same(&versions.plan, one.old, one.new);
            not_compared.push(NotCompared { name: one.name.clone(), request, is_same });
        }
    }
    let plan = versions.plan.giving(&outputs);
    let pair = |(one, first): (&registry::Matched, usize)| {
        Some(FeaturePair {
            name: one.name.clone(),
            old: side(&plan, first)?,
            new: side(&plan, first + 1)?,
            expected: one.expected.clone(),
        })
    };
    let pairs = matched.into_iter().filter_map(pair).collect();
    (plan, pairs, not_compared)
}

/// Whether two outputs are computed by the same definition from the same rows.
fn is_same(plan: &ServicePlan, old: usize, new: usize) -> bool {
    let of = |output: usize| {
        let origin = plan.outputs.get(output)?.origin;
        let Origin::Computed { computation, feature } = origin else { return None };
        let view = &plan.computations.get(computation)?.view;
        let lookups = plan.lookups_of(origin);
        let lookups: Option<Vec<_>> = lookups
            .into_iter()
            .map(|lookup| plan.lookups.get(lookup).map(|one| (&one.view.id, &one.keys)))
            .collect();
        Some((&view.id, &view.hash, feature, lookups?))
    };
    of(old).is_some_and(|one| Some(one) == of(new))
}

fn side(plan: &ServicePlan, output: usize) -> Option<FeatureSide> {
    let found = plan.outputs.get(output)?;
    let (ttl, unit) = match found.origin {
        Origin::Stored { lookup, feature } => {
            let view = &plan.lookups.get(lookup)?.view;
            let feature = view.features.get(feature)?;
            let ttl = view.ttl.filter(|_| matches!(feature.fold, Fold::Latest { .. }));
            (ttl, feature.unit.clone())
        }
        Origin::Computed { computation, feature } => {
            let view = &plan.computations.get(computation)?.view;
            let feature = view.features.get(feature)?;
            (None, feature.unit.clone())
        }
    };
    Some(FeatureSide {
        output,
        data_type: found.data_type,
        unit,
        lookups: plan.lookups_of(found.origin),
        ttl,
        origin: found.origin,
    })
}
