//! The list of forgotten entities, as it lies beside the logs: read, extended, and compared with what a log says of it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use feature::{Micros, Name};

use crate::damage::Damaged;
use crate::error::OfflineError;
use crate::log::forgetting::FORGETS;
use crate::log::forgotten::{FORGOTTEN, Forgotten};
use crate::log::store::OfflineStore;
use crate::log::view_log::Log;

const NAME: &str = "forgotten.json";
const LOCK: &str = "forgotten.lock";
const PATIENCE: Duration = Duration::from_secs(15);

impl OfflineStore {
    /// The entities that were forgotten. A small file is read.
    pub fn forgotten(&self) -> Result<Forgotten, OfflineError> {
        Forgotten::read(&self.list_of_forgotten()?)
    }

    /// Adds an entity to the list, or moves the moment up to which it is forgotten; the list is on disk then.
    pub fn note_forgotten(
        &self,
        entity: &Name,
        key: &[u8],
        until: Micros,
    ) -> Result<Forgotten, OfflineError> {
        self.only_in_folder(FORGETS)?;
        let (folder, path) = (self.folder()?, self.list_of_forgotten()?);
        let failed = |error: io::Error| OfflineError::file("write", &path, error);
        fs::create_dir_all(&folder).map_err(failed)?;
        let lock_path = folder.join(LOCK);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(failed)?;
        let what = || format!("the list of forgotten entities in {}", folder.display());
        locks::lock(&lock, &lock_path, what, PATIENCE)
            .map_err(|error| OfflineError::file("write", &path, error))?;
        let list = Forgotten::read(&path)?.noting(entity, key, until).map_err(failed)?;
        list.write(&path).map_err(failed)?;
        Ok(list)
    }

    /// The same, for whoever decides on a commit by this snapshot of a log. A list that was lost, or is older than the one
    /// by which the log was freed of its entities, is refused: it would bring rows back.
    pub async fn forgotten_as_of(&self, log: &Log) -> Result<Forgotten, OfflineError> {
        let list = self.forgotten()?;
        let known = log.marker(FORGOTTEN).await?.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        match known > list.number() {
            true => {
                let why = format!("it is missing, or older than {} says", log.view().id);
                Err(Damaged::new(&self.list_of_forgotten()?, why).into())
            }
            false => Ok(list),
        }
    }

    /// Refuses a commit as a conflict where the list changed since it was decided. Together with the counter this leaves no
    /// moment in between, once the log exists.
    pub fn check_forgotten(&self, decided: &Forgotten, log: &Log) -> Result<(), OfflineError> {
        match self.forgotten()?.is_same_of(&log.view().entity, decided) {
            true => Ok(()),
            false => Err(OfflineError::Conflict {
                table: log.view().id.to_string(),
                why: "an entity was forgotten".to_owned(),
            }),
        }
    }

    fn list_of_forgotten(&self) -> Result<PathBuf, OfflineError> {
        Ok(self.folder()?.join(NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Micros {
        Micros::new(micros).unwrap()
    }

    #[test]
    fn a_forgotten_key_is_covered_up_to_its_moment_and_no_other_key_or_entity_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = OfflineStore::open("offline", folder.path()).unwrap();
        let (airport, plane): (Name, Name) = ("airport".parse().unwrap(), "plane".parse().unwrap());
        assert_eq!(store.forgotten().unwrap(), Forgotten::default());
        store.note_forgotten(&airport, b"LAX", at(9)).unwrap();
        let written = store.note_forgotten(&airport, b"LAX", at(5)).unwrap();
        let list = store.forgotten().unwrap();
        assert_eq!((list.number(), &list), (2, &written));
        assert!(list.covers(&airport, b"LAX", Some(9)) && list.covers(&airport, b"LAX", None));
        assert!(!list.covers(&airport, b"LAX", Some(10)));
        assert!(!list.covers(&airport, b"BOS", None) && !list.covers(&plane, b"LAX", None));
        assert!(list.has_none_of(&plane) && !list.has_none_of(&airport));
        let text = fs::read_to_string(folder.path().join("offline/forgotten.json")).unwrap();
        assert!(!text.contains("LAX"));
        // Another project's list has another salt.
        let other = OfflineStore::open("other", folder.path()).unwrap();
        let other = other.note_forgotten(&airport, b"LAX", at(9)).unwrap();
        assert_ne!(other.hash(&airport, b"LAX"), list.hash(&airport, b"LAX"));
    }

    #[test]
    fn the_list_of_the_first_format_is_read_and_an_edited_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = OfflineStore::open(".", folder.path()).unwrap();
        let path = folder.path().join(NAME);
        let pinned = include_str!("../../golden/forgotten-1.json");
        fs::write(&path, pinned).unwrap();
        let airport: Name = "airport".parse().unwrap();
        let list = store.forgotten().unwrap();
        assert_eq!((list.number(), list.until(&airport, b"LAX")), (2, Some(at(1_370_000_000_000_000))));
        for (from, to) in
            [("\"number\": 2", "\"number\": 1"), ("airport", "airpore"), ("1370", "1371"), ("{", "")]
        {
            fs::write(&path, pinned.replacen(from, to, 1)).unwrap();
            assert!(matches!(store.forgotten(), Err(OfflineError::Damaged(_))), "{from}");
        }
        fs::write(&path, pinned.replace("\"format\": 1", "\"format\": 2")).unwrap();
        assert!(store.forgotten().unwrap_err().to_string().contains("a later release"));
    }
}
