//! Files that only older versions of logs have, removed once nobody needs these versions any more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use access::Action;
use feature::{Micros, Span, VersionId, View, counted};
use materializer::{Vacuum as OfView, VacuumedOfView};
use offline::{Manifest, ReadLock, Vacuumed, training_sets_below};
use registry::{DefinitionId, Job, Kind, RunOutcome};

use super::looked_after::{Dropped, LookedAfter};
use crate::clock;
use crate::error::ProjectError;
use crate::project::Project;
use crate::run::blocking;
use crate::targets::{ViewName, derived_from, targets_with};

/// Which files to remove.
#[derive(Clone, Debug, Default)]
pub struct Vacuum {
    /// Of the logs of these views; of all where none is named.
    pub views: Vec<ViewName>,
    /// Versions that were current so long ago or later are kept; by the settings where it is not named.
    pub keep_versions_for: Option<Span>,
    /// Versions are kept from which a training set was built that is no older; all where it is not named.
    pub keep_training_sets_for: Option<Span>,
    /// Whether it is only said what would go.
    pub dry_run: bool,
}

/// What was removed of a view, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VacuumedView {
    /// The view.
    pub view: VersionId,
    /// What was removed.
    pub vacuumed: VacuumedOfView,
    /// Training sets whose versions of the log are kept.
    pub training_sets: u64,
}

/// The versions from which training sets were built, by view, with how many sets.
type Pinned = BTreeMap<VersionId, Vec<u64>>;

pub(crate) async fn vacuum(project: &Project, vacuum: &Vacuum) -> Result<Vec<VacuumedView>, ProjectError> {
    let registered = project.registered().await?;
    project.offline()?.only_in_folder("this build removes no files of older versions")?;
    project.check_logs().await?;
    let targets = targets_with(&registered, &vacuum.views, |_| true)?;
    for target in targets.iter().filter(|_| !vacuum.dry_run) {
        let id = DefinitionId::versioned(Kind::FeatureView, &target.view.id);
        project.permit_definition(Action::Apply, &id).await?;
    }
    let store = project.online().await?;
    clock::check(project, &store).await?;
    let materializer = project.materializer(store, &targets, "offline vacuum").await?;
    let after = LookedAfter { project, registered: &registered, materializer: &materializer };
    let mut done = Vec::new();
    for target in targets {
        done.push(after.vacuum(&target.view, vacuum).await?);
    }
    Ok(done)
}

impl LookedAfter<'_> {
    /// Removes what nobody needs of one view. Readers are kept away before the training sets are looked up: one
    /// that is built meanwhile reads a version that is current from then on.
    pub(super) async fn vacuum(
        self,
        view: &Arc<View>,
        vacuum: &Vacuum,
    ) -> Result<VacuumedView, ProjectError> {
        let Self { project, registered, materializer } = self;
        let keep_for = vacuum.keep_versions_for.unwrap_or(project.settings.offline.keep_versions_for);
        let locked_at = materializer.offline.moment().await?;
        let readers = match vacuum.dry_run {
            true => None,
            false => ReadLock::of_vacuum(&materializer.offline.log(view).await?)?,
        };
        let mut pinned = pinned(project, vacuum.keep_training_sets_for).await?;
        let training_sets = pinned.remove(&view.id).unwrap_or_default();
        let sets = training_sets.len() as u64;
        let mut of_view = OfView {
            readers,
            current_since: ago(project.now(), keep_for).min(locked_at),
            training_sets,
            derived: derived_from(registered, &view.id)?,
            removes: false,
        };
        let mut vacuumed = materializer.vacuum(view, &of_view).await?;
        if !vacuum.dry_run {
            of_view.removes = true;
            let vacuuming = async { Ok(materializer.vacuum(view, &of_view).await?) };
            let goes = dropped(&vacuumed).is_some();
            vacuumed = self.recorded((Job::Vacuum, view, goes), vacuuming, dropped).await?;
        }
        Ok(VacuumedView { view: view.id.clone(), vacuumed, training_sets: sets })
    }
}

/// What is recorded of it.
fn dropped(vacuumed: &VacuumedOfView) -> Option<Dropped> {
    let VacuumedOfView { log, statistics, is_read } = vacuumed;
    let both = |of: fn(&Vacuumed) -> u64| of(log) + of(statistics);
    let (named, leftovers, checkpoints) =
        (both(|one| one.files), both(|one| one.leftovers), both(|one| one.checkpoints));
    let files = named + leftovers + checkpoints;
    if *is_read || files == 0 {
        return None;
    }
    let bytes = both(|one| one.bytes + one.leftover_bytes + one.checkpoint_bytes);
    let parts = [
        (named > 0).then(|| format!("{} of older versions", counted(named, "file"))),
        (leftovers > 0).then(|| format!("{} that no commit names", counted(leftovers, "file"))),
        (checkpoints > 0).then(|| counted(checkpoints, "checkpoint")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Some(Dropped {
        outcome: RunOutcome::Dropped { rows: 0, files, bytes, online_rows: 0 },
        now: format!("whole from version {} on", log.whole_from),
        detail: format!("{}: {}", parts.join(", "), counted(bytes, "byte")),
    })
}

fn ago(now: Micros, span: Span) -> Micros {
    Micros::new(now.get().saturating_sub(span.micros())).unwrap_or(Micros::MIN)
}

/// The versions of logs from which training sets were built that are there: those below the project's folder, and those
/// that are recorded, wherever they lie.
async fn pinned(project: &Project, keep_for: Option<Span>) -> Result<Pinned, ProjectError> {
    let recorded = project.registry().await?.training_sets().await?;
    let recorded: Vec<PathBuf> = recorded.iter().map(|set| project.folder.join(&set.file)).collect();
    let (folder, now) = (project.folder.clone(), project.now());
    blocking(move || {
        let mut files = training_sets_below(&folder)?;
        files.extend(recorded);
        files.sort();
        files.dedup();
        let mut pinned = Pinned::new();
        for file in files.iter().filter(|file| is_kept(file, keep_for, now)) {
            // One whose manifest cannot be read cannot be built again.
            let Ok(manifest) = Manifest::read(file) else { continue };
            for read in manifest.views {
                pinned.entry(read.view).or_default().push(read.log_version);
            }
        }
        Ok(pinned)
    })
    .await?
}

/// Whether a training set is there, and no older than it is kept for.
fn is_kept(file: &Path, keep_for: Option<Span>, now: Micros) -> bool {
    let Ok(written) = file.metadata().and_then(|about| about.modified()) else { return false };
    keep_for.is_none_or(|keep_for| micros(written) >= ago(now, keep_for).get())
}

fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
