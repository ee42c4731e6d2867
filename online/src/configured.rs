//! The online store that a configuration names: one of those that there are.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use feature::{EntityKey, Micros, Span, VersionId};

use crate::embedded::{Condition, Embedded};
use crate::error::OnlineError;
use crate::folded_commit::FoldedCommit;
use crate::mending::{Entities, Mender, Mending};
use crate::redis::{Redis, RedisUrl};
use crate::store::{Change, Changed, Followed, Outcome, PackedRows, Read, Reader, RowWrite, Stats, Writer};

/// Which online store a project uses, as its configuration names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreUrl {
    /// `embedded://path`: the store on disk, at this path; a relative one is taken from the project's
    /// folder.
    Embedded(PathBuf),
    /// `redis://…` and its kin: a Redis server, a cluster, or a master that Sentinels know.
    Redis(RedisUrl),
}

impl StoreUrl {
    /// The same store, with relative paths taken from this folder.
    pub fn in_folder(self, folder: &Path) -> Self {
        match self {
            StoreUrl::Embedded(path) => StoreUrl::Embedded(folder.join(path)),
            StoreUrl::Redis(url) => StoreUrl::Redis(url.in_folder(folder)),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = OnlineError;

    fn from_str(url: &str) -> Result<Self, OnlineError> {
        let store = match url.strip_prefix("embedded://") {
            Some("") => None,
            Some(path) => Some(StoreUrl::Embedded(path.into())),
            None => RedisUrl::parse(url).map(StoreUrl::Redis),
        };
        store.ok_or_else(|| OnlineError::Url { url: feature::redacted(url).into_owned() })
    }
}

/// The online store that a project's configuration chose.
#[derive(Clone, Debug)]
pub enum Store {
    /// On disk.
    Embedded(Embedded),
    /// In Redis.
    Redis(Redis),
}

impl Store {
    /// Opens the store of a project.
    pub async fn open(url: &StoreUrl, project: &str) -> Result<Self, OnlineError> {
        match url {
            StoreUrl::Embedded(path) => Embedded::open(path).map(Store::Embedded),
            StoreUrl::Redis(url) => Redis::open(url, project).await.map(Store::Redis),
        }
    }

    /// Opens the store of a project in whatever condition it is. One on disk that cannot be used is put
    /// aside, its file's name with this suffix, for an empty one.
    pub async fn repair(
        url: &StoreUrl,
        project: &str,
        suffix: &str,
    ) -> Result<(Self, Condition), OnlineError> {
        match url {
            StoreUrl::Embedded(path) => {
                let (store, condition) = Embedded::repair(path, suffix)?;
                Ok((Store::Embedded(store), condition))
            }
            StoreUrl::Redis(_) => Ok((Self::open(url, project).await?, Condition::Sound)),
        }
    }

    /// Says that a store that was unfinished is filled.
    pub fn complete(&self) -> Result<(), OnlineError> {
        match self {
            Store::Embedded(store) => store.complete(),
            Store::Redis(_) => Ok(()),
        }
    }

    /// Reads all of a store on disk. Gives how many rows are damaged; none of one in Redis.
    pub fn verify(&self) -> Result<Option<u64>, OnlineError> {
        match self {
            Store::Embedded(store) => store.verify().map(Some),
            Store::Redis(_) => Ok(None),
        }
    }

    /// What time it is by the clock of the store; none where it has none of its own.
    pub async fn moment(&self) -> Result<Option<Micros>, OnlineError> {
        match self {
            Store::Embedded(_) => Ok(None),
            Store::Redis(store) => store.moment().await,
        }
    }

    /// Leaves nothing of removed rows in the store's own files, as far as it has some. `false` where another program keeps
    /// them: Redis does, in its memory, its snapshots and its log of commands.
    pub fn purge(&self) -> Result<bool, OnlineError> {
        match self {
            Store::Embedded(store) => store.purge().map(|()| true),
            Store::Redis(_) => Ok(false),
        }
    }

    /// Bytes that a row of a view takes in the memory of a server, by a sample of its rows; none of a store on disk, or
    /// without rows.
    pub async fn bytes_a_row(&self, view: &VersionId) -> Result<Option<f64>, OnlineError> {
        match self {
            Store::Embedded(_) => Ok(None),
            Store::Redis(store) => store.bytes_a_row(view).await,
        }
    }

    /// The folder of a store on disk.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Store::Embedded(store) => Some(store.folder()),
            Store::Redis(_) => None,
        }
    }

    /// Whose rows these are, as their writer said.
    pub async fn owner(&self) -> Result<Option<String>, OnlineError> {
        match self {
            Store::Embedded(store) => store.owner(),
            Store::Redis(store) => store.owner().await,
        }
    }

    /// Has reads refused where a server has lost what it had: rows of these views. A store on disk has checksums of its own.
    pub fn refuse_when_emptied(&self, was_filled: bool, loaded: Vec<VersionId>) {
        match self {
            Store::Embedded(_) => {}
            Store::Redis(store) => store.refuse_when_emptied(was_filled, loaded),
        }
    }

    /// Says whose rows these are.
    pub async fn set_owner(&self, owner: &str) -> Result<(), OnlineError> {
        match self {
            Store::Embedded(store) => store.set_owner(owner),
            Store::Redis(store) => store.set_owner(owner).await,
        }
    }

