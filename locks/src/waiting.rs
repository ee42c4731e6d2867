//! Waiting for a lock: what is said meanwhile, and when it is given up.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::holder::Holder;

/// After how long it is said who is waited for.
const REPORTED_AFTER: Duration = Duration::from_secs(2);
/// How often it is looked whether the lock is free.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A lock that another process kept for longer than it was waited for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Locked {
    what: String,
    holder: Option<Holder>,
    waited: Duration,
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, holder, waited } = self;
        write!(f, "{what}: {} has it for more than {}s: ", named(holder), waited.as_secs())?;
        match holder {
            Some(holder) if holder.is_stopped => {
                write!(f, "let it go on with `kill -CONT {}` or end it, and run this again", holder.process)
            }
            _ => f.write_str("run this again when it has ended"),
        }
    }
}

impl std::error::Error for Locked {}

fn named(holder: &Option<Holder>) -> String {
    holder.as_ref().map_or_else(|| "a process that cannot be named".to_owned(), Holder::to_string)
}

/// A wait that is going on.
#[derive(Debug)]
pub struct Wait {
    what: String,
    bound: Duration,
    began: Instant,
    is_reported: bool,
}

impl Wait {
    /// Begins to wait. What is waited for is named as in `the registry at x.db`.
    pub fn begin(what: impl Into<String>, bound: Duration) -> Self {
        Self { what: what.into(), bound, began: Instant::now(), is_reported: false }
    }

    /// To be called each time that the lock is not free: says once for whom it is waited, and gives up at the
    /// bound.
    pub fn look(&mut self, holder: impl FnOnce() -> Option<Holder>) -> Result<(), Locked> {
        let waited = self.began.elapsed();
        if waited >= self.bound {
            return Err(self.give_up(holder()));
        }
        if waited >= REPORTED_AFTER && !self.is_reported {
            self.is_reported = true;
            tracing::warn!("waiting for {}: {} has it", self.what, named(&holder()));
        }
        Ok(())
    }

    /// What there is to say where it is not waited for any longer.
    pub fn give_up(&self, holder: Option<Holder>) -> Locked {
        Locked { what: self.what.clone(), holder, waited: self.bound }
    }
}

/// How often it is looked at first: most locks are kept for milliseconds.
const FIRST_LOOKS: usize = 50;
const FIRST_LOOK_EVERY: Duration = Duration::from_millis(1);

/// Locks a file or folder for as long as it is open, and waits where another process has the lock. A file system
/// without locks gives none, and nothing is waited for. What is waited for is only computed where something is.
pub fn lock(file: &File, path: &Path, what: impl FnOnce() -> String, bound: Duration) -> Result<(), Locked> {
    let is_free = || !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    if is_free() {
        return Ok(());
    }
    let mut wait = Wait::begin(what(), bound);
    for look in 0_usize.. {
        wait.look(|| Holder::of_file(path))?;
        std::thread::sleep(if look < FIRST_LOOKS { FIRST_LOOK_EVERY } else { LOOK_EVERY });
        if is_free() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_stays_taken_is_given_up_and_its_holder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let locked = File::create(&path).unwrap();
        locked.lock().unwrap();
        let other = File::open(&path).unwrap();
        let refused = lock(&other, &path, || "the file".to_owned(), Duration::from_millis(50)).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
        assert!(said.starts_with("the file: ") && said.contains("run this again"), "{said}");
        drop(locked);
        lock(&other, &path, || "the file".to_owned(), Duration::from_millis(50)).unwrap();
    }
}
