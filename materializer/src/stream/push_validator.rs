//! Which pushed rows are accepted: each is validated as the streams of its source's views will validate it, by the
//! same code, so that no row is acknowledged that becomes a dead letter a moment later.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use feature::{Micros, VersionId};
use offline::{Log, OfflineStore};

use super::committed;
use super::push::end_of;
use super::record_validator::{Before, RecordValidator, ValidatedRecords};
use crate::error::MaterializerError;
use crate::materializer::Target;
use crate::rows::reason::RefusalReason;
use crate::rows::record::Record;
use crate::stream_start;

/// Validates the rows that are pushed into one source, for all of its views.
pub struct PushValidator {
    offline: OfflineStore,
    views: Vec<PushedView>,
    /// The folder of the topic that takes the rows; `None` if it does not lie on disk.
    topic: Option<PathBuf>,
}

struct PushedView {
    target: Target,
    validator: RecordValidator,
    /// Where its stream starts, once that is settled.
    start: OnceLock<Option<Micros>>,
}

/// The outcome for pushed rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushOutcome {
    /// For each row whether some view accepts it. A row that every view refuses must not be made durable.
    pub is_accepted: Vec<bool>,
    /// The rows that views refuse, by row and view.
    pub refused: Vec<RefusedRow>,
    /// How many rows do not pass the `where` of a view, if there are any.
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

impl PushValidator {
    /// The validator of the source that these views read. The path of its schema is resolved from the project's folder.
    /// A topic on disk that ends before what a view's log has of it accepts nothing.
    pub fn new(
        targets: &[Target],
        offline: OfflineStore,
        project: &Path,
        topic: Option<PathBuf>,
    ) -> Result<Self, MaterializerError> {
        let view = |target: &Target| {
            let validator = RecordValidator::new(target, project, None)?;
            Ok(PushedView { target: target.clone(), validator, start: OnceLock::new() })
        };
        let views = targets.iter().map(view).collect::<Result<_, MaterializerError>>()?;
        Ok(Self { offline, views, topic })
    }

    /// The outcome for rows that are pushed at this moment, each the value of a record. If a row is the first of a
    /// view's stream, where the stream starts is recorded in the view's log.
    pub async fn validate(&self, rows: &[Vec<u8>], at: Micros) -> Result<PushOutcome, MaterializerError> {
        let record = |(offset, value): (usize, &Vec<u8>)| Record {
            partition: 0,
            offset: offset as u64,
            timestamp: at,
            received_at: at,
            key: None,
            value: Some(value.clone()),
            trace: None,
            is_forgotten: false,
        };
        let records: Vec<Record> = rows.iter().enumerate().map(record).collect();
        let mut outcome =
            PushOutcome { is_accepted: vec![self.views.is_empty(); rows.len()], ..PushOutcome::default() };
        for view in &self.views {
            let validated = view.validate(self, &records, at).await?;
            outcome.add(&view.target.view.id, rows.len(), validated);
        }
        outcome.refused.sort_by(|a, b| (a.index, &a.view).cmp(&(b.index, &b.view)));
        Ok(outcome)
    }
}

impl PushedView {
    async fn validate(
        &self,
        PushValidator { offline, topic, .. }: &PushValidator,
        records: &[Record],
        at: Micros,
    ) -> Result<ValidatedRecords, MaterializerError> {
        let none_before = BTreeSet::new();
        let forgotten = offline.forgotten()?;
        let before = |start| Before { refused: &none_before, start, forgotten: &forgotten };
        let validated = |start| self.validator.validate(records, &before(start));
        if let Some(start) = self.start.get() {
            return validated(*start);
        }
        let Target { view, source, .. } = &self.target;
        let log = offline.log(view).await?;
        if let Some(topic) = topic {
            check_topic(topic, self.validator.topic(), &log).await?;
        }
        let found = stream_start::find(&log, source).await?;
        if found.is_some() || source.batch.is_none() {
            return validated(*self.start.get_or_init(|| found));
        }
        let first = validated(None)?;
        // Pushed rows happened before they are pushed: the stream starts with the first of them.
        let Some(earliest) = first.accepted.event_times.iter().min() else { return Ok(first) };
        let earliest = Micros::new(*earliest).map_or(at, |earliest| earliest.min(at));
        let start = stream_start::settle(offline, view, earliest).await?;
        validated(*self.start.get_or_init(|| Some(start)))
    }
}

/// Refuses rows for a topic that is older than a log, as after a restore from a copy: they would get offsets that the
/// log has passed, and no stream would read them. Nor does a stream read another topic than the log was filled from.
async fn check_topic(folder: &Path, name: &str, log: &Log) -> Result<(), MaterializerError> {
    let Some(next) = committed::partition(log, name, 0).await?.next else { return Ok(()) };
    // Whoever appends says what is wrong with an end that cannot be read.
    let Ok(end) = (if folder.exists() { end_of(folder) } else { Ok(0) }) else { return Ok(()) };
    if end >= next {
        return Ok(());
    }
    let (view, topic) = (log.view().id.clone(), folder.to_owned());
    Err(MaterializerError::TopicBehindLog { view, topic, end, next })
}

impl PushOutcome {
    fn add(&mut self, view: &VersionId, rows: usize, validated: ValidatedRecords) {
        let ValidatedRecords { dead_letters, null_keys, forgotten, counts, .. } = validated;
        let mut is_refused = vec![false; rows];
        let refused_for = |index: usize, reason: &str, detail: String| RefusedRow {
            index,
            view: view.clone(),
            reason: reason.to_owned(),
            detail,
        };
        let of_dead_letters = dead_letters.into_iter().map(|dead_letter| {
            let (_, _, offset) = dead_letter.position.parts();
            refused_for(offset as usize, &dead_letter.reason, dead_letter.detail)
        });
        let of_keys = null_keys.into_iter().map(|index| {
            refused_for(index, RefusalReason::NullKey.as_str(), format!("a null in the key of {view}"))
        });
        let of_forgotten = forgotten.into_iter().map(|index| {
            let detail = format!("its entity was forgotten in {view} after it happened");
            refused_for(index, RefusalReason::Forgotten.as_str(), detail)
        });
        for refused in of_dead_letters.chain(of_keys).chain(of_forgotten) {
            if let Some(is_refused) = is_refused.get_mut(refused.index) {
                *is_refused = true;
            }
            self.refused.push(refused);
        }
        self.is_accepted.iter_mut().zip(&is_refused).for_each(|(accepted, refused)| *accepted |= !refused);
        if counts.filtered > 0 {
            self.filtered.push((view.clone(), counts.filtered));
        }
    }
}
