//! The online store as a process has it open: opened at the first read, and not in a process that was forked since. LMDB's
//! maps and locks are of the process that opened them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use twinstore::{OnlineReads, Project};

use crate::error::wrong;
use crate::runtime::wait;
use crate::watched::Watched;

/// The process that has stores on disk open, and which, once for each time that one is open. A process that was forked from
/// it finds this as it was.
static ON_DISK: Mutex<(u32, Vec<PathBuf>)> = Mutex::new((0, Vec::new()));

/// Refuses to go on in a process that was forked from one that had an online store on disk open.
pub fn refuse_forked(py: Python<'_>, project: &Project) -> PyResult<()> {
    let on_disk = ON_DISK.lock().unwrap_or_else(PoisonError::into_inner);
    let is_parents = on_disk.0 != std::process::id();
    if is_parents && store_on_disk(project).is_some_and(|store| on_disk.1.contains(&store)) {
        return Err(wrong(
            py,
            "this process was forked after its parent had opened the online store on disk, which cannot be shared so: \
             start it with the `spawn` method (`multiprocessing.get_context(\"spawn\")`), or call `store.close()` in the \
             parent before it forks",
        ));
    }
    Ok(())
}

/// The folder of a project's online store, if it is one.
fn store_on_disk(project: &Project) -> Option<PathBuf> {
    let folder = project.folder().join(project.settings().online.url.strip_prefix("embedded://")?);
    Some(folder.canonicalize().unwrap_or(folder))
}

/// Opened for reads by this process.
pub struct Session {
    process: u32,
    on_disk: Option<PathBuf>,
    pub reads: Arc<OnlineReads>,
}

impl Session {
    fn is_own(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(store) = self.on_disk.take().filter(|_| self.is_own()) else { return };
        let mut on_disk = ON_DISK.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = on_disk.1.iter().position(|other| *other == store) {
            on_disk.1.swap_remove(index);
        }
    }
}

/// The session of a project, if one is open.
#[derive(Default)]
pub struct Sessions(Mutex<Option<Session>>);

impl Sessions {
    /// The reads of this process; the store is opened for the first of them.
    pub fn reads(&self, py: Python<'_>, project: &Project) -> PyResult<Arc<OnlineReads>> {
        if let Some(session) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && session.is_own()
        {
            return Ok(session.reads.clone());
        }
        refuse_forked(py, project)?;
        let opened = project.clone();
        let reads = wait(py, &Watched::by_nobody(), async move { opened.online_reads().await })?;
        let (process, on_disk) = (std::process::id(), store_on_disk(project));
        if let Some(store) = &on_disk {
            let mut open = ON_DISK.lock().unwrap_or_else(PoisonError::into_inner);
            if open.0 != process {
                *open = (process, Vec::new());
            }
            open.1.push(store.clone());
        }
        let session = Session { process, on_disk, reads: Arc::new(reads) };
        let reads = session.reads.clone();
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(session);
        forget_a_parents(before);
        Ok(reads)
    }

    /// Closes what this process has open.
    pub fn close(&self) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        forget_a_parents(before);
    }
}

/// What a parent had opened is the parent's: it is not closed here.
fn forget_a_parents(session: Option<Session>) {
    if let Some(session) = session.filter(|session| !session.is_own()) {
        std::mem::forget(session);
    }
}
