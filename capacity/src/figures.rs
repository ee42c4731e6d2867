//! The figures that everything is computed from: each with its section of docs/benchmarks.md, or the decision, that it
//! was measured for. What is derived from two of them says so.

use serde::Serialize;

/// A measured figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: &'static str,
    /// As it is written where it stands.
    pub measured: &'static str,
    /// The page and section.
    pub source: &'static str,
}

const ONLINE: &str = "benchmarks.md, online reads";

/// All of them.
pub const FIGURES: [Figure; 13] = [
    Figure {
        what: "a read of 1 entity with ten features of one view",
        measured: "18.8 µs of a core",
        source: ONLINE,
    },
    Figure { what: "the same of 50 entities", measured: "25.6 µs of a core", source: ONLINE },
    Figure { what: "twenty features of one view, 1 entity", measured: "50,200/s on a core", source: ONLINE },
    Figure { what: "twenty features of 20 views, 1 entity", measured: "36,600/s on a core", source: ONLINE },
    Figure {
        what: "ten windows, 1 and 50 entities",
        measured: "49,300/s and 8,200/s on a core",
        source: ONLINE,
    },
    Figure {
        what: "reads of 1 and 50 rows from one Redis",
        measured: "201,000/s and 11,400/s",
        source: "decision 0011",
    },
    Figure {
        what: "a read of 50 rows that waits for Redis, p50",
        measured: "126 µs",
        source: "decision 0018",
    },
    Figure { what: "rows written to one Redis", measured: "269,000/s", source: "benchmarks.md, stores" },
    Figure {
        what: "a row of ten float64 values in Redis; a count over an hour adds",
        measured: "248 bytes; 160 bytes",
        source: "benchmarks.md, stores",
    },
    Figure {
        what: "rows of a stream into both stores",
        measured: "79,000/s on two cores",
        source: "benchmarks.md, streams",
    },
    Figure {
        what: "a row of the log, ten random float64 values",
        measured: "89 bytes",
        source: "operating/sizing.md",
    },
    Figure {
        what: "40M rows of the log joined with 100,000 labels",
        measured: "1.28 s on a core",
        source: "benchmarks.md, the point-in-time join",
    },
    Figure {
        what: "entities folded from the log by `online rebuild`",
        measured: "437,000/s on two cores",
        source: "benchmarks.md, loads",
    },
];

const MICROSECOND: f64 = 1e-6;

/// Seconds of a core that a column of an answer takes: twenty features of one view against ten.
pub(crate) const COLUMN_S: f64 = (1.0 / 50_200.0 - 1.0 / 55_900.0) / 10.0;
/// Of a further view: twenty features of 20 views against those of one.
pub(crate) const VIEW_S: f64 = (1.0 / 36_600.0 - 1.0 / 50_200.0) / 19.0;
/// Of a latest value of a further entity: 50 entities against one, ten features.
pub(crate) const LATEST_S: f64 = (25.6 - 18.8) / 49.0 / 10.0 * MICROSECOND;
/// Of a window of a further entity: 50 entities against one, ten windows.
pub(crate) const WINDOW_S: f64 = (1.0 / 8_200.0 - 1.0 / 49_300.0) / 49.0 / 10.0;
/// Of a request, whatever it reads: what is left of the first figure.
pub(crate) const REQUEST_S: f64 = 18.8 * MICROSECOND - 10.0 * COLUMN_S - VIEW_S - 10.0 * LATEST_S;

/// Seconds of a Redis for each key of a read: 50 rows against one.
pub(crate) const REDIS_KEY_S: f64 = (1.0 / 11_400.0 - 1.0 / 201_000.0) / 49.0;
/// Seconds of a Redis for a read, whatever it reads.
pub(crate) const REDIS_READ_S: f64 = 1.0 / 201_000.0 - REDIS_KEY_S;
/// Seconds of a Redis for a row that is written.
pub(crate) const REDIS_WRITE_S: f64 = 1.0 / 269_000.0;
/// How long a request waits for Redis, in the middle.
pub(crate) const REDIS_WAIT_S: f64 = 126.0 * MICROSECOND;

/// Bytes of a packed row in Redis that has no value, the key's own among them: 248 less ten values of eight.
pub(crate) const ROW_BYTES: f64 = 168.0;
/// Bytes of a latest value.
pub(crate) const VALUE_BYTES: f64 = 8.0;
/// Bytes of a tile of a count: 160 for the 13 of an hour.
pub(crate) const TILE_BYTES: f64 = 160.0 / 13.0;

/// Rows that a process of a stream brings into both stores in a second; it has two cores.
pub(crate) const STREAM_ROWS_PER_S: f64 = 79_000.0;
/// Rows of the log that a core joins in a second.
pub(crate) const JOIN_ROWS_PER_S: f64 = 40e6 / 1.28;
/// Entities that `online rebuild` folds in a second on two cores.
pub(crate) const REBUILT_PER_S: f64 = 437_000.0;

/// Bytes of an answer for each value over gRPC: eight for the value, one for the status, and for a column its name and
/// framing; counted, not measured.
pub(crate) const ANSWER_VALUE_BYTES: f64 = 9.0;
/// Bytes of a column of an answer: a name of 20 characters and framing; counted, not measured.
pub(crate) const ANSWER_COLUMN_BYTES: f64 = 34.0;
/// Bytes of an answer for each view and entity: three times; counted, not measured.
pub(crate) const ANSWER_TIMES_BYTES: f64 = 26.0;
