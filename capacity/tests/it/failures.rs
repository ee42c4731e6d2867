//! Servers that fail: every request is accounted for, and the tail moves where it should.

use capacity::{Balance, Failure, Outcome, Service, Tier, simulate};
use twinstore_capacity as capacity;

/// Ten servers of four workers, of which one says nothing from 400 to 1,200 means of a service; clients notice at 800.
fn failing(load: f64) -> Tier {
    Tier {
        servers: 10,
        workers: 4,
        arrivals: load * 40.0,
        service: Service::Exponential(1.0),
        store: (0.0, 0.0),
        balance: Balance::LeastOfTwo,
        waiting: 1_000,
        longest_wait: 1_000.0,
        failure: Some(Failure { servers: 1, at: 400.0, detected: 800.0, back: 1_200.0, silence: 30.0 }),
        warm_up: 100.0,
        until: 1_600.0,
        seed: 3,
    }
}

fn accounted(outcome: &Outcome) {
    for phase in &outcome.phases {
        assert_eq!(phase.arrived, phase.answered + phase.refused + phase.given_up, "{phase:?}");
        assert!(phase.arrived > 0, "{phase:?}");
    }
}

#[test]
fn every_request_is_answered_refused_or_given_up() {
    for tier in [
        failing(0.5),
        failing(0.97),
        Tier { balance: Balance::Random, ..failing(0.7) },
        Tier { waiting: 2, ..failing(0.9) },
        Tier { longest_wait: 0.5, ..failing(0.95) },
        Tier { failure: Some(Failure { servers: 9, ..failing(0.2).failure.unwrap() }), ..failing(0.2) },
    ] {
        accounted(&simulate(&tier));
    }
}

#[test]
fn requests_to_a_silent_server_are_late_by_the_silence_until_it_is_noticed() {
    let outcome = simulate(&failing(0.5));
    let [_, before, silent, left, back] = outcome.phases.as_slice() else { panic!("{outcome:?}") };
    // Before, only what the server had when it failed: as many as it has workers, and few that waited.
    assert!(before.retried <= 6 && [left.retried, back.retried] == [0, 0], "{outcome:?}");
    assert!(silent.retried > 0 && silent.given_up == 0, "{silent:?}");
    assert!(before.p99 < 30.0 && silent.p999 > 30.0 && silent.p999 < 60.0, "{silent:?}");
    assert!(left.p999 < 30.0 && back.p999 < 30.0, "{left:?}");
}

#[test]
fn clients_that_count_what_is_unanswered_avoid_a_silent_server_before_they_notice() {
    let counting = simulate(&failing(0.5));
    let random = simulate(&Tier { balance: Balance::Random, ..failing(0.5) });
    let retried = |outcome: &Outcome| outcome.phases[2].retried as f64 / outcome.phases[2].arrived as f64;
    // At random a tenth of all goes there.
    assert!((retried(&random) - 0.1).abs() < 0.02, "{}", retried(&random));
    assert!(retried(&counting) < retried(&random) / 2.0, "{}", retried(&counting));
}

#[test]
fn what_is_left_of_a_tier_that_is_too_small_refuses_the_rest() {
    // Half of the servers are gone, and the others get 1.6 times what they can answer.
    let failure = Failure { servers: 5, ..failing(0.8).failure.unwrap() };
    let tier = Tier { failure: Some(failure), waiting: 20, ..failing(0.8) };
    let outcome = simulate(&tier);
    accounted(&outcome);
    let refused = |phase: usize| outcome.phases[phase].refused as f64 / outcome.phases[phase].arrived as f64;
    assert!(refused(1) < 0.001, "{}", refused(1));
    assert!((refused(3) - (1.0 - 1.0 / 1.6)).abs() < 0.03, "{}", refused(3));
}

#[test]
fn a_wait_is_bounded() {
    let tier = Tier { failure: None, longest_wait: 2.0, ..failing(1.5) };
    let outcome = simulate(&tier);
    accounted(&outcome);
    let phase = outcome.phases.last().unwrap();
    assert!(phase.refused > 0 && phase.p99_wait <= 2.0, "{phase:?}");
}
