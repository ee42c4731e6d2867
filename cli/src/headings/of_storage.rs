//! The tables of commands that free storage, or say what it costs.

use super::{Printed, VIEW};

pub const EXPIRED: Printed = Printed {
    by: "`offline expire`",
    columns: &[
        VIEW,
        ("older than", "the midnight before which rows are older than the view's retention"),
        ("first", "the first date that goes"),
        ("last", "the last one"),
        ("dates", "how many dates that is"),
        ("rows", "rows of these dates"),
        ("bytes", "the size of their files, which lie there until a vacuum"),
        ("online rows", "online rows of entities that have no others"),
        ("why not", "why the view keeps all its rows, if it does"),
    ],
};

pub const COST: Printed = Printed {
    by: "`offline cost`",
    columns: &[
        VIEW,
        (
            "part",
            "what of it; older versions and commits are not estimated, since they follow from how it is used",
        ),
        ("estimated", "bytes by the estimate, before compression"),
        ("taken", "bytes that are taken: on disk, or of Redis by a sample of rows"),
        ("taken / estimated", "how many times the estimate that is"),
        ("estimated a month", "what the estimate costs a month, by the prices that were named"),
        ("a month", "what is taken costs a month"),
    ],
};

pub const VACUUMED: Printed = Printed {
    by: "`offline vacuum`",
    columns: &[
        VIEW,
        ("files", "files of rows and of statistics that only older versions had, and that go"),
        ("bytes", "their bytes"),
        ("leftovers", "files that no commit names, of writers that were killed, and that go"),
        ("bytes left over", "their bytes"),
        ("checkpoints", "checkpoints of older versions that go"),
        ("bytes of these", "their bytes"),
        ("kept", "bytes of files that only older versions have, and that are kept"),
        ("training sets", "training sets whose versions of the log are kept"),
        ("whole from", "the first version of the log of which no file is gone"),
        ("why not", "why nothing goes, if so"),
    ],
};