    /// Lets rows of this view go that are written from now on, once all that was folded in them is so
    /// much older than now, as `retention: {online: …}` allows. The store on disk keeps them.
    pub fn expire(&self, view: &VersionId, online: Span) {
        match self {
            Store::Embedded(_) => (),
            Store::Redis(store) => store.expire(view, online),
        }
    }
}

#[cfg(feature = "fault-injection")]
impl Store {
    /// The same store on disk without its comparison, so that tests see what it prevents. One in Redis continues to
    /// compare.
    #[doc(hidden)]
    #[must_use]
    pub fn without_compare(self) -> Self {
        match self {
            Store::Embedded(store) => Store::Embedded(store.without_compare()),
            Store::Redis(store) => Store::Redis(store),
        }
    }
}

impl Reader for Store {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        match self {
            Store::Embedded(store) => store.read(reads).await,
            Store::Redis(store) => store.read(reads).await,
        }
    }

    async fn stats(&self, view: &VersionId) -> Result<Stats, OnlineError> {
        match self {
            Store::Embedded(store) => store.stats(view).await,
            Store::Redis(store) => store.stats(view).await,
        }
    }
}

impl Writer for Store {
    async fn replace(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        match self {
            Store::Embedded(store) => store.replace(view, rows, applied_at).await,
            Store::Redis(store) => store.replace(view, rows, applied_at).await,
        }
    }

    async fn replace_many(
        &self,
        view: &VersionId,
        rows: &[RowWrite<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        match self {
            Store::Embedded(store) => store.replace_many(view, rows, applied_at).await,
            Store::Redis(store) => store.replace_many(view, rows, applied_at).await,
        }
    }

    async fn drop_view(&self, view: &VersionId) -> Result<(), OnlineError> {
        match self {
            Store::Embedded(store) => store.drop_view(view).await,
            Store::Redis(store) => store.drop_view(view).await,
        }
    }
}

impl Mender for Store {
    async fn mend(
        &self,
        view: &VersionId,
        rows: &[Mending<'_>],
        applied_at: Option<Micros>,
    ) -> Result<Vec<Outcome>, OnlineError> {
        match self {
            Store::Embedded(store) => store.mend(view, rows, applied_at).await,
            Store::Redis(store) => store.mend(view, rows, applied_at).await,
        }
    }

    async fn is_empty(&self, view: &VersionId) -> Result<bool, OnlineError> {
        match self {
            Store::Embedded(store) => store.is_empty(view).await,
            Store::Redis(store) => store.is_empty(view).await,
        }
    }

    async fn strays(
        &self,
        view: &VersionId,
        known: &Entities,
    ) -> Result<Vec<(EntityKey, Vec<u8>)>, OnlineError> {
        match self {
            Store::Embedded(store) => store.strays(view, known).await,
            Store::Redis(store) => store.strays(view, known).await,
        }
    }

    async fn remove(&self, view: &VersionId, rows: &[(EntityKey, Vec<u8>)]) -> Result<u64, OnlineError> {
        match self {
            Store::Embedded(store) => store.remove(view, rows).await,
            Store::Redis(store) => store.remove(view, rows).await,
        }
    }

    async fn versions(&self) -> Result<Vec<VersionId>, OnlineError> {
        match self {
            Store::Embedded(store) => store.versions().await,
            Store::Redis(store) => store.versions().await,
        }
    }

    async fn recount(&self, view: &VersionId) -> Result<(), OnlineError> {
        match self {
            Store::Embedded(store) => store.recount(view).await,
            Store::Redis(store) => store.recount(view).await,
        }
    }

    async fn folded_commit(&self, view: &VersionId) -> Result<Option<FoldedCommit>, OnlineError> {
        match self {
            Store::Embedded(store) => store.folded_commit(view).await,
            Store::Redis(store) => store.folded_commit(view).await,
        }
    }

    async fn note_folded_commit(&self, view: &VersionId, commit: FoldedCommit) -> Result<(), OnlineError> {
        match self {
            Store::Embedded(store) => store.note_folded_commit(view, commit).await,
            Store::Redis(store) => store.note_folded_commit(view, commit).await,
        }
    }
}

impl Followed for Store {
    fn changed(&self, since: Option<u64>) -> Option<Result<Changed, OnlineError>> {
        match self {
            Store::Embedded(store) => store.changed(since),
            Store::Redis(store) => store.changed(since),
        }
    }

    async fn read_marked(&self, reads: &[Read<'_>]) -> Result<(Option<u64>, Vec<PackedRows>), OnlineError> {
        match self {
            Store::Embedded(store) => store.read_marked(reads).await,
            Store::Redis(store) => store.read_marked(reads).await,
        }
    }

    async fn follow(&self, tell: &(dyn Fn(Change) + Send + Sync)) -> OnlineError {
        match self {
            Store::Embedded(store) => store.follow(tell).await,
            Store::Redis(store) => store.follow(tell).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_names_a_store_or_says_how_to() {
        let url: StoreUrl = "embedded://.twinstore/online".parse().unwrap();
        assert_eq!(url, StoreUrl::Embedded(".twinstore/online".into()));
        let url: StoreUrl = "redis+cluster://a:1,b:2".parse().unwrap();
        assert!(matches!(url, StoreUrl::Redis(_)));
        for bad in ["", "embedded://", "redis://", "redis://:secret@a,b", ".twinstore/online"] {
            let refusal = bad.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(refusal.contains("embedded://path") && !refusal.contains("secret"), "{refusal}");
        }
    }
}
