//! Laws 1 to 5 for a reader: features at a moment, from folded tiles and from the pending rows that
//! are visible by then. Packed rows and the fold in memory are answered by this same code.

use feature::{
    Answer, AsOf, Cell, Contradiction, Micros, Position, Row, State, Times, Value, Window, is_alive, is_kept,
    try_finish,
};

use crate::packed::{FeaturePlan, LatestSlot, Layout, RingPlan, tail_tile};

/// Rows that were folded, and rows that wait.
pub(crate) trait Folded {
    /// What reading it may find wrong.
    type Error;

    fn layout(&self) -> &Layout;

    /// The times of the latest folded row.
    fn times(&self) -> Result<Option<Times>, Self::Error>;

    /// The latest folded row's value: the index among the layout's latest slots, and the slot.
    fn latest_value(&self, index: usize, slot: &LatestSlot) -> Result<Value, Self::Error>;

    /// Makes sure that the states are those that were written, before any is merged.
    fn check(&self) -> Result<(), Self::Error>;

    /// The value of a function, or that its states contradict each other.
    fn finished(&self, value: Result<Value, Contradiction>) -> Result<Value, Self::Error>;

    /// Merges the states of one component of a ring in all tiles from the one numbered `tail` on.
    fn merge(&self, ring: usize, part: usize, tail: i64, into: &mut State) -> Result<(), Self::Error>;

    /// Gives the latest folded row's position and the rows that wait, where there are any.
    fn with_pending<T>(&self, use_them: impl FnOnce(Option<Position>, &[Row]) -> T)
    -> Result<T, Self::Error>;
}

/// All features at a moment.
pub(crate) fn all<F: Folded>(folded: &F, at: Micros) -> Result<Answer, F::Error> {
    folded.with_pending(|position, rows| {
        let layout = folded.layout();
        Moment::new(folded, position, rows, at)?.answer(layout.features.iter().zip(&layout.defaults))
    })?
}

/// Some features at a moment, by their indices in the view.
pub(crate) fn some<F: Folded>(folded: &F, features: &[usize], at: Micros) -> Result<Answer, F::Error> {
    let layout = folded.layout();
    let plan = |index: &usize| layout.features.get(*index).zip(layout.defaults.get(*index));
    folded.with_pending(|position, rows| {
        Moment::new(folded, position, rows, at)?.answer(features.iter().filter_map(plan))
    })?
}

/// What is visible at one moment.
struct Moment<'a, F> {
    folded: &'a F,
    at: Micros,
    times: Option<Times>,
    /// The pending rows that are visible.
    early: Vec<&'a Row>,
    /// The latest of all visible rows, where it is a pending one.
    latest: Option<&'a Row>,
    /// The states merged so far: features of one argument and window share them.
    merged: Vec<Option<State>>,
}

impl<'a, F: Folded> Moment<'a, F> {
    fn new(folded: &'a F, position: Option<Position>, rows: &'a [Row], at: Micros) -> Result<Self, F::Error> {
        let early: Vec<&Row> = rows.iter().filter(|row| row.visible_at(AsOf::Available) <= at).collect();
        let mut times = folded.times()?;
        let recency = times.map(|times| times.event_time).zip(position);
        let latest = early
            .iter()
            .copied()
            .max_by_key(|row| row.recency())
            .filter(|row| recency.is_none_or(|recency| row.recency() > recency));
        if let Some(row) = latest {
            times = Some(Times { event_time: row.event_time, available_at: row.available_at });
        }
        let kept = folded.layout().kept;
        let times = times.filter(|times| is_kept(kept, times.event_time, at));
        Ok(Self { folded, at, times, early, latest, merged: Vec::new() })
    }

    /// The answers of these features, each with the default that replaces its null.
    fn answer<'p>(
        mut self,
        plans: impl Iterator<Item = (&'p FeaturePlan, &'p Option<Value>)>,
    ) -> Result<Answer, F::Error> {
        let Some(times) = self.times else { return Ok(Answer::not_found(plans.count())) };
        let alive = is_alive(self.folded.layout().ttl, times.event_time, self.at);
        let cells: Result<Vec<Cell>, F::Error> =
            plans.map(|(plan, default)| Ok(self.cell(plan, alive)?.or_default(default.as_ref()))).collect();
        Ok(Answer { cells: cells?, times: Some(times) })
    }

    fn cell(&mut self, plan: &FeaturePlan, is_alive: bool) -> Result<Cell, F::Error> {
        match plan {
            FeaturePlan::Latest { .. } if !is_alive => Ok(Cell::OUTSIDE_MAX_AGE),
            FeaturePlan::Latest { slot } => self.latest(*slot).map(Cell::of),
            FeaturePlan::Aggregate { function, ring, window, parts } => {
                for (part, merge) in parts {
                    self.merge(*ring, *part, *window, *merge)?;
                }
                let mut states = [&NOTHING; MOST_COMPONENTS];
                for ((_, merge), state) in parts.iter().zip(&mut states) {
                    if let Some(Some(merged)) = self.merged.get(*merge) {
                        *state = merged;
                    }
                }
                let states = states.get(..parts.len()).unwrap_or_default();
                self.folded.finished(try_finish(*function, states)).map(Cell::of)
            }
        }
    }

    fn latest(&self, index: usize) -> Result<Value, F::Error> {
        let Some(slot) = self.folded.layout().latest.get(index) else { return Ok(Value::Null) };
        match self.latest {
            Some(row) if row.deleted => Ok(Value::Null),
            Some(row) => Ok(row.values.get(slot.column).cloned().unwrap_or(Value::Null)),
            None => self.folded.latest_value(index, slot),
        }
    }

    /// Merges one component of a ring over a window, unless that was done before.
    fn merge(
        &mut self,
        ring: usize,
        part: usize,
        window: Option<Window>,
        merge: usize,
    ) -> Result<(), F::Error> {
        let layout = self.folded.layout();
        if self.merged.is_empty() {
            self.folded.check()?;
            self.merged.resize_with(layout.merges, || None);
        }
        let Some(plan) = layout.rings.get(ring) else { return Ok(()) };
        let (Some(component), Some(merged)) = (plan.components.get(part), self.merged.get_mut(merge)) else {
            return Ok(());
        };
        if merged.is_some() {
            return Ok(());
        }
        let mut state = component.component.identity(plan.argument);
        let tail = window.map_or(0, |window| tail_tile(window, self.at));
        self.folded.merge(ring, part, tail, &mut state)?;
        for row in &self.early {
            if window.is_none_or(|window| window.contains(row.event_time, self.at))
                && let Some(value) = plan.argument_of(row)
            {
                state.add(value, row.event_time, row.position);
            }
        }
        *merged = Some(state);
        Ok(())
    }
}

/// No function is finished from more.
const MOST_COMPONENTS: usize = 3;

static NOTHING: State = State::Count(0);

static COUNTED: Value = Value::Bool(true);

impl RingPlan {
    /// What a row adds to the ring's tiles; none where it adds nothing.
    pub(crate) fn argument_of<'r>(&self, row: &'r Row) -> Option<&'r Value> {
        if row.deleted {
            return None;
        }
        match self.column {
            None => Some(&COUNTED),
            Some(column) => row.values.get(column).filter(|value| !value.is_null()),
        }
    }
}
