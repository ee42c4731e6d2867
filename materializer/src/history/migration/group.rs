//! Dates that are read together, within a bound of memory. Where rows do not fit, the dates that come last are given up
//! for now and read again later; a date that is read alone is written into files that no commit names yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::{EventDate, View};

use super::date_rows::DateRows;
use super::file_reading::DatedRows;
use super::observation::{MatchedColumns, Observation};
use crate::error::MaterializerError;

/// Memory of a batch while its rows are divided and encoded is beside that of the rows that are held: they may take
/// half of the bound.
pub(super) const SHARE_OF_ROWS: u64 = 2;

/// The dates of a group while their files are read.
#[derive(Debug)]
pub(super) struct Group {
    view: Arc<View>,
    /// In the order in which they are committed.
    order: Vec<EventDate>,
    dates: BTreeMap<EventDate, DateRows>,
    /// How much memory rows may take, in bytes.
    capacity: u64,
    /// Rows of the source that were read, also of dates that were given up.
    pub(super) rows_read: u64,
    /// The most memory that rows took, in bytes.
    pub(super) most_bytes: u64,
    pub(super) warned: BTreeMap<String, u64>,
    pub(super) given_up: Vec<EventDate>,
}

impl Group {
    pub(super) fn new(
        view: &Arc<View>,
        old: Option<&View>,
        matched: &MatchedColumns,
        order: Vec<EventDate>,
        max_memory: u64,
    ) -> Self {
        let rows = |date: &EventDate| (*date, DateRows::new(Observation::new(view, old, matched)));
        Self {
            view: view.clone(),
            dates: order.iter().map(rows).collect(),
            order,
            capacity: max_memory / SHARE_OF_ROWS,
            rows_read: 0,
            most_bytes: 0,
            warned: BTreeMap::new(),
            given_up: Vec::new(),
        }
    }

    /// Adds rows of one batch. Gives how many rows of the source they are.
    pub(super) fn add(&mut self, rows: DatedRows) -> Result<u64, MaterializerError> {
        let mut read = 0;
        for (date, counts) in rows.counts {
            read += counts.read;
            if let Some(of_date) = self.dates.get_mut(&date) {
                of_date.counts.add(counts);
                of_date.files.insert(rows.file);
            }
        }
        for (date, accepted) in rows.accepted {
            if let Some(of_date) = self.dates.get_mut(&date) {
                of_date.add(&self.view, accepted)?;
            }
        }
        for (date, dead_letter) in rows.refused {
            if let Some(of_date) = self.dates.get_mut(&date) {
                of_date.refuse(dead_letter);
            }
        }
        for (name, count) in rows.warned {
            *self.warned.entry(name).or_default() += count;
        }
        self.rows_read += read;
        self.most_bytes = self.most_bytes.max(self.bytes());
        while self.bytes() > self.capacity && self.order.len() > 1 {
            if let Some(last) = self.order.pop() {
                self.dates.remove(&last);
                self.given_up.push(last);
            }
        }
        Ok(read)
    }

    /// The one date that is left, if its rows take more memory than they may.
    pub(super) fn too_large(&mut self) -> Option<&mut DateRows> {
        if self.bytes() > self.capacity { self.only_date() } else { None }
    }

    /// The one date that is left.
    pub(super) fn only_date(&mut self) -> Option<&mut DateRows> {
        let date = self.order.first().filter(|_| self.order.len() == 1)?;
        self.dates.get_mut(date)
    }

    fn bytes(&self) -> u64 {
        self.dates.values().map(|date| date.bytes).sum()
    }

    /// The dates with their rows, in the order in which they are committed.
    pub(super) fn into_dates(mut self) -> Vec<(EventDate, DateRows)> {
        let dates = std::mem::take(&mut self.order);
        dates.into_iter().filter_map(|date| Some((date, self.dates.remove(&date)?))).collect()
    }
}
