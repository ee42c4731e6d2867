//! What an error says to its caller beside its message: whether to try again, and which operation helps.
//!
//! Every error enum of the workspace has `advice()`, and `help()` where an operation of the product ends the
//! error. Callers decide by these, never by the text. Who shows the error puts the topic into the words of its
//! own interface: a command, a method of a client library, or a link.

use crate::name::VersionId;

/// What a caller does after an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Advice {
    /// The same call may succeed later: another writer won, or a service or a disk was not ready.
    Retry,
    /// The same call fails again until its input, its definition or its configuration is corrected.
    Correct,
    /// Something stored is not what was written, or an invariant is broken: nothing more may be written.
    Stop,
}

impl Advice {
    /// Whether the same call may succeed later.
    pub const fn may_retry(self) -> bool {
        matches!(self, Advice::Retry)
    }
}

/// The operation that ends an error, in the product's terms and without the name of a command. Not
/// `#[non_exhaustive]`: a new topic needs its words in every interface.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum HelpTopic {
    /// Open a project in its folder.
    OpenProject,
    /// Register the definitions.
    RegisterDefinitions,
    /// Register the definitions into a new registry.
    RegisterAgain,
    /// Plan again, by what is registered now.
    PlanAgain,
    /// Write a new project.
    NewProject,
    /// Write a new project for named files.
    NameFiles,
    /// Name the column that says whose a row is.
    NameKey,
    /// Say of which kind the definition is.
    NameKind,
    /// Take a definition out of the registry.
    RemoveRegistered(String),
    /// Load a source whole, and not a range of event times.
    WholeSource,
    /// Load the history of a view.
    Backfill(VersionId),
    /// Load the batch rows of a view that are new.
    LoadNew(VersionId),
    /// Look for the probable cause of what is wrong.
    Diagnose,
    /// Look at how freshness objectives stand.
    Objectives,
    /// Load the history of a view date by date.
    StartBackfill(VersionId),
    /// Look at the backfill by dates of a view, go on with it, or cancel it.
    ResumeBackfill(VersionId),
    /// Write the online rows of a view again from its log.
    Rebuild(VersionId),
    /// Look at the rows of a view that were refused.
    DeadLetters(VersionId),
    /// Look at what the columns of a view hold, date by date.
    ColumnStatistics(VersionId),
    /// Look at the quarantined batches of a view.
    Quarantine(VersionId),
    /// Look at the times that the circuit breaker of a view was open.
    Breakers(VersionId),
    /// Compare two versions.
    Compare {
        /// The version that is used now.
        old: VersionId,
        /// The version that is to replace it.
        new: VersionId,
    },
    /// Look at the metrics of streams.
    StreamMetrics,
    /// Cut over in spite of gates that fail.
    OverrideGates,
    /// Serve the project.
    Serve,
    /// Stop the server of the project, and serve it again.
    ServeAgain,
    /// Write the result to another file.
    OtherOutput,
    /// List what is registered.
    ListRegistered,
    /// Look at a registered definition, by its name and version.
    ShowRegistered(String),
    /// Build a training set, which reads the offline store.
    TrainingSet,
    /// Write all online rows again from the logs.
    RebuildAll,
    /// Follow the stream of a view until everything is in the log.
    CatchUp(VersionId),
    /// Follow streams.
    FollowStreams,
    /// Look at the bad rows that stopped the stream of a view, or allow more of them.
    BadRows(VersionId),
}
