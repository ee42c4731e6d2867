//! Keeps in the registry how far a backfill is that this process executes, and looks there for what is wanted of it. A
//! registry that cannot be written to holds up nothing: the log decides what is done.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use feature::{EventDate, VersionId};
use materializer::{DateReport, MigrationEvent, MigrationWatch, StopRequest};
use registry::{
    BackfillDate, BackfillDateState, BackfillDelay, BackfillRecord, BackfillRequest, BackfillState,
    KeptColumn, Registry,
};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::recorded_run::RecordedRun;
use crate::background::noticed;
use crate::project::Clock;
use crate::run::{Event, Run};

/// How often the registry is looked into, and what is kept there renewed.
const LOOK_EVERY: Duration = Duration::from_millis(400);

const NOTHING: u8 = 0;
const PAUSE: u8 = 1;
const CANCEL: u8 = 2;

/// Keeps how far a backfill is.
pub(super) struct Keeper {
    registry: Registry,
    clock: Clock,
    run: Run,
    view: VersionId,
    number: u64,
    request: AtomicU8,
    rows_read: AtomicU64,
    kept: Mutex<Kept>,
}

struct Kept {
    record: BackfillRecord,
    dates: BTreeMap<EventDate, BackfillDate>,
    /// The run of this process; `None` where it could not be recorded, or has ended.
    run: Option<RecordedRun>,
}

