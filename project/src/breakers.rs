//! Circuit breakers: while that of a view is open, readers get its last good answers, or no value, in training as in serving.
//!
//! A breaker is opened in three steps. It is requested in the registry; the rows of the last good moment are folded from the
//! log and written beside the view's own; then it holds from a moment on that lies a little ahead, so that every server
//! knows of it before. So a command that is killed in between has changed no answer. Closing is one step, and the rows go
//! a while later, once no server reads them any more.

mod following;
mod rules;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::{Micros, Name, OpenAnswer, Span, VersionId, View};
use online::{Store, Writer};
use registry::{BreakerRecord, Reason, Registry, RegistryError, RequestOpening};

pub(crate) use following::FollowedBreakers;
pub(crate) use watch::{BreakerWatch, Evidence};

use crate::clock;
use crate::error::ProjectError;
use crate::project::Project;
use crate::slo::before;
use crate::targets::{ViewName, named_view, target};

/// How far ahead of its being recorded an opening or a closing lies: servers look four times a second.
const AHEAD: Span = Span::SECOND.times(2);
/// How long ago a last good moment is at least: what was readable then is in the log.
pub(crate) const SETTLED: Span = Span::SECOND.times(10);
/// How long the rows of a last good moment are left after it ended.
const LEFT: Span = Span::MINUTE;

/// A breaker that is to be opened.
#[derive(Clone, Debug)]
pub struct OpenBreaker {
    /// Of which view.
    pub view: ViewName,
    /// Which of its features are held; all if none is named.
    pub features: Vec<Name>,
    /// What is answered meanwhile; `None` for what its definition says, or else its last good answers.
    pub answers: Option<OpenAnswer>,
    /// The last moment whose answers are good; `None` for ten seconds ago.
    pub good_until: Option<Micros>,
    /// Why, for the audit log.
    pub reason: Reason,
}

/// A breaker that was opened.
#[derive(Clone, Debug)]
pub struct OpenedBreaker {
    /// The opening.
    pub record: BreakerRecord,
    /// How many entities have an answer; `None` where none is kept.
    pub entities: Option<u64>,
    /// How long it took to prepare.
    pub took: Duration,
}

/// A breaker that is to be closed.
#[derive(Clone, Debug)]
pub struct CloseBreaker {
    /// Of which view.
    pub view: ViewName,
    /// Which opening, by its number; `None` for the only one.
    pub number: Option<u32>,
    /// Why, for the audit log.
    pub reason: Reason,
}

/// An opening that is to be prepared.
pub(crate) struct Opens<'a> {
    pub(crate) view: &'a Arc<View>,
    pub(crate) features: Vec<Name>,
    pub(crate) answers: OpenAnswer,
    pub(crate) good_until: Micros,
    /// The rule; `None` for a person.
    pub(crate) rule: Option<String>,
    pub(crate) why: Reason,
}

/// Every time that breakers were open, the oldest first: those of a view, or all.
pub(crate) async fn list(
    project: &Project,
    view: Option<&ViewName>,
) -> Result<Vec<BreakerRecord>, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    let view = view.map(|name| named_view(&registered, name)).transpose()?;
    let mut all = registry.breakers().await?;
    all.retain(|one| one.from.is_some() && view.as_ref().is_none_or(|view| view.id == one.view));
    Ok(all)
}

pub(crate) async fn open(project: &Project, open: &OpenBreaker) -> Result<OpenedBreaker, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    let view = named_view(&registered, &open.view)?;
    let now = project.now();
    let newest = before(now, SETTLED);
    let good_until = open.good_until.unwrap_or(newest);
    if good_until > newest {
        return Err(ProjectError::NotSettled { view: view.id.clone(), good_until, newest });
    }
    let features = held_features(&view, &open.features)?;
    let of_definition = view.breaker.as_ref().map(|breaker| breaker.answers);
    let opens = Opens {
        view: &view,
        features,
        answers: open.answers.or(of_definition).unwrap_or_default(),
        good_until,
        rule: None,
        why: open.reason.clone(),
    };
    open_with(project, &registry, &opens).await
}

/// Features that are named, each once, in the order of their names.
fn held_features(view: &View, named: &[Name]) -> Result<Vec<Name>, ProjectError> {
    let is_of_it = |name: &&Name| view.features.iter().any(|feature| feature.name == **name);
    if let Some(name) = named.iter().find(|name| !is_of_it(name)) {
        let features: Vec<&str> = view.features.iter().map(|feature| feature.name.as_str()).collect();
        let (view, name) = (view.id.clone(), name.clone());
        return Err(ProjectError::NoSuchFeature { view, name, features: features.join(", ") });
    }
    let mut features = named.to_vec();
    features.sort_unstable();
    features.dedup();
    Ok(features)
}

/// Opens a breaker: requested, prepared, and then recorded.
pub(crate) async fn open_with(
    project: &Project,
    registry: &Registry,
    opens: &Opens<'_>,
) -> Result<OpenedBreaker, ProjectError> {
    let began = Instant::now();
    let store = project.online().await?;
    clock::check(project, &store).await?;
    drop_rows(project, registry, &store).await?;
    let request = RequestOpening {
        view: opens.view.id.clone(),
        features: opens.features.clone(),
        answers: opens.answers,
        good_until: opens.good_until,
        rule: opens.rule.clone(),
        why: opens.why.clone(),
    };
    let requested = registry.request_opening(&request, project.now()).await?;
    match prepared(project, store, opens.view, &requested).await {
        Ok(entities) => {
            let now = project.now();
            let record = registry.open_breaker(&requested, now.saturating_add(AHEAD), now).await?;
            Ok(OpenedBreaker { record, entities, took: began.elapsed() })
        }
        Err(error) => {
            registry.give_up_opening(requested.number, project.now()).await?;
            Err(error)
        }
    }
}

