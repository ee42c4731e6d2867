//! A project: its folder, its settings, and the parts that they name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use feature::{ServicePlan, ServiceRef, Source, VersionId};
use materializer::{FirstUse, Materializer, NotUsable, SchemaRegistry, Target};
use offline::OfflineStore;
use online::{Condition, Store, StoreUrl, masked};
use registry::{DefinitionId, Kind, Registered, Registry, RegistryError, Using};

use crate::arguments::ViewName;
use crate::clock;
use crate::failure::Failure;
use crate::settings::Settings;

/// An opened project.
#[derive(Clone)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// What its settings say.
    pub settings: Settings,
}

impl Project {
    /// The project in a folder.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        if !folder.is_dir() {
            return Err(Failure::new(format!(
                "there is no folder {}: name the project's folder with --project",
                folder.display()
            )));
        }
        Ok(Self { folder: folder.to_owned(), settings: Settings::read(folder)? })
    }

    /// The registry, made where there is none.
    pub async fn registry(&self) -> Result<Registry, Failure> {
        Ok(Registry::open(&self.registry_url()).await?)
    }

    /// What is registered; nothing where there is no registry yet, as one who only reads makes none.
    pub async fn registered_so_far(&self) -> Result<Registered, Failure> {
        let url = self.registry_url();
        match url.strip_prefix("sqlite://") {
            Some(path) if !Path::new(path).exists() => Ok(Registered::default()),
            _ => Ok(self.registry().await?.registered().await?),
        }
    }

    /// What is registered; refused where nothing is.
    pub async fn registered(&self) -> Result<Registered, Failure> {
        let registered = self.registered_so_far().await?;
        if registered.is_empty() {
            return Err(Failure::new(format!(
                "nothing is registered in {}: run `twinstore apply` first",
                self.folder.display()
            )));
        }
        Ok(registered)
    }

    fn registry_url(&self) -> String {
        let url = &self.settings.registry.url;
        match url.strip_prefix("sqlite://") {
            Some(path) => format!("sqlite://{}", self.folder.join(path).display()),
            None => url.clone(),
        }
    }

    /// What a service reads and gives.
    pub async fn service_plan(&self, service: &ServiceRef) -> Result<Arc<ServicePlan>, Failure> {
        Ok(Arc::new(self.registered().await?.service_plan(service)?))
    }

    /// The offline store.
    pub fn offline(&self) -> Result<OfflineStore, Failure> {
        Ok(OfflineStore::open(&self.settings.offline.url, &self.folder)?)
    }

    /// The online store.
    pub async fn online(&self) -> Result<Store, Failure> {
        let url = StoreUrl::from_str(&self.settings.online.url)?.in_folder(&self.folder);
        let store = Store::open(&url, &self.settings.project).await?;
        self.is_owner(&store).await?;
        Ok(store)
    }

    /// Whether the rows of a store that several projects may share are those of this project's logs, or of nobody.
    /// Refused where they are those of other logs that are there: of another project of the same name, or of the
    /// one that this is a copy of. A folder that is not there any more was moved here, or is another machine's.
    async fn is_owner(&self, store: &Store) -> Result<bool, Failure> {
        let Some(owner) = store.owner().await? else { return Ok(false) };
        let (own, other) = (self.offline()?.folder()?, PathBuf::from(&owner));
        match (own.canonicalize(), other.canonicalize()) {
            (Ok(own), Ok(other)) if own == other => Ok(true),
            (_, Ok(_)) if own != other => Err(Failure::new(format!(
                "the online rows of the project `{}` at {} are those of the logs in {owner}, and this project's are in {}: give this project another name with `project` in twinstore.toml",
                self.settings.project,
                masked(&self.settings.online.url),
                own.display()
            ))),
            _ => Ok(own == other),
        }
    }

    /// Says in a store that several projects may share that its rows are those of this project's logs.
    async fn own(&self, store: &Store) -> Result<(), Failure> {
        if !self.is_owner(store).await? {
            store.set_owner(&self.offline()?.folder()?.display().to_string()).await?;
        }
        Ok(())
    }

    /// The online store in whatever condition it is: one that cannot be used was put aside for an empty one.
    pub async fn repaired_online(&self) -> Result<(Store, Condition), Failure> {
        let url = StoreUrl::from_str(&self.settings.online.url)?.in_folder(&self.folder);
        let suffix = clock::now().to_string().replace(':', "");
        Ok(Store::repair(&url, &self.settings.project, &suffix).await?)
    }

    /// Whether topics lie on disk, and not in Kafka.
    pub fn has_topics_on_disk(&self) -> bool {
        self.settings.stream.brokers.starts_with("embedded://")
    }

    /// The folder of all topics that lie on disk; none where topics are Kafka's.
    pub fn topics_folder(&self) -> Option<PathBuf> {
        Some(self.folder.join(self.settings.stream.brokers.strip_prefix("embedded://")?))
    }

    /// The folder of a topic that lies on disk; none where topics are Kafka's.
    pub fn topic_on_disk(&self, topic: &str) -> Result<Option<PathBuf>, Failure> {
        let Some(folder) = self.topics_folder() else { return Ok(None) };
        if topic.is_empty() || topic.contains(['/', '\\']) || topic.starts_with('.') {
            return Err(Failure::new(format!(
                "the topic `{topic}` cannot be the name of a folder: use letters, digits, `-`, `_` and `.`"
            )));
        }
        Ok(Some(folder.join(topic)))
    }

    /// The consumer group that brings a view's stream into both stores.
    pub fn group(&self, view: &VersionId) -> String {
        format!("twinstore.{}.{}.v{}", self.settings.project, view.name, view.version)
    }

    /// The same, as the name of a file beside a topic on disk.
    pub fn group_on_disk(&self, view: &VersionId) -> String {
        self.group(view).replace('/', "_")
    }

    /// The writer of both stores, for these views and by this command: their rows expire online where their
    /// retention says so.
    pub async fn materializer(
        &self,
        targets: &[Target],
        by: &'static str,
    ) -> Result<Materializer<Store>, Failure> {
        self.materializer_of(self.online().await?, targets, by).await
    }

    /// The same, with this online store.
    pub async fn materializer_of(
        &self,
        online: Store,
        targets: &[Target],
        by: &'static str,
    ) -> Result<Materializer<Store>, Failure> {
        self.own(&online).await?;
        for Target { view, .. } in targets {
            if let Some(kept) = view.retention.and_then(|retention| retention.online) {
                online.expire(&view.id, kept);
            }
        }
        let schema_registry = match self.settings.stream.schema_registry.as_str() {
            "" => None,
            address => Some(Arc::new(SchemaRegistry::at(address)?)),
        };
        let project = self.folder.clone();
        let (offline, clock, first_use) = (self.offline()?, clock::now, self.first_use(by).await?);
        Ok(Materializer { offline, online, project, schema_registry, clock, first_use })
    }

    /// Records that a service and what it reads is used from now on, by this command.
    pub async fn begin_use(&self, plan: &ServicePlan, by: &str) -> Result<(), Failure> {
        let registry = self.registry().await?;
        Ok(registry.begin_use(&Using::service(plan), by, clock::now()).await?)
    }

    /// Tells the registry before the first row of a view is written, by this command.
    async fn first_use(&self, by: &'static str) -> Result<FirstUse, Failure> {
        let registry = self.registry().await?;
        Ok(FirstUse::told(move |view| {
            let (registry, using) = (registry.clone(), [Using::view(view)]);
            Box::pin(async move {
                let begun = registry.begin_use(&using, by, clock::now()).await;
                begun.map_err(|error| NotUsable {
                    may_pass: matches!(error, RegistryError::Storage { .. } | RegistryError::Held(_)),
                    why: error.to_string(),
                })
            })
        }))
    }

    /// Finds out of versions that were registered before first uses were recorded whether they were used: a
    /// view that has a log was, and so was what reads one. What reads no view may have been.
    pub async fn settle_uses(&self, registry: &Registry) -> Result<(), Failure> {
        let registered = registry.registered().await?;
        let unknown: BTreeSet<DefinitionId> = registered.unknown_uses().cloned().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let offline = self.offline()?;
        let mut unused = BTreeSet::new();
        for view in registered.views() {
            let id = DefinitionId {
                kind: Kind::FeatureView,
                name: view.id.name.clone(),
                version: Some(view.id.version),
            };
            if unknown.contains(&id) && offline.log(view).await?.version().is_none() {
                unused.insert(id);
            }
        }
        let used = |id: &DefinitionId| registered.first_use(id).is_some() && !unused.contains(id);
        let readers: Vec<DefinitionId> = unknown
            .iter()
            .filter(|id| id.kind != Kind::FeatureView)
            .filter(|id| registered.reads_of(id).is_some_and(|read| !read.iter().any(used)))
            .cloned()
            .collect();
        let unused: Vec<DefinitionId> = unused.into_iter().chain(readers).collect();
        Ok(registry.never_used(&unused).await?)
    }
}

/// The named views with their sources; where none is named, all whose source has history.
pub fn targets(registered: &Registered, named: &[ViewName]) -> Result<Vec<Target>, Failure> {
    targets_with(registered, named, |source| source.batch.is_some())
}

/// The named views with their sources; where none is named, all whose source is as it says.
pub fn targets_with(
    registered: &Registered,
    named: &[ViewName],
    is_meant: impl Fn(&Source) -> bool,
) -> Result<Vec<Target>, Failure> {
    let views = match named {
        [] => registered.views().cloned().collect(),
        named => named
            .iter()
            .map(|name| match name {
                ViewName::Exact(id) => registered.view(id),
                ViewName::Only(name) => registered.only_view(name),
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
    let mut targets = Vec::new();
    for view in views {
        let source = Arc::new(registered.source(&view.source)?.clone());
        if !named.is_empty() || is_meant(&source) {
            targets.push(Target { view, source });
        }
    }
    Ok(targets)
}
