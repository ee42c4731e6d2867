//! What goes on beside a server for the values that come in: what changed in them lately is looked for again and again,
//! and shown as a metric.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use exposition::Page;
use tokio_util::sync::CancellationToken;

use super::changes::{FoundChange, changes};
use crate::background::Background;
use crate::error::ProjectError;
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
    pub(crate) fn begin(project: &Project) -> Self {
        let found = Arc::<Mutex<Vec<FoundChange>>>::default();
        let task = Background::begin(|stop| watch(project.clone(), found.clone(), stop));
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

async fn watch(project: Project, found: Arc<Mutex<Vec<FoundChange>>>, stop: CancellationToken) {
    let mut said = String::new();
    loop {
        let began = Instant::now();
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = look(&project) => looked,
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

async fn look(project: &Project) -> Result<Vec<FoundChange>, ProjectError> {
    let mut found = Vec::new();
    for view in project.registered().await?.views().filter(|view| !view.is_static) {
        found.extend(changes(project, view).await?);
    }
    Ok(found)
}
