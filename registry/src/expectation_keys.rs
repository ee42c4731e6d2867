//! The keys of what a view expects of its rows.

use crate::record::{Record, Shape, optional};

pub(crate) static EXPECTATION: Record = Record {
    title: "expectation",
    doc: "What the rows of a view must satisfy: one of `column` with `between`, `in`, `matches` or `not_null`, `sql`, \
          `unique`, `rows` and `newest_within`. The first two concern each row, or each value that is served, and fail only \
          where the condition is false; null passes, but for `not_null`. The others concern each file of history as a whole.",
    keys: &[
        optional(
            "column",
            Shape::Name,
            "none",
            "the column that is checked: of the source, or as `stage` says",
        ),
        optional(
            "between",
            Shape::Bounds,
            "none",
            "its least and its greatest value, both allowed and of the column's type",
        ),
        optional(
            "in",
            Shape::List(&Shape::Value),
            "none",
            "its values, each of the column's type; of bytes in base64",
        ),
        optional(
            "matches",
            Shape::Text,
            "none",
            "a regular expression that its text matches somewhere; `^` and `$` bind it to the start and the end",
        ),
        optional("not_null", Shape::OneOf(&["true"]), "none", "that it is never null"),
        optional("sql", Shape::Sql, "none", "a SQL condition over these columns, also over several"),
        optional(
            "stage",
            Shape::OneOf(&["source", "row", "served"]),
            "source",
            "what is checked: `source`, the columns of the source; `row`, what the view's expressions make of them: its join keys \
             and the columns of its log; `served`, a sample of the values of its features as they are answered, which is only \
             counted (`warn`)",
        ),
        optional(
            "unique",
            Shape::OneOf(&["true", "log"]),
            "none",
            "that no two rows of a file have the same entity and event time; each further one fails. With `log`, a row that \
             has those of a row of the log fails too",
        ),
        optional("rows", Shape::Record(&EXPECTED_ROWS), "none", "how many rows a file has"),
        optional(
            "newest_within",
            Shape::Duration,
            "none",
            "how long before a file is loaded its newest row may have happened: whether the source is fresh",
        ),
        optional(
            "name",
            Shape::Text,
            "the condition",
            "what failures of it are called; unlike any other of the view's",
        ),
        optional(
            "on_failure",
            Shape::OneOf(&["reject", "quarantine", "warn"]),
            "`reject` for rows, `quarantine` for files",
            "`reject`: a row that fails is bad and goes to the dead letters; `quarantine`: the same, and a file of \
             history with more than `max_bad_share` of such rows is quarantined whole, as is one that fails as a whole; \
             `warn`: it is only counted",
        ),
        optional(
            "severity",
            Shape::OneOf(&["error", "warn"]),
            "error",
            "the older name of `on_failure`: `error` is `reject`",
        ),
    ],
};

static EXPECTED_ROWS: Record = Record {
    title: "number of rows",
    doc: "How many rows a file of history has: one of both.",
    keys: &[
        optional("least", Shape::Number(1.0, 1e15), "none", "at least so many, as a whole number"),
        optional(
            "of_last_week",
            Shape::Number(0.0, 100.0),
            "none",
            "of the hours in which its rows happened, at least this share of the rows that the log has of the same hours \
             a week before; 1 is as many",
        ),
    ],
};
