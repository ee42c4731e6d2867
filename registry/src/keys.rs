//! The definition format as tables: every key of every kind, its type, default and meaning. They drive
//! both the reader and the reference documentation.

use crate::breaker_keys::BREAKER;
use crate::expectation_keys::EXPECTATION;
pub use crate::kind::Kind;
use crate::record::{Key, Record, Shape, optional, required};

/// What a definition of a kind consists of.
pub(crate) const fn record_of(kind: Kind) -> &'static Record {
    match kind {
        Kind::Entity => &ENTITY,
        Kind::Source => &SOURCE,
        Kind::FeatureView => &FEATURE_VIEW,
        Kind::OnDemandView => &ON_DEMAND_VIEW,
        Kind::FeatureService => &FEATURE_SERVICE,
    }
}

const KIND: Key = required(
    "kind",
    Shape::OneOf(&["entity", "source", "feature_view", "on_demand_view", "feature_service"]),
    "what the document defines",
);
const NAME: Key = required("name", Shape::Name, "what it is called");
const VERSION: Key =
    required("version", Shape::Version, "its version, from 1; what a version computes never changes");
const OWNER: Key = optional("owner", Shape::Text, "none", "who answers for it");
const DESCRIPTION: Key = optional("description", Shape::Text, "none", "what it is, in a sentence");
const DEFAULT: Key = optional(
    "default",
    Shape::Value,
    "none: null",
    "the value of its type that replaces null where the status is `NULL_VALUE`; the status stays",
);
const TAGS: Key = optional("tags", Shape::Labels(&Shape::Text), "none", "labels for finding it");
const EXPECT_CHANGE: Key = optional(
    "expect_change",
    Shape::Labels(&EXPECTED_CHANGES),
    "none",
    "by how much its features may differ from those of the version that it is compared with, by their names",
);

static ENTITY: Record = Record {
    title: "entity",
    doc: "What features describe: an airport, a customer.",
    keys: &[
        KIND,
        NAME,
        required(
            "keys",
            Shape::Map(&Shape::Type),
            "its join keys and their types: bool, int32, int64, string, bytes or timestamp; several make a \
             composite key, whose order counts",
        ),
        OWNER,
        DESCRIPTION,
        TAGS,
    ],
};

static SOURCE: Record = Record {
    title: "source",
    doc: "Where rows come from, and what their columns and times are.",
    keys: &[
        KIND,
        NAME,
        required(
            "schema",
            Shape::Map(&Shape::Or(&Shape::Type, &STORED_COLUMN)),
            "its columns: for each its type, or a map that also says how it lies in the files",
        ),
        optional(
            "event_time",
            Shape::Or(&Shape::Name, &SQL_TIME),
            "none: a static source",
            "the timestamp column, or the SQL expression, that says when a row happened; the rows of a source without one hold from the \
             moment of their load",
        ),
        optional(
            "available_at",
            Shape::Or(&Shape::Name, &SQL_TIME),
            "none",
            "the timestamp column, or the SQL expression, that declares when a row of history could first have been read; excludes \
             `assumed_delay`",
        ),
        optional(
            "assumed_delay",
            Shape::Delay,
            "none: at once",
            "how long after its event a row of history could first have been read, `0s` for at once; live rows are measured",
        ),
        optional(
            "allowed_lateness",
            Shape::Delay,
            "none: nothing is late",
            "how late a row may be before it is flagged and counted as late, `0s` for not at all; it is folded all the same",
        ),
        optional(
            "max_ahead",
            Shape::Duration,
            "1h",
            "how far ahead of its load, or of the broker's timestamp, a row may be; beyond it the row is bad",
        ),
        optional(
            "batch",
            Shape::Record(&BATCH),
            "none",
            "where its history lies; a source has `batch`, `stream` or both",
        ),
        optional("stream", Shape::Record(&STREAM), "none", "where its live rows come from"),
        OWNER,
        DESCRIPTION,
        TAGS,
    ],
};

static BATCH: Record = Record {
    title: "batch",
    doc: "Where a source's history lies: in files (`path`), or in a Postgres database (`sql` and `connection`).",
    keys: &[
        optional(
            "path",
            Shape::Text,
            "none: a query",
            "a file, glob, folder or Delta table; a relative path is taken from the project's folder",
        ),
        optional(
            "format",
            Shape::OneOf(&["parquet", "csv", "json", "delta"]),
            "as the files' names say",
            "how the files are encoded: csv has a header, json an object on each line; both may be compressed \
             (`.gz`, `.zst`)",
        ),
        optional(
            "sql",
            Shape::Text,
            "none: files",
            "one SELECT of Postgres whose rows are the history; each load takes those that are new",
        ),
        optional(
            "connection",
            Shape::Text,
            "none: files",
            "the database, as `postgres://host:5432/database`, with the user and an `@` before the host and without a \
             password, or `$NAME` for an environment variable that holds its URL",
        ),
        optional(
            "cursor",
            Shape::Name,
            "none: the whole query is read by each load",
            "a timestamp column: rows of the query are read from the newest extracted one on, less `lookback`",
        ),
        optional(
            "lookback",
            Shape::Duration,
            "1d",
            "how far before the newest extracted row the query is read again, for rows that are committed late",
        ),
    ],
};

