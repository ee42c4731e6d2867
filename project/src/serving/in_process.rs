//! Online reads of a process that is no server: the services compiled once, the store opened once, and each request
//! answered by the rules of a server. What is applied is followed as a server does, but only when there is a read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use feature::{Micros, ServicePlan};
use online::Store;
use read::{FeatureRequest, RequestColumn};
use server::{Answered, Catalog, Limits, ServiceRequest, Services, Serving};
use tokio::sync::Mutex;

use super::serve::{begin_use, services};
use crate::breakers::FollowedBreakers;
use crate::error::ProjectError;
use crate::followed_registry::FollowedRegistry;
use crate::missing_logs::{OtherLog, all_views};
use crate::project::Project;
use crate::pushing::PushSources;

/// For how long what the registry said is not looked up again.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// Entities of one request: what a batch of a process may have, whose memory is its own.
const MOST_ENTITIES: usize = 16 << 20;

/// A project opened for online reads.
pub struct OnlineReads {
    project: Project,
    catalog: Arc<Catalog>,
    serving: Serving<Store>,
    sources: PushSources,
    breakers: FollowedBreakers,
    followed: Mutex<Followed>,
    other_logs: Vec<OtherLog>,
}

/// The registry, and when it was looked at last.
struct Followed {
    registry: FollowedRegistry,
    looked: Instant,
}

/// What to read.
#[derive(Clone, Debug)]
pub struct ReadEntities<C> {
    /// Of which service, by `name` or `name@version`.
    pub service: String,
    /// Which of its features, of which entities.
    pub request: FeatureRequest<C>,
    /// As of this time instead of now.
    pub at: Option<Micros>,
    /// The semantic hash of the service that the caller's model was trained on: another version is refused.
    pub trained_on: Option<String>,
}

impl OnlineReads {
    pub(crate) async fn open(project: &Project) -> Result<Self, ProjectError> {
        let (registry, registered) = project.registry_in_use().await?;
        let mut registry = FollowedRegistry::new(registry);
        registry.takes_on(&registered);
        let sources = PushSources::new(project);
        let views = all_views(&registered);
        let store = project.online_to_read(&registered, &views).await?;
        let catalog = Arc::new(Catalog::new(services(registered, &Services::default(), &sources, None)?));
        let limits = Limits { max_entities: MOST_ENTITIES, ..Limits::default() };
        let other_logs = project.other_logs(&views, &store).await;
        let breakers = FollowedBreakers::default();
        breakers.follow(registry.registry()).await?;
        let serving = Serving::new(catalog.clone(), store, project.clock, limits)
            .with_breakers(breakers.breakers.clone())
            .with_first_use(begin_use(project.clone(), "features"));
        let followed = Mutex::new(Followed { registry, looked: Instant::now() });
        Ok(Self { project: project.clone(), catalog, serving, sources, breakers, followed, other_logs })
    }

    /// The views whose online rows were not those of their logs when the store was opened.
    pub fn other_logs(&self) -> &[OtherLog] {
        &self.other_logs
    }

    /// What a service reads and gives: by its name, its live version.
    pub async fn plan(&self, service: &str) -> Result<Arc<ServicePlan>, ProjectError> {
        self.follow().await?;
        Ok(self.catalog.services().find(service)?.plan().clone())
    }

    /// Reads the features of entities.
    pub async fn read<C: RequestColumn + Clone>(
        &self,
        read: ReadEntities<C>,
    ) -> Result<Answered, ProjectError> {
        self.follow().await?;
        let ReadEntities { service, request, at, trained_on } = read;
        Ok(self.serving.answer(ServiceRequest { service, request, at, trained_on }).await?)
    }

    /// Takes on what the registry says now, however lately it was looked up: what the caller has just changed there.
    pub async fn look_up(&self) -> Result<(), ProjectError> {
        self.take_on(&mut *self.followed.lock().await).await
    }

    /// Takes on what the registry says now, where it was not looked up a moment ago.
    async fn follow(&self) -> Result<(), ProjectError> {
        // Who looks it up now does so for the others, too.
        let Ok(mut followed) = self.followed.try_lock() else { return Ok(()) };
        if followed.looked.elapsed() < FOLLOW_EVERY {
            return Ok(());
        }
        self.take_on(&mut followed).await
    }

    /// Takes on what the registry says now. One that was replaced is opened again.
    async fn take_on(&self, followed: &mut Followed) -> Result<(), ProjectError> {
        let changed = followed.registry.changed(&self.project).await?;
        self.breakers.follow(followed.registry.registry()).await?;
        if let Some(registered) = changed {
            let services = services(registered.clone(), &self.catalog.services(), &self.sources, None)?;
            self.catalog.replace(services);
            followed.registry.takes_on(&registered);
        }
        followed.looked = Instant::now();
        Ok(())
    }
}

impl std::fmt::Debug for OnlineReads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnlineReads").field("project", &self.project).finish_non_exhaustive()
    }
}
