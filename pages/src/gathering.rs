//! What pages show is gathered here, by one request at a time: the overview is kept for a second, the quality of a view's
//! rows for a minute.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::VersionId;
use twinstore::{Observer, Overview, Project, ProjectError, ViewQuality};

/// For how long an overview is shown again.
const OVERVIEW_KEPT: Duration = Duration::from_secs(1);
/// For how long the quality of a view's rows is shown again.
const QUALITY_KEPT: Duration = Duration::from_secs(60);
/// How long an overview waits for the quality of views.
const QUALITY_BUDGET: Duration = Duration::from_millis(100);

/// What was gathered.
#[derive(Debug)]
pub struct Gathering {
    project: Project,
    observer: Option<Observer>,
    overview: Option<(Instant, Arc<Overview>)>,
    quality: BTreeMap<VersionId, (Instant, ViewQuality)>,
}

impl Gathering {
    pub fn of(project: &Project) -> Self {
        Self { project: project.clone(), observer: None, overview: None, quality: BTreeMap::new() }
    }

    /// The project as it is looked at.
    pub async fn observer(&mut self) -> Result<&mut Observer, ProjectError> {
        let observer = match self.observer.take() {
            Some(observer) => observer,
            None => self.project.observer().await?,
        };
        Ok(self.observer.insert(observer))
    }

    /// The overview, with the quality of those views of which it is known by now.
    pub async fn overview(&mut self) -> Result<Arc<Overview>, ProjectError> {
        if let Some((at, overview)) = &self.overview
            && at.elapsed() < OVERVIEW_KEPT
        {
            return Ok(Arc::clone(overview));
        }
        let mut overview = self.observer().await?.overview().await?;
        let began = Instant::now();
        self.forget_others(&overview);
        while began.elapsed() < QUALITY_BUDGET && self.measure_next(&overview).await? {}
        for (view, (_, quality)) in &self.quality {
            overview.note_quality(view, quality.clone());
        }
        overview.worst_first();
        let overview = Arc::new(overview);
        self.overview = Some((Instant::now(), Arc::clone(&overview)));
        Ok(overview)
    }

    /// Measures the quality of one more view; gives whether there was one to measure.
    pub async fn measure_next(&mut self, overview: &Overview) -> Result<bool, ProjectError> {
        let stored = overview.views.iter().filter(|view| view.entity.is_some()).map(|view| &view.id);
        let age = |view: &VersionId| self.quality.get(view).map(|(at, _)| at.elapsed());
        let is_due = |view: &&VersionId| age(view).is_none_or(|age| age > QUALITY_KEPT);
        // One that was never measured comes before all others.
        let next = stored.filter(is_due).max_by_key(|view| age(view).unwrap_or(Duration::MAX)).cloned();
        let Some(view) = next else { return Ok(false) };
        let quality = self.observer().await?.quality_of(&view).await;
        self.quality.insert(view, (Instant::now(), quality));
        Ok(true)
    }

    fn forget_others(&mut self, overview: &Overview) {
        self.quality.retain(|id, _| overview.views.iter().any(|view| view.id == *id));
    }
}
