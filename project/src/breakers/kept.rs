//! The online rows of last good moments: who writes them, who keeps them up with the log, and when they go.
//!
//! Rows are written under the number of an opening that the registry has, so every version that a store holds beyond those
//! of definitions is explained by a record, or its rows go. Whoever prepares an opening says every few seconds that it goes
//! on. A process that was stopped finds that it was given up, and drops what it wrote; of one that was killed another
//! process drops it.

use std::sync::Arc;
use std::time::Duration;

use feature::{EntityKey, Micros, Span, VersionId, View};
use materializer::{Materializer, MaterializerError};
use online::{Mender, Store, Writer};
use registry::{BreakerRecord, Reason, Registry, RegistryError};

use crate::error::ProjectError;
use crate::project::Project;
use crate::slo::before;
use crate::targets::target;

/// How long the rows of a last good moment are left after it ended.
const LEFT: Span = Span::MINUTE;
/// How often whoever prepares an opening says that it goes on.
const CLAIM_EVERY: Duration = Duration::from_secs(5);

/// Writes the rows of the last good moment of an opening that is requested, for as long as it is not given up. Refused where
/// there are none: that would answer that nobody was ever seen.
pub(super) async fn prepared(
    project: &Project,
    registry: &Registry,
    store: &Store,
    view: &Arc<View>,
    requested: &BreakerRecord,
) -> Result<u64, ProjectError> {
    let keep = async {
        let materializer = materializer_of(project, store, view).await?;
        Ok::<_, ProjectError>(materializer.keep_rows(view, &requested.prepared()).await?)
    };
    let entities = tokio::select! {
        kept = keep => kept?,
        lost = claim_lost(project, registry, requested) => return Err(lost),
    };
    if entities == 0 {
        let (view, good_until) = (view.id.clone(), requested.good_until);
        return Err(ProjectError::NothingGood { view, good_until });
    }
    Ok(entities)
}

/// Says again and again that an opening is being prepared, until it was given up.
async fn claim_lost(project: &Project, registry: &Registry, requested: &BreakerRecord) -> ProjectError {
    loop {
        tokio::time::sleep(CLAIM_EVERY).await;
        match registry.claim_opening(requested.number, project.now()).await {
            Ok(true) => {}
            Ok(false) => {
                let (view, number) = (requested.view.clone(), requested.number);
                return RegistryError::OpeningGivenUp { view, number }.into();
            }
            // Whoever opens it needs the registry, too, and says what is wrong with it.
            Err(error) => tracing::debug!("the opening {} is not claimed: {error}", requested.number),
        }
    }
}

/// Gives up an opening that did not come to hold, and drops its rows. What fails is done by another process later.
pub(super) async fn give_up(
    project: &Project,
    registry: &Registry,
    store: Option<&Store>,
    requested: &BreakerRecord,
) {
    let given_up = async {
        registry.give_up_opening(requested.number, project.now()).await?;
        // Recorded after all, where only the answer to that was lost.
        let is_it = |one: &&BreakerRecord| one.number == requested.number;
        let holds = registry.breakers().await?.iter().find(is_it).is_some_and(|one| one.from.is_some());
        if let Some(store) = store.filter(|_| !holds) {
            drop_rows_of(registry, store, requested).await?;
        }
        Ok::<_, ProjectError>(())
    };
    if let Err(error) = given_up.await {
        tracing::warn!("the rows that were prepared for {} are dropped later: {error}", requested.view);
    }
}

/// The writer of a view's rows of last good moments.
async fn materializer_of(
    project: &Project,
    store: &Store,
    view: &Arc<View>,
) -> Result<Materializer<Store>, ProjectError> {
    let registered = project.registered().await?;
    let targets = [target(&registered, Arc::clone(view))?];
    let materializer = project.materializer(store.clone(), &targets, "breaker").await?;
    project.own(&materializer.online).await?;
    Ok(materializer)
}

/// Drops the rows of last good moments that nobody reads any more, and gives up openings that nobody prepares any more.
pub(crate) async fn drop_rows(
    project: &Project,
    registry: &Registry,
    store: &Store,
) -> Result<(), ProjectError> {
    let now = project.now();
    let ended = before(now, LEFT);
    for record in registry.breakers().await? {
        let is_left = record.from.is_none() && !record.is_claimed(now);
        if is_left && record.is_requested() {
            registry.give_up_opening(record.number, now).await?;
        }
        let is_over = record.from.is_some() && record.until.is_some_and(|until| until < ended);
        if record.has_rows && (is_left || is_over) {
            drop_rows_of(registry, store, &record).await?;
        }
    }
    Ok(())
}

async fn drop_rows_of(
    registry: &Registry,
    store: &Store,
    record: &BreakerRecord,
) -> Result<(), ProjectError> {
    store.drop_held(&record.prepared().kept_rows()).await?;
    Ok(registry.opening_rows_dropped(record.number).await?)
}

/// The versions of a store that are of last good moments by their numbers, and that no opening explains: of a process that
/// was stopped while it wrote, or of a view that is gone.
pub(crate) async fn unexplained(registry: &Registry, store: &Store) -> Result<Vec<VersionId>, ProjectError> {
    // Read before the records are: whoever writes rows has recorded an opening before.
    let mut versions = store.versions().await?;
    versions.retain(|id| id.version > VersionId::MOST_VERSIONS);
    if !versions.is_empty() {
        let records = registry.breakers().await?;
        let is_explained =
            |id: &VersionId| records.iter().any(|one| one.has_rows && one.prepared().kept_rows() == *id);
        versions.retain(|id| !is_explained(id));
    }
    Ok(versions)
}

