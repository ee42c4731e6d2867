//! The path from a validated request to its features.

use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use feature::{Input, Micros, OpenAnswer, Opening, Openings, VersionId};
use online::{PackedRows, Read, Reader};
use transform::ComputedColumn;

use crate::entity_keys::{EntityKeys, KeyIndices};
use crate::error::{ReadError, ReadFailure, RequestError};
use crate::features::Features;
use crate::folded_view::FoldedView;
use crate::open_view::OpenView;
use crate::reader::{FeatureReader, not_evaluated};
use crate::request::ValidatedRequest;
use crate::result::ReadResult;
use crate::scope::{Scope, ScopedComputation, ScopedView};

/// The moment to read at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// The requested one: refused where the online store has moved on.
    At(Micros),
    /// The clock's. A store that was written by a clock slightly ahead of it is read at its own
    /// applied time, so that no reader is refused for the difference.
    Now(Micros),
}

impl Moment {
    /// The moment that was meant.
    const fn micros(self) -> Micros {
        match self {
            Moment::At(at) | Moment::Now(at) => at,
        }
    }
}

/// What a read found, and the moment that it is of.
struct FoundRows {
    /// With each view in as many parts as its features are answered by openings.
    scope: Arc<Scope>,
    /// For each view or part its opening, if its breaker is open.
    open: Vec<Option<OpenView>>,
    found: Vec<PackedRows>,
    at: Micros,
}

/// The moment to read at, and the openings of circuit breakers that hold then.
#[derive(Clone, Copy, Debug)]
pub struct ReadAt<'a> {
    /// The moment.
    pub moment: Moment,
    /// Of all views.
    pub openings: &'a Openings,
}

/// No breaker was ever open.
static NONE_OPEN: LazyLock<Openings> = LazyLock::new(Openings::default);

impl From<Moment> for ReadAt<'static> {
    fn from(moment: Moment) -> Self {
        Self { moment, openings: &NONE_OPEN }
    }
}

/// What the time of a read goes into, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadStage {
    /// The keys of entities encoded.
    Keys,
    /// In the store.
    Probe,
    /// Packed rows folded at the moment.
    Merge,
    /// On-demand views; only where there are some.
    Expressions,
}

impl FeatureReader {
    /// Reads the features: one read of the store for all views and roles, each packed row folded
    /// once, the on-demand views evaluated over all rows at once.
    pub async fn read<R: Reader>(
        &self,
        store: &R,
        request: &ValidatedRequest,
        at: impl Into<ReadAt<'_>>,
    ) -> Result<Features, ReadError> {
        self.read_in_stages(store, request, at, &|_| true).await.map(ReadResult::into_features)
    }

    /// Reads the features, and tells when each stage has ended; where that gives false, the read is given up.
    pub async fn read_in_stages<R: Reader>(
        &self,
        store: &R,
        request: &ValidatedRequest,
        at: impl Into<ReadAt<'_>>,
        end_of: &(dyn Fn(ReadStage) -> bool + Sync),
    ) -> Result<ReadResult, ReadError> {
        let ReadAt { moment, openings } = at.into();
        let (entities, indices) = self.entity_keys(request)?;
        go_on(end_of(ReadStage::Keys))?;
        let FoundRows { scope, open, found, at } =
            self.look_up(store, (&request.scope, &entities), openings, moment).await?;
        go_on(end_of(ReadStage::Probe))?;
        let mut result = ReadResult {
            plan: Arc::clone(&self.plan),
            scope: Arc::clone(&scope),
            at,
            rows: request.rows,
            folded: self.folded(&scope, &entities, &found, (&open, at))?,
            open,
            found,
            entities,
            indices,
            computed: Vec::new(),
        };
        go_on(end_of(ReadStage::Merge))?;
        for computation in &scope.computations {
            let (view, computed) = self.compute(computation, request, &result)?;
            for column in computed {
                result.add_computed(column).map_err(|error| not_evaluated(view, &error))?;
            }
        }
        if !scope.computations.is_empty() {
            go_on(end_of(ReadStage::Expressions))?;
        }
        if scope.outputs.iter().all(|output| result.holds(output.column)) {
            Ok(result)
        } else {
            Err(self.incomplete("an output"))
        }
    }

