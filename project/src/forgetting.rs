//! Forget: an entity is taken out of everything that is stored of a project, in the order in which nothing brings it back:
//! first into the list of the forgotten, then out of the logs, the online store, and what lies beside them. At last all of
//! it is searched again. Cut off anywhere, the same command goes on.

mod affected;
mod beside;
mod raw;
mod report;
mod search;
mod subject;
mod training_sets;
mod views;

use std::sync::Arc;

use feature::Micros;
use offline::{BatchPoint, Forgotten};
use registry::{DefinitionId, Kind};

use crate::clock;
use crate::error::ProjectError;
use crate::project::Project;
use crate::run::blocking;
use affected::Affected;
use search::{Found, Pass, Search};

pub use report::{ForgetReport, HoldingSource, HoldingTrainingSet, NamingView, SearchedPart};
pub use subject::Forget;
use subject::Subject;
pub(crate) use training_sets::rows_forgotten_in;

pub(crate) async fn forget(project: &Project, forget: &Forget) -> Result<ForgetReport, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    let subject = Subject::find(&registered, forget)?;
    let affected = Affected::find(&registered, &subject)?;
    project.check_logs().await?;
    let offline = project.offline()?;
    let known = offline.forgotten()?;
    // Everything that is there of the entity, whenever it happened.
    let all = known.with(&subject.entity, subject.key.as_bytes(), Micros::MAX);
    let mut report = ForgetReport::of(&subject);
    let searching = Search { project, registered: &registered, subject: &subject, affected: &affected };
    let found = searching.pass(Pass::Search, &Arc::new(all.clone()), Micros::MAX).await?;
    let newest = found.newest;
    report.parts = found.parts;
    if !forget.dry_run {
        clock::check_logs(project).await?;
        let until = newest.map_or(project.now(), |newest| newest.max(project.now()));
        let list = offline.note_forgotten(&subject.entity, subject.key.as_bytes(), until)?;
        BatchPoint::ForgettingNoted.pass();
        let list = Arc::new(list);
        let removed = searching.pass(Pass::Remove, &list, until).await?;
        report.note_removed(removed.parts);
        let left = searching.pass(Pass::Prove, &list, until).await?;
        report.note_left(left.parts);
        report.hash = Some(list.hash(&subject.entity, subject.key.as_bytes()));
        report.until = Some(until);
        BatchPoint::Forgotten.pass();
    }
    report.values = searching.values().await?;
    report.explain_bytes();
    report.sources = searching.sources().await?;
    report.training_sets =
        training_sets::reached(project, &registry, &registered, (&subject, &report)).await?;
    report.beside =
        offline.tables_beside(&registered.views().map(|view| view.id.clone()).collect::<Vec<_>>())?;
    if let (Some(hash), Some(until)) = (&report.hash, report.until) {
        let id = DefinitionId { kind: Kind::Entity, name: subject.entity.clone(), version: None };
        let receipt = report.receipt(until);
        registry.forgotten(&id, hash, &receipt, forget.reason.as_ref(), project.now()).await?;
    }
    Ok(report)
}

impl Search<'_> {
    async fn pass(&self, pass: Pass, list: &Arc<Forgotten>, until: Micros) -> Result<Found, ProjectError> {
        let mut found = self.views(pass, list).await?;
        found.parts.extend(self.refused(pass).await?);
        found.parts.extend(self.topics(pass, until).await?);
        found.parts.push(self.served(pass).await?);
        found.parts.push(self.parities(pass).await?);
        if pass == Pass::Remove {
            let store = self.project.online().await?;
            let purged = blocking(move || store.purge()).await??;
            tracing::debug!("the files of the online store were replaced: {purged}");
        }
        if pass == Pass::Prove {
            let (project, patterns) = (self.project.clone(), self.subject.patterns());
            found.parts.push(blocking(move || raw::search(&project, &patterns)).await??);
        }
        Ok(found)
    }
}
