//! What is counted of the requests of one phase, and what follows from the counts.

use serde::Serialize;

use crate::tier::Tier;

/// The requests that arrived in one phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// What went on.
    pub name: &'static str,
    /// Requests that arrived; each was answered, refused or given up.
    pub arrived: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that a server refused.
    pub refused: u64,
    /// How often a client tried another server.
    pub retried: u64,
    /// Requests that no server answered.
    pub given_up: u64,
    /// The mean time from arrival to answer, in seconds.
    pub mean: f64,
    /// Half of the answers were not slower.
    pub p50: f64,
    /// 99% of the answers.
    pub p99: f64,
    /// 99.9%.
    pub p999: f64,
    /// The mean wait for a worker.
    pub mean_wait: f64,
    /// The wait that 99% did not exceed.
    pub p99_wait: f64,
}

/// A phase while it is recorded.
#[derive(Debug)]
pub struct Recording {
    name: &'static str,
    pub from: f64,
    pub arrived: u64,
    pub refused: u64,
    pub retried: u64,
    pub given_up: u64,
    pub latencies: Vec<f64>,
    pub waits: Vec<f64>,
}

impl Recording {
    /// The phases of a tier, in the order of time.
    pub fn of(tier: &Tier) -> Vec<Self> {
        let mut phases = vec![("warming up", 0.0), ("nothing fails", tier.warm_up)];
        if let Some(failure) = tier.failure {
            let failing = [
                ("failed, not noticed", failure.at),
                ("failed, out of rotation", failure.detected),
                ("back", failure.back),
            ];
            phases.extend(failing);
        }
        phases.into_iter().map(|(name, from)| Self::new(name, from)).collect()
    }

    fn new(name: &'static str, from: f64) -> Self {
        Self {
            name,
            from,
            arrived: 0,
            refused: 0,
            retried: 0,
            given_up: 0,
            latencies: Vec::new(),
            waits: Vec::new(),
        }
    }

    pub fn end(mut self) -> Phase {
        self.latencies.sort_unstable_by(f64::total_cmp);
        self.waits.sort_unstable_by(f64::total_cmp);
        Phase {
            name: self.name,
            arrived: self.arrived,
            answered: self.latencies.len() as u64,
            refused: self.refused,
            retried: self.retried,
            given_up: self.given_up,
            mean: mean(&self.latencies),
            p50: quantile(&self.latencies, 0.5),
            p99: quantile(&self.latencies, 0.99),
            p999: quantile(&self.latencies, 0.999),
            mean_wait: mean(&self.waits),
            p99_wait: quantile(&self.waits, 0.99),
        }
    }
}

/// The mean; NaN of nothing.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The value that this share of all is at or below; NaN of nothing.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