    /// Looks up what a scope needs, by the openings that hold at the moment that is read at. That is known once rows are read: a
    /// store that was written by a clock ahead of this one is read at its own applied time, at which another may hold.
    async fn look_up<R: Reader>(
        &self,
        store: &R,
        (whole, entities): (&Arc<Scope>, &[EntityKeys]),
        openings: &Openings,
        mut moment: Moment,
    ) -> Result<FoundRows, ReadError> {
        loop {
            let decided_at = moment.micros();
            let scope = self.in_parts(whole, openings, decided_at);
            let open = self.open_views(&scope, openings, decided_at);
            let reads: Vec<Read<'_>> = scope
                .views
                .iter()
                .zip(&open)
                .filter_map(|(scoped, open)| {
                    let keys = &entities.get(scoped.entities)?.keys;
                    Some(match open {
                        None => Read { view: &self.views.get(scoped.view)?.0.id, keys },
                        Some(open) if open.opening.answers == OpenAnswer::NoValue => {
                            Read { view: &open.rows, keys: &[] }
                        }
                        Some(open) => Read { view: &open.rows, keys },
                    })
                })
                .collect();
            let found = if reads.is_empty() { Vec::new() } else { store.read(&reads).await? };
            let at = readable_at(&reads, &found, moment)?;
            drop(reads);
            if at == decided_at || self.opens_alike(whole, openings, [decided_at, at]) {
                return Ok(FoundRows { scope, open, found, at });
            }
            // Later than before, as only a read of now is moved, and only on.
            moment = Moment::Now(at);
        }
    }

    /// Whether the same openings hold at two moments, for every feature of a scope.
    fn opens_alike(&self, scope: &Scope, openings: &Openings, moments: [Micros; 2]) -> bool {
        let number = |scoped: &ScopedView, feature: usize, at: Micros| {
            self.opening(scoped, feature, openings, at).map(|opening| opening.number)
        };
        let [one, other] = moments;
        openings.is_empty()
            || scope.views.iter().all(|scoped| {
                scoped.features.iter().all(|f| number(scoped, *f, one) == number(scoped, *f, other))
            })
    }

    /// The sets of entities, and for each list of key columns where those of its rows lie in its set.
    fn entity_keys(
        &self,
        request: &ValidatedRequest,
    ) -> Result<(Vec<EntityKeys>, Vec<KeyIndices>), RequestError> {
        let mut entities = Vec::with_capacity(request.scope.entities.len());
        let mut indices = Vec::new();
        for lists in &request.scope.entities {
            let mut set = EntityKeys::default();
            for keys in lists {
                indices.push(set.add(&self.plan, keys, request)?);
            }
            entities.push(set);
        }
        Ok((entities, indices))
    }

    /// The scope with each view in as many parts as its features are answered by openings that hold at a moment.
    fn in_parts(&self, scope: &Arc<Scope>, openings: &Openings, at: Micros) -> Arc<Scope> {
        let names_features = |scoped: &ScopedView| {
            let view = self.views.get(scoped.view).map(|(view, _)| &view.id);
            view.is_some_and(|view| openings.at(view, at).any(|opening| !opening.features.is_empty()))
        };
        if openings.is_empty() || !scope.views.iter().any(names_features) {
            return Arc::clone(scope);
        }
        let number = |scoped: &ScopedView, feature: usize| {
            self.opening(scoped, feature, openings, at).map_or(0, |opening| opening.number)
        };
        let of_view =
            |scoped: &ScopedView| scoped.features.iter().map(|feature| number(scoped, *feature)).collect();
        let parts: Vec<Vec<u32>> = scope.views.iter().map(of_view).collect();
        Arc::new(scope.in_parts(&parts))
    }

