//! The parts that a project's settings name: its registry, its two stores, its topics, and the one writer of both stores.
//! Refuses the online rows of another project, which a copy of a project would write over.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use feature::{VersionId, View, redacted};
use materializer::{Materializer, SchemaRegistry, Target};
use offline::OfflineStore;
use online::{Condition, Store, StoreUrl};
use registry::{Registered, Registry};

use crate::error::{ProjectError, is_bucket};
use crate::project::Project;

impl Project {
    /// The registry, made where there is none.
    pub(crate) async fn registry(&self) -> Result<Registry, ProjectError> {
        Ok(Registry::open(&self.registry_url()).await?.with_actor(&self.settings.actor))
    }

    /// The registry where there is one, as one who only reads makes none.
    pub(crate) async fn registry_so_far(&self) -> Result<Option<Registry>, ProjectError> {
        let registry = Registry::open_so_far(&self.registry_url()).await?;
        Ok(registry.map(|registry| registry.with_actor(&self.settings.actor)))
    }

    /// What is registered; nothing where there is no registry yet, as one who only reads makes none.
    pub(crate) async fn registered_so_far(&self) -> Result<Registered, ProjectError> {
        match self.registry_so_far().await? {
            None => Ok(Registered::default()),
            Some(registry) => Ok(registry.registered().await?),
        }
    }

    /// What is registered; refused where nothing is.
    pub(crate) async fn registered(&self) -> Result<Registered, ProjectError> {
        Ok(self.registry_in_use().await?.1)
    }

    /// The registry, and what is registered in it; refused where nothing is.
    pub(crate) async fn registry_in_use(&self) -> Result<(Registry, Registered), ProjectError> {
        if let Some(registry) = self.registry_so_far().await? {
            let registered = registry.registered().await?;
            if !registered.is_empty() {
                return Ok((registry, registered));
            }
        }
        let gone = self.registry_is_gone().await?;
        Err(gone.unwrap_or_else(|| ProjectError::NothingRegistered { folder: self.folder.clone() }))
    }

    fn registry_url(&self) -> String {
        let url = &self.settings.registry.url;
        match url.strip_prefix("sqlite://") {
            Some(path) => format!("sqlite://{}", self.folder.join(path).display()),
            None => url.clone(),
        }
    }

    /// The offline store.
    pub(crate) fn offline(&self) -> Result<OfflineStore, ProjectError> {
        let offline = &self.settings.offline;
        Ok(OfflineStore::with_copies(&offline.url, &self.folder, offline.copied_bytes)?)
    }

    /// The online store.
    pub(crate) async fn online(&self) -> Result<Store, ProjectError> {
        let store = Store::open(&self.online_url()?, &self.settings.project).await?;
        self.is_owner(&store).await?;
        Ok(store)
    }

    /// The online store for who answers from it, of these views: a server that was emptied is refused, and does not answer
    /// that it knows nobody. Nor does it of a view that is not there yet when others are again.
    pub(crate) async fn online_to_read(
        &self,
        registered: &Registered,
        views: &[Arc<View>],
    ) -> Result<Store, ProjectError> {
        let store = self.online().await?;
        // A store on disk has checksums of its own.
        if store.folder().is_none() {
            let was_filled = store.owner().await?.is_some() || self.has_rows(registered).await;
            store.refuse_when_emptied(was_filled, self.loaded(views).await);
        }
        Ok(store)
    }

    /// Whether the online store lies in a server that was emptied: logs have rows, and nothing says whose the online rows are.
    pub(crate) async fn is_emptied(
        &self,
        store: &Store,
        registered: &Registered,
    ) -> Result<bool, ProjectError> {
        Ok(store.folder().is_none() && store.owner().await?.is_none() && self.has_rows(registered).await)
    }

    /// The online store in whatever condition it is: one that cannot be used was put aside for an empty one.
    pub(crate) async fn repaired_online(&self) -> Result<(Store, Condition), ProjectError> {
        let suffix = self.now().to_string().replace(':', "");
        Ok(Store::repair(&self.online_url()?, &self.settings.project, &suffix).await?)
    }

    /// Whether the online store is one on disk that is not there yet: who only reads makes none.
    pub(crate) fn online_folder_is_missing(&self) -> bool {
        let on_disk = self.settings.online.url.strip_prefix("embedded://");
        on_disk.is_some_and(|path| !self.folder.join(path).exists())
    }

    /// Whether the online store lies on the disk.
    pub(crate) fn is_online_on_disk(&self) -> bool {
        self.settings.online.url.starts_with("embedded://")
    }

    fn online_url(&self) -> Result<StoreUrl, ProjectError> {
        Ok(StoreUrl::from_str(&self.settings.online.url)?.in_folder(&self.folder))
    }

