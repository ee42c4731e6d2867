//! The tables of the registry, in SQL that SQLite and Postgres both read.

/// The schema that this version writes. A registry with a greater one was written by a newer
/// version and is refused.
pub(crate) const SCHEMA: i64 = 16;

/// What brings each schema to the next, the first of them schema 1 to 2: a new registry is made as schema
/// 1 and brought on the same way.
pub(crate) const MIGRATIONS: [&[&str]; 15] = [
    &[FRESHNESS],
    &[USES, USES_OF_BEFORE],
    &[DIGEST, REVISIONS_DIGEST],
    &[AUDIT, AUDIT_ENTRIES, AUDIT_HASH],
    &[CANARIES, VERSIONS_BEFORE],
    &[PARITIES],
    &[RUNS, RUNS_OF_A_SUBJECT, RUN_VIEWS, RUN_VIEWS_OF_A_VIEW],
    &[DEPRECATIONS, RETIREMENTS],
    &[BACKFILLS, BACKFILL_DATES],
    &[FRESHNESS_READS, FRESHNESS_READS_BY_SLOT, PROGRESS],
    &[TOKENS, ACCESS_GENERATION, ACCESS_COUNTS],
    &[BREAKERS, BREAKERS_BY_CHANGE],
    &[BREAKER_FEATURES],
    &[READS_BEFORE, READS, READS_OF_BEFORE, NO_READS_BEFORE, FRESHNESS_READS_BY_SLOT],
    &[BREAKER_CLAIMS],
];

/// The first schema whose contents have checksums.
pub(crate) const WITH_DIGESTS: i64 = 4;

/// Who did what, each entry hashed over the one before.
const AUDIT: &str = "CREATE TABLE audit (
        entry BIGINT NOT NULL PRIMARY KEY,
        format BIGINT NOT NULL,
        at BIGINT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        from_state TEXT,
        to_state TEXT,
        reason TEXT,
        detail TEXT,
        hash TEXT NOT NULL
    )";
/// The number and the hash of the last entry.
const AUDIT_ENTRIES: &str = "ALTER TABLE registry ADD COLUMN audit_entries BIGINT NOT NULL DEFAULT 0";
const AUDIT_HASH: &str = "ALTER TABLE registry ADD COLUMN audit_hash TEXT NOT NULL DEFAULT ''";

/// The versions that answer a service's own name for some of its entities.
const CANARIES: &str = "CREATE TABLE canaries (
        name TEXT NOT NULL PRIMARY KEY,
        version BIGINT NOT NULL,
        percent BIGINT NOT NULL,
        since BIGINT NOT NULL
    )";
/// The versions of a service that were live before, the latest at the greatest `place`.
const VERSIONS_BEFORE: &str = "CREATE TABLE versions_before (
        name TEXT NOT NULL,
        place BIGINT NOT NULL,
        version BIGINT NOT NULL,
        PRIMARY KEY (name, place)
    )";

/// The runs that loaded, streamed and built, and the views whose data each read or wrote.
const RUNS: &str = "CREATE TABLE runs (
        id TEXT NOT NULL PRIMARY KEY,
        job TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        started_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        state TEXT NOT NULL,
        body TEXT NOT NULL,
        digest TEXT NOT NULL
    )";
const RUNS_OF_A_SUBJECT: &str = "CREATE INDEX runs_of_a_subject ON runs (name, version, started_at)";
const RUN_VIEWS: &str = "CREATE TABLE run_views (
        run TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        PRIMARY KEY (run, name, version)
    )";
const RUN_VIEWS_OF_A_VIEW: &str = "CREATE INDEX run_views_of_a_view ON run_views (name, version)";
/// Backfills that go date by date, what somebody wants of each, and their dates. Each row has a checksum of its own.
const BACKFILLS: &str = "CREATE TABLE backfills (
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        number BIGINT NOT NULL,
        state TEXT NOT NULL,
        request TEXT NOT NULL,
        body TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (name, version, number)
    )";
