//! How a call of Python waits for work: one runtime for each process, the interpreter's lock released, and signals looked
//! at ten times a second. A process that was forked gets a runtime of its own, as the threads of its parent's are not there.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};
use twinstore::ProjectError;

use crate::error::{self, fault};
use crate::watched::Watched;

/// How often a call that waits lets the interpreter handle signals.
const POLL: Duration = Duration::from_millis(100);

/// How long work that is interrupted may take to end where it is.
const ENDING: Duration = Duration::from_millis(200);

/// The runtime of this process, beside the number of the process that made it.
static RUNTIME: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// The runtime of this process. It lives as long as the process does.
fn runtime() -> PyResult<&'static Runtime> {
    let mut made = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    match *made {
        Some((maker, runtime)) if maker == process => Ok(runtime),
        _ => {
            let runtime = Builder::new_multi_thread().enable_all().thread_name("twinstore").build();
            let runtime: &'static Runtime = Box::leak(Box::new(runtime?));
            *made = Some((process, runtime));
            Ok(runtime)
        }
    }
}

/// What work gives that may take long. It runs on the runtime's threads, reports its progress meanwhile, and is cancelled
/// where a signal raises an exception, which is then raised here.
pub fn wait<T, W>(py: Python<'_>, watched: &Watched, work: W) -> PyResult<T>
where
    T: Send + 'static,
    W: Future<Output = Result<T, ProjectError>> + Send + 'static,
{
    let runtime = runtime()?;
    let mut task = runtime.spawn(work);
    let joined = loop {
        let waited = py.detach(|| runtime.block_on(async { timeout(POLL, &mut task).await }));
        if let Ok(joined) = waited {
            break joined;
        }
        if let Err(raised) = py.check_signals().and_then(|()| watched.show(py)) {
            watched.cancel();
            // What ends by itself says nothing more; anything else ends where it is.
            if py.detach(|| runtime.block_on(async { timeout(ENDING, &mut task).await })).is_err() {
                task.abort();
            }
            return Err(raised);
        }
    };
    match joined {
        Ok(done) => done.map_err(|failed| error::raised(py, &failed)),
        Err(ended) => Err(fault(py, &ended.to_string())),
    }
}

/// What work gives that is short: it runs on the thread of the caller.
pub fn wait_here<T: Send>(
    py: Python<'_>,
    work: impl Future<Output = Result<T, ProjectError>> + Send,
) -> PyResult<T> {
    let runtime = runtime()?;
    let done = py.detach(|| {
        runtime.block_on(async {
            let mut work = pin!(work);
            loop {
                tokio::select! {
                    biased;
                    done = &mut work => return Ok(done),
                    () = sleep(POLL) => Python::attach(|py| py.check_signals())?,
                }
            }
        })
    });
    match done {
        Ok(done) => done.map_err(|failed| error::raised(py, &failed)),
        Err(raised) => Err(raised),
    }
}