    /// Whether the rows of a store, which several projects may share, are those of this project's logs, or of nobody.
    /// Refused where they are those of other logs that are there: of another project of the same name, or of the
    /// one that this is a copy of. A folder that is not there any more was moved here, or is another machine's.
    async fn is_owner(&self, store: &Store) -> Result<bool, ProjectError> {
        let Some(owner) = store.owner().await? else { return Ok(false) };
        // A store on disk names its logs from its own folder: it is moved and copied with a project that it lies in.
        let other = match store.folder() {
            Some(folder) if !is_bucket(Path::new(&owner)) => folder.join(&owner),
            _ => PathBuf::from(&owner),
        };
        let own = self.offline()?.named()?;
        // Logs in a bucket are there whichever machine asks.
        let is_there = |path: &Path| match is_bucket(path) {
            true => Ok(path.to_owned()),
            false => path.canonicalize(),
        };
        match (is_there(&own), is_there(&other)) {
            (Ok(own), Ok(other)) if own == other => Ok(true),
            (_, Ok(_)) if own != other => Err(ProjectError::OtherOwner {
                project: self.settings.project.clone(),
                url: redacted(&self.settings.online.url).into_owned(),
                owner: resolved(&other),
                own,
                is_on_disk: store.folder().is_some(),
            }),
            _ => Ok(own == other),
        }
    }

    /// Says in a store, which several projects may share, that its rows are those of this project's logs.
    pub(crate) async fn own(&self, store: &Store) -> Result<(), ProjectError> {
        if !self.is_owner(store).await? {
            let own = self.offline()?.named()?;
            let folder = store.folder().filter(|_| !is_bucket(&own));
            let named = folder.map_or_else(|| own.clone(), |folder| path_from(folder, &own));
            store.set_owner(&named.display().to_string()).await?;
        }
        Ok(())
    }

    /// Whether topics lie on disk, and not in Kafka.
    pub(crate) fn has_topics_on_disk(&self) -> bool {
        self.settings.stream.brokers.starts_with("embedded://")
    }

    /// The folder of all topics that lie on disk; none where topics are Kafka's.
    pub(crate) fn topics_folder(&self) -> Option<PathBuf> {
        Some(self.folder.join(self.settings.stream.brokers.strip_prefix("embedded://")?))
    }

    /// The folder of a topic that lies on disk; none where topics are Kafka's.
    pub(crate) fn topic_on_disk(&self, topic: &str) -> Result<Option<PathBuf>, ProjectError> {
        let Some(folder) = self.topics_folder() else { return Ok(None) };
        if topic.is_empty() || topic.contains(['/', '\\']) || topic.starts_with('.') {
            return Err(ProjectError::TopicName { topic: topic.to_owned() });
        }
        Ok(Some(folder.join(topic)))
    }

    /// The consumer group that brings a view's stream into both stores.
    pub(crate) fn group(&self, view: &VersionId) -> String {
        format!("twinstore.{}.{}.v{}", self.settings.project, view.name, view.version)
    }

    /// The same, as the name of a file beside a topic on disk.
    pub(crate) fn group_on_disk(&self, view: &VersionId) -> String {
        self.group(view).replace('/', "_")
    }

    /// The writer of both stores, for these views and by this command: their rows expire online where their
    /// retention says so.
    pub(crate) async fn materializer(
        &self,
        online: Store,
        targets: &[Target],
        by: &'static str,
    ) -> Result<Materializer<Store>, ProjectError> {
        // A folder is not written to before the first row is, which says whose it is.
        // A server that was emptied stays refused until all views are written again.
        match online.folder() {
            None if by != REBUILD => self.own(&online).await?,
            _ => drop(self.is_owner(&online).await?),
        }
        self.make_folder_of_logs(targets, &online).await?;
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
        let (offline, clock, first_use) = (self.offline()?, self.clock, self.first_use(by, &online).await?);
        Ok(Materializer { offline, online, project, schema_registry, clock, first_use })
    }
}

/// The command that writes online rows again.
pub(crate) const REBUILD: &str = "online rebuild";

/// A path without links and dots, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    if is_bucket(path) {
        return path.to_owned();
    }
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(resolved), ..) => resolved,
        (Err(_), Some(parent), Some(name)) => resolved(parent).join(name),
        _ => path.to_owned(),
    }
}

/// The way from a folder to a path.
fn path_from(folder: &Path, path: &Path) -> PathBuf {
    let (folder, path) = (resolved(folder), resolved(path));
    let mut common = folder.as_path();
    while !path.starts_with(common) {
        let Some(parent) = common.parent() else { return path };
        common = parent;
    }
    let up = folder.strip_prefix(common).map_or(0, |below| below.components().count());
    let down = path.strip_prefix(common).unwrap_or(&path);
    std::iter::repeat_n("..", up).collect::<PathBuf>().join(down)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_from_a_folder_leads_to_what_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        std::fs::create_dir_all(at("a/online")).unwrap();
        assert_eq!(path_from(&at("a/online"), &at("a/offline")), PathBuf::from("../offline"));
        assert_eq!(path_from(&at("a/online"), &at("b/c/offline")), PathBuf::from("../../b/c/offline"));
        assert_eq!(path_from(&at("a/online"), &at("a/online/logs")), PathBuf::from("logs"));
        assert_eq!(resolved(&at("a/online/../offline")), at("a").canonicalize().unwrap().join("offline"));
    }
}
