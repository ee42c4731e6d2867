//! The result of a read: columns as they were folded and computed, and which of them belongs to which
//! chosen feature. Servers encode it as it is; [`ReadResult::into_features`] gives arrays.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::nullif;
use arrow::error::ArrowError;
use feature::{Answer, DataType, EntityKey, Micros, OpenAnswer, Opening, Output, ServicePlan, Times, View};
use online::{Column, PackedRows};
use transform::ComputedColumn;

use crate::arrays;
use crate::entity_keys::{EntityKeys, KeyIndices};
use crate::features::{FeatureColumn, Features};
use crate::folded_view::FoldedView;
use crate::open_view::OpenView;
use crate::scope::{Scope, ScopedLookup};

/// The features of a batch of entities at one moment.
#[derive(Debug)]
pub struct ReadResult {
    /// The plan of the service that was read.
    pub plan: Arc<ServicePlan>,
    /// The moment.
    pub at: Micros,
    /// How many entities there are.
    pub rows: usize,
    pub(crate) scope: Arc<Scope>,
    /// One for each of the scope's views, or of the parts that they are read in.
    pub(crate) folded: Vec<FoldedView>,
    /// For each of the scope's views its opening, if its breaker is open.
    pub(crate) open: Vec<Option<OpenView>>,
    /// The packed rows that these were folded from.
    pub(crate) found: Vec<PackedRows>,
    /// One for each of the scope's sets of entities.
    pub(crate) entities: Vec<EntityKeys>,
    /// One for each list of key columns.
    pub(crate) indices: Vec<KeyIndices>,
    /// The columns of the computations so far, in the scope's order.
    pub(crate) computed: Vec<ComputedColumn>,
}

/// How old what one lookup read for one row of a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadRow<'a> {
    /// The lookup's index among those of the plan. One whose features are in part held by a breaker was read more than once.
    pub lookup: usize,
    /// The features that were read, by their indices in the view.
    pub features: &'a [usize],
    /// The times of the entity's row; `None` if it has none.
    pub times: Option<Times>,
    /// The last good moment that was read, if the view's breaker is open.
    pub good_until: Option<Micros>,
}

/// What one lookup read for one row of a request, and what was made of it.
#[derive(Debug)]
pub struct LookedUp<'a> {
    /// The view.
    pub view: &'a Arc<View>,
    /// The entity.
    pub key: &'a EntityKey,
    /// Its packed row; `None` if it has none.
    pub packed: Option<&'a [u8]>,
    /// The features that were read, by their indices in the view.
    pub features: &'a [usize],
    /// A cell for each of them.
    pub answer: Answer,
    /// The opening that the answer was given by, if the view's breaker is open.
    pub opening: Option<&'a Opening>,
}

impl ReadResult {
    /// Whether there is a column at an index.
    pub(crate) fn holds(&self, index: usize) -> bool {
        match self.scope.stored.get(index) {
            Some(stored) => self.found(stored.lookup).is_some_and(|(folded, _)| folded.holds(stored.feature)),
            None => self.computed(index).is_some(),
        }
    }

    /// Adds the next computed column, without a value where it is computed from a held feature that has none.
    pub(crate) fn add_computed(&mut self, mut computed: ComputedColumn) -> Result<(), ArrowError> {
        let index = self.scope.stored.len() + self.computed.len();
        let unanswered: Vec<&KeyIndices> = self
            .held_lookups_of(index)
            .filter(|lookup| !self.is_answered(lookup.view))
            .filter_map(|lookup| self.indices.get(lookup.list))
            .collect();
        if !unanswered.is_empty() {
            let has_none = |row| unanswered.iter().any(|indices| indices.at(row).is_some());
            let rows: BooleanArray = (0..computed.values.len()).map(|row| Some(has_none(row))).collect();
            computed.values = nullif(&computed.values, &rows)?;
        }
        self.computed.push(computed);
        Ok(())
    }

