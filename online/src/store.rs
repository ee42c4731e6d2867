//! What every online store does: a reader for serving, a writer for the materializer. Both hold
//! packed rows as bytes and never look at values.

use std::ops::Range;
use std::sync::Arc;

use feature::{EntityKey, Micros, VersionId};

use crate::error::OnlineError;

/// The entities to read from one view version.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// The view version.
    pub view: &'a VersionId,
    /// The entities, in any order; duplicates are read each time.
    pub keys: &'a [EntityKey],
}

/// How much memory is reserved for rows that are likely to come.
const MOST_RESERVED_BYTES: usize = 1 << 20;

/// The packed rows of one [`Read`], all in one buffer, in the order of its keys.
#[derive(Clone, Debug, Default)]
pub struct PackedRows {
    applied_at: Option<Micros>,
    bytes: Vec<u8>,
    rows: Vec<Option<Range<usize>>>,
}

impl PackedRows {
    /// Nothing yet of a view whose applied time is known.
    pub fn new(applied_at: Option<Micros>, keys: usize) -> Self {
        Self { applied_at, bytes: Vec::new(), rows: Vec::with_capacity(keys) }
    }

    /// Says what the applied time is, once it is known.
    pub(crate) fn set_applied_at(&mut self, applied_at: Option<Micros>) {
        self.applied_at = applied_at;
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds the row of the next key.
    pub fn push(&mut self, row: Option<&[u8]>) {
        self.rows.push(row.map(|row| {
            let start = self.bytes.len();
            if start == 0 {
                // The rows of a view are about as long as each other.
                let likely = row.len().saturating_mul(self.rows.capacity()).min(MOST_RESERVED_BYTES);
                self.bytes.reserve(likely.max(row.len()));
            }
            self.bytes.extend_from_slice(row);
            start..self.bytes.len()
        }));
    }

    /// Says what the row of the key at an index is, where it was pushed before it was known.
    pub(crate) fn set(&mut self, index: usize, row: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(row);
        if let Some(there) = self.rows.get_mut(index) {
            *there = Some(start..self.bytes.len());
        }
    }

    /// The applied time of the view, of the same moment as the rows: the greatest `visible_at`, by
    /// the log's stamp, of the rows that it has folded and that are not pending. A read as of an
    /// earlier time is to be refused. None where nothing was folded yet.
    pub fn applied_at(&self) -> Option<Micros> {
        self.applied_at
    }

    /// The packed row of the key at this index; `None` where the entity was never seen.
    pub fn row(&self, index: usize) -> Option<&[u8]> {
        self.bytes.get(self.rows.get(index)?.clone()?)
    }

    /// The packed rows, one for each key.
    pub fn rows(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.rows.iter().map(|row| self.bytes.get(row.clone()?))
    }
}

/// Reads packed rows.
pub trait Reader: Send + Sync {
    /// The rows of all these views and entities, in one round trip, and each view's applied time, of
    /// one moment. A view that was never written has no rows.
    fn read(&self, reads: &[Read<'_>]) -> impl Future<Output = Result<Vec<PackedRows>, OnlineError>> + Send;

    /// How much the store holds of a view.
    fn stats(&self, view: &VersionId) -> impl Future<Output = Result<Stats, OnlineError>> + Send;
}

impl<R: Reader> Reader for Arc<R> {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        R::read(self, reads).await
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        R::stats(self, view).await
    }
}

/// How much a store holds of one view version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Packed rows: entities that were seen.
    pub rows: u64,
    /// Bytes of the packed rows and their keys.
    pub bytes: u64,
    /// The applied time, as [`PackedRows::applied_at`].
    pub applied_at: Option<Micros>,
}

/// A packed row to be written.
#[derive(Clone, Copy, Debug)]
pub struct RowWrite<'a> {
    /// The entity.
    pub key: &'a EntityKey,
    /// Its packed row, whole; the positions in it decide whether it is written.
    pub bytes: &'a [u8],
}

/// The outcome for one [`RowWrite`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The row is there, acknowledged and durable as far as the store is.
    Written,
    /// The row that is there has folded everything that this one has; it was left alone.
    Unchanged,
    /// The row that is there and this one each folded what the other has not: to be folded again,
    /// from these bytes.
    Conflict {
        /// The row that is there.
        current: Vec<u8>,
    },
}

/// Writes packed rows: for the materializer alone.
pub trait Writer: Send + Sync {
    /// Compares and sets each row on the positions in it: it is written where the row that is there
    /// has folded nothing that this one has not. So an older fold never replaces a newer one, and a
    /// repeated one changes nothing. Gives one outcome for each row, in their order, once all are
    /// acknowledged. `applied_at` raises the view's applied time with them, and never lowers it; with no
    /// rows it is raised alone.
    fn replace(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
    ) -> impl Future<Output = Result<Vec<Outcome>, OnlineError>> + Send;

    /// The same for a load of many rows, fastest in the order of their keys. Whoever follows the store may be notified of
    /// all rows of the view at once, so copies of those that did not change may be let go, too.
    fn replace_many(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
    ) -> impl Future<Output = Result<Vec<Outcome>, OnlineError>> + Send {
        self.replace(view, rows, applied_at)
    }

    /// Forgets a view version: its rows and its applied time. One that is not there is no error.
    fn drop_view(&self, view: &VersionId) -> impl Future<Output = Result<(), OnlineError>> + Send;
}

/// The outcome for rows that somebody may hold copies of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// One row was written or dropped.
    Row {
        /// The view version.
        view: VersionId,
        /// The entity.
        key: EntityKey,
    },
    /// Any rows of a view were written: so many that they are not named.
    Rows(VersionId),
    /// A view's applied time was raised.
    View(VersionId),
    /// A view was dropped, with all of its rows.
    Dropped(VersionId),
    /// Anything may have changed.
    Everything,
}

/// What a store tells who asks what has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The state of the store, to ask from the next time.
    pub mark: u64,
    /// What changed since the given mark.
    pub changes: Vec<Change>,
}

/// A store that tells those who hold copies of its rows what changes.
pub trait Followed: Reader {
    /// What has changed since a mark; everything, without one. `None` where the store cannot be polled,
    /// but only tells; what it tells comes a little later than the change. One that can be polled answers
    /// from its own memory or disk, so fast that it is polled at each read.
    fn changed(&self, _since: Option<u64>) -> Option<Result<Changed, OnlineError>> {
        None
    }

    /// As [`Reader::read`], with the mark of the moment that the rows are of, where the store has marks.
    fn read_marked(
        &self,
        reads: &[Read<'_>],
    ) -> impl Future<Output = Result<(Option<u64>, Vec<PackedRows>), OnlineError>> + Send {
        async move { Ok((None, self.read(reads).await?)) }
    }

    /// Tells of every change from now on, whoever made it, until the store cannot be followed any more,
    /// and gives the reason. The first that it tells is [`Change::Everything`], once it follows: what is
    /// read after that is reported when it changes.
    fn follow(&self, tell: &(dyn Fn(Change) + Send + Sync)) -> impl Future<Output = OnlineError> + Send;
}
