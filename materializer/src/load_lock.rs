//! One load of a view at a time on one machine, so that none works in vain. Nothing depends on it: what is right is
//! decided by the log ([`crate::turn`]). The lock goes with its process; while it is waited for, its holder is named.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use feature::VersionId;
use offline::Log;

use crate::error::MaterializerError;

/// The file in the log's folder that is locked; it holds the id of the process that has the lock.
const NAME: &str = "_load.lock";
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks after which it is said who is waited for, and after which the command is refused.
const LOOKS_BEFORE_TOLD: u32 = 40;
const LOOKS_BEFORE_REFUSED: u32 = 300;

/// The right to load a view; nothing where there is no log yet, or its folder takes no locks.
#[derive(Debug)]
pub(crate) struct LoadLock(Option<File>);

impl LoadLock {
    /// Waits until no other load of the view goes on. A holder that sleeps is passed by: when it wakes, it finds
    /// that another took its turn.
    pub(crate) async fn take(log: &Log) -> Result<Self, MaterializerError> {
        let Some(folder) = log.version().and_then(|_| log.folder().ok()) else { return Ok(Self(None)) };
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(folder.join(NAME));
        let Ok(mut file) = file else { return Ok(Self(None)) };
        let view = &log.view().id;
        let mut looks = 0;
        while file.try_lock().is_err() {
            let holder = holder(&mut file);
            looks += 1;
            if holder.as_deref().is_some_and(is_stopped) {
                tracing::warn!(
                    "{view}: process {} loads it and is stopped; going on without it",
                    named(&holder)
                );
                return Ok(Self(None));
            }
            if looks == LOOKS_BEFORE_TOLD {
                tracing::warn!("{view}: waiting for process {}, which loads it", named(&holder));
            }
            if looks == LOOKS_BEFORE_REFUSED {
                return Err(refused(view, &holder));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // Advice for those who wait; the lock holds without it.
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

fn holder(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn named(holder: &Option<String>) -> &str {
    holder.as_deref().unwrap_or("(unknown)")
}

fn refused(view: &VersionId, holder: &Option<String>) -> MaterializerError {
    MaterializerError::Loading { view: view.clone(), process: named(holder).to_owned() }
}

/// Whether a process was stopped by a signal, where the system tells.
fn is_stopped(process: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(Path::new("/proc").join(process).join("stat")) else {
        return false;
    };
    // The name before the state may hold any character.
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}
