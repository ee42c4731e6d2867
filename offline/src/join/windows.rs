//! Laws 4 and 5 at every label: the aggregates of windows and of the whole history.
//!
//! The labels that a row can affect are one range of slots, from the first at which it is visible
//! to the first at which it has left the window. Counts and sums add the row where the range
//! begins and take it away where the range ends, and run along the slots at the end; what cannot be
//! taken away lies in a segment tree over the slots. So the cost of a row does not grow with the
//! labels in its window.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use feature::{
    Component, DataType, FloatSum, Fold, Function, Micros, Position, Scalar, State, Value, View, Window,
    finish,
};

/// All aggregates of one argument over one window (none: the whole history).
pub(crate) struct WindowFold {
    column: Option<usize>,
    argument: Option<DataType>,
    window: Option<Window>,
    /// The view's features that are finished from this fold.
    features: Vec<(usize, Function)>,
    counts: Vec<i64>,
    sums: Option<Sums>,
    trees: Vec<(Component, Vec<State>)>,
    /// For each slot, how many rows of the window had happened and were not yet available.
    hidden: Vec<i32>,
}

/// The position of rows that is given to folds that do not look at it.
const UNORDERED: Position = Position::History { file: 0, row: 0 };

/// Sums that a row is added to and taken away from.
enum Sums {
    Int(Vec<i128>),
    Float {
        finite: Vec<FloatSum>,
        /// Infinities and NaN cannot be taken away from a sum: they are counted.
        specials: Vec<[i32; 3]>,
    },
}

/// One row as a fold sees it.
pub(crate) struct Offer {
    /// The slots of the row's entity.
    pub(crate) entity: Range<usize>,
    /// The first slot at which the row is visible.
    pub(crate) visible: usize,
    /// The first slot at which it has happened.
    pub(crate) happened: usize,
    pub(crate) event_time: Micros,
    /// Its position in the source, where a fold needs the order of rows.
    pub(crate) position: Option<Position>,
    pub(crate) row: usize,
}

/// The argument of one batch, in the form that its fold adds it in.
pub(crate) enum Argument {
    Rows,
    Ints(ArrayRef),
    Floats(ArrayRef),
    Values(ArrayRef, DataType),
}

/// The folds of a view's aggregates, one for each argument and window.
pub(crate) fn folds(view: &View, slots: usize) -> Vec<WindowFold> {
    let mut folds: Vec<WindowFold> = Vec::new();
    for (index, feature) in view.features.iter().enumerate() {
        let Fold::Aggregate { function, column, window } = feature.fold else { continue };
        let fold = match folds.iter_mut().position(|fold| fold.column == column && fold.window == window) {
            Some(found) => folds.get_mut(found),
            None => {
                folds.push(WindowFold::new(column, view.argument(feature), window, slots));
                folds.last_mut()
            }
        };
        if let Some(fold) = fold {
            fold.take(index, function, slots);
        }
    }
    folds
}

impl WindowFold {
    fn new(column: Option<usize>, argument: Option<DataType>, window: Option<Window>, slots: usize) -> Self {
        let (features, trees, sums) = (Vec::new(), Vec::new(), None);
        let (counts, hidden) = (vec![0; slots], vec![0; slots]);
        Self { column, argument, window, features, counts, sums, trees, hidden }
    }

    /// A label so long after a row, or longer, has it no more, in microseconds.
    pub(crate) fn reach(&self) -> i64 {
        self.window.map_or(i64::MAX, |window| window.length().micros() + window.hop().micros())
    }

    fn take(&mut self, feature: usize, function: Function, slots: usize) {
        self.features.push((feature, function));
        for component in function.components() {
            match component {
                Component::Count => {}
                Component::Sum if self.sums.is_some() => {}
                Component::Sum if is_float(self.argument) => {
                    let (finite, specials) = (vec![FloatSum::default(); slots], Vec::new());
                    self.sums = Some(Sums::Float { finite, specials });
                }
                Component::Sum => self.sums = Some(Sums::Int(vec![0; slots])),
                _ if self.trees.iter().any(|(there, _)| there == component) => {}
                _ => self.trees.push((*component, vec![component.identity(self.argument); 2 * slots])),
            }
        }
    }