static STORED_COLUMN: Record = Record {
    title: "column",
    doc: "A column and how it lies in files and records.",
    keys: &[
        required("type", Shape::Type, "its type"),
        optional("column", Shape::Text, "its own name", "the name that it has in the files and records"),
        optional(
            "optional",
            Shape::OneOf(&["true", "false"]),
            "false",
            "whether files may lack it: it is null in their rows",
        ),
    ],
};

static SQL_TIME: Record = Record {
    title: "time",
    doc: "A time that is computed from columns.",
    keys: &[required(
        "sql",
        Shape::Sql,
        "an expression that gives a timestamp, as in `to_timestamp_millis(ts)`",
    )],
};

static STREAM: Record = Record {
    title: "stream",
    doc: "Where a source's live rows come from.",
    keys: &[
        required("topic", Shape::Text, "the Kafka topic"),
        required("format", Shape::OneOf(&["json", "avro", "protobuf"]), "how its values are encoded"),
        optional(
            "from",
            Shape::Time,
            "the time of its first position",
            "from when the stream counts, where the source has history too: earlier events are taken from \
             `batch`, later ones from the topic",
        ),
        optional(
            "schema",
            Shape::Text,
            "each record's own, from `stream.schema_registry`",
            "the file that says what its values are: of avro a schema in JSON, of protobuf a `.proto` file; a \
             relative path is taken from the project's folder",
        ),
        optional(
            "message",
            Shape::Text,
            "the file's first",
            "of protobuf the name of the message, with its package",
        ),
    ],
};

static FEATURE_VIEW: Record = Record {
    title: "feature_view",
    doc: "Folds over the rows of one source, or of another view, for one entity.",
    keys: &[
        KIND,
        NAME,
        VERSION,
        required("entity", Shape::Name, "the entity that it describes"),
        required(
            "source",
            Shape::Or(&Shape::Name, &INPUT),
            "the source that it reads, or of a derived view the view whose rows it reads",
        ),
        optional(
            "keys",
            Shape::Map(&Shape::Sql),
            "the column of the same name",
            "for each join key the SQL expression that gives it from a row of the source",
        ),
        optional(
            "where",
            Shape::Sql,
            "all rows",
            "which rows it takes: a SQL condition over the source's columns",
        ),
        optional(
            "ttl",
            Shape::Duration,
            "none: forever",
            "how long a latest value lives after its event; aggregates have windows instead",
        ),
        optional("expect", Shape::List(&Shape::Record(&EXPECTATION)), "none", "what its rows must satisfy"),
        optional(
            "max_bad_share",
            Shape::Number(0.0, 1.0),
            "0.05",
            "the share of a file's rows that may fail expectations with `on_failure: quarantine`; a file with more is \
             quarantined whole",
        ),
        optional("retention", Shape::Record(&RETENTION), "none: forever", "how long its rows are kept"),
        optional("freshness", Shape::Record(&FRESHNESS), "none", "how fresh it is to be kept"),
        optional(
            "breaker",
            Shape::Record(&BREAKER),
            "none: only a person opens it",
            "when readers are kept from what its rows give, and what they get instead",
        ),
        required("features", Shape::Map(&Shape::Record(&FEATURE)), "its features by their names"),
        EXPECT_CHANGE,
        OWNER,
        DESCRIPTION,
        TAGS,
    ],
};

static INPUT: Record = Record {
    title: "input",
    doc: "Another view whose rows a derived view reads. Its columns are the join keys of that view, its features as they \
          were from the moment on that the row was visible, and the times of the row: `event_time` and `available_at`.",
    keys: &[required(
        "view",
        Shape::VersionId,
        "the view and its version; its meaning is a part of what the derived view computes",
    )],
};

static FEATURE: Record = Record {
    title: "feature",
    doc: "One feature of a feature view: `latest` or `aggregate`.",
    keys: &[
        optional(
            "latest",
            Shape::Sql,
            "none",
            "the value of this SQL expression in the latest visible row, null where it is null there",
        ),
        optional(
            "aggregate",
            Shape::Aggregate,
            "none",
            "a function of the visible rows: `count`, or a function of a SQL expression as in `mean(arr_delay)`",
        ),
        optional(
            "window",
            Shape::Duration,
            "none: the whole history",
            "how far back an aggregate reaches; a multiple of its hop",
        ),
        optional(
            "hop",
            Shape::Duration,
            "by the window's length",
            "the step in which the window's tail moves",
        ),
        optional("unit", Shape::Text, "none", "what its value is measured in"),
        DEFAULT,
        optional(
            "freshness",
            Shape::Record(&FRESHNESS),
            "that of the view",
            "how fresh it is to be kept, with an `objective`: reads of it are counted beside those of the view",
        ),
        DESCRIPTION,
    ],
};