const BACKFILL_DATES: &str = "CREATE TABLE backfill_dates (
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        number BIGINT NOT NULL,
        day BIGINT NOT NULL,
        body TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (name, version, number, day)
    )";
/// Versions that are to be retired.
const DEPRECATIONS: &str = "CREATE TABLE deprecations (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        since BIGINT NOT NULL,
        sunset BIGINT NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (kind, name, version)
    )";
/// Versions that are not used any more, and whether what they took in both stores is freed.
const RETIREMENTS: &str = "CREATE TABLE retirements (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        since BIGINT NOT NULL,
        reason TEXT NOT NULL,
        freed BIGINT NOT NULL,
        PRIMARY KEY (kind, name, version)
    )";

/// Tokens by what is kept of their secrets. `roles` is a list of names in JSON.
const TOKENS: &str = "CREATE TABLE tokens (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        hash TEXT NOT NULL,
        roles TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        created_by TEXT NOT NULL,
        expires_at BIGINT,
        revoked_at BIGINT
    )";
/// How many times tokens changed: what servers look at, apart from definitions.
const ACCESS_GENERATION: &str = "ALTER TABLE registry ADD COLUMN access_generation BIGINT NOT NULL DEFAULT 0";
/// What servers allowed, counted by minute.
const ACCESS_COUNTS: &str = "CREATE TABLE access_counts (
        minute BIGINT NOT NULL,
        subject TEXT NOT NULL,
        action TEXT NOT NULL,
        resource TEXT NOT NULL,
        allowed BIGINT NOT NULL,
        PRIMARY KEY (minute, subject, action, resource)
    )";

/// The checksums of what the registry holds.
const DIGEST: &str = "ALTER TABLE registry ADD COLUMN digest TEXT NOT NULL DEFAULT ''";
const REVISIONS_DIGEST: &str = "ALTER TABLE registry ADD COLUMN revisions_digest TEXT NOT NULL DEFAULT ''";

/// The newest report that compares each two versions. Each row has a checksum of its own, as reads of what is registered
/// do not depend on it.
const PARITIES: &str = "CREATE TABLE parities (
        kind TEXT NOT NULL,
        old_name TEXT NOT NULL,
        old_version BIGINT NOT NULL,
        new_name TEXT NOT NULL,
        new_version BIGINT NOT NULL,
        compared_at BIGINT NOT NULL,
        passed BIGINT NOT NULL,
        old_hash TEXT NOT NULL,
        new_hash TEXT NOT NULL,
        expected TEXT NOT NULL,
        logs TEXT NOT NULL,
        report TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (kind, old_name, old_version, new_name, new_version)
    )";

/// When each version was first used, and by what.
const USES: &str = "CREATE TABLE uses (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        used_at BIGINT NOT NULL,
        used_by TEXT NOT NULL,
        PRIMARY KEY (kind, name, version)
    )";

/// Whether what a registry held before was used, it does not know: it counts as used until somebody who
/// knows the stores says otherwise.
const USES_OF_BEFORE: &str = "INSERT INTO uses (kind, name, version, used_at, used_by)
        SELECT kind, name, version, 0, 'unknown' FROM definitions
        WHERE kind IN ('feature_view', 'on_demand_view', 'feature_service')";

const FRESHNESS: &str = "CREATE TABLE freshness (
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        minute BIGINT NOT NULL,
        stage TEXT NOT NULL,
        edge BIGINT NOT NULL,
        row_count BIGINT NOT NULL,
        PRIMARY KEY (name, version, minute, stage, edge)
    )";

/// What servers counted of reads, in slots of a minute and of an hour.
const FRESHNESS_READS: &str = "CREATE TABLE freshness_reads (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        slot BIGINT NOT NULL,
        began BIGINT NOT NULL,
        good BIGINT NOT NULL,
        bad BIGINT NOT NULL,
        unknown BIGINT NOT NULL,
        missing BIGINT NOT NULL,
        PRIMARY KEY (kind, name, version, slot, began)
    )";
