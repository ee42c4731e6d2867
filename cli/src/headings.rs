//! The tables that commands print: every column with what it means. `reference` writes them into the documentation,
//! so that no heading is without its meaning there.

mod of_capacity;
mod of_storage;

pub use of_capacity::{FIGURES, LIMITS, NEEDS, TAILS};
pub use of_storage::{COST, EXPIRED, VACUUMED};

/// A table that a command prints.
pub struct Printed {
    /// The commands.
    pub by: &'static str,
    /// The heading of each column, and what stands under it.
    pub columns: &'static [(&'static str, &'static str)],
}

const VIEW: (&str, &str) = ("view", "the view's name and version");

pub const LOADED: Printed = Printed {
    by: "`backfill`, `materialize`",
    columns: &[
        VIEW,
        ("read", "rows that were read of the source's files"),
        ("loaded", "rows that are new in the log"),
        ("late", "of these, rows that came later than the source's `allowed_lateness`"),
        (
            "refused",
            "rows that cannot be read, or that an expression or an expectation refuses: `dead-letter list` has them",
        ),
        (
            "left out",
            "rows that `where`, a null in their key, `--from` and `--to`, or the stream that has them leave out",
        ),
        ("entities online", "entities whose rows were written online"),
        ("time", "how long it took"),
    ],
};

pub const QUARANTINED: Printed = Printed {
    by: "`quality quarantine list`, `show`",
    columns: &[
        VIEW,
        ("batch", "its number, by which it is released or dropped"),
        ("file", "the file of history, below its source's folder"),
        (
            "decision",
            "`waiting`; `replaced` (its file holds something else since, which is loaded by itself); `releasing` (the release is to be repeated); `released`; `dropped`",
        ),
        ("rows", "rows that passed `where`"),
        ("failing", "of these, rows that fail an expectation which quarantines"),
        ("since", "when it was quarantined"),
        ("why", "what it fails as a whole"),
    ],
};

pub const QUARANTINED_ROWS: Printed = Printed {
    by: "`quality quarantine show`",
    columns: &[
        ("row", "the row's number in the file, from 1"),
        ("detail", "why the view refuses it"),
        ("values", "what it holds"),
    ],
};

pub const COMPARED_VALUES: Printed = Printed {
    by: "`verify --values`, `verify NAME`, `verify --served`",
    columns: &[
        VIEW,
        (
            "entities",
            "entities that were drawn from the view's log and read online; with `--served`, answers of the sample",
        ),
        (
            "same",
            "of these, entities whose values, statuses and event times are what the log gives, to the bit",
        ),
        ("differ", "entities of which one is another: the first are listed below"),
        ("not known", "entities whose online row has folded rows that the log does not have yet"),
        ("passed over", "why nothing was compared"),
    ],
};

pub const STATISTICS: Printed = Printed {
    by: "`quality statistics`",
    columns: &[
        ("date", "the UTC date on which the rows happened"),
        ("column", "the column of the view's log"),
        ("rows", "how many rows there are"),
        ("nulls", "how many of them are null"),
        ("not finite", "how many of them are NaN or infinite"),
        (
            "distinct",
            "how many different values: exact up to 1024, else within about 2.3% (one standard error)",
        ),
        ("mean", "the mean of the finite numbers, from an exact sum"),
        ("least", "the least value; NaN is neither this nor the greatest, and not below the median"),
        ("median", "the median; with more than 1024 different values the upper end of a range that has it"),
        ("greatest", "the greatest value"),
        ("most frequent", "values with how many rows have them, while there are at most 1024 different ones"),
    ],
};

pub const DRIFT: Printed = Printed {
    by: "`drift`",
    columns: &[
        ("column", "the column of the view's log"),
        ("features", "the features that are computed from it"),
        (
            "verdict",
            "by the PSI: `stable` below 0.1, `moved` from there, `drifted` above 0.25; of vectors `drifted` where the MMD is beyond its bound; `too few rows` where a side has fewer than 200 values, `unknown` where it has none",
        ),
        ("PSI", "the population stability index, in the reference's deciles or most frequent values"),
        ("KS", "the Kolmogorov–Smirnov distance; JSON has by how much it may be greater"),
        ("χ²", "Pearson's χ² of the same bins; JSON has the degrees of freedom"),
        ("JS", "the Jensen–Shannon distance of the same bins, in base 2"),
        (
            "MMD",
            "of vectors the maximum mean discrepancy of samples of both sides, and what samples of one distribution exceed once in twenty times",
        ),
        ("mean", "the means of both sides"),
        ("nulls", "the shares of nulls of both sides"),
        ("reference", "rows of the reference"),
        ("live", "rows that are measured"),
    ],
};

