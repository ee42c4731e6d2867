//! The online store: for every entity, the fold of a prefix of the log, ready to be read.
//!
//! One packed row holds what one entity of one view version needs at any moment: latest values,
//! tiles of its windows, rows that are not visible yet, and the positions that were folded. The
//! same bytes lie in every store: [`Embedded`] keeps them on disk beside the project, [`Redis`] in a
//! server or a cluster, and [`Store`] is the one that a configuration names. This crate knows no
//! definitions, no log and no clock: views come in resolved, rows come in transformed, time is an
//! argument, and only the materializer calls [`Writer`].
//!
//! ```
//! # use twinstore_online as online;
//! # async fn example(view: feature::View, key: feature::EntityKey, rows: Vec<feature::Row>,
//! #     now: feature::Micros) -> Result<(), online::OnlineError> {
//! use std::sync::Arc;
//! use online::{Embedded, Layout, PackedRow, Read, Reader, RowWrite, RowState, Writer};
//!
//! let layout = Arc::new(Layout::new(&view));
//! let mut state = RowState::new(&layout);
//! for row in &rows {
//!     state.apply(row, now);
//! }
//! let mut bytes = Vec::new();
//! state.encode(&mut bytes)?;
//!
//! let store = Embedded::open(".twinstore/online".as_ref())?;
//! store.replace(&view.id, &[RowWrite { key: &key, bytes: &bytes }], state.applied_at()).await?;
//!
//! let found = store.read(&[Read { view: &view.id, keys: &[key] }]).await?;
//! for bytes in found.iter().filter_map(|found| found.row(0)) {
//!     let answer = PackedRow::new(&layout, bytes)?.answer(now)?;
//! }
//! # Ok(())
//! # }
//! ```

mod answer;
mod columns;
mod configured;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod decision;
mod embedded;
mod error;
mod fold;
mod folded_commit;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hot;
mod mending;
mod packed;
mod positions;
mod redis;
mod store;

pub use columns::{Column, Columns, Values};
pub use configured::{Store, StoreUrl};
pub use decision::{Decision, decide};
pub use embedded::{Condition, Embedded};
pub use error::OnlineError;
pub use fold::{Applied, RowState};
pub use folded_commit::FoldedCommit;
pub use hot::{
    AtBound, Floor, HotTable, HotTier, Probe, Reading, Slot, TableFull, TableOptions, TableStats,
    TierOptions, TierStats, Writes, merge_window,
};
pub use mending::{Entities, Mender, Mending};
pub use packed::{LAYOUT_VERSION, Layout, MAX_ROW_BYTES, PENDING_BOUND, PackedRow, RowIdentity};
pub use positions::Positions;
pub use redis::{Redis, RedisUrl};
pub use store::{Change, Changed, Followed, Outcome, PackedRows, Read, Reader, RowWrite, Stats, Writer};
