//! Two versions of a view or of a service are compared: their features at the same entities and moments, by the join
//! that makes training sets. The report is kept in the registry.

mod ages;
mod compared_batch;
mod explaining;
mod json;
mod keeping;
mod moments;
mod report;
mod sides;

use std::time::Instant;

use feature::{ServicePlan, VersionId};
use offline::{OfflineStore, Options, Spine, TrainingSetStream};
use registry::{LogRead, SideBySide};

use crate::error::ProjectError;
use crate::project::Project;
use crate::run::{Event, Run, blocking};
use crate::targets::empty_by_source;

use compared_batch::Comparing;
pub use report::{ComparedFeature, DifferingRow, InputRow, Moments, NotCompared, ParityReport};

/// Memory that the labels of the join may take, in bytes; a longer spine is joined in parts.
const LABEL_MEMORY: u64 = 1 << 30;

/// Which versions to compare, and where.
#[derive(Clone, Debug)]
pub struct CompareVersions {
    /// The version that is used now.
    pub old: VersionId,
    /// The version that is to replace it.
    pub new: VersionId,
    /// At how many rows of the old version's logs, at most, where no spine is named.
    pub rows: u64,
    /// The file of entities and moments, from the project's folder, and its column of moments.
    pub spine: Option<(std::path::PathBuf, String)>,
}

impl CompareVersions {
    /// As many rows as are compared where nothing else is said.
    pub const DEFAULT_ROWS: u64 = 100_000;
    /// More rows are not drawn: their keys are held in memory.
    pub const MOST_ROWS: u64 = 10_000_000;
}

pub(crate) async fn compare(
    project: &Project,
    compare: &CompareVersions,
    run: &Run,
) -> Result<ParityReport, ProjectError> {
    let began = Instant::now();
    let registered = project.registered().await?;
    let side_by_side = registered.side_by_side(&compare.old, &compare.new)?;
    project.check_logs().await?;
    let store = project.offline()?;
    let (plan, pairs, not_compared) = sides::comparable(&side_by_side, compare.spine.is_some());
    if pairs.is_empty() {
        return Err(ProjectError::NothingToCompare {
            old: compare.old.clone(),
            new: compare.new.clone(),
            why: nothing_to_compare(&side_by_side, &not_compared),
        });
    }
    let (spine, from) = match &compare.spine {
        Some((path, time)) => {
            let named = path.clone();
            let (path, time, plan) = (project.folder.join(path), time.clone(), plan.clone());
            let spine = blocking(move || Spine::read(&path, &time, &plan)).await??;
            if spine.naive {
                run.report(Event::TimesReadAsUtc { column: spine.time().to_owned() });
            }
            let time = spine.time().to_owned();
            (spine, Moments::Spine { path: named, time })
        }
        None => moments::drawn(&store, &plan, compare.rows, project.now())
            .await
            .map_err(|error| empty_by_source(&registered, error))?,
    };
    let options =
        Options { explain: true, filled: true, max_memory: Some(LABEL_MEMORY), ..Options::default() };
    let mut stream = match TrainingSetStream::new(&store, &plan, &spine, &options).await {
        Ok(stream) => stream,
        Err(error) => return Err(project.without_log(&registered, error.into()).await),
    };
    let mut comparing = Comparing::new(&plan, &pairs, &spine);
    let reading = stream.reading().clone();
    run.report(Event::JoinBegins { log_rows: stream.log_rows() });
    while let Some((batch, filled)) = stream.next_with_filled().await? {
        comparing = blocking(move || comparing.with(&batch, &filled)).await??;
        run.report(Event::LogRowsRead { rows: reading.rows() });
    }
    run.report(Event::JoinEnds);
    let logs = logs_read(&store, &plan, &stream.finish().log_versions).await?;
    let (features, ages) = comparing.finish();
    let mut report = ParityReport {
        kind: side_by_side.new.kind,
        old: compare.old.clone(),
        new: compare.new.clone(),
        at: project.now(),
        moments: from,
        features,
        ages,
        only_old: side_by_side.only_old.clone(),
        only_new: side_by_side.only_new.clone(),
        not_compared,
        logs,
        took: began.elapsed(),
    };
    explaining::explain(&mut report, &store, &plan, &pairs).await?;
    report.took = began.elapsed();
    keeping::keep(project, &side_by_side, &report).await?;
    Ok(report)
}

/// The logs that were read, each once, at the versions that were read.
async fn logs_read(
    store: &OfflineStore,
    plan: &ServicePlan,
    versions: &[(VersionId, u64)],
) -> Result<Vec<LogRead>, ProjectError> {
    let mut logs: Vec<LogRead> = Vec::new();
    for (lookup, (view, version)) in plan.lookups.iter().zip(versions) {
        if logs.iter().all(|log| log.view != *view) {
            let rows = store.log_at(&lookup.view, *version).await?.row_count();
            logs.push(LogRead { view: view.clone(), version: *version, rows });
        }
    }
    Ok(logs)
}

/// Why no feature can be compared.
fn nothing_to_compare(versions: &SideBySide, not_compared: &[NotCompared]) -> String {
    match not_compared.first() {
        Some(first) => format!(
            "`{}` and all others need request columns ({}): name a spine that has them",
            first.name,
            first.request.join(", ")
        ),
        None => format!(
            "they have no feature of the same name; the first has {}, the second {}",
            versions.only_old.join(", "),
            versions.only_new.join(", ")
        ),
    }
}