    /// The chosen features and their columns, in the plan's order, and which times are their own.
    pub fn columns(&self) -> impl Iterator<Item = (&Output, Cow<'_, Column>, usize)> {
        self.scope.outputs.iter().filter_map(|scoped| {
            let output = self.plan.outputs.get(scoped.output)?;
            Some((output, self.output_column(output, scoped.column)?, scoped.times))
        })
    }

    /// The times that columns share.
    pub fn times(&self) -> impl Iterator<Item = Cow<'_, [Option<Times>]>> {
        self.scope.times.iter().map(|group| self.oldest(group))
    }

    /// What was read for one row of the request, lookup by lookup. A view of which nothing is answered while its breaker is
    /// open is left out.
    pub fn read_for(&self, row: usize) -> impl Iterator<Item = ReadRow<'_>> {
        self.scope.lookups.iter().filter(move |scoped| self.is_answered(scoped.view)).filter_map(
            move |scoped| {
                let folded = self.folded.get(scoped.view)?;
                Some(ReadRow {
                    lookup: scoped.lookup,
                    features: &self.scope.views.get(scoped.view)?.features,
                    times: folded.times_at(row, self.indices.get(scoped.list)?),
                    good_until: self.opening(scoped.view).map(|opening| opening.good_until),
                })
            },
        )
    }

    /// The openings that hold chosen features, or what these are computed from.
    pub fn openings(&self) -> impl Iterator<Item = &Opening> {
        let outputs = self.scope.outputs.iter();
        let held = outputs.flat_map(|output| self.held_lookups_of(output.column).map(|lookup| lookup.view));
        let held: BTreeSet<usize> = held.collect();
        held.into_iter().filter_map(|view| self.opening(view))
    }

    /// What was looked up for one row of the request, each with the packed row that it was answered from. A key that can
    /// have no row is left out, and so is a view whose rows of a last good moment are lost.
    pub fn looked_up(&self, row: usize) -> impl Iterator<Item = LookedUp<'_>> {
        self.scope.lookups.iter().filter_map(move |scoped| {
            let index = self.indices.get(scoped.list)?.at(row)?;
            let of_view = self.scope.views.get(scoped.view)?;
            let opening = self.opening(scoped.view);
            let found = self.found.get(scoped.view)?;
            let is_lost = opening.is_some_and(|opening| opening.answers == OpenAnswer::LastKnownGood);
            if is_lost && !self.is_answered(scoped.view) {
                return None;
            }
            Some(LookedUp {
                view: &self.plan.lookups.get(scoped.lookup)?.view,
                key: self.entities.get(of_view.entities)?.keys.get(index)?,
                packed: found.row(index),
                features: &of_view.features,
                answer: self.folded.get(scoped.view)?.answer_at(index),
                opening,
            })
        })
    }

    fn opening(&self, view: usize) -> Option<&Opening> {
        self.open.get(view)?.as_ref().map(|open| &open.opening)
    }

    /// Whether a view is answered from rows: its breaker is closed, or the rows of its last good moment are there.
    fn is_answered(&self, view: usize) -> bool {
        self.opening(view).is_none_or(|opening| {
            let has_rows = self.found.get(view).is_some_and(|found| found.applied_at().is_some());
            opening.answers == OpenAnswer::LastKnownGood && has_rows
        })
    }

    /// The column of a chosen feature. A value that is computed from a held feature is held too, where there is such an entity.
    fn output_column(&self, output: &Output, index: usize) -> Option<Cow<'_, Column>> {
        let column = self.column(index, output.data_type)?;
        if index < self.scope.stored.len() || self.open.iter().all(Option::is_none) {
            return Some(column);
        }
        let mut column = column.into_owned();
        for lookup in self.held_lookups_of(index) {
            let (is_answered, indices) = (self.is_answered(lookup.view), self.indices.get(lookup.list)?);
            for (row, status) in column.statuses.iter_mut().enumerate() {
                if indices.at(row).is_some() {
                    *status = status.computed_from_held(is_answered);
                }
            }
        }
        Some(Cow::Owned(column))
    }

    /// The lookups of held features that a column is read or computed from.
    fn held_lookups_of(&self, column: usize) -> impl Iterator<Item = &ScopedLookup> {
        // Nearly always no breaker is open, and nothing is looked up.
        let stored = self.open.iter().any(Option::is_some).then(|| self.scope.stored_for(column));
        let lookups: BTreeSet<usize> = stored
            .into_iter()
            .flatten()
            .filter_map(|column| self.scope.stored.get(column).map(|stored| stored.lookup))
            .collect();
        lookups
            .into_iter()
            .filter_map(|lookup| self.scope.lookups.get(lookup))
            .filter(|lookup| self.opening(lookup.view).is_some())
    }

    fn column(&self, index: usize, data_type: DataType) -> Option<Cow<'_, Column>> {
        match self.scope.stored.get(index) {
            Some(stored) => {
                let (folded, indices) = self.found(stored.lookup)?;
                folded.column(stored.feature, indices)
            }
            None => Some(Cow::Owned(arrays::to_column(self.computed(index)?, data_type))),
        }
    }

    /// The column at an index as an array of [`transform::arrow_type`]`(data_type)`.
    pub(crate) fn array(&self, index: usize, data_type: DataType) -> Option<ArrayRef> {
        if let Some(computed) = self.computed(index) {
            return Some(Arc::clone(&computed.values));
        }
        Some(arrays::of_column(self.column(index, data_type)?.into_owned(), data_type))
    }

    /// The column at an index, where it is a computed one.
    fn computed(&self, index: usize) -> Option<&ComputedColumn> {
        self.computed.get(index.checked_sub(self.scope.stored.len())?)
    }

    /// What one of the scope's lookups has found, and where.
    fn found(&self, lookup: usize) -> Option<(&FoldedView, &KeyIndices)> {
        let lookup = self.scope.lookups.get(lookup)?;
        Some((self.folded.get(lookup.view)?, self.indices.get(lookup.list)?))
    }

    /// Law 3: the times of the oldest of these lookups that has a row, for each row of the request.
    fn oldest(&self, lookups: &[usize]) -> Cow<'_, [Option<Times>]> {
        let times = |lookup: &usize| self.found(*lookup).map(|(folded, indices)| folded.times(indices));
        if let [lookup] = lookups
            && let Some(times) = times(lookup)
        {
            return times;
        }
        let times: Vec<Cow<'_, [Option<Times>]>> = lookups.iter().filter_map(times).collect();
        let oldest = |row: usize| {
            let times = times.iter().filter_map(|times| times.get(row).copied().flatten());
            times.min_by_key(|times| (times.event_time, times.available_at))
        };
        (0..self.rows).map(oldest).collect()
    }

    /// From an event time to the moment, in seconds.
    pub fn age_s(&self, times: Times) -> f64 {
        self.at.since(times.event_time) as f64 / 1e6
    }

    /// The same as arrays.
    pub fn into_features(self) -> Features {
        let columns = self.scope.outputs.iter().filter_map(|scoped| {
            let output = self.plan.outputs.get(scoped.output)?;
            let (data_type, name) = (output.data_type, output.name.clone());
            let column = self.output_column(output, scoped.column)?.into_owned();
            let statuses = column.statuses.clone();
            let values = match self.computed(scoped.column) {
                Some(computed) => Arc::clone(&computed.values),
                None => arrays::of_column(column, data_type),
            };
            Some(FeatureColumn { name, data_type, values, statuses: statuses.into(), times: scoped.times })
        });
        Features {
            service: self.plan.id.clone(),
            at: self.at,
            rows: self.rows,
            columns: columns.collect(),
            times: self.times().map(Arc::from).collect(),
        }
    }
}