/// Writes the rows of the last good moment. Refused where there are none: that would answer that nobody was ever seen.
async fn prepared(
    project: &Project,
    store: Store,
    view: &Arc<View>,
    requested: &BreakerRecord,
) -> Result<Option<u64>, ProjectError> {
    if requested.answers != OpenAnswer::LastKnownGood {
        return Ok(None);
    }
    let entities = keep(project, store, view, requested).await?;
    if entities == 0 {
        let (view, good_until) = (view.id.clone(), requested.good_until);
        return Err(ProjectError::NothingGood { view, good_until });
    }
    Ok(Some(entities))
}

/// Writes the rows of the last good moment, or writes them again.
async fn keep(
    project: &Project,
    store: Store,
    view: &Arc<View>,
    record: &BreakerRecord,
) -> Result<u64, ProjectError> {
    let registered = project.registered().await?;
    let targets = [target(&registered, Arc::clone(view))?];
    let materializer = project.materializer(store, &targets, "breaker").await?;
    project.own(&materializer.online).await?;
    Ok(materializer.keep_rows(view, &record.prepared()).await?)
}

pub(crate) async fn close(project: &Project, close: &CloseBreaker) -> Result<BreakerRecord, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    let view = named_view(&registered, &close.view)?;
    drop_rows(project, &registry, &project.online().await?).await?;
    let mut open = registry.breakers().await?;
    open.retain(|one| one.view == view.id && one.from.is_some() && one.until.is_none());
    open.retain(|one| close.number.is_none_or(|number| one.number == number));
    match open.as_slice() {
        [] => Err(RegistryError::BreakerIsClosed { view: view.id.clone() }.into()),
        [open] => close_with(project, &registry, open, (None, Some(&close.reason))).await,
        several => {
            let named: Vec<String> =
                several.iter().map(|one| format!("{} of {}", one.number, one.held())).collect();
            Err(ProjectError::SeveralOpenings { view: view.id.clone(), openings: named.join(" and ") })
        }
    }
}

/// Closes a breaker, by a rule or by a person.
pub(crate) async fn close_with(
    project: &Project,
    registry: &Registry,
    opening: &BreakerRecord,
    by: (Option<&str>, Option<&Reason>),
) -> Result<BreakerRecord, ProjectError> {
    let now = project.now();
    Ok(registry.close_breaker(opening, now.saturating_add(AHEAD), by, now).await?)
}

/// Drops the rows of last good moments that nobody reads any more.
pub(crate) async fn drop_rows(
    project: &Project,
    registry: &Registry,
    store: &Store,
) -> Result<(), ProjectError> {
    let ended = before(project.now(), LEFT);
    for record in registry.breakers().await? {
        if record.has_rows && record.until.is_some_and(|until| until < ended) {
            store.drop_view(&record.prepared().kept_rows()).await?;
            registry.opening_rows_dropped(record.number).await?;
        }
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

/// The views whose breakers are open, each with a sentence that says since when, why, and what is answered.
pub(crate) async fn open_breakers(
    registry: &Registry,
    now: Micros,
) -> Result<BTreeMap<VersionId, String>, ProjectError> {
    let said = |one: BreakerRecord| {
        let from = one.from.filter(|_| one.is_open(now))?;
        let by = one.rule.as_ref().map_or_else(|| one.opened_by.clone(), |rule| format!("the rule {rule}"));
        let answers = match one.answers {
            OpenAnswer::LastKnownGood => format!("readers get its answers as of {}", one.good_until),
            OpenAnswer::NoValue => "readers get no value".to_owned(),
            OpenAnswer::Current => "readers get what its rows give".to_owned(),
        };
        let held = match one.features.is_empty() {
            true => String::new(),
            false => format!(" for {}", one.held()),
        };
        let said = format!("its circuit breaker is open{held} since {from} by {by}: {}; {answers}", one.why);
        Some((one.view, said))
    };
    let mut all: BTreeMap<VersionId, String> = BTreeMap::new();
    for (view, said) in registry.breakers().await?.into_iter().filter_map(said) {
        let of_view = all.entry(view).or_default();
        if !of_view.is_empty() {
            of_view.push_str("; ");
        }
        of_view.push_str(&said);
    }
    Ok(all)
}

/// Writes the rows of a view's last good moments again from its log, of breakers that are open; those of others go.
pub(crate) async fn keep_again(project: &Project, view: &Arc<View>) -> Result<(), ProjectError> {
    let registry = project.registry().await?;
    for record in with_rows(&registry, &view.id).await? {
        let store = project.online().await?;
        // One that is prepared has no rows of an entity that was forgotten meanwhile either.
        if record.until.is_none_or(|until| project.now() < until) {
            keep(project, store, view, &record).await?;
        } else {
            store.drop_view(&record.prepared().kept_rows()).await?;
            registry.opening_rows_dropped(record.number).await?;
        }
    }
    Ok(())
}