pub const BREAKERS: Printed = Printed {
    by: "`breaker list`",
    columns: &[
        ("number", "the opening's number among those of all views"),
        VIEW,
        ("features", "those that it holds"),
        ("answers", "`last_known_good`, `no_value` or `current`"),
        ("good until", "the last moment whose answers are good"),
        ("from", "from when on it held"),
        ("until", "up to when; `open` while it is open"),
        ("by", "the rule that opened it, or who did"),
        ("why", "what the rule found, or the reason"),
    ],
};

pub const PROMISES: Printed = Printed {
    by: "`quality contract`",
    columns: &[
        ("checked by", "the view that checks it on load"),
        (
            "expectation",
            "what failures of it are called; `-` where it has no name of its own and is called as it reads",
        ),
        (
            "of",
            "`source`: its rows; `row`: what the view makes of them; `served`: the features that are answered",
        ),
        ("what", "the condition on rows, or the check of a file as a whole"),
        ("on failure", "`reject`, `quarantine` or `warn`"),
    ],
};

pub const BACKFILLS: Printed = Printed {
    by: "`backfill start`, `status`, `pause`, `resume`, `cancel`",
    columns: &[
        VIEW,
        ("number", "which backfill by dates of the view it is, from 1"),
        (
            "state",
            "`running`, `interrupted` (its process is gone), `paused`, `incomplete` (dates have failed), `stopped` (by an error), `cancelled` or `done`",
        ),
        ("dates done", "dates whose rows are in the log"),
        ("waiting", "dates that are to be loaded"),
        ("failed", "dates that were set aside"),
        ("rows done", "rows that the source has of the dates that are done"),
        ("of", "rows that the source has of all dates"),
        ("rows/s", "how fast its process reads, or did so last; `-` where that is not known"),
        ("left", "how long the rest takes at that rate; `-` where that is not known or it does not run"),
    ],
};

pub const STREAMED: Printed = Printed {
    by: "`stream`",
    columns: &[
        VIEW,
        ("read", "records that were read of the topic"),
        ("loaded", "rows that are new in the log"),
        ("late", "of these, rows that came later than the source's `allowed_lateness`"),
        (
            "refused",
            "records that cannot be read, or that an expression or an expectation refuses: `dead-letter list` has them",
        ),
        ("left out", "rows that `where` or a null in their key leaves out"),
        ("commits", "commits of the log"),
        (
            "readable p50",
            "after how long half of the rows could be read online, from when their broker had them",
        ),
        ("readable p99", "the same of 99 in 100 rows"),
    ],
};

pub const REBUILT: Printed = Printed {
    by: "`online rebuild`",
    columns: &[
        VIEW,
        ("entities", "entities whose rows were written"),
        ("time", "how long it took"),
        ("entities/s", "entities a second"),
    ],
};

pub const OPTIMIZED: Printed = Printed {
    by: "`offline optimize`",
    columns: &[
        VIEW,
        ("files before", "files of the log before"),
        ("files after", "files of the log after"),
        ("bytes before", "their bytes before"),
        ("bytes after", "their bytes after"),
        ("rows rewritten", "rows that were written into other files"),
    ],
};

pub const FORGOTTEN: Printed = Printed {
    by: "`forget`",
    columns: &[
        ("part", "what was searched"),
        ("searched", "how much of it"),
        ("found", "rows, records or answers of the entity"),
        ("removed", "of these, those that were removed"),
        ("left", "what a last search of it still found; `-` with `--dry-run`"),
    ],
};

pub const LOADS: Printed = Printed {
    by: "`offline loads`, `lineage`",
    columns: &[
        VIEW,
        ("job", "the command: `backfill`, `materialize` or `stream`"),
        ("started", "when it began"),
        ("from", "the files that it read, or the topic and, for each partition, the next offset"),
        ("loaded", "rows that are new in the log"),
        ("refused", "rows that cannot be read, or that an expression or an expectation refuses"),
        (
            "provenance",
            "how the availability of the rows is known: `measured`, `declared`, or `simulated` with the assumed delay",
        ),
        ("by", "who started it"),
        (
            "state",
            "`running`, `complete`, `failed`, `cancelled`, or `interrupted` where its process was killed: what it committed stays",
        ),
    ],
};

