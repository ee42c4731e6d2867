//! What the gates of a cutover look at, as it is observed in the registry and in both stores.

use std::sync::Arc;

use feature::{Micros, ServicePlan, Span, VersionId, View};
use materializer::{LatencyStage, MigrationState, is_loaded_as_a_whole};
use offline::OfflineStore;
use online::{Reader, Store};
use registry::{DefinitionId, Kind, Registered, Registry};

use super::gates::{FreshnessFacts, ServiceFacts, StoredRows, ViewFacts};
use crate::breakers::open_breakers;
use crate::error::ProjectError;
use crate::project::Project;
use crate::quality::changes;
use crate::quality::kept_out::KeptOut;
use crate::targets::{has_history, target, views_read};

/// How far back freshness is looked at.
const LOOK_BACK: Span = Span::HOUR;

pub(super) async fn observe<'a>(
    project: &Project,
    registry: &Registry,
    registered: &Registered,
    old: &'a ServicePlan,
    new: &'a ServicePlan,
) -> Result<ServiceFacts<'a>, ProjectError> {
    let (offline, online) = (project.offline()?, project.online().await?);
    let open = open_breakers(registry, project.now()).await?;
    let mut views = Vec::new();
    for view in &views_read(new) {
        let before = old.lookups.iter().map(|lookup| &lookup.view).find(|old| old.id.name == view.id.name);
        let before = before.filter(|before| before.id != view.id);
        let replaces = match before {
            Some(before) => Some((before.id.clone(), stored(&offline, &online, before).await?)),
            None => None,
        };
        let log = offline.log(view).await?;
        views.push(ViewFacts {
            view: view.id.clone(),
            has_history: has_history(&target(registered, Arc::clone(view))?),
            stored: stored(&offline, &online, view).await?,
            is_whole: is_loaded_as_a_whole(&log).await?,
            migration: MigrationState::of(&log).await?,
            replaces,
            kept_out: KeptOut::of(&offline, view).await?,
            breaker: open.get(&view.id).cloned(),
            changed: changed(project, view).await?,
            freshness: freshness(project, registry, view).await?,
        });
    }
    let id = |plan: &ServicePlan| DefinitionId::versioned(Kind::FeatureService, &plan.id);
    let kept = registry.parity(&id(old), &id(new)).await?;
    let parity = registered.parity_standing(kept.as_ref(), &loads(registered, &views)?)?;
    Ok(ServiceFacts { old, new, parity, views })
}

/// How many rows the logs have that only loads write: a stream adds rows all the time, and a comparison of them holds.
fn loads(registered: &Registered, views: &[ViewFacts]) -> Result<Vec<(VersionId, u64)>, ProjectError> {
    let mut loads = Vec::new();
    for facts in views {
        let replaced = facts.replaces.as_ref().map(|(view, stored)| (view, stored));
        for (view, stored) in std::iter::once((&facts.view, &facts.stored)).chain(replaced) {
            let source = registered.first_source_of(&*registered.view(view)?)?;
            loads.extend(source.stream.is_none().then(|| (view.clone(), stored.log_rows)));
        }
    }
    Ok(loads)
}

async fn stored(
    offline: &OfflineStore,
    online: &Store,
    view: &Arc<View>,
) -> Result<StoredRows, ProjectError> {
    let log = offline.log(view).await?;
    let last_event = if view.is_static { None } else { log.last_event_time().await? };
    Ok(StoredRows { log_rows: log.row_count(), last_event, entities: online.stats(&view.id).await?.rows })
}

/// What changed lately in the values of a view, a sentence each; nothing of one whose rows have no dates.
async fn changed(project: &Project, view: &Arc<View>) -> Result<Vec<String>, ProjectError> {
    if view.is_static {
        return Ok(Vec::new());
    }
    Ok(changes::changes(project, view).await?.iter().map(changes::FoundChange::said).collect())
}

async fn freshness(
    project: &Project,
    registry: &Registry,
    view: &View,
) -> Result<Option<FreshnessFacts>, ProjectError> {
    let Some((objective, target)) =
        view.freshness.and_then(|freshness| Some((freshness.objective?, freshness.target)))
    else {
        return Ok(None);
    };
    let to = project.now();
    let from = Micros::new(to.get() - LOOK_BACK.micros()).unwrap_or(Micros::MIN);
    let counted = registry.freshness(&view.id, from, to).await?;
    let (mut rows, mut within) = (0, 0);
    for minute in counted.iter().filter(|minute| minute.stage == LatencyStage::Fresh.name()) {
        rows += minute.rows;
        if minute.edge_us.is_some_and(|edge| edge <= objective.micros()) {
            within += minute.rows;
        }
    }
    Ok(Some(FreshnessFacts { objective, target, rows, within }))
}
