//! One run that is recorded: before it reads anything, and once it has ended, however it did.

use feature::Micros;
use registry::{Progress, Registered, Registry, RunId, RunOutcome, RunRecord, RunState, Runtime};

use super::dataset::Datasets;
use super::emitter::Emitter;
use super::subject::Subject;
use crate::error::ProjectError;
use crate::project::{Clock, Project};

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Complete,
    Cancelled,
    Failed(String),
}

impl<T> From<&Result<T, ProjectError>> for Ended {
    fn from(ended: &Result<T, ProjectError>) -> Self {
        match ended {
            Ok(_) => Self::Complete,
            Err(ProjectError::Cancelled) => Self::Cancelled,
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

/// A run that has begun.
pub(crate) struct Recorder {
    registry: Registry,
    /// Where events go, and of which data; `None` if nobody listens.
    events: Option<(Emitter, Datasets)>,
    clock: Clock,
    record: RunRecord,
}

impl Recorder {
    /// Records that a run begins. It does not begin where that cannot be recorded, except of a registry that lies where
    /// nothing can be written: that one has no runs of those who only read.
    pub(crate) async fn begin(
        project: &Project,
        registry: &Registry,
        registered: &Registered,
        subject: Subject,
    ) -> Result<Self, ProjectError> {
        let now = project.now();
        let events = match Emitter::of(&project.settings.lineage.url, &project.folder)? {
            None => None,
            Some(emitter) => Some((emitter, Datasets::of(project, registered, &subject).await?)),
        };
        let record = RunRecord {
            id: RunId::new(now),
            job: subject.job,
            subject: subject.id,
            hash: subject.hash,
            runtime: Runtime::current(
                env!("CARGO_PKG_VERSION"),
                transform::DATAFUSION_VERSION,
                Some(project.settings.actor.clone()).filter(|actor| !actor.is_empty()),
            ),
            started_at: now,
            updated_at: now,
            state: RunState::Running,
            error: None,
            outcome: None,
        };
        if !registry.is_read_only() {
            registry.record_run(&record).await?;
        }
        let recorder = Self { registry: registry.clone(), events, clock: project.clock, record };
        recorder.emit().await;
        Ok(recorder)
    }

    /// Which run it is.
    pub(crate) fn id(&self) -> RunId {
        self.record.id
    }

    /// Records how a run that goes on is going, where that changed.
    pub(crate) async fn goes_on(&mut self, outcome: Option<RunOutcome>) -> Result<(), ProjectError> {
        if outcome.is_none() || outcome == self.record.outcome {
            return Ok(());
        }
        self.record.updated_at = (self.clock)();
        self.record.outcome = outcome;
        Ok(self.registry.record_run(&self.record).await?)
    }

    /// Records that the run ended. What it did is done, so a failure to record it is only logged.
    pub(crate) async fn end(mut self, outcome: Option<RunOutcome>, ended: Ended) {
        self.record.updated_at = (self.clock)();
        self.record.outcome = outcome.or(self.record.outcome);
        (self.record.state, self.record.error) = match ended {
            Ended::Complete => (RunState::Complete, None),
            Ended::Cancelled => (RunState::Cancelled, None),
            Ended::Failed(why) => (RunState::Failed, Some(why)),
        };
        if self.registry.is_read_only() {
            return self.emit().await;
        }
        if let Err(error) = self.registry.record_run(&self.record).await {
            let RunRecord { id, job, subject, .. } = &self.record;
            tracing::warn!("that the {} of {subject} ended was not recorded (run {id}): {error}", job.name());
        }
        self.note_progress().await;
        self.emit().await;
    }

    /// Notes how far a view is that was loaded. A load that brought nothing new leaves it as it is.
    async fn note_progress(&self) {
        let Some(newest) = self.record.outcome.as_ref().and_then(newest_loaded) else { return };
        let progress = Progress {
            view: self.record.subject.clone(),
            partition: None,
            newest: Some(newest),
            received_at: None,
            lag: 0,
            updated_at: self.record.updated_at,
            stuck: None,
        };
        if let Err(error) = self.registry.note_progress(&[progress]).await {
            tracing::warn!("how far {} is was not noted: {error}", self.record.subject);
        }
    }

    /// Tells whoever listens. Nothing depends on it.
    async fn emit(&self) {
        let Some((emitter, datasets)) = &self.events else { return };
        let event = super::open_lineage::event(&self.record, datasets);
        if let Err(error) = emitter.emit(&event).await {
            tracing::warn!("an OpenLineage event of run {} was lost: {error}", self.record.id);
        }
    }
}

/// The newest event time that a load brought; `None` of other runs.
fn newest_loaded(outcome: &RunOutcome) -> Option<Micros> {
    match outcome {
        RunOutcome::Load { rows, .. } => rows.newest_event_time,
        _ => None,
    }
}
