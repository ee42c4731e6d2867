//! The features of rows in memory: the join of a training set for a spine that lies in no file, given back beside it. It
//! leaves no file and no manifest, so nothing of it is recorded but that the service is used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use access::Action;
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use feature::{AsOf, ServicePlan, ServiceRef};
use offline::{Options, QuarantinedRows, Spine, Summary, TrainingSetStream};
use registry::Deprecated;

use super::build::{bounded_threads, labels_memory, quarantined_rows, watched};
use crate::error::ProjectError;
use crate::project::Project;
use crate::run::{Event, Run, blocking};

/// What a spine in memory is called in messages.
const SPINE: &str = "the spine";

/// The rows whose features are wanted.
#[derive(Clone, Debug)]
pub struct JoinRows {
    /// Of which service: its live version, or an exact one.
    pub service: ServiceRef,
    /// The columns that the join reads, in batches of one schema: there is at least one, which may be empty.
    pub spine: Vec<RecordBatch>,
    /// The names of the spine's other columns, which stay with the caller.
    pub beside: Vec<String>,
    /// The spine's column of label times.
    pub time: String,
    /// Which rows a label may see.
    pub as_of: AsOf,
    /// Whether to add event time, availability and age of each view.
    pub explain: bool,
    /// How many threads read logs; none means one for each core.
    pub threads: Option<usize>,
    /// Bytes of memory to keep within; none means no bound.
    pub max_memory: Option<u64>,
}

/// The features of rows, in the order of the rows and without their own columns.
#[derive(Clone, Debug)]
pub struct JoinedRows {
    /// What was read.
    pub plan: Arc<ServicePlan>,
    /// The columns that were added.
    pub schema: SchemaRef,
    /// Their values.
    pub batches: Vec<RecordBatch>,
    /// What there is to say of them.
    pub summary: Summary,
    /// The batches of its views that were in quarantine: no label sees their rows.
    pub quarantined: Vec<QuarantinedRows>,
    /// Whether the label times have no zone, and were read as UTC.
    pub naive: bool,
    /// How long it took.
    pub took: Duration,
    /// The deprecated versions among the service and what it reads.
    pub deprecated: Vec<Deprecated>,
}

pub(crate) async fn join(project: &Project, rows: JoinRows, run: &Run) -> Result<JoinedRows, ProjectError> {
    let began = Instant::now();
    let (registry, registered) = project.registry_in_use().await?;
    project.permit_service(Action::ReadOffline, &registered, &rows.service).await?;
    let plan = Arc::new(registered.service_plan(&rows.service)?);
    let deprecated = registered.deprecated_of(&plan);
    project.check_logs().await?;
    let store = project.offline()?;
    let options = Options {
        as_of: rows.as_of,
        explain: rows.explain,
        threads: bounded_threads(rows.threads)?,
        max_memory: rows.max_memory.map(labels_memory),
        openings: registry.openings().await?,
        ..Options::default()
    };
    let spine = {
        let (JoinRows { spine, beside, time, .. }, plan) = (rows, plan.clone());
        blocking(move || Spine::of_rows(SPINE, spine, beside, &time, &plan)).await??
    };
    if spine.naive {
        run.report(Event::TimesReadAsUtc { column: spine.time().to_owned() });
    }
    // Before the logs are read: no label sees the rows of a batch that is released meanwhile.
    let quarantined = quarantined_rows(&store, &plan).await?;
    let mut stream = match TrainingSetStream::new(&store, &plan, &spine, &options).await {
        Ok(stream) => stream,
        Err(error) => return Err(project.without_log(&registered, error.into()).await),
    };
    project.begin_use(&plan, "training-set").await?;
    let own = spine.schema().fields().len();
    let added: Vec<usize> = (own..stream.schema().fields().len()).collect();
    // What the caller's columns say of themselves stays with them.
    let schema = Arc::new(Schema::new(stream.schema().project(&added)?.fields));
    let reading = (stream.reading().clone(), stream.log_rows());
    let joining = async {
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await? {
            let columns = batch.columns().iter().skip(own).cloned().collect();
            batches.push(RecordBatch::try_new(schema.clone(), columns)?);
        }
        Ok(batches)
    };
    let batches = watched(run, reading, joining).await?;
    tracing::info!("{}", stream.explain());
    let (naive, summary) = (spine.naive, stream.finish());
    let took = began.elapsed();
    Ok(JoinedRows { plan, schema, batches, summary, quarantined, naive, took, deprecated })
}
