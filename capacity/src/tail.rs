//! How slow the slowest answers of a serving tier are while servers fail, at some utilisations: a cell of the tier is
//! simulated, with the share of servers failing that fails of all.

use serde::Serialize;

use crate::demand::Demand;
use crate::figures::REDIS_WAIT_S;
use crate::needs::Needs;
use crate::simulation::{Outcome, Phase, simulate};
use crate::tier::{Balance, Failure, Service, Tier};

/// Utilisations that are simulated beside that of the highest peak.
const UTILISATIONS: [f64; 3] = [0.5, 0.7, 0.85];
/// Servers of a cell at most, and workers of each; more of either make the tail shorter, so that it is overstated.
const CELL: usize = 20;
const WORKERS: usize = 4;
/// Requests that arrive in each phase, about.
const REQUESTS: f64 = 25_000.0;
/// How long a client waits for a server that says nothing: a deadline of a caller in a hurry.
const SILENCE_S: f64 = 0.01;
/// What a server does with what it cannot answer at once: see `how-to/serve.md`.
const WAITING: usize = 1_024;
const LONGEST_WAIT_S: f64 = 0.1;

/// Which phase of an outcome is the one before the failure; and the one after it.
const NOTHING_FAILS: usize = 1;
const BACK: usize = 4;

/// The tail of one phase at one utilisation. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tail {
    /// The share of all cores that is busy while nothing fails.
    pub utilisation: f64,
    /// What goes on.
    pub phase: &'static str,
    /// Half of the answers are not slower; `None` where more is requested than can be answered, and waits grow up to
    /// their bound.
    pub p50_ms: Option<f64>,
    /// 99% of the answers.
    pub p99_ms: Option<f64>,
    /// 99.9%.
    pub p999_ms: Option<f64>,
    /// 99.9% where clients choose servers at random, and know nothing of what these are busy with.
    pub p999_random_ms: Option<f64>,
    /// The share of requests that is refused or not answered.
    pub refused: f64,
    /// The share of requests for which a client tried another server.
    pub retried: f64,
}

/// The tails of a tier as the highest peak needs it, of which the demand's failures may be gone.
pub(crate) fn tails(demand: &Demand, peak: &Needs, request_seconds: f64) -> Vec<Tail> {
    // In hundredths: more digits would say nothing. An idle tier is simulated as one that is hardly used.
    let own = (peak.busy_cores / (peak.servers * demand.cores) * 100.0).round().max(1.0) / 100.0;
    let mut utilisations = UTILISATIONS.to_vec();
    utilisations.push(own);
    utilisations.sort_by(f64::total_cmp);
    utilisations.dedup();
    let servers = peak.servers;
    let cell = (servers as usize).clamp(2, CELL);
    let failing = ((demand.failures / servers * cell as f64).ceil() as usize).min(cell - 1);
    let workers = (demand.cores as usize).clamp(1, WORKERS);
    let all = utilisations.into_iter().flat_map(|utilisation| {
        let cores = (cell * workers) as f64;
        let tier = tier(demand, Cell { servers: cell, workers, failing, utilisation, request_seconds });
        let left = cores * (cell - failing) as f64 / cell as f64;
        let random = simulate(&Tier { balance: Balance::Random, ..tier.clone() });
        shown(utilisation, utilisation * cores / left, simulate(&tier), random)
    });
    all.collect()
}

/// A cell of the tier.
struct Cell {
    servers: usize,
    workers: usize,
    failing: usize,
    utilisation: f64,
    request_seconds: f64,
}

fn tier(demand: &Demand, cell: Cell) -> Tier {
    let arrivals = (cell.servers * cell.workers) as f64 * cell.utilisation / cell.request_seconds;
    // What a client waits for a silent server passes within a phase.
    let phase = (REQUESTS / arrivals).max(3.0 * SILENCE_S);
    let failure = Failure {
        servers: cell.failing,
        at: 1.5 * phase,
        detected: 2.5 * phase,
        back: 3.5 * phase,
        silence: SILENCE_S,
    };
    let rows = demand.entities_per_request * demand.views;
    Tier {
        servers: cell.servers,
        workers: cell.workers,
        arrivals,
        service: Service::Exponential(cell.request_seconds),
        store: (1.0 - (1.0 - demand.misses).powf(rows), REDIS_WAIT_S),
        balance: Balance::LeastOfTwo,
        waiting: WAITING,
        longest_wait: LONGEST_WAIT_S,
        failure: (cell.failing > 0).then_some(failure),
        warm_up: 0.5 * phase,
        until: if cell.failing > 0 { 4.5 * phase } else { 1.5 * phase },
        seed: demand.seed,
    }
}

/// What is shown of an outcome: not the warm-up, and from a failure on not the times of a tier that then cannot answer what
/// it is sent; `after` is the share of the cores that are left which would be busy.
fn shown(utilisation: f64, after: f64, outcome: Outcome, random: Outcome) -> Vec<Tail> {
    let is_overloaded = after >= 1.0;
    let tail = |(number, (phase, random)): (usize, (Phase, Phase))| {
        let has_failed = number > NOTHING_FAILS;
        let is_failing = has_failed && number < BACK;
        let shown = |seconds: f64| (!is_overloaded || !has_failed).then_some(seconds * 1e3);
        let refused = (phase.refused + phase.given_up) as f64 / phase.arrived as f64;
        Tail {
            utilisation,
            phase: phase.name,
            p50_ms: shown(phase.p50),
            p99_ms: shown(phase.p99),
            p999_ms: shown(phase.p999),
            p999_random_ms: shown(random.p999),
            // Beyond its capacity a tier refuses the rest, in the end.
            refused: if is_overloaded && is_failing { refused.max(1.0 - 1.0 / after) } else { refused },
            retried: phase.retried as f64 / phase.arrived as f64,
        }
    };
    outcome.phases.into_iter().zip(random.phases).enumerate().skip(NOTHING_FAILS).map(tail).collect()
}