/// All slots of one length from a moment on are read and removed together.
const FRESHNESS_READS_BY_SLOT: &str = "CREATE INDEX freshness_reads_by_slot ON freshness_reads (slot, began)";
/// Since schema 15 reads are counted by what is measured: nothing for those of the view or the service, the name of a feature,
/// or `@served`. A primary key cannot be changed, so the table is made again.
const READS_BEFORE: &str = "ALTER TABLE freshness_reads RENAME TO freshness_reads_before";
const READS: &str = "CREATE TABLE freshness_reads (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        measured TEXT NOT NULL,
        slot BIGINT NOT NULL,
        began BIGINT NOT NULL,
        good BIGINT NOT NULL,
        bad BIGINT NOT NULL,
        unknown BIGINT NOT NULL,
        missing BIGINT NOT NULL,
        PRIMARY KEY (kind, name, version, measured, slot, began)
    )";
const READS_OF_BEFORE: &str = "INSERT INTO freshness_reads
    (kind, name, version, measured, slot, began, good, bad, unknown, missing)
    SELECT kind, name, version, '', slot, began, good, bad, unknown, missing FROM freshness_reads_before";
const NO_READS_BEFORE: &str = "DROP TABLE freshness_reads_before";
/// How far the pipeline of each view is; `part` is a partition, or -1 for loads.
const PROGRESS: &str = "CREATE TABLE progress (
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        part BIGINT NOT NULL,
        newest BIGINT,
        received_at BIGINT,
        lag BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        stuck_stage TEXT,
        stuck_why TEXT,
        PRIMARY KEY (name, version, part)
    )";

/// Every time that the circuit breaker of a view was open, or was to be opened; `change` grows with each change of a row.
const BREAKERS: &str = "CREATE TABLE breakers (
        number BIGINT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        answers TEXT NOT NULL,
        good_until BIGINT NOT NULL,
        requested_at BIGINT NOT NULL,
        from_at BIGINT,
        until_at BIGINT,
        rule TEXT,
        why TEXT NOT NULL,
        opened_by TEXT NOT NULL,
        broken_at BIGINT,
        has_rows BIGINT NOT NULL,
        change BIGINT NOT NULL
    )";
/// The features that an opening holds, separated by commas; none for all.
const BREAKER_FEATURES: &str = "ALTER TABLE breakers ADD COLUMN features TEXT NOT NULL DEFAULT ''";
/// When whoever prepares an opening said last that it goes on.
const BREAKER_CLAIMS: &str = "ALTER TABLE breakers ADD COLUMN claimed_at BIGINT NOT NULL DEFAULT 0";
/// Servers ask for the newest change many times a second.
const BREAKERS_BY_CHANGE: &str = "CREATE INDEX breakers_by_change ON breakers (change)";

/// The statements that make the tables of schema 1. `registry` has one row; `version` is 0 for
/// what has no versions, so that it can be part of a key.
pub(crate) const TABLES: [&str; 5] = [
    "CREATE TABLE registry (
        id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
        schema_version BIGINT NOT NULL,
        generation BIGINT NOT NULL
    )",
    "CREATE TABLE definitions (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        hash TEXT NOT NULL,
        canonical TEXT NOT NULL,
        body TEXT NOT NULL,
        source_text TEXT NOT NULL,
        source_file TEXT NOT NULL,
        revision BIGINT NOT NULL,
        PRIMARY KEY (kind, name, version)
    )",
    "CREATE TABLE revisions (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version BIGINT NOT NULL,
        revision BIGINT NOT NULL,
        generation BIGINT NOT NULL,
        applied_at BIGINT NOT NULL,
        body TEXT NOT NULL,
        source_text TEXT NOT NULL,
        source_file TEXT NOT NULL,
        PRIMARY KEY (kind, name, version, revision)
    )",
    "CREATE TABLE live_versions (
        name TEXT NOT NULL PRIMARY KEY,
        version BIGINT NOT NULL,
        since BIGINT NOT NULL
    )",
    "CREATE TABLE applies (
        generation BIGINT NOT NULL PRIMARY KEY,
        applied_at BIGINT NOT NULL,
        summary TEXT NOT NULL
    )",
];
