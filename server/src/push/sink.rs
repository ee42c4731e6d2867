//! What the server asks of whoever takes pushed rows, and what it knows of the sources they are of.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use feature::{Field, Name, VersionId};
use thiserror::Error;

/// A source that rows may be pushed into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSource {
    /// What it is called.
    pub name: Name,
    /// Its columns.
    pub schema: Vec<Field>,
    /// What each is called in files and records, in the same order.
    pub stored_names: Vec<String>,
    /// The column that says when a row happened; none for a static source.
    pub event_time: Option<Name>,
    /// The topic of its stream; empty where it has none.
    pub topic: String,
    /// Why nothing can be pushed into it, and what to do, as half a sentence.
    pub refusal: Option<String>,
    /// The views that read it.
    pub views: Vec<PushView>,
}

impl PushSource {
    /// The column that is called this in files and records, as they are read everywhere; else the one that is
    /// declared under this name.
    pub(crate) fn column(&self, name: &str) -> Option<&Field> {
        self.index_of(name).and_then(|index| self.schema.get(index))
    }

    /// The index of that column among all.
    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        let stored = self.stored_names.iter().position(|stored| stored == name);
        stored.or_else(|| self.schema.iter().position(|field| field.name.as_str() == name))
    }
}

/// A view that reads a source, as far as writing to it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushView {
    /// Its name and version.
    pub id: VersionId,
    /// The columns of the source that its rows are made of.
    pub reads: Vec<Name>,
    /// Its join keys, each with the column of the source that it is; none where it is computed.
    pub keys: Vec<(Name, Option<Name>)>,
    /// Its features, each with the column of the source whose latest value it is; none where it is
    /// computed or an aggregate.
    pub features: Vec<(Name, Option<Name>)>,
}

/// What becomes of rows that are made durable.
pub type Appending<'a> = Pin<Box<dyn Future<Output = Result<Taken, SinkError>> + Send + 'a>>;

/// What the views of a source say of rows.
pub type Validating<'a> = Pin<Box<dyn Future<Output = Result<Validated, SinkError>> + Send + 'a>>;

/// What becomes of rows in the views of their source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validated {
    /// For each row whether some view has a use for it.
    pub is_taken: Vec<bool>,
    /// What views refuse, by row and view.
    pub refused: Vec<RefusedByView>,
    /// How many rows do not pass the `where` of a view, where there are some.
    pub filtered: Vec<(VersionId, u64)>,
}

/// A row that a view refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedByView {
    /// Its index among the rows, from 0.
    pub index: usize,
    /// The view.
    pub view: VersionId,
    /// The kind of reason, by which refused rows are counted.
    pub kind: String,
    /// What is wrong with it, in words.
    pub detail: String,
}

/// Takes pushed rows.
pub trait Sink: Send + Sync {
    /// What becomes of rows, each a JSON object, in the views of their source: what the stream of each will say
    /// of them a moment later.
    fn validate<'a>(&'a self, source: &'a PushSource, rows: &'a Arc<Vec<Vec<u8>>>) -> Validating<'a>;

    /// Appends rows, each a JSON object, to the topic of a source. Once it resolves they are on disk.
    fn append<'a>(&'a self, source: &'a PushSource, rows: Vec<Vec<u8>>) -> Appending<'a>;

    /// The offset up to which a view has all of its source's rows, readable online.
    fn progress(&self, source: &PushSource, view: &VersionId) -> u64;

    /// Why a view's stream does not come further; none while it goes on, or is followed elsewhere.
    fn stopped(&self, view: &VersionId) -> Option<String>;
}

/// Rows that are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The offset of the first; the others follow.
    pub first_offset: u64,
    /// How long the write and the sync took, in nanoseconds.
    pub synced_nanos: u64,
}

/// Why rows were not taken; each says what and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SinkError {
    /// Push again later: streams are too far behind.
    #[error("{0}")]
    Full(String),
    /// Push again: nothing was taken.
    #[error("{0}")]
    NotTaken(String),
    /// A row that is too long.
    #[error("{0}")]
    TooLong(String),
    /// Tell the operator.
    #[error("{0}")]
    Damaged(String),
}