    /// The argument among a batch of the view's columns, each with its index in the view.
    pub(crate) fn argument(&self, columns: &[(usize, ArrayRef)]) -> Result<Argument, ArrowError> {
        let array = columns.iter().find(|(index, _)| Some(*index) == self.column).map(|(_, array)| array);
        let (Some(array), Some(argument)) = (array, self.argument) else {
            return Ok(Argument::Rows);
        };
        match argument {
            DataType::Scalar(Scalar::Bool | Scalar::Int32 | Scalar::Int64) => {
                Ok(Argument::Ints(cast(array, &ArrowType::Int64)?))
            }
            DataType::Scalar(Scalar::Float32 | Scalar::Float64) => {
                Ok(Argument::Floats(cast(array, &ArrowType::Float64)?))
            }
            _ => Ok(Argument::Values(array.clone(), argument)),
        }
    }

    /// Adds one row, which is not a tombstone, to the labels that it affects.
    pub(crate) fn offer(&mut self, argument: &Argument, offer: &Offer, first_at: impl Fn(i64) -> usize) {
        let number = match argument {
            Argument::Rows => Number::None,
            Argument::Ints(array) | Argument::Floats(array) | Argument::Values(array, _)
                if array.is_null(offer.row) =>
            {
                return;
            }
            Argument::Ints(array) => Number::Int(array.as_primitive::<Int64Type>().value(offer.row)),
            Argument::Floats(array) => Number::Float(array.as_primitive::<Float64Type>().value(offer.row)),
            Argument::Values(..) => Number::None,
        };
        let end = match self.window {
            Some(window) => first_at(window.leaves_at(offer.event_time)),
            None => offer.entity.end,
        };
        if offer.happened < offer.visible {
            mark(&mut self.hidden, offer.happened..offer.visible.min(end), offer.entity.end, 1);
        }
        if offer.visible >= end {
            return;
        }
        let range = offer.visible..end;
        mark(&mut self.counts, range.clone(), offer.entity.end, 1);
        if let Some(sums) = &mut self.sums {
            sums.add(number, range.clone(), offer.entity.end);
        }
        if self.trees.is_empty() {
            return;
        }
        let value = self.value(argument, number, offer.row);
        let local = range.start - offer.entity.start..range.end - offer.entity.start;
        for (component, tree) in &mut self.trees {
            let position = match offer.position {
                Some(position) => position,
                None => {
                    assert!(!component.is_ordered(), "invariant: an ordered fold is offered positions");
                    UNORDERED
                }
            };
            let nodes = tree.get_mut(2 * offer.entity.start..2 * offer.entity.end).unwrap_or_default();
            cover(nodes, local.clone(), |state| state.add(&value, offer.event_time, position));
        }
    }

    /// The argument as a value of its own type, for the states that keep values.
    fn value(&self, argument: &Argument, number: Number, row: usize) -> Value {
        match (argument, number, self.argument) {
            (Argument::Values(array, ty), ..) => transform::value_at(array.as_ref(), row, *ty),
            (_, Number::Int(x), Some(DataType::Scalar(Scalar::Int32))) => {
                i32::try_from(x).map_or(Value::Null, Value::Int32)
            }
            (_, Number::Int(x), Some(DataType::Scalar(Scalar::Bool))) => Value::Bool(x != 0),
            (_, Number::Int(x), _) => Value::Int64(x),
            (_, Number::Float(x), Some(DataType::Scalar(Scalar::Float32))) => {
                Value::Float32(x as f32).canonical()
            }
            (_, Number::Float(x), _) => Value::Float64(x).canonical(),
            _ => Value::Null,
        }
    }

    /// Adds what another fold has seen of other rows, over the same slots.
    pub(crate) fn merge(&mut self, other: WindowFold) {
        add_all(&mut self.counts, &other.counts);
        add_all(&mut self.hidden, &other.hidden);
        if let (Some(sums), Some(other)) = (&mut self.sums, other.sums) {
            sums.merge(other);
        }
        for ((_, tree), (_, other)) in self.trees.iter_mut().zip(other.trees) {
            tree.iter_mut().zip(&other).for_each(|(state, other)| state.merge(other));
        }
    }

