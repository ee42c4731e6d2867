//! What of pushed rows is taken: each is judged as the streams of its source's views will judge it, by the same
//! code, so that a row is not acknowledged that becomes a dead letter a moment later.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use feature::{Micros, VersionId};
use offline::OfflineStore;

use super::judge::{Before, Judge, Judgement, NULL_KEY};
use super::protocol::Record;
use crate::error::MaterializerError;
use crate::history::Target;
use crate::seam;

/// The views of one source, as far as what is pushed into it goes.
pub struct Door {
    offline: OfflineStore,
    views: Vec<Entrance>,
}

struct Entrance {
    target: Target,
    judge: Judge,
    /// From when its stream counts, once that is settled.
    start: OnceLock<Option<Micros>>,
}

/// What becomes of pushed rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// For each row whether some view has a use for it. One that every view refuses is not to be made durable.
    pub is_taken: Vec<bool>,
    /// What views refuse, by row and view.
    pub refused: Vec<RefusedRow>,
    /// How many rows do not pass the `where` of a view, where there are some.
    pub filtered: Vec<(VersionId, u64)>,
}

/// A pushed row that a view refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Its index among the rows, from 0.
    pub index: usize,
    /// The view.
    pub view: VersionId,
    /// The kind of reason, by which refused rows are counted.
    pub reason: String,
    /// What is wrong with it, in words.
    pub detail: String,
}

impl Door {
    /// The door of the source that these views read; its schema's path is taken from the project's folder.
    pub fn new(targets: &[Target], offline: OfflineStore, project: &Path) -> Result<Self, MaterializerError> {
        let entrance = |target: &Target| {
            let judge = Judge::new(target, project, None)?;
            Ok(Entrance { target: target.clone(), judge, start: OnceLock::new() })
        };
        let views = targets.iter().map(entrance).collect::<Result<_, MaterializerError>>()?;
        Ok(Self { offline, views })
    }

    /// What becomes of rows that are pushed at this moment, each the value of a record. Where a row is the
    /// first of a view's stream, it is recorded in the view's log from when the stream counts.
    pub async fn judge(&self, rows: &[Vec<u8>], at: Micros) -> Result<Admitted, MaterializerError> {
        let record = |(offset, value): (usize, &Vec<u8>)| Record {
            partition: 0,
            offset: offset as u64,
            timestamp: at,
            received_at: at,
            key: None,
            value: Some(value.clone()),
        };
        let records: Vec<Record> = rows.iter().enumerate().map(record).collect();
        let mut admitted =
            Admitted { is_taken: vec![self.views.is_empty(); rows.len()], ..Admitted::default() };
        for entrance in &self.views {
            let judged = entrance.judge(&self.offline, &records, at).await?;
            admitted.add(&entrance.target.view.id, rows.len(), judged);
        }
        admitted.refused.sort_by(|a, b| (a.index, &a.view).cmp(&(b.index, &b.view)));
        Ok(admitted)
    }
}

impl Entrance {
    async fn judge(
        &self,
        offline: &OfflineStore,
        records: &[Record],
        at: Micros,
    ) -> Result<Judgement, MaterializerError> {
        let none_before = BTreeSet::new();
        let judged = |start| self.judge.judge(records, &Before { refused: &none_before, start });
        if let Some(start) = self.start.get() {
            return judged(*start);
        }
        let Target { view, source } = &self.target;
        let found = seam::find(&offline.log(view).await?, source).await?;
        if found.is_some() || source.batch.is_none() {
            return judged(*self.start.get_or_init(|| found));
        }
        let first = judged(None)?;
        // What was pushed happened before: its first row counts from its own moment on.
        let Some(earliest) = first.taken.event_times().iter().min() else { return Ok(first) };
        let earliest = Micros::new(*earliest).map_or(at, |earliest| earliest.min(at));
        let start = seam::settle(offline, view, earliest).await?;
        judged(*self.start.get_or_init(|| Some(start)))
    }
}

impl Admitted {
    fn add(&mut self, view: &VersionId, rows: usize, judged: Judgement) {
        let Judgement { letters, null_keys, counts, .. } = judged;
        let mut is_refused = vec![false; rows];
        let refused_for = |index: usize, reason: &str, detail: String| RefusedRow {
            index,
            view: view.clone(),
            reason: reason.to_owned(),
            detail,
        };
        let of_letters = letters.into_iter().map(|letter| {
            let (_, _, offset) = letter.position.parts();
            refused_for(offset as usize, &letter.reason, letter.detail)
        });
        let of_keys = null_keys
            .into_iter()
            .map(|index| refused_for(index, NULL_KEY, format!("a null in the key of {view}")));
        for refused in of_letters.chain(of_keys) {
            if let Some(is_refused) = is_refused.get_mut(refused.index) {
                *is_refused = true;
            }
            self.refused.push(refused);
        }
        self.is_taken.iter_mut().zip(&is_refused).for_each(|(taken, refused)| *taken |= !refused);
        if counts.filtered > 0 {
            self.filtered.push((view.clone(), counts.filtered));
        }
    }
}