static EXPECTED_CHANGES: Shape = Shape::Record(&EXPECTED_CHANGE);

static EXPECTED_CHANGE: Record = Record {
    title: "expected change",
    doc: "By how much the values of a feature may differ from those of the version that is replaced: at least one bound. \
          A feature without is checked by the bounds that hold for all.",
    keys: &[
        required("reason", Shape::Text, "why they differ"),
        optional("psi", Shape::Number(0.0, 100.0), "as for all", "the greatest population stability index"),
        optional("ks", Shape::Number(0.0, 1.0), "as for all", "the greatest Kolmogorov–Smirnov distance"),
        optional(
            "mean",
            Shape::Number(0.0, 1e6),
            "as for all",
            "the greatest shift of the mean, relative to the old one: 0.1 is a tenth",
        ),
        optional(
            "nulls",
            Shape::Number(0.0, 1.0),
            "as for all",
            "the greatest difference of the shares of nulls",
        ),
        optional(
            "equal",
            Shape::Number(0.0, 1.0),
            "none: not checked",
            "the least share of rows with equal values",
        ),
    ],
};

static RETENTION: Record = Record {
    title: "retention",
    doc: "How long the rows of a view are kept. Each covers the ttl and the longest window with its hop.",
    keys: &[
        optional(
            "online",
            Shape::Duration,
            "none: forever",
            "at any moment, rows older than this are as if they had never been, in both stores",
        ),
        optional(
            "offline",
            Shape::Duration,
            "none: forever",
            "how long the log keeps rows; at least `online`, and none go where that is not named",
        ),
    ],
};

static FRESHNESS: Record = Record {
    title: "freshness",
    doc: "A freshness objective of a view.",
    keys: &[
        required("objective", Shape::Duration, "within what time after its event a row is to be readable"),
        required("target", Shape::Percent, "for how much of the time, in percent, above 0 and below 100"),
    ],
};

static ON_DEMAND_VIEW: Record = Record {
    title: "on_demand_view",
    doc: "Expressions over features and what a request brings, computed when they are read.",
    keys: &[
        KIND,
        NAME,
        VERSION,
        optional(
            "request",
            Shape::Map(&Shape::Type),
            "none",
            "the columns that the request or the spine brings, and their types",
        ),
        optional("inputs", Shape::List(&Shape::Record(&TAKE)), "none", "what it reads from other views"),
        required("features", Shape::Map(&Shape::Record(&COMPUTED)), "its features by their names"),
        EXPECT_CHANGE,
        OWNER,
        DESCRIPTION,
        TAGS,
    ],
};

static COMPUTED: Record = Record {
    title: "feature",
    doc: "One feature of an on-demand view.",
    keys: &[
        required(
            "expression",
            Shape::Sql,
            "a SQL expression over the inputs, by their prefixed names, and the request's columns",
        ),
        optional("unit", Shape::Text, "none", "what its value is measured in"),
        DEFAULT,
        DESCRIPTION,
    ],
};

static TAKE: Record = Record {
    title: "choice",
    doc: "A choice of the features of one view, in one role, under one prefix.",
    keys: &[
        required("from", Shape::VersionId, "the view or on-demand view and its version"),
        optional(
            "on",
            Shape::Map(&Shape::Name),
            "the column of the same name",
            "for each join key of the view, the column of the spine or request that holds it: the role; an on-demand \
             view brings its own",
        ),
        optional("take", Shape::List(&Shape::Name), "all", "which features, in this order"),
        optional("prefix", Shape::Prefix, "none", "what stands before their names"),
    ],
};

static FEATURE_SERVICE: Record = Record {
    title: "feature_service",
    doc: "The features that one model reads, in training and in serving.",
    keys: &[
        KIND,
        NAME,
        VERSION,
        optional("consumer", Shape::Record(&CONSUMER), "none", "who reads it"),
        required("features", Shape::List(&Shape::Record(&TAKE)), "which features it gives, in this order"),
        EXPECT_CHANGE,
        OWNER,
        DESCRIPTION,
        TAGS,
    ],
};

static CONSUMER: Record = Record {
    title: "consumer",
    doc: "Who reads a service.",
    keys: &[
        required("model", Shape::Text, "the model"),
        optional("owner", Shape::Text, "none", "who answers for the model"),
        optional(
            "freshness",
            Shape::Record(&CONSUMER_FRESHNESS),
            "none",
            "how fresh the model needs its features",
        ),
    ],
};

static CONSUMER_FRESHNESS: Record = Record {
    title: "consumer freshness",
    doc: "A freshness objective of a consumer.",
    keys: &[
        optional(
            "objective",
            Shape::Duration,
            "that of each view",
            "within what time after its event a row is to be readable",
        ),
        required("target", Shape::Percent, "for how much of the time, in percent, above 0 and below 100"),
    ],
};