    /// The values of this fold's features at every slot, and the slots at which an event-time
    /// join would have seen a row that was not yet available.
    pub(crate) fn finish(mut self, entities: &[Range<usize>]) -> Vec<FinishedFeature> {
        for range in entities {
            run(self.counts.get_mut(range.clone()).unwrap_or_default());
            run(self.hidden.get_mut(range.clone()).unwrap_or_default());
            if let Some(sums) = &mut self.sums {
                sums.run(range);
            }
        }
        let leaked: Vec<bool> = self.hidden.iter().map(|hidden| *hidden > 0).collect();
        let values = self.values(entities);
        self.features
            .iter()
            .zip(values)
            .map(|((feature, function), values)| FinishedFeature {
                feature: *feature,
                counts: function.is_count(),
                values,
                leaked: leaked.clone(),
            })
            .collect()
    }

    /// The values of each feature at every slot. No function is finished from more than one tree, so
    /// each tree is walked once.
    fn values(&self, entities: &[Range<usize>]) -> Vec<Vec<Value>> {
        let slots = self.counts.len();
        let is_of = |function: Function, component: &Component| function.components().contains(component);
        let mut values: Vec<Vec<Value>> = self
            .features
            .iter()
            .map(|(_, function)| match self.trees.iter().any(|(component, _)| is_of(*function, component)) {
                true => vec![Value::Null; slots],
                false => (0..slots).map(|slot| self.finish_slot(*function, slot, None)).collect(),
            })
            .collect();
        for (component, tree) in &self.trees {
            for range in entities {
                let nodes = tree.get(2 * range.start..2 * range.end).unwrap_or_default();
                walk(nodes, 1, None, &mut |leaf, state| {
                    let slot = range.start + leaf;
                    let finished = values.iter_mut().zip(&self.features);
                    for (values, (_, function)) in finished.filter(|(_, (_, f))| is_of(*f, component)) {
                        if let Some(value) = values.get_mut(slot) {
                            *value = self.finish_slot(*function, slot, Some(state));
                        }
                    }
                });
            }
        }
        values
    }

    fn finish_slot(&self, function: Function, slot: usize, tree: Option<&State>) -> Value {
        let count = self.counts.get(slot).and_then(|count| u64::try_from(*count).ok());
        let count = count.expect("invariant: each slot has a count of rows");
        let count = State::Count(count);
        let sums = self.sums.as_ref().filter(|_| function.components().contains(&Component::Sum));
        let sum = sums.map(|sums| sums.state(slot));
        let states: Option<Vec<&State>> = function
            .components()
            .iter()
            .map(|component| match component {
                Component::Count => Some(&count),
                Component::Sum => sum.as_ref(),
                _ => tree,
            })
            .collect();
        states.map_or(Value::Null, |states| finish(function, &states))
    }
}

/// One feature at every slot.
pub(crate) struct FinishedFeature {
    pub(crate) feature: usize,
    /// Whether it has a value as soon as its entity is known.
    pub(crate) counts: bool,
    pub(crate) values: Vec<Value>,
    pub(crate) leaked: Vec<bool>,
}

#[derive(Clone, Copy)]
enum Number {
    None,
    Int(i64),
    Float(f64),
}

impl Sums {
    fn add(&mut self, number: Number, range: Range<usize>, entity_end: usize) {
        match (self, number) {
            (Sums::Int(sums), Number::Int(x)) => mark(sums, range, entity_end, i128::from(x)),
            (Sums::Float { finite, .. }, Number::Float(x)) if x.is_finite() => {
                if let Some(sum) = finite.get_mut(range.start) {
                    sum.add(x);
                }
                if let Some(sum) = finite.get_mut(range.end).filter(|_| range.end < entity_end) {
                    sum.add(-x);
                }
            }
            (Sums::Float { finite, specials }, Number::Float(x)) => {
                specials.resize(finite.len(), [0; 3]);
                let kind = if x.is_nan() {
                    0
                } else if x > 0.0 {
                    1
                } else {
                    2
                };
                let mut add = |slot: usize, n: i32| {
                    if let Some(count) = specials.get_mut(slot).and_then(|counts| counts.get_mut(kind)) {
                        *count += n;
                    }
                };
                add(range.start, 1);
                if range.end < entity_end {
                    add(range.end, -1);
                }
            }
            _ => {}
        }
    }

