//! What time it is where the logs lie: the time that their storage gives to a file that was just written. On a disk
//! of this machine that is its own clock; on one that is mounted, and in a bucket, the server's.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use feature::Micros;

use crate::blocking::blocking;
use crate::error::{Cause, OfflineError};
use crate::log::storage::plain_bucket_error;
use crate::log::store::OfflineStore;

impl OfflineStore {
    /// What time it is by the clock of the storage.
    pub async fn moment(&self) -> Result<Micros, OfflineError> {
        if let Some(copy) = self.copy() {
            let moment = copy.bucket().moment().await;
            return moment.map_err(|error| match self.named() {
                Ok(named) => OfflineError::file("write an object to", &named, plain_bucket_error(error)),
                Err(unnamed) => unnamed,
            });
        }
        let folder = existing(self.folder()?);
        blocking(move || of_folder(&folder)).await
    }
}

fn of_folder(folder: &Path) -> Result<Micros, OfflineError> {
    let failed = |why: Cause| OfflineError::file("write a file to", folder, why);
    // A file without a name: nothing of it is left, wherever this ends.
    let mut file = tempfile::tempfile_in(folder).map_err(|error| failed(error.into()))?;
    file.write_all(b".").and_then(|()| file.sync_all()).map_err(|error| failed(error.into()))?;
    let written = file.metadata().and_then(|about| about.modified()).map_err(|error| failed(error.into()))?;
    let since = written.duration_since(UNIX_EPOCH).map_err(|error| failed(error.into()))?;
    let micros = i64::try_from(since.as_micros()).map_err(|error| failed(error.into()))?;
    Micros::new(micros).map_err(|error| failed(error.into()))
}

/// The folder, or the one around it that is there: nothing is made before the first row is written.
fn existing(folder: PathBuf) -> PathBuf {
    folder.ancestors().find(|folder| folder.is_dir()).map_or_else(|| folder.clone(), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_storage_dates_a_file_between_two_others_and_keeps_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = OfflineStore::open("not/yet/there", folder.path()).unwrap();
        let other = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, name).unwrap();
            let written = std::fs::metadata(&path).unwrap().modified().unwrap();
            written.duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
        };
        let before = other("before");
        let moment = store.moment().await.unwrap().get();
        assert!((before..=other("after")).contains(&moment), "{moment}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