/// Drops what no opening explains. A store in Redis is looked through for it key by key.
pub(crate) async fn drop_unexplained(registry: &Registry, store: &Store) -> Result<(), ProjectError> {
    for id in unexplained(registry, store).await? {
        tracing::info!("the online rows of {id} go: they are of no opening of a circuit breaker");
        store.drop_view(&id).await?;
    }
    Ok(())
}

/// The openings of a view whose last good moments have rows online.
pub(crate) async fn with_rows(
    registry: &Registry,
    view: &VersionId,
) -> Result<Vec<BreakerRecord>, ProjectError> {
    let mut all = registry.breakers().await?;
    all.retain(|one| one.has_rows && one.view == *view);
    Ok(all)
}

/// Writes the rows of a view's last good moments again from its log, of breakers that are open. Where retention dropped what
/// a moment needs, they stay as they are.
pub(crate) async fn keep_again(
    project: &Project,
    registry: &Registry,
    materializer: &Materializer<Store>,
    view: &Arc<View>,
) -> Result<(), ProjectError> {
    for record in with_rows(registry, &view.id).await? {
        if !record.is_open(project.now()) {
            continue;
        }
        match materializer.keep_rows_again(view, &record.prepared()).await {
            Err(error @ MaterializerError::GoodExpired { .. }) => {
                tracing::warn!("its last good online rows stay as they are: {error}");
            }
            kept => drop(kept?),
        }
    }
    Ok(())
}

/// Writes the rows of a view's last good moments again where rows that were visible then were committed since, as by a load
/// of history: a training set folds these, too.
pub(crate) async fn keep_late_rows(
    registry: &Registry,
    materializer: &Materializer<Store>,
    view: &Arc<View>,
    now: Micros,
) -> Result<(), ProjectError> {
    for record in with_rows(registry, &view.id).await? {
        if record.is_open(now) && materializer.keep_late_rows(view, &record.prepared()).await? {
            let good_until = record.good_until;
            tracing::info!(
                "{}: its last good online rows have what was loaded of before {good_until}",
                view.id
            );
        }
    }
    Ok(())
}

/// The same after a load, which is whole: what fails is tried again by whoever watches the breakers, or by the next load.
pub(crate) async fn keep_late_rows_after_load(
    registry: &Registry,
    materializer: &Materializer<Store>,
    view: &Arc<View>,
    now: Micros,
) {
    if let Err(error) = keep_late_rows(registry, materializer, view, now).await {
        tracing::warn!("{}: its last good online rows lack what was loaded: {error}", view.id);
    }
}

/// Takes a forgotten entity out of the rows of a view's last good moments. Without a key, rows were made of its rows: all are
/// written again, and those of which there is no whole fold any more go. Gives how many rows of the key there were.
pub(crate) async fn forget_kept(
    project: &Project,
    registry: &Registry,
    materializer: &Materializer<Store>,
    view: &Arc<View>,
    key: Option<&EntityKey>,
) -> Result<u64, ProjectError> {
    let mut found = 0;
    for record in with_rows(registry, &view.id).await? {
        let opening = record.prepared();
        let Some(key) = key else {
            let kept = match record.is_open(project.now()) {
                true => materializer.keep_rows_again(view, &opening).await.map(drop),
                false => {
                    registry.give_up_opening(record.number, project.now()).await?;
                    Ok(materializer.online.drop_view(&opening.kept_rows()).await?)
                }
            };
            match kept {
                Err(MaterializerError::GoodExpired { .. }) => {
                    materializer.online.drop_view(&opening.kept_rows()).await?;
                }
                kept => kept?,
            }
            continue;
        };
        found += u64::from(materializer.forget_kept(&opening, key).await?);
    }
    Ok(found)
}

/// Ends every opening of a view that is retired, and drops its rows: nobody reads them any more.
pub(crate) async fn end_of_view(
    project: &Project,
    registry: &Registry,
    store: &Store,
    view: &VersionId,
) -> Result<(), ProjectError> {
    let retired: Reason = Reason::found("its version is retired");
    for record in registry.breakers().await?.into_iter().filter(|one| one.view == *view) {
        if record.is_requested() {
            registry.give_up_opening(record.number, project.now()).await?;
        } else if record.until.is_none() {
            let closed = registry.close_breaker(&record, project.clock, (None, Some(&retired))).await;
            match closed {
                Err(RegistryError::BreakerIsClosed { .. }) => {}
                closed => drop(closed?),
            }
        }
        if record.has_rows {
            drop_rows_of(registry, store, &record).await?;
        }
    }
    Ok(())
}

/// The earliest moment whose answers an opening of a view still gives, or is to give, if it has some.
pub(crate) async fn needed_since(
    registry: &Registry,
    view: &VersionId,
    now: Micros,
) -> Result<Option<Micros>, ProjectError> {
    let is_needed = |one: &BreakerRecord| one.is_open(now) || (one.is_requested() && one.is_claimed(now));
    let all = with_rows(registry, view).await?;
    Ok(all.iter().filter(|one| is_needed(one)).map(|one| one.good_until).min())
}
