//! Definitions: parsing, checking, versions, dependents, and where they are kept.
//!
//! It turns YAML files into sources, views and services that cannot be wrong, reports everything
//! that is wrong with its file and line, guards that a version never changes what it computes, and
//! knows who reads what. It reads no data, compiles no batch and serves no feature: those are the
//! crates that take what it resolved.
//!
//! ```no_run
//! # use twinstore_registry as registry;
//! # async fn example(now: feature::Micros, bound: registry::RowBound) -> Result<(), Box<dyn std::error::Error>> {
//! use registry::{Definitions, Plan, Registry};
//!
//! let registry = Registry::open("sqlite://.twinstore/registry.db").await?;
//! let registered = registry.registered().await?;
//! let definitions = Definitions::read(".".as_ref(), &registered)?;
//! let plan = Plan::of(&definitions, &registered, &bound);
//! println!("{plan}");
//! registry.apply(&plan, now).await?;
//! let served = registry.registered().await?.service_plan(&"late_arrival".parse()?)?;
//! # Ok(())
//! # }
//! ```

mod applying;
mod audit;
mod auditing;
mod backfills;
mod body;
mod breaker_keys;
mod breakers;
mod canonical;
mod catalog;
mod database;
mod definition;
mod definitions;
mod difference;
mod digest;
mod draft;
mod error;
mod expectation_keys;
mod feast;
mod first_use;
mod foreign;
mod forgetting;
mod freshness;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod key_positions;
mod keys;
mod kind;
mod lifecycle;
mod lineage;
mod nearest;
mod opening;
mod outline;
mod parity;
mod permission;
mod pinned;
mod plan;
mod planning;
mod problem;
mod quarantine;
mod reach;
mod reached_training_sets;
mod record;
mod reference;
mod registered;
mod removal;
mod resolve;
mod rollout;
mod schema;
mod service_shown;
mod shape;
mod side_by_side;
mod store;
mod stored;
#[cfg(test)]
mod tests;
mod upkeep;
mod uses;
mod using;
mod writing;
mod yaml;

pub use applying::Applied;
pub use audit::{AuditAction, AuditEntry, AuditLog, BackInTime, NotAReason, Reason};
pub use backfills::{
    BackfillDate, BackfillDateState, BackfillDelay, BackfillRecord, BackfillRequest, BackfillState,
    KeptBackfill, KeptColumn,
};
pub use body::{Body, DefinitionId, Entity};
pub use breakers::{BreakerRecord, RequestOpening};
pub use canonical::Canonical;
pub use definition::Definition;
pub use definitions::Definitions;
pub use difference::Difference;
pub use error::RegistryError;
pub use feast::{CarriedObject, CodeLine, FeastFinding, FeastImport, FeastOutcome, import_feast};
pub use first_use::{FirstUse, UNKNOWN};
pub use freshness::{CountedReads, Freshness, Measured, Progress, ReadSlot, ReadsOf};
pub use keys::Kind;
pub use lifecycle::{Deprecated, Deprecation, Retired, Retirement};
pub use lineage::{
    FeatureInputs, FileSetAside, Job, Lineage, LineageEdge, LineageKind, LineageNode, LoadedFile, MAX_FILES,
    MeasuredRows, PartitionRead, ReadView, RowCounts, RunId, RunOutcome, RunRecord, RunState, Runtime,
};
pub use outline::{
    Outline, OutlineProblem, SampledColumn, SampledFile, SampledKind, Surroundings, Wishes, column_names,
    outline,
};
pub use parity::{KeptParity, LogRead, ParityStanding, StaleParity};
pub use permission::{Denial, KeptToken, MOST_TOKENS, policy_of, read_policy};
pub use pinned::PinnedTrainingSet;
pub use plan::{Action, Change, LargestRow, Plan, RowBound};
pub use problem::{Mark, Problem, Problems};
pub use quarantine::BatchDecision;
pub use reach::Reach;
pub use reference::reference;
pub use registered::{Listed, Registered};
pub use removal::Removed;
pub use rollout::{Cutover, Moved, Overridden, Rollout};
pub use service_shown::{FoundFeature, ServiceShown, ShownFeature};
pub use side_by_side::{Matched, SideBySide};
pub use store::{Registry, Revision, Shown};
pub use upkeep::DroppedStorage;
pub use using::Using;
