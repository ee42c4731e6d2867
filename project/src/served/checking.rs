//! Values of entities that are drawn from the logs, read from the online store now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use feature::{Answer, EntityKey, VersionId, View};
use materializer::MigrationState;
use offline::{Log, OfflineStore, draw_entities, threads};
use online::{Layout, PackedRow, Read, Reader, Store};

use super::comparing::{Answered, Comparison, compare};
use super::kept_reads::{self, KeptRead, KeptReads};
use super::{ComparedView, ValuesReport, VerifyValues};
use crate::error::ProjectError;
use crate::project::Project;
use crate::run::blocking;
use crate::targets::views_of;

/// Entities that are read at a time.
const AT_ONCE: usize = 1000;
/// How often what differs, or is ahead of the log, is read again: a load or a stream may be between its two stores.
const LOOKS: usize = 4;
/// The time between two looks.
const BETWEEN: Duration = Duration::from_millis(1500);

pub(crate) async fn verify_values(
    project: &Project,
    verify: &VerifyValues,
) -> Result<ValuesReport, ProjectError> {
    let (_, registered) = project.registry_in_use().await?;
    project.check_logs().await?;
    let (offline, online) = (project.offline()?, project.online().await?);
    let at = project.now();
    let chosen = views_of(&registered, verify.of.as_deref())?;
    let (mut served, mut damaged) = match verify.served {
        true => kept(project).await.map(|(served, damaged)| (Some(served), damaged))?,
        false => (None, Vec::new()),
    };
    // What was served was of the log of then.
    let others = match verify.served {
        true => BTreeMap::new(),
        false => project.other_prefixes(&chosen, &online).await,
    };
    damaged.extend(others.values().map(ToString::to_string));
    let mut views = Vec::new();
    for view in chosen {
        let checked = Checked { project, offline: &offline, online: &online, view };
        if let Some(served) = &mut served {
            views.push(checked.compared_again(served.remove(&checked.view.id).unwrap_or_default()).await?);
            continue;
        }
        views.push(match passed_over(&offline, &checked.view).await? {
            Some(why) => ComparedView { passed_over: Some(why), ..checked.nothing() },
            None => checked.compared(verify.entities).await?,
        });
    }
    Ok(ValuesReport { at, views, damaged })
}

/// The sample of what was served, by view, and what of it is damaged.
async fn kept(project: &Project) -> Result<(BTreeMap<VersionId, Vec<KeptRead>>, Vec<String>), ProjectError> {
    let folder = project.served_folder();
    let read = {
        let folder = folder.clone();
        blocking(move || kept_reads::read_all(&folder)).await?
    };
    let mut by_view: BTreeMap<VersionId, Vec<KeptRead>> = BTreeMap::new();
    let KeptReads { reads, damaged } = read.map_err(ProjectError::file("read", &folder))?;
    for read in reads {
        by_view.entry(read.view.clone()).or_default().push(read);
    }
    Ok((by_view, damaged.iter().map(ToString::to_string).collect()))
}

/// Why a view cannot be compared now, if so. The log says so: one that ended before its first commit left nothing, whatever
/// the registry has of it.
async fn passed_over(offline: &OfflineStore, view: &Arc<View>) -> Result<Option<String>, ProjectError> {
    let state = MigrationState::of(&offline.log(view).await?).await?;
    let is_open = state.is_some_and(MigrationState::is_under_way);
    Ok(is_open.then(|| "its backfill by dates goes online at its end".to_owned()))
}

struct Checked<'a> {
    project: &'a Project,
    offline: &'a OfflineStore,
    online: &'a Store,
    view: Arc<View>,
}

impl Checked<'_> {
    fn nothing(&self) -> ComparedView {
        ComparedView {
            view: self.view.id.clone(),
            entities: 0,
            same: 0,
            differing: 0,
            unknown: 0,
            passed_over: None,
            differences: Vec::new(),
        }
    }

    async fn compared(&self, entities: usize) -> Result<ComparedView, ProjectError> {
        let mut found = self.nothing();
        let log = self.offline.log(&self.view).await?;
        if log.version().is_none() {
            return Ok(ComparedView { passed_over: Some("nothing was loaded yet".to_owned()), ..found });
        }
        let seed = self.project.now().get() as u64;
        let mut left = blocking(move || draw_entities(&log, entities, seed, threads())).await??;
        found.entities = left.len() as u64;
        for look in 1..=LOOKS {
            let is_last = look == LOOKS;
            let mut again = Vec::new();
            for (key, comparison) in self.look(&left).await? {
                match comparison {
                    Comparison::Same => found.same += 1,
                    _ if !is_last => again.push(key),
                    Comparison::Ahead | Comparison::Unknown => found.unknown += 1,
                    Comparison::Differs(entity) => found.differs(entity),
                }
            }
            if again.is_empty() {
                break;
            }
            left = again;
            tokio::time::sleep(BETWEEN).await;
        }
        Ok(found)
    }

    /// Compares what was served with what the log gives now at the same positions.
    async fn compared_again(&self, served: Vec<KeptRead>) -> Result<ComparedView, ProjectError> {
        let mut found = ComparedView { entities: served.len() as u64, ..self.nothing() };
        let answered: Vec<Answered> = served.iter().filter_map(|read| read.answered(&self.view)).collect();
        found.unknown = found.entities - answered.len() as u64;
        let log = self.offline.log(&self.view).await?;
        for (one, comparison) in answered.iter().zip(compare(&log, &answered, threads()).await?) {
            match comparison {
                Comparison::Same => found.same += 1,
                // When history that came by a load went online, no position says.
                lost if lost.is_lost(one) => found.unknown += 1,
                Comparison::Differs(entity) => found.differs(entity),
                Comparison::Ahead | Comparison::Unknown => found.unknown += 1,
            }
        }
        Ok(found)
    }

    /// Reads entities, and compares them with what is in the log after that.
    async fn look(&self, keys: &[EntityKey]) -> Result<Vec<(EntityKey, Comparison)>, ProjectError> {
        let layout = Layout::new(&self.view);
        let mut answered = Vec::with_capacity(keys.len());
        for part in keys.chunks(AT_ONCE) {
            self.read(&layout, part, &mut answered).await?;
        }
        let log: Log = self.offline.log(&self.view).await?;
        let compared = compare(&log, &answered, threads()).await?;
        Ok(answered.into_iter().map(|one| one.key).zip(compared).collect())
    }

    async fn read(
        &self,
        layout: &Layout,
        keys: &[EntityKey],
        answered: &mut Vec<Answered>,
    ) -> Result<(), ProjectError> {
        let features: Vec<usize> = (0..self.view.features.len()).collect();
        let found = self.online.read(&[Read { view: &self.view.id, keys }]).await?;
        let Some(found) = found.into_iter().next() else { return Ok(()) };
        let now = self.project.now();
        let at = found.applied_at().map_or(now, |applied| applied.max(now));
        for (key, row) in keys.iter().zip(found.rows()) {
            let (positions, answer) = match row {
                None => (None, Answer::not_found(features.len())),
                Some(bytes) => {
                    let row = PackedRow::new(layout, bytes)?;
                    row.verify()?;
                    (Some(row.positions()?), row.answer(at)?)
                }
            };
            let (key, features) = (key.clone(), features.clone());
            answered.push(Answered { key, at, positions, features, answer, opening: None });
        }
        Ok(())
    }
}
