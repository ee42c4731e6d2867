//! Sketches against sorting, and against themselves in another order.

use num_bigint::BigUint;
use proptest::prelude::*;

use super::*;

fn of(values: &[f64]) -> QuantileSketch {
    let mut sketch = QuantileSketch::default();
    values.iter().for_each(|x| sketch.add(*x));
    sketch
}

fn bytes(sketch: &QuantileSketch) -> Vec<u8> {
    let mut bytes = Vec::new();
    sketch.write(&mut bytes);
    bytes
}

/// The value of that rank, by sorting.
fn exact(values: &[f64], quantile: Quantile) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[quantile.rank(sorted.len() as u128) as usize]
}

#[test]
fn an_edge_is_the_first_double_that_is_no_less_than_its_power() {
    for (j, edge) in EDGES.iter().enumerate() {
        let power = |fraction: u64| BigUint::from((1_u64 << 52) + fraction).pow(35);
        let bound = BigUint::from(1_u8) << (52 * 35 + j);
        assert!(power(*edge) >= bound, "{j}");
        assert!(*edge == 0 || power(edge - 1) < bound, "{j}");
    }
}

#[test]
fn buckets_ascend_with_the_values_and_the_widest_range_fits() {
    let ascending = [
        f64::MIN,
        -1e9,
        -1.0,
        -5e-324,
        0.0,
        5e-324,
        1e-323,
        2.2e-308,
        2.3e-308,
        0.1,
        1.0,
        1.03,
        2.0,
        f64::MAX,
    ];
    assert!(ascending.map(bucket).is_sorted_by(|a, b| a < b));
    assert_eq!(bucket(-0.0), 0);
    assert_eq!((bucket(5e-324), bucket(f64::MAX)), (1, MAGNITUDES));
    assert!((2 * MAGNITUDES + 1) >> MOST_LEVELS < MOST_BUCKETS as i32 - 2);
    let greatest = (0..MOST_LEVELS).fold(MAGNITUDES, |bucket, _| collapsed(bucket));
    assert!(estimate(greatest, MOST_LEVELS) <= f64::MAX);
}

#[test]
fn values_over_many_magnitudes_collapse_and_stay_within_the_bound_of_their_level() {
    let values: Vec<f64> = (0..3000).map(|n| 1.02_f64.powi(n)).collect();
    let sketch = of(&values);
    assert_eq!(sketch.level, 2);
    assert!(sketch.buckets.len() <= MOST_BUCKETS);
    for quantile in ["0.001", "0.5", "0.999"].map(|text| text.parse().unwrap()) {
        let Value::Float64(got) = sketch.finish(quantile) else { panic!() };
        let expected = exact(&values, quantile);
        assert!((got - expected).abs() <= 0.0396 * expected, "{got} for {expected}");
    }
    let everything: Vec<f64> = (0..4096).map(|n| f64::from_bits(n << 51)).filter(|x| x.is_finite()).collect();
    let both: Vec<f64> = everything.iter().flat_map(|x| [*x, -*x]).collect();
    assert!(bytes(&of(&both)).len() <= MOST_BYTES);
}

#[test]
fn infinities_are_values_and_nan_propagates() {
    let median = |values: &[f64]| of(values).finish(Quantile::MEDIAN);
    assert_eq!(median(&[f64::NEG_INFINITY, f64::NEG_INFINITY, 1.0]), Value::Float64(f64::NEG_INFINITY));
    assert_eq!(median(&[f64::INFINITY, 0.0, f64::INFINITY]), Value::Float64(f64::INFINITY));
    assert_eq!(median(&[f64::INFINITY, 0.0, f64::NEG_INFINITY]), Value::Float64(0.0));
    assert_eq!(median(&[1.0, f64::NAN]), Value::Float64(f64::NAN));
    assert_eq!(median(&[]), Value::Null);
}

#[test]
fn estimates_are_pinned_to_the_bit() {
    let got = [1.0, 1000.0, -0.1, 1e-310, 1e300].map(|x| estimate(bucket(x), 0));
    assert_eq!(
        got,
        [
            1.009901778953003,
            993.9793908045312,
            -0.09953569792723269,
            1.0082996175199e-310,
            1.0050136467069884e300
        ]
    );
}

fn any_finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |x| x.is_finite()),
        (-1e4..1e4_f64),
        (-50_i32..50).prop_map(f64::from),
        (0_u64..100).prop_map(f64::from_bits),
    ]
}

proptest! {
    #[test]
    fn a_quantile_of_few_values_is_within_one_percent(
        values in prop::collection::vec(any_finite(), 1..200),
        quantile in (1_u32..1_000_000).prop_map(|n| format!("0.{n:06}").parse::<Quantile>().unwrap()),
    ) {
        let Value::Float64(got) = of(&values).finish(quantile) else { panic!() };
        let expected = exact(&values, quantile);
        let bound = if expected.abs() < f64::MIN_POSITIVE { 0.02 } else { 0.00991 };
        prop_assert!((got - expected).abs() <= bound * expected.abs(), "{} for {}", got, expected);
    }

    #[test]
    fn a_state_is_the_same_in_any_order_and_grouping(
        values in prop::collection::vec(any_finite(), 0..80),
        spread in 0_u64..3000,
        cut in 0_usize..3000,
    ) {
        // Enough values over all magnitudes to collapse a few times.
        let many = (0..spread).map(|n| f64::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let values: Vec<f64> = values.into_iter().chain(many).collect();
        let whole = of(&values);
        let (left, right) = values.split_at(cut.min(values.len()));
        let backwards: Vec<f64> = right.iter().rev().copied().collect();
        let mut merged = QuantileSketch::read(&bytes(&of(&backwards))).unwrap();
        merged.merge(&QuantileSketch::read(&bytes(&of(left))).unwrap());
        prop_assert_eq!(bytes(&merged), bytes(&whole));
        let mut other_way = of(left);
        other_way.merge(&of(&backwards));
        prop_assert_eq!(bytes(&other_way), bytes(&whole));
        prop_assert!(bytes(&whole).len() <= MOST_BYTES && whole.buckets.len() <= MOST_BUCKETS);
    }

    #[test]
    fn any_bytes_are_refused_or_read_and_never_panic(noise in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some(mut sketch) = QuantileSketch::read(&noise) {
            sketch.merge(&sketch.clone());
            sketch.add(1.0);
            sketch.finish(Quantile::MEDIAN);
        }
    }
}
