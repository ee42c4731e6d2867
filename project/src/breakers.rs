//! Circuit breakers: while that of a view is open, readers get its last good answers, or no value, in training as in serving.
//!
//! A breaker is opened in three steps. It is requested in the registry; the rows of the last good moment are folded from the
//! log and written beside the view's own; then it holds from a moment on that lies a little ahead, so that every server
//! knows of it before. So a command that is killed in between has changed no answer. Closing is one step, and the rows go
//! a while later, once no server reads them any more.

mod following;
mod kept;
mod last_good;
mod rules;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::{Micros, Name, OpenAnswer, Span, VersionId, View};
use registry::{BreakerRecord, Reason, Registry, RegistryError, RequestOpening};

pub(crate) use following::FollowedBreakers;
pub(crate) use kept::{
    drop_rows, drop_unexplained, end_of_view, forget_kept, keep_again, keep_late_rows,
    keep_late_rows_after_load, needed_since, unexplained, with_rows,
};
pub(crate) use watch::{BreakerWatch, Evidence};

use crate::clock;
use crate::error::ProjectError;
use crate::project::Project;
use crate::slo::before;
use crate::targets::{ViewName, named_view};

/// How long ago a last good moment is at least: what was readable then is in the log.
pub(crate) const SETTLED: Span = Span::SECOND.times(10);

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
    // Where no rows are to be written, neither store is needed: what is wrong may be theirs.
    let store = match opens.answers {
        OpenAnswer::LastKnownGood => {
            let store = project.online().await?;
            clock::check(project, &store).await?;
            if let Err(error) = drop_rows(project, registry, &store).await {
                tracing::warn!("what nobody reads any more is dropped later: {error}");
            }
            Some(store)
        }
        OpenAnswer::NoValue | OpenAnswer::Current => match clock::check_logs(project).await {
            Err(error @ ProjectError::WrongClock { .. }) => return Err(error),
            _ => None,
        },
    };
    let request = RequestOpening {
        view: opens.view.id.clone(),
        features: opens.features.clone(),
        answers: opens.answers,
        good_until: opens.good_until,
        rule: opens.rule.clone(),
        why: opens.why.clone(),
    };
    let requested = registry.request_opening(&request, project.now()).await?;
    let opened = async {
        let entities = match &store {
            Some(store) => Some(kept::prepared(project, registry, store, opens.view, &requested).await?),
            None => None,
        };
        Ok::<_, ProjectError>((entities, registry.open_breaker(&requested, project.clock).await?))
    };
    let (entities, record) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            kept::give_up(project, registry, store.as_ref(), &requested).await;
            return Err(error);
        }
    };
    Ok(OpenedBreaker { record, entities, took: began.elapsed() })
}

pub(crate) async fn close(project: &Project, close: &CloseBreaker) -> Result<BreakerRecord, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    let view = named_view(&registered, &close.view)?;
    let mut open = registry.breakers().await?;
    open.retain(|one| one.view == view.id && one.from.is_some() && one.until.is_none());
    let named = |several: &[BreakerRecord]| -> Vec<String> {
        several.iter().map(|one| format!("{} of {}", one.number, one.held())).collect()
    };
    if let Some(number) = close.number
        && !open.is_empty()
    {
        let openings = named(&open).join(" and ");
        open.retain(|one| one.number == number);
        if open.is_empty() {
            return Err(ProjectError::NoSuchOpening { view: view.id.clone(), number, openings });
        }
    }
    match open.as_slice() {
        [] => Err(RegistryError::BreakerIsClosed { view: view.id.clone() }.into()),
        [open] => Ok(registry.close_breaker(open, project.clock, (None, Some(&close.reason))).await?),
        several => Err(ProjectError::SeveralOpenings {
            view: view.id.clone(),
            openings: named(several).join(" and "),
        }),
    }
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
