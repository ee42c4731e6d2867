//! Cutover and rollback: which version answers a service's own name. A cutover passes its gates first, on the registry as
//! it is then; one that fails is overridden with a reason, which the audit log keeps together with what the gate said.

mod facts;
mod gates;

use access::Action;
use feature::{Name, Percent, ServiceRef, VersionId};
use registry::{Cutover, DefinitionId, Kind, Moved, Overridden, Reason};

pub use gates::{Gate, GateKind};

use crate::error::ProjectError;
use crate::project::Project;

/// What to cut over to.
#[derive(Clone, Debug)]
pub struct CutOver {
    /// The version that is to answer its service's own name.
    pub to: VersionId,
    /// For how many of the entities: all of them make it live, none of them end it as a canary.
    pub percent: Percent,
    /// Why, as the audit log says it.
    pub reason: Option<Reason>,
    /// Why gates that fail do not hold it up.
    pub overriding: Option<Reason>,
}

impl CutOver {
    /// Makes a version live.
    pub fn to(version: VersionId) -> Self {
        Self { to: version, percent: Percent::ALL, reason: None, overriding: None }
    }
}

/// What a cutover did.
#[derive(Clone, Debug)]
pub struct CutOverDone {
    /// How the service was answered before, and is since.
    pub moved: Moved,
    /// What the gates said; none where nothing was to be checked.
    pub gates: Vec<Gate>,
}

pub(crate) async fn cut_over(project: &Project, cutover: &CutOver) -> Result<CutOverDone, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    project
        .permit_definition(Action::CutOver, &DefinitionId::versioned(Kind::FeatureService, &cutover.to))
        .await?;
    let new = registered.service_plan(&ServiceRef::Exact(cutover.to.clone()))?;
    let old = registered.service_plan(&ServiceRef::Live(cutover.to.name.clone()))?;
    let adds_answers = cutover.percent != Percent::NONE && new.id != old.id;
    let gates = match adds_answers {
        true => gates::gates(&facts::observe(project, &registry, &registered, &old, &new).await?),
        false => Vec::new(),
    };
    let failed: Vec<Gate> = gates.iter().filter(|gate| !gate.passed).cloned().collect();
    let overridden = match (&cutover.overriding, failed.is_empty()) {
        (_, true) => None,
        (None, false) => return Err(ProjectError::GatesFailed { to: cutover.to.clone(), failed }),
        (Some(reason), false) => Some(Overridden {
            reason: reason.clone(),
            gates: failed.iter().map(|gate| gate.said.clone()).collect(),
        }),
    };
    let change = Cutover {
        to: cutover.to.clone(),
        percent: cutover.percent,
        reason: cutover.reason.clone().or_else(|| cutover.overriding.clone()),
        overridden,
    };
    if adds_answers {
        // What was compared is what answers, and what a rollback brings back is what answered.
        for plan in [&old, &new] {
            project.begin_use(plan, "cutover").await?;
        }
    }
    let moved = registry.cut_over(&change, registered.generation(), project.now()).await?;
    Ok(CutOverDone { moved, gates })
}

pub(crate) async fn roll_back(
    project: &Project,
    service: &Name,
    reason: Option<&Reason>,
) -> Result<Moved, ProjectError> {
    let (registry, registered) = project.registry_in_use().await?;
    let id = &registered.service(&ServiceRef::Live(service.clone()))?.id;
    project.permit_definition(Action::CutOver, &DefinitionId::versioned(Kind::FeatureService, id)).await?;
    Ok(registry.roll_back(service, reason, project.now()).await?)
}