pub const DEAD_LETTERS: Printed = Printed {
    by: "`dead-letter list`",
    columns: &[
        VIEW,
        ("from", "the file or the topic"),
        ("position", "the file's number and the row in it, from 1, or the partition and the offset in it"),
        ("reason", "the kind of reason, by which refused rows are counted"),
        ("detail", "what is wrong with the row"),
        ("row", "the row, as far as it is kept"),
    ],
};

pub const REPLAYED: Printed = Printed {
    by: "`dead-letter replay`",
    columns: &[
        VIEW,
        ("dead letters", "dead letters that were tried once more"),
        ("replayed", "of these, rows that are now in the log"),
        ("still refused", "rows that are refused again"),
        ("left out", "rows that `where` or a null in their key leaves out"),
        ("not kept whole", "rows that were too long to be kept, and cannot be tried"),
    ],
};

pub const TRAINING_SET: Printed = Printed {
    by: "`training-set`",
    columns: &[
        ("feature", "the feature, as the service calls it"),
        ("null", "the share of labels without a value"),
        (
            "leaks avoided",
            "labels that a join on event time would have given a row which nobody could have read yet",
        ),
    ],
};

pub const PARITY: Printed = Printed {
    by: "`parity`",
    columns: &[
        ("feature", "the feature"),
        (
            "verdict",
            "`equal`: every row has the same value; `within bounds`; `declared`: within the bounds of its `expect_change`; `outside bounds`",
        ),
        ("equal", "the share of rows with the same value, to the bit"),
        ("PSI", "the population stability index of the new values in bins of the old ones"),
        ("KS", "the greatest distance of the cumulative distributions"),
        ("mean", "the old and the new mean of numbers"),
        ("null", "the old and the new share of rows without a value"),
    ],
};

pub const READ: Printed = Printed {
    by: "`get`",
    columns: &[
        ("feature", "the feature, as the service calls it"),
        ("value", "its value"),
        (
            "status",
            "`PRESENT`, `NULL_VALUE`, `NOT_FOUND`, `OUTSIDE_MAX_AGE` beyond the view's ttl; `LAST_KNOWN_GOOD` or `BREAKER_OPEN` while its circuit breaker is open",
        ),
        ("event time", "when the entity's latest row in the view happened"),
        ("age", "how long ago that was, at the moment of the read"),
        (
            "fresh",
            "whether the newest event that the view's pipeline has brought online, or else that row, is at most as old as its `freshness` allows; `-` where none is named, or that is not known",
        ),
    ],
};

pub const DEFINED: Printed = Printed {
    by: "`registry list`",
    columns: &[
        ("kind", "what is defined"),
        ("name", "its name, and its version where it has one"),
        (
            "state",
            "`live` for the version that a service's own name means, `until DATE` for one that is deprecated, `retired`",
        ),
        ("features", "how many features it has"),
        ("revision", "how often it was revised, from 1"),
        ("owner", "its owner"),
        ("description", "its description"),
    ],
};

pub const FEATURES: Printed = Printed {
    by: "`registry show` of a service",
    columns: &[
        ("feature", "the feature, as the service calls it"),
        ("type", "its type"),
        ("unit", "its unit"),
        ("default", "what replaces null"),
        ("from", "the view's feature that it is"),
        ("description", "its description"),
    ],
};

pub const FOUND: Printed = Printed {
    by: "`registry show` of a feature's name",
    columns: &[
        ("in", "the view or service that has a feature of this name"),
        ("feature", "the feature"),
        ("type", "its type"),
        ("unit", "its unit"),
        ("what it is", "what it is computed from"),
    ],
};

pub const CHECKED: Printed = Printed {
    by: "`verify`",
    columns: &[
        ("what", "a log, its dead letters, a topic on disk, the registry, or all training sets"),
        ("commits", "commits that were read"),
        ("files", "files of rows, segments, or training sets"),
        ("bytes", "their size"),
        ("without checksums", "files and commits that have none: of other programs, or of earlier versions"),
        ("damaged", "what is damaged: each is named on stderr"),
    ],
};

pub const OVERVIEW: Printed = Printed {
    by: "`overview`",
    columns: &[
        ("of", "the view or the service; the worst come first"),
        ("status", "`ok`, `note` for what is worth a look, `WRONG`"),
        ("newest event", "how old the newest event is that is online"),
        ("objective", "which share of the reads is to be at most how stale"),
        ("attained", "the share of the reads of the last 30 days that were fresh"),
        ("budget left", "the share of the error budget that is left; below 0% where it is overspent"),
        ("burn 1h", "how many times as fast as it may the budget burned over the last hour"),
        (
            "delay",
            "how long the average row took on its way in the last ten minutes, and the stage that took most of it",
        ),
        ("refused", "rows that were refused and not loaded since"),
        ("quarantine", "files that wait in quarantine"),
        ("drifted", "columns whose values of the last seven days have drifted from the 28 days before"),
        ("before", "how it compares with the version before: `within` its bounds or `outside`"),
    ],
};

