//! A training set is built: the point-in-time join of a spine with the features of a service, its file, and beside it the
//! manifest from which it can be made again.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::Action;
use arrow::array::RecordBatch;
use feature::{AsOf, Openings, ServicePlan, ServiceRef, VersionId};
use materializer::{Decision, QuarantinedFile, check_quarantine, quarantined};
use offline::{
    BucketRequests, BuildInfo, FinishedFile, Manifest, ManifestSpine, OfflineError, OfflineStore, Options,
    QuarantinedRows, Reading, Spine, Summary, TrainingSetStream,
};
use registry::{Deprecated, Job, ReadView, RunOutcome};

use crate::error::ProjectError;
use crate::lineage::{Recorder, Subject};
use crate::project::Project;
use crate::run::{Event, Run, blocking, ended};

/// Memory that the process takes beside the labels that are joined, in bytes.
const BESIDE_LABELS: u64 = 128 << 20;

/// How often it is reported how many rows of logs were read.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildTrainingSet {
    /// Of which service: its live version, or an exact one.
    pub service: ServiceRef,
    /// The file of entities and label times, from the project's folder.
    pub spine: PathBuf,
    /// The spine's column of label times.
    pub time: String,
    /// The file to write, from the project's folder: Parquet, CSV, Arrow by its name.
    pub out: PathBuf,
    /// Which rows a label may see.
    pub as_of: AsOf,
    /// Whether to add event time, availability and age of each view.
    pub explain: bool,
    /// How many threads read logs; none means one for each core.
    pub threads: Option<usize>,
    /// Bytes of memory to keep within; none means no bound.
    pub max_memory: Option<u64>,
    /// Whether to give the first rows back, beside those that are written.
    pub keeps_first: bool,
}

impl BuildTrainingSet {
    fn options(&self, openings: Openings) -> Result<Options, ProjectError> {
        Ok(Options {
            openings,
            as_of: self.as_of,
            explain: self.explain,
            threads: bounded_threads(self.threads)?,
            max_memory: self.max_memory.map(labels_memory),
            ..Options::default()
        })
    }
}

/// More threads than this read no faster on any machine, and each takes memory.
const MOST_THREADS: usize = 1024;

/// So many threads, unless they are too many.
pub(super) fn bounded_threads(threads: Option<usize>) -> Result<Option<usize>, ProjectError> {
    match threads {
        Some(threads) if threads > MOST_THREADS => {
            Err(ProjectError::TooManyThreads { threads, most: MOST_THREADS })
        }
        threads => Ok(threads),
    }
}

/// What of the memory of a process, in bytes, is for the labels that are joined.
pub(super) fn labels_memory(bytes: u64) -> u64 {
    bytes.saturating_sub(BESIDE_LABELS).max(bytes / 4)
}

/// A training set that was built.
#[derive(Clone, Debug)]
pub struct BuiltTrainingSet {
    /// The version of the service.
    pub service: VersionId,
    /// What there is to say of its rows.
    pub summary: Summary,
    /// The batches of its views that were in quarantine: no label sees their rows.
    pub quarantined: Vec<QuarantinedRows>,
    /// The first batch of its rows, where they were to be given back and there is one.
    pub first: Option<RecordBatch>,
    /// How long it took.
    pub took: Duration,
    /// The deprecated versions among the service and what it reads.
    pub deprecated: Vec<Deprecated>,
    /// Requests to the bucket of the logs for it, where they lie in one. Other work of the process counts, too.
    pub bucket_requests: Option<BucketRequests>,
}