    fn merge(&mut self, other: Sums) {
        match (self, other) {
            (Sums::Int(sums), Sums::Int(other)) => add_all(sums, &other),
            (Sums::Float { finite, specials }, Sums::Float { finite: other, specials: others }) => {
                finite.iter_mut().zip(&other).for_each(|(sum, other)| sum.merge(other));
                if !others.is_empty() {
                    specials.resize(finite.len(), [0; 3]);
                    specials.iter_mut().zip(&others).for_each(|(counts, other)| add_all(counts, other));
                }
            }
            _ => unreachable!("invariant: sums of one argument are of one kind"),
        }
    }

    fn run(&mut self, range: &Range<usize>) {
        match self {
            Sums::Int(sums) => run(sums.get_mut(range.clone()).unwrap_or_default()),
            Sums::Float { finite, specials } => {
                let mut total = FloatSum::default();
                for sum in finite.get_mut(range.clone()).unwrap_or_default() {
                    total.merge(sum);
                    *sum = total.clone();
                }
                let mut counts = [0; 3];
                for slot in specials.get_mut(range.clone()).unwrap_or_default() {
                    for (total, count) in counts.iter_mut().zip(slot.iter_mut()) {
                        *total += *count;
                        *count = *total;
                    }
                }
            }
        }
    }

    fn state(&self, slot: usize) -> State {
        match self {
            Sums::Int(sums) => State::IntSum(*sums.get(slot).expect("invariant: each slot has a sum")),
            Sums::Float { finite, specials } => {
                let mut sum = finite.get(slot).cloned().expect("invariant: each slot has a sum");
                let counts = specials.get(slot).copied().unwrap_or_default();
                for (count, special) in counts.into_iter().zip([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]) {
                    if count > 0 {
                        sum.add(special);
                    }
                }
                State::FloatSum(sum)
            }
        }
    }
}

fn is_float(argument: Option<DataType>) -> bool {
    matches!(argument, Some(DataType::Scalar(Scalar::Float32 | Scalar::Float64)))
}

/// Adds `amount` from the start of the range on and takes it away from its end on.
fn mark<T>(marks: &mut [T], range: Range<usize>, entity_end: usize, amount: T)
where
    T: Copy + std::ops::AddAssign + std::ops::SubAssign,
{
    if range.start >= range.end {
        return;
    }
    if let Some(mark) = marks.get_mut(range.start) {
        *mark += amount;
    }
    if let Some(mark) = marks.get_mut(range.end).filter(|_| range.end < entity_end) {
        *mark -= amount;
    }
}

fn add_all<T: Copy + std::ops::AddAssign>(to: &mut [T], more: &[T]) {
    to.iter_mut().zip(more).for_each(|(to, more)| *to += *more);
}

fn run<T: Copy + Default + std::ops::AddAssign>(marks: &mut [T]) {
    let mut total = T::default();
    for mark in marks {
        total += *mark;
        *mark = total;
    }
}

/// Adds to the nodes of a segment tree (leaves in its second half) that cover a range of leaves.
fn cover(nodes: &mut [State], range: Range<usize>, mut add: impl FnMut(&mut State)) {
    let leaves = nodes.len() / 2;
    let (mut left, mut right) = (range.start + leaves, range.end + leaves);
    while left < right {
        if left % 2 == 1 {
            if let Some(node) = nodes.get_mut(left) {
                add(node);
            }
            left += 1;
        }
        if right % 2 == 1 {
            right -= 1;
            if let Some(node) = nodes.get_mut(right) {
                add(node);
            }
        }
        left /= 2;
        right /= 2;
    }
}

/// Gives every leaf what lies in the nodes on the way to it. One leaf is made after another, so that
/// no more states are held than the tree is deep, however large a state is.
fn walk(nodes: &[State], at: usize, above: Option<&State>, give: &mut impl FnMut(usize, &State)) {
    let Some(node) = nodes.get(at) else { return };
    let both;
    let state = match above {
        Some(above) if !node.is_identity() => {
            let mut merged = above.clone();
            merged.merge(node);
            both = merged;
            &both
        }
        Some(above) => above,
        None => node,
    };
    match at.checked_sub(nodes.len() / 2) {
        Some(leaf) => give(leaf, state),
        None => {
            walk(nodes, 2 * at, Some(state), give);
            walk(nodes, 2 * at + 1, Some(state), give);
        }
    }
}