pub const OBJECTIVES: Printed = Printed {
    by: "`slo`",
    columns: &[
        ("of", "the view, or a feature of it, or the service and the model that it is for"),
        ("objective", "which share of the reads is to be at most how stale"),
        ("reads", "reads of the last 30 days that count: those of entities that are known"),
        ("attained", "the share of these that were fresh"),
        ("budget left", "the share of the error budget that is left; below 0% where it is overspent"),
        ("burn 1h", "how many times as fast as it may the budget burned over the last hour"),
        ("burn 3d", "the same over the last three days"),
        ("state", "`ok`, or the alert that fires: `ticket` or `page`; `no reads` where none were counted"),
        ("since", "since when reads are staler than promised"),
        (
            "stage",
            "the stage of the pipeline that ate the time: `source`, `broker lag`, `transform`, `online write`, `commit`",
        ),
    ],
};

pub const SERVED_OBJECTIVES: Printed = Printed {
    by: "`slo`, where served values were compared with the log",
    columns: &[
        VIEW,
        ("served values", "which share of them is to be what the log gives, to the bit"),
        ("compared", "answers of the sample in the last 30 days of which it is known"),
        ("the same", "the share of these that were what the log gives"),
        ("budget left", "the share of the error budget that is left; below 0% where it is overspent"),
        ("burn 1h", "how many times as fast as it may the budget burned over the last hour"),
        ("burn 3d", "the same over the last three days"),
        ("state", "`ok`, or how fast the budget burns: `ticket` or `page`"),
        ("since", "since when more differ than may"),
    ],
};

pub const IMPORTED: Printed = Printed {
    by: "`slo --from-openslo`",
    columns: &[
        ("of", "the view, feature or service that the document is about"),
        ("state", "`same` if its definition says so, or `differs`"),
        ("openslo", "what its definition has to say"),
        ("registered", "what its definition says"),
    ],
};

pub const EXAMINED: Printed = Printed {
    by: "`doctor`",
    columns: &[
        ("area", "what was looked at, from what people see down to what everything stands on"),
        ("is", "`ok`, `note` for what is worth knowing, or `WRONG`"),
        ("found", "what is so, and what to do about it"),
    ],
};

pub const AUDITED: Printed = Printed {
    by: "`audit`",
    columns: &[
        ("entry", "the entry's number"),
        ("when", "when it was done, by the clock of whoever did it"),
        ("actor", "who did it: the setting `actor`, else the user of the operating system"),
        ("action", "what was done"),
        ("subject", "to what"),
        ("change", "what it was and what it is since; hashes are cut"),
        ("why", "the reason that was given, and what else belongs to the entry"),
    ],
};

pub const TOKENS: Printed = Printed {
    by: "`token`",
    columns: &[
        ("id", "the token's id, which is no secret"),
        ("name", "what it is called: `token: NAME` in the policy"),
        ("roles", "the roles that it has beside those"),
        ("counts", "until when it counts, or since when no more"),
        ("created", "when it was created"),
        ("by", "by whom"),
    ],
};

pub const ALLOWED: Printed = Printed {
    by: "`access usage`",
    columns: &[
        ("subject", "who, as in the policy"),
        ("action", "what they did"),
        ("resource", "with what"),
        ("times", "how often, over all servers"),
    ],
};

/// Every table, in the order of the documentation.
pub const ALL: [&Printed; 38] = [
    &LOADED,
    &QUARANTINED,
    &QUARANTINED_ROWS,
    &STATISTICS,
    &PROMISES,
    &DRIFT,
    &BREAKERS,
    &BACKFILLS,
    &STREAMED,
    &DEAD_LETTERS,
    &REPLAYED,
    &TRAINING_SET,
    &PARITY,
    &READ,
    &REBUILT,
    &OPTIMIZED,
    &EXPIRED,
    &COST,
    &VACUUMED,
    &FORGOTTEN,
    &LOADS,
    &DEFINED,
    &FEATURES,
    &FOUND,
    &CHECKED,
    &COMPARED_VALUES,
    &OVERVIEW,
    &OBJECTIVES,
    &SERVED_OBJECTIVES,
    &IMPORTED,
    &EXAMINED,
    &AUDITED,
    &NEEDS,
    &LIMITS,
    &TAILS,
    &FIGURES,
    &TOKENS,
    &ALLOWED,
];
