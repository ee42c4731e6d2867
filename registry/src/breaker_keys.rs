//! The keys of the circuit breaker of a view.

use crate::record::{Record, Shape, optional};

pub(crate) static BREAKER: Record = Record {
    title: "breaker",
    doc: "The circuit breaker of a view: at least one of `bad_share`, `drift`, `skew` and `stale`. It opens by itself where one of \
          them is exceeded, and closes by itself. It changes nothing that a version computes.",
    keys: &[
        optional(
            "answers",
            Shape::OneOf(&["last_known_good", "no_value", "current"]),
            "last_known_good",
            "what is answered while it is open: what was answered at the last good moment, with its own event time; no \
             value; or what the rows give, where it only has to be seen",
        ),
        optional(
            "features",
            Shape::List(&Shape::Name),
            "all",
            "the features that it holds while it is open, and whose values `drift` and `skew` look at; the others are answered \
             as their rows give",
        ),
        optional(
            "bad_share",
            Shape::Number(0.0, 1.0),
            "none",
            "the share of the rows that a stream brings in a `window` which may be refused",
        ),
        optional(
            "drift",
            Shape::Number(0.0, 100.0),
            "none",
            "the greatest population stability index of a column's newest date against the 28 dates before; 0.25 is a shift",
        ),
        optional(
            "skew",
            Shape::Number(0.0, 1.0),
            "none",
            "the share of the served answers which were compared in a `window` that may be other than the log gives; 0 is none",
        ),
        optional(
            "stale",
            Shape::Duration,
            "none",
            "how old the newest event that is online may be; its moment is the last good one, so windows stay full where a \
             source has stopped",
        ),
        optional("window", Shape::Duration, "5m", "over which time shares are counted; at least 10s"),
        optional(
            "min_rows",
            Shape::Number(1.0, 1e15),
            "100",
            "how many rows there are at least in a window of which a share is taken",
        ),
        optional("close_after", Shape::Duration, "10m", "it closes once nothing was exceeded for so long"),
    ],
};
