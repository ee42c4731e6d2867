//! Which rows of a table are looked for.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use feature::{Position, View};

use crate::error::OfflineError;
use crate::log::columns::{EVENT_TIME, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR};
use crate::log::forgotten::Forgotten;
use crate::log::keys::EncodedKeys;
use crate::log::rows::positions;

/// What is looked for in one view.
#[derive(Clone, Debug)]
pub struct ForgetRows {
    /// The entities whose rows are taken out: all that were ever forgotten, so that what was cut off is done, too.
    pub list: Arc<Forgotten>,
    /// Rows that were made of such rows, by their positions.
    pub derived: Arc<HashSet<Position>>,
    /// Texts of the key as JSON has them, for which commits are searched.
    pub texts: Vec<String>,
    /// Whether rows are taken out; else they are only counted.
    pub removes: bool,
}

/// Which rows of a table are taken out.
pub(super) trait Matcher: Send + Sync {
    /// The columns that it looks at.
    fn columns(&self) -> Vec<String>;
    /// Whether each row of a batch with these columns is one.
    fn matches(&self, batch: &RecordBatch) -> Result<BooleanArray, OfflineError>;
}

/// Rows of a view's log that are of forgotten entities, or were made of such rows.
pub(super) struct OfLog {
    pub(super) view: Arc<View>,
    pub(super) forget: ForgetRows,
}

impl Matcher for OfLog {
    fn columns(&self) -> Vec<String> {
        let facts = [EVENT_TIME, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR].map(str::to_owned);
        self.view.keys.iter().map(|key| key.name.to_string()).chain(facts).collect()
    }

    fn matches(&self, batch: &RecordBatch) -> Result<BooleanArray, OfflineError> {
        let ForgetRows { list, derived, .. } = &self.forget;
        let (view, keys) = (&self.view, EncodedKeys::of(&self.view, batch)?);
        let times = batch.column_by_name(EVENT_TIME);
        let times = times.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        // A static row has no time of its own.
        let time = |row: usize| {
            times.filter(|times| !view.is_static && times.is_valid(row)).map(|times| times.value(row))
        };
        let positions = if derived.is_empty() { Vec::new() } else { positions(view, batch)? };
        let is_derived = |row: usize| positions.get(row).is_some_and(|position| derived.contains(position));
        let is_one = |row: usize| list.covers(&view.entity, keys.key(row), time(row)) || is_derived(row);
        Ok((0..batch.num_rows()).map(|row| Some(is_one(row))).collect())
    }
}

/// Rows that a text column says are of an entity.
pub(super) struct OfTexts<F> {
    pub(super) column: &'static str,
    pub(super) is_of_entity: F,
}

impl<F: Fn(&str) -> bool + Send + Sync> Matcher for OfTexts<F> {
    fn columns(&self) -> Vec<String> {
        vec![self.column.to_owned()]
    }

    fn matches(&self, batch: &RecordBatch) -> Result<BooleanArray, OfflineError> {
        let texts = batch.column_by_name(self.column).and_then(|column| column.as_string_opt::<i32>());
        let texts = texts.ok_or_else(|| OfflineError::Corrupt {
            what: "the refused rows".to_owned(),
            why: format!("the column `{}` is missing", self.column),
        })?;
        Ok(texts.iter().map(|text| Some(text.is_some_and(&self.is_of_entity))).collect())
    }
}

/// Rows that have all of some texts as values.
pub(super) struct OfValues {
    pub(super) columns: Vec<String>,
    pub(super) texts: Vec<String>,
}

impl Matcher for OfValues {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn matches(&self, batch: &RecordBatch) -> Result<BooleanArray, OfflineError> {
        let columns: Vec<_> = batch.columns().iter().filter_map(|c| c.as_string_opt::<i32>()).collect();
        let has = |row: usize, text: &String| {
            columns.iter().any(|column| column.is_valid(row) && column.value(row) == text)
        };
        let is_one =
            |row: usize| Some(!self.texts.is_empty() && self.texts.iter().all(|text| has(row, text)));
        Ok((0..batch.num_rows()).map(is_one).collect())
    }
}
