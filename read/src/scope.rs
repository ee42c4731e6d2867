//! What has to be looked up, computed and brought along for some of a service's features, worked out
//! once for each choice: a read follows it by indices alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use feature::{Needs, Origin, ServicePlan};

/// The part of a service's plan that a choice of its features needs. A read has one column for each
/// feature of each lookup, in their order, and behind them those of the computations.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Scope {
    /// The chosen features, in the plan's order.
    pub outputs: Vec<ScopedOutput>,
    /// The sets of entities that are read: each the lists of key columns, by their indices in the plan,
    /// that its entities come from. Views that are read by the same columns share one.
    pub entities: Vec<Vec<Vec<usize>>>,
    /// The views that are read, each once.
    pub views: Vec<ScopedView>,
    /// Where the columns of the lookups come from; those behind them are computed.
    pub stored: Vec<StoredColumn>,
    /// The lookups that are needed, in the plan's order.
    pub lookups: Vec<ScopedLookup>,
    /// The computations that are needed, in the plan's order.
    pub computations: Vec<ScopedComputation>,
    /// For each group of outputs that share their times, the indices of the lookups whose oldest time
    /// is theirs.
    pub times: Vec<Vec<usize>>,
    /// For each column of join keys whether it is needed.
    pub keys: Vec<bool>,
    /// For each request column whether it is needed.
    pub request: Vec<bool>,
}

/// A chosen feature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ScopedOutput {
    /// Its index among the plan's outputs.
    pub output: usize,
    /// The index of its column.
    pub column: usize,
    /// Which of [`Scope::times`] are its own.
    pub times: usize,
}

/// A view that is read.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ScopedView {
    /// Its index among the reader's views.
    pub view: usize,
    /// Which of [`Scope::entities`] are read of it.
    pub entities: usize,
    /// The features that are needed of it, in order.
    pub features: Vec<usize>,
}

/// A lookup that is needed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ScopedLookup {
    /// Its index among the plan's lookups.
    pub lookup: usize,
    /// The index of its view among [`Scope::views`].
    pub view: usize,
    /// Which list of key columns its entities come from, counted through all of [`Scope::entities`].
    pub list: usize,
}

/// A column that is looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StoredColumn {
    /// Which of [`Scope::lookups`] it belongs to.
    pub lookup: usize,
    /// Its index among its view's [`ScopedView::features`].
    pub feature: usize,
}

/// A computation that is needed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ScopedComputation {
    /// Its index among the plan's computations.
    pub computation: usize,
    /// The columns of its inputs.
    pub inputs: Vec<usize>,
    /// For each column that it gives, the columns of the inputs that its expression reads.
    pub reads: Vec<Vec<usize>>,
}

/// What is known of a plan beside the plan itself.
#[derive(Debug)]
pub(crate) struct Known {
    pub plan: Arc<ServicePlan>,
    /// For each lookup the index of its view among the reader's.
    pub view_of: Vec<usize>,
    /// For each output the lookups whose oldest time is its own; those of a source without an event time have none.
    pub timed_by: Vec<Vec<usize>>,
    /// For each computation, and each of its features, which of its inputs the expression reads.
    pub reads: Vec<Vec<Vec<usize>>>,
}

impl Scope {
    /// What these outputs need, by their indices in the plan.
    pub fn of(known: &Known, mut outputs: Vec<usize>) -> Scope {
        outputs.sort_unstable();
        outputs.dedup();
        let needs = known.plan.needs(outputs.iter().copied());
        let mut scope = Scope {
            keys: vec![false; known.plan.keys.len()],
            request: vec![false; known.plan.request.len()],
            ..Scope::default()
        };
        scope.add_views(known, &needs);
        let columns = scope.add_columns(known, &needs);
        scope.add_outputs(known, &outputs, &columns);
        scope
    }

    /// The columns that are looked up for one: what its expression reads, directly or through others.
    pub fn stored_for(&self, column: usize) -> BTreeSet<usize> {
        let read = |computation: &ScopedComputation, feature: usize| computation.reads.get(feature).cloned();
        self.stored_through(column, &read)
    }

