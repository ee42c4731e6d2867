//! One load of a view at a time on one machine, so that none works in vain. Correctness does not depend on it: the log
//! decides ([`crate::load_turn`]). The lock ends with its process; while another process waits, it names the holder.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::Path;
use std::time::Duration;

use locks::{Holder, LOOK_EVERY, Wait};
use offline::{BatchGuard, Log};

use crate::error::MaterializerError;

/// The file in the log's folder that is locked; it holds the id of the process that has the lock.
const NAME: &str = "_load.lock";
/// How long another load is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// The right to load a view; no lock if there is no log yet, or if its folder takes no locks.
#[derive(Debug)]
pub(crate) struct LoadLock(Option<File>);

impl LoadLock {
    /// Waits until no other load of the view is running. A suspended holder is ignored: when it resumes, it finds that
    /// another load took its turn.
    pub(crate) async fn acquire(log: &Log) -> Result<Self, MaterializerError> {
        Self::wait(log, true).await
    }

    /// The same of one who removes the log: a suspended holder would go on in what is not there any more, so it has to end
    /// first.
    pub(crate) async fn acquire_to_remove(log: &Log) -> Result<Self, MaterializerError> {
        Self::wait(log, false).await
    }

    async fn wait(log: &Log, passes_suspended: bool) -> Result<Self, MaterializerError> {
        if !BatchGuard::LoadLock.is_on() {
            return Ok(Self(None));
        }
        let Some(folder) = log.version().and_then(|_| log.folder().ok()) else { return Ok(Self(None)) };
        let path = folder.join(NAME);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let Ok(mut file) = file else { return Ok(Self(None)) };
        let view = &log.view().id;
        let mut wait = Wait::begin(format!("the load of {view}"), PATIENCE);
        while file.try_lock().is_err() {
            let holder = holder(&path);
            if let Some(holder) = holder.as_ref().filter(|holder| holder.is_stopped && passes_suspended) {
                tracing::warn!("{view}: {holder} loads it; going on without it");
                return Ok(Self(None));
            }
            wait.look(|| holder)?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // Advice for waiting processes; the lock holds without it.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = write!(file, "{}", std::process::id());
        Ok(Self(Some(file)))
    }
}

impl Drop for LoadLock {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            let _ = file.set_len(0);
        }
    }
}

/// The process that has the lock: by the id in the file if the system does not know.
fn holder(path: &Path) -> Option<Holder> {
    Holder::of_file(path).or_else(|| {
        let text = std::fs::read_to_string(path).ok()?;
        text.trim().parse().ok().map(Holder::of_process)
    })
}
