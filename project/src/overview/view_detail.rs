//! Everything about one view.

use feature::VersionId;
use registry::{AuditEntry, DefinitionId, FoundFeature, Kind, Lineage, Registered, RunRecord, Shown};

use super::observer::Observer;
use super::summary::ViewSummary;
use crate::error::ProjectError;
use crate::lineage::graph_in;
use crate::quality::drift::DriftReport;

/// Runs and changes that are given.
const MOST_NEWEST: u32 = 10;

/// Everything about one view.
#[derive(Clone, Debug)]
pub struct ViewDetail {
    /// What the overview says of it.
    pub summary: ViewSummary,
    /// What it is, as its definition says.
    pub definition: Shown,
    /// Its features.
    pub features: Vec<FoundFeature>,
    /// All versions of it that are in use, the first first.
    pub versions: Vec<VersionId>,
    /// The newest runs that loaded or followed it, newest first.
    pub runs: Vec<RunRecord>,
    /// How far its columns have drifted in the last seven days; `None` if its rows have no days, or no statistics.
    pub drift: Option<DriftReport>,
    /// What it comes from, and what comes from it.
    pub lineage: Lineage,
    /// The newest changes of it, newest first.
    pub changes: Vec<AuditEntry>,
}

impl Observer {
    /// Everything about a view or an on-demand view; `None` if none of this name is in use.
    pub async fn view(&mut self, id: &VersionId) -> Result<Option<ViewDetail>, ProjectError> {
        let overview = self.overview().await?;
        let Some(summary) = overview.views.iter().find(|view| view.id == *id).cloned() else {
            return Ok(None);
        };
        let (registry, registered) = self.now().await?;
        let kind = kind_of(&registered, id);
        let shown = registry.show(&id.to_string()).await?;
        let Some(definition) = shown.into_iter().find(|shown| shown.listed.kind == kind) else {
            return Ok(None);
        };
        let definition_id = DefinitionId::versioned(kind, id);
        let features = match registered.view(id) {
            Ok(view) => FoundFeature::of_view(&view).collect(),
            Err(_) => {
                let all = registered.features_where(|_| true)?;
                all.into_iter().filter(|feature| feature.of == definition_id).collect()
            }
        };
        let versions = overview.views.iter().map(|view| &view.id).filter(|other| other.name == id.name);
        let mut versions: Vec<VersionId> = versions.cloned().collect();
        versions.sort();
        let (quality, drift) = self.quality_and_drift(id).await;
        let summary = summary.with_quality(quality);
        let runs = registry.runs_of_view(id, MOST_NEWEST).await?;
        let runs = runs.into_iter().map(|run| RunRecord { state: run.state_now(), ..run });
        Ok(Some(ViewDetail {
            summary,
            definition,
            features,
            versions,
            runs: runs.take(MOST_NEWEST as usize).collect(),
            drift,
            lineage: graph_in(&registry, &registered, &id.to_string()).await?,
            changes: registry.newest_changes_of(&definition_id, MOST_NEWEST).await?,
        }))
    }
}

/// Whether a name is that of a view or of an on-demand view.
pub(super) fn kind_of(registered: &Registered, id: &VersionId) -> Kind {
    match registered.on_demand_views().any(|view| view.id == *id) {
        true => Kind::OnDemandView,
        false => Kind::FeatureView,
    }
}
