//! What a demand takes at a peak: the figures of one core, times the demand.

use serde::Serialize;

use crate::demand::Demand;
use crate::figures::{
    ANSWER_COLUMN_BYTES, ANSWER_TIMES_BYTES, ANSWER_VALUE_BYTES, COLUMN_S, JOIN_ROWS_PER_S, LATEST_S,
    REBUILT_PER_S, REDIS_KEY_S, REDIS_READ_S, REDIS_WRITE_S, REQUEST_S, ROW_BYTES, STREAM_ROWS_PER_S,
    TILE_BYTES, VALUE_BYTES, VIEW_S, WINDOW_S,
};

/// The share of a Redis that is to be used at most, of its one thread and of its memory: a fork for a snapshot and
/// moments of more need the rest.
pub(crate) const REDIS_UTILISATION: f64 = 0.6;

const SECONDS_OF_A_YEAR: f64 = 365.25 * 86_400.0;

/// What is needed at a peak. Rates of writing are those of the peak too; what is kept follows from the average.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Needs {
    /// How many times the average.
    pub peak: f64,
    /// Requests a second.
    pub requests_per_second: f64,
    /// Values a second.
    pub values_per_second: f64,
    /// Cores that are busy with requests.
    pub busy_cores: f64,
    /// Servers, with those that may be gone.
    pub servers: f64,
    /// The share of the cores that is busy once these are gone.
    pub utilisation_after_failures: f64,
    /// Bits a second that a server sends.
    pub bits_per_second_of_a_server: f64,
    /// Reads a second that reach the store.
    pub store_reads_per_second: f64,
    /// Redis servers, replicas not counted.
    pub redis_servers: f64,
    /// Processes of streams, of two cores each.
    pub stream_processes: f64,
}

/// What is kept, whatever the peak.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// Microseconds of a core that a request takes.
    pub request_us: f64,
    /// Bytes of an answer.
    pub answer_bytes: f64,
    /// Bytes of all packed rows in Redis.
    pub online_bytes: f64,
    /// Bytes that the log grows by in a year.
    pub log_bytes_per_year: f64,
    /// Bytes of the log at its full length.
    pub log_bytes: f64,
    /// Machines whose disks hold it.
    pub log_disks: f64,
    /// Hours in which one machine reads all rows of one view's log for a training set.
    pub training_set_hours: f64,
    /// Hours in which one machine folds all entities of all views from the log.
    pub rebuild_hours: f64,
}

/// Seconds of a core that a request takes.
pub(crate) fn request_seconds(demand: &Demand) -> f64 {
    let latest = demand.features - demand.windows;
    REQUEST_S
        + demand.features * COLUMN_S
        + demand.views * VIEW_S
        + demand.entities_per_request * (latest * LATEST_S + demand.windows * WINDOW_S)
}

/// Bytes of an answer over gRPC.
pub(crate) fn answer_bytes(demand: &Demand) -> f64 {
    demand.features * ANSWER_COLUMN_BYTES
        + demand.entities_per_request
            * (demand.features * ANSWER_VALUE_BYTES + demand.views * ANSWER_TIMES_BYTES)
}

/// Bytes of all packed rows in Redis.
pub(crate) fn online_bytes(demand: &Demand) -> f64 {
    let latest = demand.features - demand.windows;
    let values = latest * VALUE_BYTES + demand.windows * demand.tiles * TILE_BYTES;
    demand.entities * (demand.views * ROW_BYTES + values)
}

/// Seconds of Redis that a second of this peak takes.
pub(crate) fn redis_seconds(demand: &Demand, peak: f64) -> f64 {
    let reads = peak * store_reads(demand);
    let keys = peak * demand.requests_per_second * demand.entities_per_request * demand.views * demand.misses;
    reads * REDIS_READ_S + keys * REDIS_KEY_S + peak * rows_written(demand) * REDIS_WRITE_S
}

/// Requests a second, of which at least one row is not in the hot tier.
pub(crate) fn store_reads(demand: &Demand) -> f64 {
    let rows = demand.entities_per_request * demand.views;
    demand.requests_per_second * (1.0 - (1.0 - demand.misses).powf(rows))
}

/// Rows a second that are written, over all views.
pub(crate) fn rows_written(demand: &Demand) -> f64 {
    demand.rows_per_second * demand.views
}

/// What is needed at one peak.
pub(crate) fn needs(demand: &Demand, peak: f64) -> Needs {
    let requests_per_second = demand.requests_per_second * peak;
    let busy_cores = requests_per_second * request_seconds(demand);
    let serving = (busy_cores / (demand.cores * demand.utilisation)).ceil();
    let by_memory = online_bytes(demand) / (demand.memory_bytes * REDIS_UTILISATION);
    let by_time = redis_seconds(demand, peak) / REDIS_UTILISATION;
    Needs {
        peak,
        requests_per_second,
        values_per_second: requests_per_second * demand.entities_per_request * demand.features,
        busy_cores,
        servers: serving + demand.failures,
        utilisation_after_failures: busy_cores / (serving * demand.cores),
        bits_per_second_of_a_server: requests_per_second * answer_bytes(demand) * 8.0 / serving,
        store_reads_per_second: store_reads(demand) * peak,
        redis_servers: by_memory.max(by_time).ceil(),
        stream_processes: (rows_written(demand) * peak / STREAM_ROWS_PER_S).ceil(),
    }
}

/// What is kept.
pub(crate) fn kept(demand: &Demand) -> Kept {
    let log_bytes_per_year = rows_written(demand) * demand.row_bytes * SECONDS_OF_A_YEAR;
    let log_bytes = log_bytes_per_year * demand.years;
    let rows_of_a_view = demand.rows_per_second * demand.years * SECONDS_OF_A_YEAR;
    Kept {
        request_us: request_seconds(demand) * 1e6,
        answer_bytes: answer_bytes(demand),
        online_bytes: online_bytes(demand),
        log_bytes_per_year,
        log_bytes,
        log_disks: (log_bytes / demand.disk_bytes).ceil(),
        training_set_hours: rows_of_a_view / (JOIN_ROWS_PER_S * demand.cores) / 3_600.0,
        rebuild_hours: demand.entities * demand.views / (REBUILT_PER_S / 2.0 * demand.cores) / 3_600.0,
    }
}
