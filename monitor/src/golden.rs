//! The figures of this crate beside those of numpy and scipy on the same samples: `golden/figures.py` printed them, with
//! the versions that it used.

use feature::{Scalar, Value};
use serde_json::{Value as Json, json};

use crate::{Comparison, Drift, Figures, Measure, Observed, Pair, Statistics};

const FIGURES: &str = include_str!("../golden/figures.json");

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Both sides as far as they go: where one is longer, the other is null.
fn compared<'a, T: 'a>(
    measure: Measure,
    old: &'a [T],
    new: &'a [T],
    observed: impl Fn(&'a T) -> Observed<'a>,
) -> Figures {
    let mut comparison = Comparison::new(measure, 65_536);
    for row in 0..old.len().max(new.len()) {
        let at = |side: &'a [T]| side.get(row).map_or(Observed::Null, &observed);
        comparison.add(&Pair { old: at(old), new: at(new), statuses: None });
    }
    comparison.figures()
}

#[test]
fn every_figure_of_numbers_is_that_of_scipy_and_numpy() {
    let pinned: Json = serde_json::from_str(FIGURES).unwrap();
    for case in pinned["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (old, new) = (numbers(&case["old"]), numbers(&case["new"]));
        let figures = compared(Measure::Floats, &old, &new, |x| Observed::Float(*x));
        let near = |what: &str, found: f64, expected: &Json| {
            let expected = expected.as_f64().unwrap();
            let off = (found - expected).abs();
            assert!(off <= 1e-12 * expected.abs().max(1.0), "{name}: {what} is {found}, not {expected}");
        };
        near("ks", figures.ks.unwrap(), &case["ks"]);
        assert_eq!(figures.ks_error, Some(0.0), "{name}");
        near("psi", figures.psi.unwrap(), &case["psi"]);
        let mean = figures.mean.unwrap();
        near("the old mean", mean.old, &case["means"][0]);
        near("the new mean", mean.new, &case["means"][1]);
        for (index, share) in numbers(&case["shares"]).into_iter().enumerate() {
            let pair =
                figures.quantiles.iter().find(|pair| pair.per_mille == (share * 1000.0) as u64).unwrap();
            let expected = |side: usize| Value::Float64(case["quantiles"][side][index].as_f64().unwrap());
            assert_eq!((&pair.old, &pair.new), (&expected(0), &expected(1)), "{name}: quantile {share}");
        }
    }
}

#[test]
fn the_stability_index_of_categories_is_that_of_numpy() {
    let pinned: Json = serde_json::from_str(FIGURES).unwrap();
    let of = |side: &str| -> Vec<String> {
        let names = pinned["categories"][side].as_array().unwrap();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let (old, new) = (of("old"), of("new"));
    let figures = compared(Measure::Categories, &old, &new, |name| Observed::Text(name));
    let expected = pinned["categories"]["psi"].as_f64().unwrap();
    assert!((figures.psi.unwrap() - expected).abs() < 1e-12, "{:?}, not {expected}", figures.psi);
    assert_eq!(figures.ks, None);
}

#[test]
fn with_fewer_buckets_than_values_the_distance_is_within_the_error_that_it_states() {
    let pinned: Json = serde_json::from_str(FIGURES).unwrap();
    for case in pinned["cases"].as_array().unwrap() {
        let (old, new) = (numbers(&case["old"]), numbers(&case["new"]));
        let mut coarse = Comparison::new(Measure::Floats, 64);
        for row in 0..old.len().max(new.len()) {
            let at = |side: &[f64]| side.get(row).map_or(Observed::Null, |x| Observed::Float(*x));
            coarse.add(&Pair { old: at(&old), new: at(&new), statuses: None });
        }
        let figures = coarse.figures();
        let (ks, error) = (figures.ks.unwrap(), figures.ks_error.unwrap());
        let expected = case["ks"].as_f64().unwrap();
        assert!(ks <= expected + 1e-12 && expected <= ks + error + 1e-12, "{}: {ks} ± {error}", case["name"]);
    }
}

fn statistics(values: &[f64]) -> Statistics {
    let mut statistics = Statistics::of(Scalar::Float64.into());
    values.iter().for_each(|x| statistics.add(Observed::Float(*x)));
    statistics
}

#[track_caller]
fn near(name: &Json, what: &str, found: Option<f64>, expected: &Json) {
    let (found, expected) = (found.unwrap(), expected.as_f64().unwrap());
    let off = (found - expected).abs();
    assert!(off <= 1e-9 * expected.abs().max(1.0), "{name}: {what} is {found}, not {expected}");
}

#[test]
fn every_figure_of_a_drift_is_that_of_scipy_and_numpy() {
    let pinned: Json = serde_json::from_str(FIGURES).unwrap();
    for case in pinned["cases"].as_array().unwrap() {
        let (old, new) = (numbers(&case["old"]), numbers(&case["new"]));
        let drift = Drift::between(&statistics(&old), &statistics(&new));
        near(&case["name"], "ks", drift.ks, &case["ks"]);
        near(&case["name"], "psi", drift.psi, &case["psi"]);
        near(&case["name"], "chi square", drift.chi_square, &case["chi_square"]);
        near(&case["name"], "jensen shannon", drift.jensen_shannon, &case["jensen_shannon"]);
        assert_eq!(drift.ks_error, Some(0.0));
    }
    let mut sides = ["old", "new"].map(|side| {
        let mut statistics = Statistics::of(Scalar::String.into());
        for name in pinned["categories"][side].as_array().unwrap() {
            statistics.add(Observed::Text(name.as_str().unwrap()));
        }
        statistics
    });
    let [old, new] = &mut sides;
    let drift = Drift::between(old, new);
    for (what, found) in
        [("psi", drift.psi), ("chi_square", drift.chi_square), ("jensen_shannon", drift.jensen_shannon)]
    {
        near(&json!("categories"), what, found, &pinned["categories"][what]);
    }
}