    /// The columns that are looked up for one and those beside it in its on-demand view.
    fn stored_for_its_view(&self, column: usize) -> BTreeSet<usize> {
        self.stored_through(column, &|computation, _| Some(computation.inputs.clone()))
    }

    fn stored_through(
        &self,
        column: usize,
        inputs: &impl Fn(&ScopedComputation, usize) -> Option<Vec<usize>>,
    ) -> BTreeSet<usize> {
        let Some(mut computed) = column.checked_sub(self.stored.len()) else {
            return BTreeSet::from([column]);
        };
        for computation in &self.computations {
            match computed.checked_sub(computation.reads.len()) {
                Some(rest) => computed = rest,
                // What a computation reads lies before it.
                None => {
                    let inputs_of = inputs(computation, computed).unwrap_or_default();
                    return inputs_of
                        .into_iter()
                        .flat_map(|input| self.stored_through(input, inputs))
                        .collect();
                }
            }
        }
        BTreeSet::new()
    }

    /// The same, with views read in parts: of each of its features the part that it belongs to.
    pub fn in_parts(&self, parts: &[Vec<u32>]) -> Scope {
        let (mut views, mut slots) = (Vec::new(), Vec::new());
        for (view, parts) in self.views.iter().zip(parts) {
            let first = views.len();
            let distinct: Vec<u32> = parts.iter().copied().collect::<BTreeSet<u32>>().into_iter().collect();
            let features_of = |part: u32| {
                view.features
                    .iter()
                    .zip(parts)
                    .filter(move |(_, one)| **one == part)
                    .map(|(feature, _)| *feature)
            };
            views.extend(
                distinct
                    .iter()
                    .map(|part| ScopedView { features: features_of(*part).collect(), ..view.clone() }),
            );
            let slot = |(index, part): (usize, &u32)| {
                let before = parts.iter().take(index).filter(|one| *one == part).count();
                (first + distinct.iter().take_while(|one| *one < part).count(), before)
            };
            slots.push(parts.iter().enumerate().map(slot).collect::<Vec<(usize, usize)>>());
        }
        let mut split =
            Scope { views, lookups: Vec::new(), stored: Vec::new(), times: Vec::new(), ..self.clone() };
        for column in &self.stored {
            let Some(lookup) = self.lookups.get(column.lookup) else { continue };
            let slot = slots.get(lookup.view).and_then(|slots| slots.get(column.feature));
            let Some((view, feature)) = slot.copied() else { continue };
            let lookup = ScopedLookup { view, ..lookup.clone() };
            let known = split.lookups.iter().position(|one| *one == lookup);
            let index = known.unwrap_or(split.lookups.len());
            if known.is_none() {
                split.lookups.push(lookup);
            }
            split.stored.push(StoredColumn { lookup: index, feature });
        }
        split.time_outputs_of(self);
        split
    }

    /// Gives each output the times of the parts that it is read from, where another scope has them of whole views. Of a view
    /// that times it and that its expression does not read, those of all parts.
    fn time_outputs_of(&mut self, whole: &Scope) {
        let mut times: Vec<Vec<usize>> = Vec::new();
        let groups: Vec<usize> = whole
            .outputs
            .iter()
            .map(|output| {
                let timed = whole.times.get(output.times).map(Vec::as_slice).unwrap_or_default();
                let lookup_of = |column: &usize| whole.stored.get(*column).map(|stored| stored.lookup);
                let read = whole.stored_for(output.column);
                let beside = whole.stored_for_its_view(output.column).into_iter().filter(|column| {
                    let lookup = lookup_of(column);
                    read.contains(column) || read.iter().all(|read| lookup_of(read) != lookup)
                });
                let lookups = beside.filter_map(|column| {
                    let is_timed = timed.contains(&lookup_of(&column)?);
                    self.stored.get(column).map(|stored| stored.lookup).filter(|_| is_timed)
                });
                let group: Vec<usize> = lookups.collect::<BTreeSet<usize>>().into_iter().collect();
                times.iter().position(|known| *known == group).unwrap_or_else(|| {
                    times.push(group);
                    times.len() - 1
                })
            })
            .collect();
        self.times = times;
        for (output, group) in self.outputs.iter_mut().zip(groups) {
            output.times = group;
        }
    }

