//! Rows beyond the retention of their views dropped from logs, and with them the online rows of entities that have no
//! others.

use std::sync::Arc;

use access::Action;
use feature::{EventDate, Micros, Span, VersionId, View, counted};
use materializer::{ExpiredOfView, expired_before};
use registry::{DefinitionId, Job, Kind, Registered, RunOutcome};

use super::looked_after::{Dropped, LookedAfter};
use crate::breakers;
use crate::clock;
use crate::error::ProjectError;
use crate::project::Project;
use crate::targets::{ViewName, derived_from, targets_with};

/// Which rows to drop.
#[derive(Clone, Debug, Default)]
pub struct Expire {
    /// Of these views; where none is named, of all that have a retention.
    pub views: Vec<ViewName>,
    /// Whether it is only said what would go.
    pub dry_run: bool,
}

/// What was dropped of a view, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredView {
    /// The view.
    pub view: VersionId,
    /// What was dropped; nothing where it was passed over.
    pub expired: ExpiredOfView,
    /// Why it was passed over, if it was.
    pub passed_over: Option<String>,
    /// Why some dates stay that are older than the retention, if some may.
    pub stays: Option<String>,
}

pub(crate) async fn expire(project: &Project, expire: &Expire) -> Result<Vec<ExpiredView>, ProjectError> {
    let registered = project.registered().await?;
    project.check_logs().await?;
    let is_meant = |view: &View| view.retention.is_some_and(|retention| retention.offline.is_some());
    let targets = targets_with(&registered, &expire.views, |target| is_meant(&target.view))?;
    for target in targets.iter().filter(|_| !expire.dry_run) {
        let id = DefinitionId::versioned(Kind::FeatureView, &target.view.id);
        project.permit_definition(Action::Apply, &id).await?;
    }
    let store = project.online().await?;
    clock::check(project, &store).await?;
    let materializer = project.materializer(store, &targets, "offline expire").await?;
    let after = LookedAfter { project, registered: &registered, materializer: &materializer };
    let mut done = Vec::new();
    for target in targets {
        let one = after.expire(&target.view, expire.dry_run).await?;
        match &one.passed_over {
            Some(why) if !expire.views.is_empty() => {
                return Err(ProjectError::NotExpired { view: one.view, why: why.clone() });
            }
            _ => done.push(one),
        }
    }
    Ok(done)
}

impl LookedAfter<'_> {
    /// Drops what is older than the retention of one view, unless it has to stay.
    pub(super) async fn expire(self, view: &Arc<View>, dry_run: bool) -> Result<ExpiredView, ProjectError> {
        let (id, none) = (view.id.clone(), ExpiredOfView::default());
        let offline = match retention(self.registered, view)? {
            Ok(offline) => offline,
            Err(why) => {
                return Ok(ExpiredView { view: id, expired: none, passed_over: Some(why), stays: None });
            }
        };
        let (before, stays) = self.but_for_breaker(view, expired_before(offline, self.project.now())).await?;
        let going = self.materializer.expiring(view, before).await?;
        let expired = match dry_run {
            true => going,
            false => {
                let expiring = async { Ok(self.materializer.expire(view, before).await?) };
                self.recorded((Job::Expire, view, going.rows > 0), expiring, dropped).await?
            }
        };
        Ok(ExpiredView { view: id, expired, passed_over: None, stays })
    }

    /// The midnight before which dates may go, and why not all do: a breaker that is open gives the answers of a moment, and
    /// training sets fold its rows.
    async fn but_for_breaker(
        self,
        view: &View,
        before: Micros,
    ) -> Result<(Micros, Option<String>), ProjectError> {
        let (registry, now) = (self.project.registry().await?, self.project.now());
        let good_until = breakers::needed_since(&registry, &view.id, now).await?;
        let online = view.retention.and_then(|retention| retention.online);
        let Some((good_until, online)) = good_until.zip(online) else { return Ok((before, None)) };
        let needed = expired_before(online, good_until);
        if needed >= before {
            return Ok((before, None));
        }
        let why = format!(
            "dates from {} on stay while its circuit breaker is open, which gives the answers as of {good_until}",
            EventDate::of(Some(needed.get()))
        );
        Ok((needed, Some(why)))
    }
}

/// What is recorded of it.
fn dropped(expired: &ExpiredOfView) -> Option<Dropped> {
    let ExpiredOfView { files, rows, bytes, online_rows, .. } = *expired;
    if rows == 0 && online_rows == 0 && expired.statistics == 0 {
        return None;
    }
    let date = |at: Option<Micros>| EventDate::of(at.map(Micros::get));
    let mut parts = vec![format!(
        "{} of {} in {}",
        counted(rows, "row"),
        counted(expired.dates, "date"),
        counted(files, "file")
    )];
    parts.extend((online_rows > 0).then(|| counted(online_rows, "online row")));
    parts.extend((expired.statistics > 0).then(|| counted(expired.statistics, "row") + " of statistics"));
    Some(Dropped {
        outcome: RunOutcome::Dropped { rows, files, bytes, online_rows },
        now: format!("without rows before {}", date(expired.before)),
        detail: parts.join(", "),
    })
}

/// How long the log of a view keeps rows, or why none of them may go.
fn retention(registered: &Registered, view: &View) -> Result<Result<Span, String>, ProjectError> {
    let Some(retention) = view.retention else { return Ok(Err("it has no retention".to_owned())) };
    let Some(offline) = retention.offline else {
        return Ok(Err("its retention names no `offline`".to_owned()));
    };
    if retention.online.is_none() {
        let why =
            "its retention names no `online`, so whether an entity was ever seen depends on rows of any age";
        return Ok(Err(why.to_owned()));
    }
    let derived: Vec<String> =
        derived_from(registered, &view.id)?.iter().map(|view| view.id.to_string()).collect();
    Ok(match derived.is_empty() {
        true => Ok(offline),
        false => Err(format!("{} is derived from its rows", derived.join(", "))),
    })
}
