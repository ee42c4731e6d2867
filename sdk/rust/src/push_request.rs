//! A push of rows, as its caller puts it together, and its outcome.

use std::sync::Arc;
use std::time::Duration;

use proto::v1::push_request::Wait;

use crate::error::Error;
use crate::requests::Columns;
use crate::session::Session;
use crate::values::Values;

/// A push of rows into a source's stream. All columns have the same number of rows.
///
/// What is pushed twice counts twice: the request is sent again only where no server has begun with it. Where nobody knows
/// whether it was taken, the error is [`Error::PushUnknown`]. A future that is dropped leaves that unknown, too.
#[derive(Clone, Debug)]
#[must_use = "nothing is pushed before `send`"]
pub struct PushRequest {
    session: Arc<Session>,
    source_name: String,
    columns: Columns,
    wait: Wait,
    deadline: Option<Duration>,
}

/// The outcome for the rows of a push.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Pushed {
    /// How many were taken. They are on disk.
    pub taken: u32,
    /// What was refused, by row and view. A row that some view takes is taken, and refused by the others.
    pub refused: Vec<RefusedRow>,
    /// How many rows views leave out, since they do not pass their `where`: each view, as `name@version`.
    pub filtered: Vec<(String, u32)>,
    /// The topic that the rows are in.
    pub topic: String,
    /// The offset there of the first that was taken; the others follow.
    pub first_offset: u64,
}

/// A row that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RefusedRow {
    /// Its index in the request, from 0.
    pub row: usize,
    /// The view that refuses it, as `name@version`; `None` where no view can read it.
    pub view: Option<String>,
    /// Everything that is wrong with it.
    pub reason: String,
}

impl PushRequest {
    pub(crate) fn new(session: Arc<Session>, source_name: String) -> Self {
        Self { session, source_name, columns: Columns::new(), wait: Wait::Durable, deadline: None }
    }

    /// A column of the source: one value for each row. One that is not named is null in every row.
    pub fn column(mut self, name: impl Into<String>, values: impl Into<Values>) -> Self {
        self.columns.push((name.into(), values.into()));
        self
    }

    /// Waits until the rows can be read online, and not only until they are on disk.
    pub fn until_online(mut self) -> Self {
        self.wait = Wait::Online;
        self
    }

    /// How long the push may take.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Pushes the rows.
    pub async fn send(self) -> Result<Pushed, Error> {
        let Self { session, source_name, columns, wait, deadline } = self;
        let answer = session.push(source_name, columns, wait, deadline).await?;
        let refused = answer.refused.into_iter().map(|row| RefusedRow {
            row: row.index as usize,
            view: (!row.view.is_empty()).then_some(row.view),
            reason: row.reason,
        });
        Ok(Pushed {
            taken: answer.taken,
            refused: refused.collect(),
            filtered: answer.filtered.into_iter().map(|one| (one.view, one.rows)).collect(),
            topic: answer.topic,
            first_offset: answer.first_offset,
        })
    }
}
