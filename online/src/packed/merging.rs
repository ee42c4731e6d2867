//! The merge of a window where its tiles' states lie in slots of a fixed width: by the hot core's kernels,
//! and one after the other where a state does not lie in its slot or the kernel finds nothing exact.

use feature::{Component, DataType, Scalar, State, Value};

use super::RingPlan;
use crate::hot::Probe;
use crate::hot::merge::{
    count, extremes_of_doubles, extremes_of_int32, extremes_of_int64, extremes_of_singles, order_of_double,
    order_of_single, sum_floats, sum_integers,
};

/// The state of all these slots of one component; none where they have to be merged one by one.
pub(super) fn merged(probe: Probe, ring: &RingPlan, part: usize, slots: &[u8]) -> Option<State> {
    let component = ring.components.get(part)?.component;
    let scalar = ring.argument.and_then(DataType::scalar);
    match (component, scalar) {
        (Component::Count, _) => Some(State::Count(count(probe, of_width(slots)?))),
        (Component::Sum | Component::Squares, Some(Scalar::Float32 | Scalar::Float64)) => {
            let (high, low) = sum_floats(probe, of_width(slots)?)?;
            let mut bytes = [0; 16];
            let (halves, _) = bytes.as_chunks_mut::<8>();
            for (there, half) in halves.iter_mut().zip([high, low]) {
                *there = half.to_le_bytes();
            }
            State::read(component, ring.argument, true, &bytes)
        }
        (Component::Sum, _) => Some(State::IntSum(sum_integers(probe, of_width(slots)?))),
        (Component::Min, Some(scalar)) => Some(State::Min(Some(extremes(probe, scalar, slots)?.0))),
        (Component::Max, Some(scalar)) => Some(State::Max(Some(extremes(probe, scalar, slots)?.1))),
        _ => None,
    }
}

/// Slots of so many bytes; none where they are not.
fn of_width<const N: usize>(slots: &[u8]) -> Option<&[[u8; N]]> {
    let (slots, rest) = slots.as_chunks::<N>();
    (rest.is_empty() && !slots.is_empty()).then_some(slots)
}

fn extremes(probe: Probe, scalar: Scalar, slots: &[u8]) -> Option<(Value, Value)> {
    match scalar {
        Scalar::Int32 => {
            let (least, most) = extremes_of_int32(probe, of_width(slots)?)?;
            Some((Value::Int32(least), Value::Int32(most)))
        }
        Scalar::Int64 => {
            let (least, most) = extremes_of_int64(probe, of_width(slots)?)?;
            Some((Value::Int64(least), Value::Int64(most)))
        }
        Scalar::Float64 => {
            let (least, most) = extremes_of_doubles(probe, of_width(slots)?)?;
            // The order is its own inverse.
            let [least, most] = [least, most].map(|x| f64::from_bits(order_of_double(x) as u64));
            let least = if most.is_nan() { most } else { least };
            Some((Value::Float64(least), Value::Float64(most)))
        }
        Scalar::Float32 => {
            let (least, most) = extremes_of_singles(probe, of_width(slots)?)?;
            let [least, most] = [least, most].map(|x| f32::from_bits(order_of_single(x) as u32));
            let least = if most.is_nan() { most } else { least };
            Some((Value::Float32(least), Value::Float32(most)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packed::layout::ComponentPlan;

    fn ring(component: Component, argument: DataType) -> RingPlan {
        let width = component.slot_width(Some(argument)).unwrap();
        let components = vec![ComponentPlan { component, width, in_slot: true }];
        let argument = Some(argument);
        RingPlan { column: Some(0), argument, hop: None, tiles: 1, components, entry_at: 0, bitmap_at: 0 }
    }

    /// Each tile's values, of which at least one lies in it.
    fn merge_both_ways(component: Component, scalar: Scalar, tiles: &[Vec<Value>]) -> bool {
        let ring = ring(component, scalar.into());
        let identity = || component.identity(ring.argument);
        let (mut slots, mut one_by_one, mut fits) = (Vec::new(), identity(), true);
        for tile in tiles {
            let mut state = identity();
            for value in tile {
                let position = feature::Position::History { file: 0, row: 0 };
                state.add(value, feature::Micros::new(0).unwrap(), position);
            }
            let from = slots.len();
            state.write(&mut slots);
            fits &= slots.len() - from == ring.components[0].width;
            one_by_one.merge(&state);
        }
        if !fits {
            // Such a ring has spills, and is never given to a kernel.
            return false;
        }
        let bytes = |state: &State| {
            let mut bytes = Vec::new();
            state.write(&mut bytes);
            bytes
        };
        let mut exact = false;
        for probe in Probe::available() {
            if let Some(state) = merged(probe, &ring, 0, &slots) {
                exact = true;
                let mut into = identity();
                into.merge(&state);
                assert_eq!(bytes(&into), bytes(&one_by_one), "{probe:?} {component:?} {tiles:?}");
            }
        }
        exact
    }

    fn doubles() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => (-100_000_i32..100_000).prop_map(|cents| f64::from(cents) / 100.0),
            2 => any::<f64>().prop_map(|x| if x.is_nan() { f64::NAN } else { x }),
            1 => prop::sample::select(vec![0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MAX, f64::MIN, 5e-324, 1e16, -1e16, 1.0]),
        ]
    }

    fn tiles(of: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<Vec<Value>>> {
        prop::collection::vec(prop::collection::vec(of, 1..4), 1..200)
    }

    proptest! {
        #[test]
        fn float_tiles_merge_to_the_same_bits(tiles in tiles(doubles().prop_map(Value::Float64))) {
            for component in [Component::Count, Component::Sum, Component::Squares, Component::Min, Component::Max] {
                merge_both_ways(component, Scalar::Float64, &tiles);
            }
        }

        #[test]
        fn sums_of_real_numbers_take_the_fast_way(cents in prop::collection::vec(-1_000_000_i32..1_000_000, 1..200)) {
            let tiles: Vec<_> = cents.iter().map(|cents| vec![Value::Float64(f64::from(*cents) / 100.0); 3]).collect();
            prop_assert!(merge_both_ways(Component::Sum, Scalar::Float64, &tiles));
        }

        #[test]
        fn narrow_and_whole_numbers_merge_to_the_same_bits(
            floats in tiles(any::<f32>().prop_map(|x| Value::Float32(if x.is_nan() { f32::NAN } else { x }))),
            longs in tiles(any::<i64>().prop_map(Value::Int64)),
            ints in tiles(any::<i32>().prop_map(Value::Int32)),
        ) {
            for component in [Component::Count, Component::Sum, Component::Min, Component::Max] {
                merge_both_ways(component, Scalar::Float32, &floats);
                merge_both_ways(component, Scalar::Int64, &longs);
                merge_both_ways(component, Scalar::Int32, &ints);
            }
        }
    }

    #[test]
    fn what_cancels_or_does_not_fit_is_exact_or_left_to_the_slow_way() {
        let of = |xs: &[f64]| xs.iter().map(|x| vec![Value::Float64(*x)]).collect::<Vec<_>>();
        for xs in [
            &[1e16, 1.0, -1e16][..],
            &[1e300, 1.0, 1e-300],
            &[f64::MAX, f64::MAX, -f64::MAX],
            &[5e-324, -5e-324],
        ] {
            merge_both_ways(Component::Sum, Scalar::Float64, &of(xs));
        }
    }
}
