//! What breaks first: for each part, how much of the demand one of it carries, in the order in which they give out.

use serde::Serialize;

use crate::demand::Demand;
use crate::figures::STREAM_ROWS_PER_S;
use crate::needs::{
    REDIS_UTILISATION, answer_bytes, kept, online_bytes, redis_seconds, request_seconds, rows_written,
};

/// A part, and how much of the demand one of it carries.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// The part.
    pub part: &'static str,
    /// What the demand needs of it at the highest peak.
    pub needed: f64,
    /// What one of it has.
    pub has: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// How many times the demand it carries; below 1, it breaks.
    pub headroom: f64,
    /// What is to be done about it.
    pub remedy: &'static str,
}

/// All parts, the one that gives out first at the head.
pub(crate) fn limits(demand: &Demand) -> Vec<Limit> {
    let peak = demand.peaks.iter().copied().fold(1.0, f64::max);
    let requests = demand.requests_per_second * peak;
    let limit =
        |part, needed, has, unit, remedy| Limit { part, needed, has, unit, headroom: has / needed, remedy };
    let mut limits = vec![
        limit(
            "cores of one machine, for requests",
            requests * request_seconds(demand),
            demand.cores * demand.utilisation,
            "cores",
            "more servers; today they share the machine that has registry and log",
        ),
        limit(
            "network of one machine",
            requests * answer_bytes(demand) * 8.0 / 1e9,
            demand.network_bits / 1e9,
            "Gbit/s",
            "more servers, or fewer features in a request",
        ),
        limit(
            "memory of one Redis",
            online_bytes(demand) / 1e9,
            demand.memory_bytes * REDIS_UTILISATION / 1e9,
            "GB",
            "a cluster; fewer tiles make packed rows smaller",
        ),
        limit(
            "thread of one Redis",
            redis_seconds(demand, peak),
            REDIS_UTILISATION,
            "threads",
            "a cluster; larger hot tiers miss less",
        ),
        limit(
            "disk of one machine, for the log",
            kept(demand).log_bytes / 1e12,
            demand.disk_bytes / 1e12,
            "TB",
            "shorter retention; today the log is on one machine",
        ),
        limit(
            "one process of a stream",
            rows_written(demand) * peak,
            STREAM_ROWS_PER_S,
            "rows/s",
            "more processes, as many as partitions",
        ),
    ];
    // What nothing is needed of cannot break.
    limits.retain(|limit| limit.needed > 0.0);
    limits.sort_by(|one, other| one.headroom.total_cmp(&other.headroom));
    limits
}
