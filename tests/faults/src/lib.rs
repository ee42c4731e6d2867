//! Streams over a real broker, killed, starved and cut off; and a checker of what is left: every row that
//! was produced is in the log once, and the online store is the fold of the log.
//!
//! It drives the `twinstore` binary as its users do, and looks into both stores with its own eyes.
//!
//! ```no_run
//! use test_support::KafkaBroker;
//! use twinstore_faults::{StreamProject, Topic};
//!
//! let broker = KafkaBroker::shared();
//! let mut topic = Topic::create(broker, "clicks", 4, 1);
//! let project = StreamProject::set(broker, &topic);
//! let stream = project.stream(&[]);
//! topic.produce(1_000);
//! project.await_rows(&topic, 0);
//! stream.kill();
//! project.check(&topic).expect_nothing_wrong();
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a harness of tests: what goes wrong in it ends the test aloud"
)]

mod batch;
mod checker;
mod disk;
mod faults;
mod redis;
mod schemas;
mod stream_project;
mod topic;
mod witness;

pub use batch::{BatchProject, Counts, Ended, Findings, Running, Scene, Sources, Stores, trial};
pub use checker::Checked;
pub use faults::{Extent, Fault, Outcome, restart, run};
pub use redis::Redis;
pub use schemas::{Schemas, Written};
pub use stream_project::{StreamProject, Streaming};
pub use topic::{Topic, now};