/// A task that ends with this.
pub(super) struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Keeper {
    pub(super) fn new(
        registry: Registry,
        clock: Clock,
        run: Run,
        record: BackfillRecord,
        dates: Vec<BackfillDate>,
    ) -> Self {
        Self {
            registry,
            clock,
            run,
            view: record.view.clone(),
            number: record.number,
            request: AtomicU8::new(NOTHING),
            rows_read: AtomicU64::new(0),
            kept: Mutex::new(Kept {
                record,
                dates: dates.into_iter().map(|date| (date.date, date)).collect(),
                run: None,
            }),
        }
    }

    /// The same, which records what this run loads.
    pub(super) fn recording(mut self, run: Option<RecordedRun>) -> Self {
        self.kept.get_mut().run = run;
        self
    }

    /// The run, which records no more dates.
    pub(super) async fn recorded(&self) -> Option<RecordedRun> {
        self.kept.lock().await.run.take()
    }

    /// Looks for requests, and renews how many rows were read, until the result is dropped.
    pub(super) fn follow(self: Arc<Self>) -> Following {
        let following = async move {
            let mut seen = 0;
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                match self.registry.backfill(&self.view).await {
                    Ok(Some(kept)) if kept.record.number == self.number => self.take(kept.request),
                    Ok(_) => {}
                    Err(error) => tracing::debug!("{}: {error}", self.view),
                }
                let rows = self.rows_read.load(Ordering::Relaxed);
                if rows != seen {
                    seen = rows;
                    self.keep(&mut *self.kept.lock().await, &[]).await;
                }
            }
        };
        let task = tokio::spawn(async {
            noticed::<()>("a backfill is not paused and not cancelled", following).await;
        });
        Following(task.abort_handle())
    }

    fn take(&self, request: Option<BackfillRequest>) {
        let request = match request {
            None => return,
            Some(BackfillRequest::Pause) => PAUSE,
            Some(BackfillRequest::Cancel) => CANCEL,
        };
        // Who cancels means it, also after a pause.
        self.request.fetch_max(request, Ordering::Relaxed);
    }

    /// Keeps how the backfill ended in this process.
    pub(super) async fn end(&self, state: BackfillState, error: Option<String>) {
        let mut kept = self.kept.lock().await;
        (kept.record.state, kept.record.error) = (state, error);
        let cut_off: Vec<EventDate> = kept
            .dates
            .values_mut()
            .filter(|date| date.state == BackfillDateState::Running)
            .map(|date| {
                date.state = BackfillDateState::Waiting;
                date.date
            })
            .collect();
        self.keep(&mut kept, &cut_off).await;
    }

    async fn keep(&self, kept: &mut Kept, dates: &[EventDate]) {
        kept.record.updated_at = (self.clock)();
        kept.record.rows_read = self.rows_read.load(Ordering::Relaxed);
        let dates: Vec<BackfillDate> =
            dates.iter().filter_map(|date| kept.dates.get(date)).cloned().collect();
        if let Err(error) = self.registry.keep_backfill(&kept.record, &dates).await {
            tracing::warn!("{}: how far its backfill is was not kept: {error}", self.view);
        }
    }

    async fn take_in(&self, event: MigrationEvent) {
        let mut kept = self.kept.lock().await;
        let mut in_log = None;
        let changed = match event {
            MigrationEvent::Planned { dates, delay } => {
                let is_cut_off = |date: &EventDate| {
                    kept.dates.get(date).is_some_and(|date| date.state == BackfillDateState::Running)
                };
                let loaded = dates.iter().filter(|(_, (_, is_loaded))| *is_loaded).map(|(date, _)| *date);
                let cut_off = loaded.filter(is_cut_off).collect();
                if let Some(run) = &mut kept.run {
                    run.begins(delay.clone(), cut_off);
                }
                kept.record.delay = Some(BackfillDelay {
                    delay: delay.delay,
                    measured_of: delay.measured.as_ref().map(|measured| measured.of.clone()),
                    measured_rows: delay.measured.as_ref().map_or(0, |measured| measured.rows),
                });
                let changed = dates.keys().copied().collect();
                for (date, (rows, is_loaded)) in dates {
                    let before =
                        kept.dates.remove(&date).unwrap_or_else(|| BackfillDate::waiting(date, rows));
                    let state = match is_loaded {
                        true => BackfillDateState::Done,
                        false => BackfillDateState::Waiting,
                    };
                    kept.dates.insert(date, BackfillDate { rows, state, ..before });
                }
                changed
            }
            MigrationEvent::Reading(dates) => {
                if let Some(run) = &mut kept.run {
                    run.reads(&dates);
                }
                for date in &dates {
                    kept.dates.entry(*date).and_modify(|kept| kept.state = BackfillDateState::Running);
                }
                dates
            }
            MigrationEvent::Loaded(date, report) => {
                let changed = self.ended(&mut kept, date, &report, Vec::new());
                in_log = Some((date, report));
                changed
            }
            MigrationEvent::Failed(date, report, reasons) => {
                self.run.report(Event::DateFailed {
                    view: self.view.clone(),
                    date,
                    reasons: reasons.clone(),
                });
                self.ended(&mut kept, date, &report, reasons)
            }
            MigrationEvent::GoingOnline => {
                self.run.report(Event::GoingOnline(self.view.clone()));
                Vec::new()
            }
            _ => return,
        };
        self.keep(&mut kept, &changed).await;
        if let (Some((date, report)), Some(run)) = (in_log, &mut kept.run) {
            run.loaded(&self.view, date, &report).await;
        }
    }

    fn ended(
        &self,
        kept: &mut Kept,
        date: EventDate,
        report: &DateReport,
        reasons: Vec<String>,
    ) -> Vec<EventDate> {
        let rows = kept.dates.get(&date).map_or(report.read, |date| date.rows);
        let columns = report.columns.iter().map(|column| KeptColumn {
            column: column.column.clone(),
            rows: column.rows,
            nulls: column.nulls,
            least: column.least,
            greatest: column.greatest,
        });
        let is_done = reasons.is_empty();
        kept.dates.insert(
            date,
            BackfillDate {
                date,
                state: if is_done { BackfillDateState::Done } else { BackfillDateState::Failed },
                rows,
                loaded: if is_done { report.loaded } else { 0 },
                known: report.known,
                left_out: report.left_out,
                refused: report.refused.values().sum(),
                reasons,
                ended_at: Some((self.clock)()),
                columns: columns.collect(),
            },
        );
        vec![date]
    }
}

impl MigrationWatch for Keeper {
    fn request(&self) -> Option<StopRequest> {
        match self.request.load(Ordering::Relaxed) {
            CANCEL => Some(StopRequest::Cancel),
            PAUSE => Some(StopRequest::Pause),
            _ if self.run.cancel.is_cancelled() => Some(StopRequest::Pause),
            _ => None,
        }
    }

    fn rows_read(&self, rows: u64) {
        self.rows_read.fetch_add(rows, Ordering::Relaxed);
        self.run.report(Event::RowsRead { view: self.view.clone(), rows });
    }

    fn report(&self, event: MigrationEvent) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.take_in(event))
    }
}
