//! What goes on beside a server for the values that come in: what changed in them lately is looked for again and again,
//! and shown as a metric.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use exposition::Page;
use feature::{VersionId, View};
use registry::Registry;
use tokio_util::sync::CancellationToken;

use super::changes::{FoundChange, changes};
use crate::background::Background;
use crate::error::ProjectError;
use crate::followed_registry::FollowedRegistry;
use crate::project::Project;

/// The shortest time between two looks.
const EVERY: Duration = Duration::from_secs(30);
/// A look rests so many times as long as it took.
const RESTS: u32 = 20;

/// The task beside a server.
pub(crate) struct ValueWatch {
    found: Arc<Mutex<Vec<FoundChange>>>,
    task: Background<()>,
}

impl ValueWatch {
    /// Begins.
    pub(crate) fn begin(project: &Project, registry: &Registry) -> Self {
        let found = Arc::<Mutex<Vec<FoundChange>>>::default();
        let watching = Watching {
            project: project.clone(),
            registry: FollowedRegistry::new(registry.clone()),
            views: Vec::new(),
            known: BTreeMap::new(),
            unread: BTreeMap::new(),
        };
        let task = Background::begin("what is read is not compared with what was trained on", |stop| {
            watch(watching, found.clone(), stop)
        });
        Self { found, task }
    }

    /// What shows what was found, as Prometheus reads it.
    pub(crate) fn exposition(&self) -> impl Fn() -> String + Send + Sync + use<> {
        let found = self.found.clone();
        move || {
            let found = found.lock().unwrap_or_else(PoisonError::into_inner);
            let mut page = Page::default();
            let name = "twinstore_value_changes";
            if !found.is_empty() {
                page.family(
                    name,
                    "gauge",
                    "1 for what is other in a column's newest date than on the dates before",
                );
            }
            for one in found.iter() {
                let (view, column) = (one.view.to_string(), one.column.as_deref().unwrap_or_default());
                page.sample(name, &[("view", &view), ("column", column), ("change", one.change.name())], 1.0);
            }
            page.into_text()
        }
    }

    /// Ends.
    pub(crate) async fn stop(self) {
        self.task.stop().await;
    }
}

async fn watch(mut watching: Watching, found: Arc<Mutex<Vec<FoundChange>>>, stop: CancellationToken) {
    let mut said = String::new();
    loop {
        let began = Instant::now();
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = watching.look() => looked,
        };
        match looked {
            Ok(changes) => {
                said.clear();
                *found.lock().unwrap_or_else(PoisonError::into_inner) = changes;
            }
            Err(error) => {
                let why = error.to_string();
                if why != said {
                    tracing::warn!("what changed in the values of views is not known: {why}");
                    said = why;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep((began.elapsed() * RESTS).max(EVERY)) => {}
        }
    }
}

struct Watching {
    project: Project,
    registry: FollowedRegistry,
    views: Vec<Arc<View>>,
    /// Of each view what was found in its statistics at one version.
    known: BTreeMap<VersionId, (Option<u64>, Vec<FoundChange>)>,
    /// Why a view could not be looked at.
    unread: BTreeMap<VersionId, String>,
}

impl Watching {
    /// What changed lately; statistics that are as they were are not read again.
    async fn look(&mut self) -> Result<Vec<FoundChange>, ProjectError> {
        if let Some(registered) = self.registry.changed(&self.project).await? {
            self.views = registered.views().filter(|view| !view.is_static).cloned().collect();
            self.known.clear();
            self.registry.takes_on(&registered);
        }
        for view in self.views.clone() {
            // What was known of a view that cannot be read now stays, and the others are looked at.
            if let Err(error) = self.look_at(&view).await {
                let why = error.to_string();
                if self.unread.insert(view.id.clone(), why.clone()).is_none_or(|before| before != why) {
                    tracing::warn!("what changed in the values of {} is not known: {why}", view.id);
                }
            } else {
                self.unread.remove(&view.id);
            }
        }
        Ok(self.known.values().flat_map(|(_, found)| found).cloned().collect())
    }

    async fn look_at(&mut self, view: &Arc<View>) -> Result<(), ProjectError> {
        let version = self.project.offline()?.statistics(&view.id).await?.version();
        if self.known.get(&view.id).is_none_or(|(known, _)| *known != version) {
            self.known.insert(view.id.clone(), (version, changes(&self.project, view).await?));
        }
        Ok(())
    }
}
