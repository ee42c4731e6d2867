//! One load of a view at a time on one machine, so that none works in vain, and one decision on its quarantined batches,
//! so that none is recorded that another one prevents. Correctness does not depend on either: the log decides
//! ([`crate::load_turn`]). A lock ends with its process; while another process waits, it names the holder.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::Path;
use std::time::Duration;

use locks::{Holder, LOOK_EVERY, Wait};
use offline::{BatchGuard, Log};

use crate::error::MaterializerError;

/// The files in the log's folder that are locked; each holds the id of the process that has the lock.
const LOAD: &str = "_load.lock";
const DECISION: &str = "_decision.lock";
/// How long another process is waited for.
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
        let what = format!("the load of {}", log.view().id);
        Ok(Self(locked(log, LOAD, what, passes_suspended).await?))
    }
}

/// The right to decide on the quarantined batches of a view; no lock where there is none of a load.
#[derive(Debug)]
pub struct DecisionLock {
    _lock: LoadLock,
}

impl DecisionLock {
    /// Waits until nobody else decides. A suspended holder is ignored: the log refuses its decision when it resumes.
    pub async fn acquire(log: &Log) -> Result<Self, MaterializerError> {
        let what = format!("the decision on a quarantined batch of {}", log.view().id);
        Ok(Self { _lock: LoadLock(locked(log, DECISION, what, true).await?) })
    }
}

/// A file of the log's folder, locked; `None` where it cannot be, or where its holder is suspended and that is passed over.
async fn locked(
    log: &Log,
    name: &str,
    what: String,
    passes_suspended: bool,
) -> Result<Option<File>, MaterializerError> {
    let Some(folder) = log.version().and_then(|_| log.folder().ok()) else { return Ok(None) };
    let path = folder.join(name);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let Ok(mut file) = file else { return Ok(None) };
    let mut wait = Wait::begin(what.as_str(), PATIENCE);
    while file.try_lock().is_err() {
        let holder = holder(&path);
        if let Some(holder) = holder.as_ref().filter(|holder| holder.is_stopped && passes_suspended) {
            tracing::warn!("{what}: {holder} has it and is suspended; going on without it");
            return Ok(None);
        }
        wait.look(|| holder)?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    // Advice for waiting processes; the lock holds without it.
    let _ = file.set_len(0).and_then(|()| file.rewind());
    let _ = write!(file, "{}", std::process::id());
    Ok(Some(file))
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
