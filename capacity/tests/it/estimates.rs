//! Estimates: sums by hand, what grows with what, and numbers that are refused.

use capacity::{Demand, DemandError, FIGURES, estimate};
use twinstore_capacity as capacity;

/// What was measured: ten features of one view, of 1 and of 50 entities.
fn measured(entities_per_request: f64, windows: f64) -> Demand {
    Demand {
        requests_per_second: 1_000.0,
        entities_per_request,
        features: 10.0,
        windows,
        views: 1.0,
        ..Demand::default()
    }
}

#[test]
fn requests_that_were_measured_are_estimated_as_they_were_measured() {
    let microseconds = |demand: &Demand| estimate(demand).unwrap().kept.request_us;
    let near = |estimated: f64, measured: f64, error: f64| {
        assert!((estimated / measured - 1.0).abs() < error, "{estimated} for {measured}");
    };
    near(microseconds(&measured(1.0, 0.0)), 18.8, 1e-9);
    near(microseconds(&measured(50.0, 0.0)), 25.6, 1e-9);
    // Of windows a rate was measured, not the time of the core: 8,200/s and 49,300/s.
    near(microseconds(&measured(50.0, 10.0)), 1e6 / 8_200.0, 0.02);
    near(microseconds(&measured(1.0, 10.0)), 1e6 / 49_300.0, 0.05);
    // Twenty features of twenty views: 36,600/s.
    let spread = Demand { features: 20.0, views: 20.0, ..measured(1.0, 0.0) };
    near(microseconds(&spread), 1e6 / 36_600.0, 0.06);
}

#[test]
fn a_peak_needs_its_multiple_of_cores_and_the_servers_that_may_fail() {
    let demand =
        Demand { cores: 10.0, utilisation: 0.5, failures: 2.0, peaks: vec![1.0, 10.0], ..measured(1.0, 0.0) };
    let demand = Demand { requests_per_second: 1e6, ..demand };
    let estimate = estimate(&demand).unwrap();
    let [average, peak] = estimate.needs.as_slice() else { panic!("{estimate:?}") };
    // 1e6 × 18.8 µs are 18.8 cores: 3.76 servers of which five cores are to be used.
    assert!((average.busy_cores - 18.8).abs() < 1e-9);
    assert_eq!(average.servers, 4.0 + 2.0);
    assert_eq!(peak.servers, 38.0 + 2.0);
    assert!((average.utilisation_after_failures - 0.47).abs() < 1e-9);
    assert_eq!(average.values_per_second, 1e7);
}

#[test]
fn what_breaks_first_is_named_first() {
    let few =
        Demand { requests_per_second: 100.0, entities: 1e9, rows_per_second: 1.0, ..measured(1.0, 0.0) };
    let first = |demand: &Demand| estimate(demand).unwrap().limits[0].clone();
    assert_eq!(first(&few).part, "memory of one Redis");
    assert!(first(&few).headroom < 1.0);
    let many =
        Demand { requests_per_second: 1e6, entities: 1e4, misses: 0.0, rows_per_second: 1.0, ..few.clone() };
    assert_eq!(first(&many).part, "cores of one machine, for requests");
    let long = Demand { rows_per_second: 20_000.0, years: 50.0, entities: 1e4, peaks: vec![1.0], ..few };
    assert_eq!(first(&long).part, "disk of one machine, for the log");
    for demand in [&many, &long] {
        let limits = estimate(demand).unwrap().limits;
        assert!(limits.is_sorted_by(|one, other| one.headroom <= other.headroom), "{limits:?}");
    }
}

#[test]
fn nothing_written_needs_no_stream_and_nothing_missed_no_reads_of_the_store() {
    let demand = Demand { rows_per_second: 0.0, misses: 0.0, ..measured(1.0, 0.0) };
    let estimate = estimate(&demand).unwrap();
    // Neither is a part that could break, nor is the disk of a log that does not grow.
    let parts: Vec<&str> = estimate.limits.iter().map(|limit| limit.part).collect();
    assert_eq!(parts.len(), 3, "{parts:?}");
    assert!(estimate.limits.iter().all(|limit| limit.headroom.is_finite()), "{:?}", estimate.limits);
    assert_eq!(estimate.needs[0].stream_processes, 0.0);
    assert_eq!(estimate.needs[0].store_reads_per_second, 0.0);
    assert_eq!(estimate.kept.log_bytes, 0.0);
}

#[test]
fn a_tier_without_failures_and_one_of_a_single_server_are_estimated() {
    let none = estimate(&Demand { failures: 0.0, ..measured(1.0, 0.0) }).unwrap();
    assert!(
        none.tails.iter().all(|tail| tail.phase == "nothing fails" && tail.refused == 0.0),
        "{:?}",
        none.tails
    );
    let one = estimate(&Demand { failures: 5.0, ..measured(1.0, 0.0) }).unwrap();
    let overloaded = one.tails.iter().filter(|tail| tail.p99_ms.is_none()).count();
    assert!(overloaded > 0, "{:?}", one.tails);
}

#[test]
fn the_same_demand_is_estimated_the_same() {
    let demand = Demand::default();
    assert_eq!(estimate(&demand).unwrap(), estimate(&demand).unwrap());
}

#[test]
fn every_figure_says_where_it_was_measured() {
    assert!(FIGURES.iter().all(|figure| !figure.measured.is_empty() && !figure.source.is_empty()));
}

#[test]
fn numbers_that_cannot_be_computed_with_are_refused() {
    let refused = |demand: Demand| estimate(&demand).unwrap_err().to_string();
    for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let sentence = refused(Demand { requests_per_second: value, ..Demand::default() });
        assert!(sentence.starts_with("the number of requests a second is "), "{sentence}");
    }
    let sentence = refused(Demand { utilisation: 1.0, ..Demand::default() });
    assert_eq!(sentence, "the utilisation is 1, but has to be 0.05 to 0.95");
    let sentence = refused(Demand { windows: 11.0, ..measured(1.0, 0.0) });
    assert_eq!(sentence, "11 of 10 features cannot have a window: give as many features or fewer windows");
    assert_eq!(estimate(&Demand { peaks: vec![], ..Demand::default() }), Err(DemandError::Peaks(0)));
    let sentence = refused(Demand { misses: 1.5, ..Demand::default() });
    assert_eq!(sentence, "the share of misses is 1.5, but has to be 0 to 1");
}