    fn add_views(&mut self, known: &Known, needs: &Needs) {
        let mut of_view: BTreeMap<usize, (Vec<usize>, Vec<Vec<usize>>)> = BTreeMap::new();
        for (lookup, features) in &needs.lookups {
            let needed = known.view_of.get(*lookup).zip(known.plan.lookups.get(*lookup));
            let Some((view, lookup)) = needed else { continue };
            let (all, lists) = of_view.entry(*view).or_default();
            all.extend(features);
            if !lists.contains(&lookup.keys) {
                lists.push(lookup.keys.clone());
            }
        }
        for (view, (mut features, lists)) in of_view {
            features.sort_unstable();
            features.dedup();
            let entities = self.entities.iter().position(|set| *set == lists).unwrap_or(self.entities.len());
            if entities == self.entities.len() {
                self.entities.push(lists);
            }
            self.views.push(ScopedView { view, entities, features });
        }
    }

    /// Which list of key columns this one of a view is, counted through all sets of entities.
    fn list(&self, view: &ScopedView, keys: &[usize]) -> Option<usize> {
        let before: usize = self.entities.iter().take(view.entities).map(Vec::len).sum();
        Some(before + self.entities.get(view.entities)?.iter().position(|list| list == keys)?)
    }

    /// Gives each value that is looked up or computed its column.
    fn add_columns(&mut self, known: &Known, needs: &Needs) -> HashMap<Origin, usize> {
        let mut columns = HashMap::new();
        for (lookup, features) in &needs.lookups {
            let view = known.view_of.get(*lookup);
            let view = view.and_then(|view| self.views.iter().position(|scoped| scoped.view == *view));
            let found = view.and_then(|view| Some((view, self.views.get(view)?)));
            let Some(((view, scoped), of_plan)) = found.zip(known.plan.lookups.get(*lookup)) else {
                continue;
            };
            let Some(list) = self.list(scoped, &of_plan.keys) else { continue };
            for feature in features {
                let Ok(index) = scoped.features.binary_search(feature) else { continue };
                self.stored.push(StoredColumn { lookup: self.lookups.len(), feature: index });
                columns.insert(Origin::Stored { lookup: *lookup, feature: *feature }, columns.len());
            }
            mark(&mut self.keys, &of_plan.keys);
            self.lookups.push(ScopedLookup { lookup: *lookup, view, list });
        }
        for index in &needs.computations {
            let Some(computation) = known.plan.computations.get(*index) else { continue };
            let inputs = computation.inputs.iter().filter_map(|(_, origin)| columns.get(origin).copied());
            let inputs: Vec<usize> = inputs.collect();
            // Behind the inputs lie the columns of the request.
            let read_of =
                |read: &Vec<usize>| read.iter().filter_map(|input| inputs.get(*input).copied()).collect();
            let reads = known.reads.get(*index).into_iter().flatten().map(read_of).collect();
            let scoped = ScopedComputation { computation: *index, inputs, reads };
            for feature in 0..computation.view.features.len() {
                columns.insert(Origin::Computed { computation: *index, feature }, columns.len());
            }
            mark(&mut self.request, &computation.request);
            self.computations.push(scoped);
        }
        columns
    }

    fn add_outputs(&mut self, known: &Known, outputs: &[usize], columns: &HashMap<Origin, usize>) {
        let scoped: HashMap<usize, usize> =
            self.lookups.iter().enumerate().map(|(index, scoped)| (scoped.lookup, index)).collect();
        let mut groups: HashMap<&[usize], usize> = HashMap::new();
        for index in outputs {
            let output = known.plan.outputs.get(*index);
            let column = output.and_then(|output| columns.get(&output.origin));
            let Some((column, timed_by)) = column.zip(known.timed_by.get(*index)) else { continue };
            let next = self.times.len();
            let times = *groups.entry(timed_by).or_insert(next);
            if times == next {
                self.times.push(timed_by.iter().filter_map(|lookup| scoped.get(lookup).copied()).collect());
            }
            self.outputs.push(ScopedOutput { output: *index, column: *column, times });
        }
    }
}

fn mark(needed: &mut [bool], indices: &[usize]) {
    for index in indices {
        if let Some(needed) = needed.get_mut(*index) {
            *needed = true;
        }
    }
}