pub(crate) async fn build(
    project: &Project,
    build: &BuildTrainingSet,
    run: &Run,
) -> Result<BuiltTrainingSet, ProjectError> {
    let began = Instant::now();
    let (registry, registered) = project.registry_in_use().await?;
    project.permit_service(Action::ReadOffline, &registered, &build.service).await?;
    let plan = Arc::new(registered.service_plan(&build.service)?);
    let deprecated = registered.deprecated_of(&plan);
    let store = project.offline()?;
    let requested = store.bucket_requests();
    project.check_logs().await?;
    let spine = {
        let (path, time, plan) = (project.folder.join(&build.spine), build.time.clone(), plan.clone());
        blocking(move || Spine::read(&path, &time, &plan)).await??
    };
    if build.spine == build.out {
        return Err(ProjectError::SpineIsOutput { path: build.out.clone() });
    }
    if spine.naive {
        run.report(Event::TimesReadAsUtc { column: build.time.clone() });
    }
    let options = build.options(registry.openings().await?)?;
    let out = project.folder.join(&build.out);
    let hashed = spine.clone();
    let spine_sha256 = tokio::task::spawn_blocking(move || hashed.sha256());
    // Before the logs are read: no label sees the rows of a batch that is released meanwhile.
    let quarantined = quarantined_rows(&store, &plan).await?;
    let mut stream = match TrainingSetStream::new(&store, &plan, &spine, &options).await {
        Ok(stream) => stream,
        Err(error) => return Err(project.without_log(&registered, error.into()).await),
    };
    let read_logs = stream.logs();
    project.begin_use(&plan, "training-set").await?;
    let recorder = {
        let (id, hash) = (plan.id.clone(), plan.hash.clone());
        let file = Some(build.out.display().to_string());
        let subject = Subject { job: Job::TrainingSet, id, hash, file };
        Recorder::begin(project, &registry, &registered, subject).await?
    };
    let built = async {
        let reading = (stream.reading().clone(), stream.log_rows());
        let writing = FinishedFile::write(&out, &mut stream, build.keeps_first);
        let (file, first) = watched(run, reading, writing).await?;
        tracing::info!("{}", stream.explain());
        let summary = stream.finish();
        let spine = ManifestSpine {
            path: build.spine.clone(),
            sha256: ended(spine_sha256).await??.expect("invariant: the spine of a training set is a file"),
            time: build.time.clone(),
        };
        let how = BuildInfo {
            twinstore: env!("CARGO_PKG_VERSION").to_owned(),
            spine,
            sha256: file.content.sha256.clone(),
            columns: file.content.columns.clone(),
            quarantined: quarantined.clone(),
        };
        let manifest = Manifest::new(&plan, &options, &summary, how);
        let outcome = outcome(build, &manifest)?;
        blocking(move || file.name(&manifest)).await??;
        Ok((first, summary, outcome))
    };
    let built = built.await;
    let outcome = built.as_ref().ok().map(|(_, _, outcome)| outcome.clone());
    recorder.end(outcome, (&built).into()).await;
    drop(read_logs);
    let (first, summary, _) = built?;
    let bucket_requests = store.bucket_requests().zip(requested).map(|(now, before)| now.since(&before));
    let (service, took) = (plan.id.clone(), began.elapsed());
    Ok(BuiltTrainingSet { service, summary, quarantined, first, took, deprecated, bucket_requests })
}

/// The batches of a plan's views whose rows are in no log.
pub(super) async fn quarantined_rows(
    store: &OfflineStore,
    plan: &ServicePlan,
) -> Result<Vec<QuarantinedRows>, ProjectError> {
    let mut found: Vec<QuarantinedRows> = Vec::new();
    for lookup in &plan.lookups {
        let view = &lookup.view;
        if !view.checks_batches() || found.iter().any(|rows| rows.view == view.id) {
            continue;
        }
        check_quarantine(store, &store.log(view).await?).await?;
        for file in quarantined(store, view).await? {
            if matches!(file.decision, Decision::Waiting | Decision::Dropped) {
                let QuarantinedFile { batch, .. } = file;
                let (batch, file, rows) = (batch.number, batch.origin, batch.rows);
                found.push(QuarantinedRows { view: view.id.clone(), batch, file, rows });
            }
        }
    }
    Ok(found)
}

/// What is recorded of a training set.
fn outcome(build: &BuildTrainingSet, manifest: &Manifest) -> Result<RunOutcome, ProjectError> {
    let views = manifest.views.iter().map(|read| ReadView {
        view: read.view.clone(),
        hash: read.hash.clone(),
        log_version: read.log_version,
    });
    Ok(RunOutcome::TrainingSet {
        file: build.out.display().to_string(),
        sha256: manifest.sha256.clone(),
        manifest_sha256: manifest.sha256_of_text()?,
        spine: manifest.spine.path.display().to_string(),
        as_of: manifest.as_of,
        rows: manifest.rows as u64,
        views: views.collect(),
    })
}

/// Waits for what takes the rows of a stream; reports meanwhile how much of the logs was read, of so many rows.
pub(super) async fn watched<T>(
    run: &Run,
    (reading, log_rows): (Arc<Reading>, u64),
    takes_rows: impl Future<Output = Result<T, OfflineError>>,
) -> Result<T, ProjectError> {
    run.report(Event::JoinBegins { log_rows });
    let watch = async || -> Infallible {
        loop {
            tokio::time::sleep(REPORT_EVERY).await;
            run.report(Event::LogRowsRead { rows: reading.rows() });
        }
    };
    let taken = tokio::select! {
        taken = takes_rows => taken,
        never = watch() => match never {},
    };
    run.report(Event::JoinEnds);
    Ok(taken?)
}
