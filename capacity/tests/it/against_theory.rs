//! The simulation gives what queueing theory has formulas for, within a stated error.

use capacity::{
    Balance, Phase, Service, Tier, delay_probability, mean_sojourn_of_two_choices, mean_wait,
    mean_wait_fixed, simulate, wait_quantile,
};
use twinstore_capacity as capacity;

/// One queue in which nothing is refused, at this load of each worker; times are in means of a service.
fn queue(servers: usize, workers: usize, load: f64) -> Tier {
    Tier {
        servers,
        workers,
        arrivals: load * (servers * workers) as f64,
        service: Service::Exponential(1.0),
        store: (0.0, 0.0),
        balance: Balance::Random,
        waiting: usize::MAX,
        longest_wait: f64::INFINITY,
        failure: None,
        warm_up: 2_000.0,
        until: 400_000.0 / (servers * workers) as f64 + 2_000.0,
        seed: 7,
    }
}

fn measured(tier: &Tier) -> Phase {
    simulate(tier).phases.pop().expect("there is a phase after the warm-up")
}

#[track_caller]
fn within(what: &str, simulated: f64, theory: f64, error: f64) {
    let off = (simulated / theory - 1.0).abs();
    assert!(
        off <= error,
        "{what}: simulated {simulated}, but theory says {theory}: off by {:.2}%",
        off * 100.0
    );
}

#[test]
fn one_worker_waits_as_long_as_mm1_says() {
    for load in [0.3, 0.5, 0.8] {
        let phase = measured(&queue(1, 1, load));
        // M/M/1 by itself: ρ / (1 − ρ), which Erlang's formula has to agree with.
        within("the formula", mean_wait(1, load, 1.0), load / (1.0 - load), 1e-12);
        within("mean wait", phase.mean_wait, load / (1.0 - load), 0.05);
        within("mean time", phase.mean, 1.0 / (1.0 - load), 0.03);
        // The time from arrival to answer is exponential: its quantiles have a formula too.
        within("p50", phase.p50, 2f64.ln() / (1.0 - load), 0.03);
        within("p99", phase.p99, 100f64.ln() / (1.0 - load), 0.06);
        within("p99 of waits", phase.p99_wait, wait_quantile(1, load, 1.0, 0.99), 0.06);
    }
}

#[test]
fn many_workers_wait_as_long_as_erlang_says() {
    for (workers, load) in [(2, 0.7), (8, 0.8), (16, 0.85), (32, 0.9)] {
        let tier = queue(1, workers, load);
        let phase = measured(&Tier { until: 3.0 * tier.until, ..tier });
        let (servers, arrivals) = (workers as u32, load * workers as f64);
        within(&format!("mean wait of {workers}"), phase.mean_wait, mean_wait(servers, arrivals, 1.0), 0.08);
        within(
            &format!("p99 of {workers}"),
            phase.p99_wait,
            wait_quantile(servers, arrivals, 1.0, 0.99),
            0.08,
        );
    }
}

#[test]
fn erlangs_formula_gives_the_values_of_its_tables() {
    // Erlang C for 10 servers and a load of 8: 0.409; for 2 and 1: 1/3.
    within("10 servers", delay_probability(10, 8.0), 0.4092, 1e-3);
    within("2 servers", delay_probability(2, 1.0), 1.0 / 3.0, 1e-12);
    assert_eq!(delay_probability(4, 0.0), 0.0);
    // So many servers that factorials would overflow.
    assert!((0.0..1.0).contains(&delay_probability(5_000, 4_900.0)));
}

#[test]
fn requests_that_all_take_as_long_wait_half_as_long() {
    let load = 0.7;
    let tier = Tier { service: Service::Fixed(1.0), ..queue(1, 1, load) };
    within("mean wait", measured(&tier).mean_wait, mean_wait_fixed(load, 1.0), 0.03);
    within("half of M/M/1", mean_wait_fixed(load, 1.0), mean_wait(1, load, 1.0) / 2.0, 1e-12);
}

#[test]
fn servers_that_are_chosen_at_random_are_queues_of_their_own() {
    let phase = measured(&queue(50, 1, 0.8));
    within("mean time", phase.mean, 1.0 / (1.0 - 0.8), 0.05);
}

#[test]
fn the_less_busy_of_two_is_as_good_as_its_limit_says() {
    for load in [0.5, 0.8, 0.9] {
        let tier =
            Tier { balance: Balance::LeastOfTwo, warm_up: 200.0, until: 2_500.0, ..queue(200, 1, load) };
        let phase = measured(&tier);
        within(&format!("mean time at {load}"), phase.mean, mean_sojourn_of_two_choices(load, 1.0), 0.03);
        let random = measured(&Tier { balance: Balance::Random, ..tier });
        assert!(phase.p99 < random.p99 / 1.5, "{} is hardly less than {}", phase.p99, random.p99);
    }
}

#[test]
fn what_waits_for_the_store_is_later_by_that_and_takes_no_worker() {
    let without = measured(&queue(1, 4, 0.6));
    let with = measured(&Tier { store: (0.5, 10.0), ..queue(1, 4, 0.6) });
    within("mean", with.mean, without.mean + 5.0, 0.02);
    within("mean wait", with.mean_wait, without.mean_wait, 0.1);
}

#[test]
fn a_seed_determines_everything() {
    let tier = queue(3, 2, 0.8);
    let once = simulate(&tier);
    assert_eq!(once, simulate(&tier));
    assert_ne!(once, simulate(&Tier { seed: 8, ..tier }));
}