    /// The opening that a feature of one of the scope's views is answered by at a moment.
    fn opening<'a>(
        &self,
        scoped: &ScopedView,
        feature: usize,
        openings: &'a Openings,
        at: Micros,
    ) -> Option<&'a Opening> {
        let (view, _) = self.views.get(scoped.view)?;
        openings.of_feature(&view.id, &view.features.get(feature)?.name, at)
    }

    /// For each of the scope's views, or of their parts, its opening that holds at a moment.
    fn open_views(&self, scope: &Scope, openings: &Openings, at: Micros) -> Vec<Option<OpenView>> {
        let opening = |scoped: &ScopedView| {
            // All features of a part have the same.
            let opening = self.opening(scoped, *scoped.features.first()?, openings, at)?;
            Some(OpenView { opening: opening.clone(), rows: opening.kept_rows() })
        };
        scope.views.iter().map(opening).collect()
    }

    /// Each of the scope's views folded at the moment, or as its opening says.
    fn folded(
        &self,
        scope: &Scope,
        entities: &[EntityKeys],
        found: &[PackedRows],
        (open, at): (&[Option<OpenView>], Micros),
    ) -> Result<Vec<FoldedView>, ReadError> {
        let views = scope.views.iter().zip(found).zip(open).map(|((scoped, found), open)| {
            let (view, layout) = self.views.get(scoped.view).ok_or_else(|| self.incomplete("a view"))?;
            let Some(OpenView { opening, .. }) = open else {
                return FoldedView::new(layout, &scoped.features, found, at);
            };
            let is_kept = opening.answers == OpenAnswer::LastKnownGood && found.applied_at().is_some();
            if is_kept {
                let good = FoldedView::new(layout, &scoped.features, found, opening.good_until)?;
                return Ok(good.kept(view.ttl, at));
            }
            if opening.answers == OpenAnswer::LastKnownGood && opening.until.is_some() {
                return Err(RequestError::BreakerClosed { at, view: view.id.clone() }.into());
            }
            // Rows of the last good moment that are lost are never replaced by later ones.
            let count = entities.get(scoped.entities).map_or(0, |entities| entities.keys.len());
            Ok(FoldedView::breaker_open(layout, &scoped.features, count))
        });
        views.collect()
    }

    fn compute(
        &self,
        scoped: &ScopedComputation,
        request: &ValidatedRequest,
        result: &ReadResult,
    ) -> Result<(&VersionId, Vec<ComputedColumn>), ReadError> {
        let computation = self.plan.computations.get(scoped.computation);
        let Some((computation, compiled)) = computation.zip(self.on_demand.get(scoped.computation)) else {
            return Err(self.incomplete("an on-demand view"));
        };
        let mut features = scoped.inputs.iter();
        let inputs = self.plan.inputs(computation).map(|(field, input)| match input {
            Input::Feature(_) => result.array(*features.next()?, field.data_type),
            Input::Request(index) => request.column(index).cloned(),
        });
        let inputs: Option<Vec<ArrayRef>> = inputs.collect();
        let inputs = inputs.ok_or_else(|| self.incomplete("an input"))?;
        let view = &computation.view.id;
        let computed = compiled.evaluate(inputs, request.rows);
        Ok((view, computed.map_err(|error| not_evaluated(view, &error))?))
    }

    /// A plan that names what it does not hold; the registry makes none.
    fn incomplete(&self, what: &str) -> ReadError {
        let reason = format!("its plan names {what} that it does not hold");
        ReadFailure::Evaluate { view: self.plan.id.clone(), reason }.into()
    }
}

fn go_on(is_awaited: bool) -> Result<(), ReadError> {
    if is_awaited { Ok(()) } else { Err(ReadFailure::GivenUp.into()) }
}

/// The moment that all these views can be read at.
fn readable_at(reads: &[Read<'_>], found: &[PackedRows], moment: Moment) -> Result<Micros, RequestError> {
    let applied = reads.iter().zip(found).filter_map(|(read, found)| Some((found.applied_at()?, read.view)));
    let latest: Option<(Micros, &VersionId)> = applied.max();
    match (moment, latest) {
        (Moment::At(at), Some((applied, view))) if at < applied => {
            Err(RequestError::TooEarly { at, view: view.clone(), applied })
        }
        (Moment::At(at), _) => Ok(at),
        (Moment::Now(now), latest) => Ok(latest.map_or(now, |(applied, _)| now.max(applied))),
    }
}
