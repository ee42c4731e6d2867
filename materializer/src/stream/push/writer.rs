//! One who appends to a topic on disk for many who push at once: whoever waits while a sync is under way
//! is synced by the next one, together with all others who do.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use feature::Micros;
use futures::channel::oneshot;

use super::push_error::PushError;
use super::topic::{PushLog, Pushed};

/// Pushes that may wait for the next sync; one more is refused.
const MAX_WAITING: usize = 1_024;
/// Rows that are synced together, but for the last push of them.
const MAX_ROWS_TOGETHER: usize = 50_000;
/// How long nobody pushes before the note of what was acknowledged is synced.
const QUIET: Duration = Duration::from_millis(100);

/// Appends to one topic, on a thread of its own that ends when this is dropped.
#[derive(Debug)]
pub struct PushWriter {
    folder: PathBuf,
    /// None once it is dropped.
    queue: Option<SyncSender<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

/// What an append came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offsets of the rows, in their order.
    pub offsets: Range<u64>,
    /// How long the write and the sync took, in nanoseconds; those who share them get the same.
    pub synced_nanos: u64,
}

struct Waiting {
    rows: Vec<Pushed>,
    done: oneshot::Sender<Result<Appended, PushError>>,
}

impl PushWriter {
    /// A writer for the topic in this folder. The topic is opened, or made, at the first append, and
    /// locked from then on: no other process can append meanwhile.
    pub fn start(folder: &Path, clock: fn() -> Micros) -> Result<Self, PushError> {
        let (queue, waiting) = sync_channel(MAX_WAITING);
        let appender = Appender { folder: folder.to_owned(), clock, log: None };
        let thread = thread::Builder::new().name("push".to_owned()).spawn(move || appender.run(&waiting));
        let thread = thread.map_err(PushError::disk(folder))?;
        Ok(Self { folder: folder.to_owned(), queue: Some(queue), thread: Some(thread) })
    }

    /// Appends rows behind all that came before. Once it resolves they are there, whatever happens to this
    /// process or the machine. Where it is dropped before, they may be there or not.
    pub async fn append(&self, rows: Vec<Pushed>) -> Result<Appended, PushError> {
        let (done, answer) = oneshot::channel();
        let gone = || PushError::Busy { path: self.folder.display().to_string() };
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        match queue.try_send(Waiting { rows, done }) {
            Ok(()) => answer.await.map_err(|_| gone())?,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(gone()),
        }
    }
}

impl Drop for PushWriter {
    fn drop(&mut self) {
        // Without a sender the thread finishes what waits, and ends.
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Appender {
    folder: PathBuf,
    clock: fn() -> Micros,
    log: Option<PushLog>,
}

impl Appender {
    fn run(mut self, waiting: &Receiver<Waiting>) {
        while let Some(first) = self.wait(waiting) {
            let mut rows = first.rows.len();
            let mut together = vec![first];
            while rows < MAX_ROWS_TOGETHER
                && let Ok(next) = waiting.try_recv()
            {
                rows += next.rows.len();
                together.push(next);
            }
            self.append_or_begin_again(together);
        }
    }

    /// Where that panics, those who wait are refused, and the topic is opened again for the next: what was written of it is
    /// read back, as after a crash.
    fn append_or_begin_again(&mut self, together: Vec<Waiting>) {
        let appended = catch_unwind(AssertUnwindSafe(|| self.append(together)));
        if appended.is_err() {
            self.log = None;
            tracing::error!(
                "{}: rows were not appended by a fault of twinstore: the topic is opened again for the next",
                self.folder.display()
            );
        }
    }

    /// What waits next; none once nobody can push any more.
    fn wait(&self, waiting: &Receiver<Waiting>) -> Option<Waiting> {
        let Some(log) = &self.log else { return waiting.recv().ok() };
        let quiet = match waiting.recv_timeout(QUIET) {
            Ok(first) => return Some(first),
            Err(quiet) => quiet,
        };
        if let Err(error) = log.sync_end() {
            // The frames are synced: this only says once more how far.
            tracing::debug!("{}: its end was not synced: {error}", self.folder.display());
        }
        match quiet {
            RecvTimeoutError::Timeout => waiting.recv().ok(),
            RecvTimeoutError::Disconnected => None,
        }
    }

    /// Appends what waits with one sync. Where that fails each is tried alone, so that one that is too
    /// long, or for which the disk has no space, takes no other with it.
    fn append(&mut self, mut together: Vec<Waiting>) {
        if together.len() > 1 {
            let rows: Vec<Pushed> = together.iter().flat_map(|one| one.rows.iter().cloned()).collect();
            if let Ok(all) = self.synced(&rows) {
                let mut first = all.offsets.start;
                for Waiting { rows, done } in together {
                    let offsets = first..first + rows.len() as u64;
                    first = offsets.end;
                    // Whoever pushed may be gone.
                    let _ = done.send(Ok(Appended { offsets, ..all }));
                }
                return;
            }
        }
        for Waiting { rows, done } in together.drain(..) {
            let _ = done.send(self.synced(&rows));
        }
    }

    fn synced(&mut self, rows: &[Pushed]) -> Result<Appended, PushError> {
        let began = Instant::now();
        let log = match &mut self.log {
            Some(log) => log,
            None => self.log.insert(PushLog::open(&self.folder)?),
        };
        let appended = log.append(rows, (self.clock)());
        if matches!(appended, Err(PushError::Disk { .. })) {
            // What a disk that failed has of the newest segment is read again before the next append.
            self.log = None;
        }
        let first = appended?;
        let synced_nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Ok(Appended { offsets: first..first + rows.len() as u64, synced_nanos })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::future::join_all;

    use super::*;

    fn at() -> Micros {
        Micros::new(7_000_000).unwrap()
    }

    fn row(text: &str) -> Pushed {
        Pushed { key: None, value: Some(text.as_bytes().to_vec()) }
    }

    #[tokio::test]
    async fn those_who_push_at_once_have_offsets_that_follow_each_other_and_all_rows_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let writer = PushWriter::start(folder.path(), at).unwrap();
        let pushes = (0..200).map(|n| writer.append(vec![row(&format!("a{n}")), row(&format!("b{n}"))]));
        let offsets: Vec<Range<u64>> =
            join_all(pushes).await.into_iter().map(|one| one.unwrap().offsets).collect();
        let expected: Vec<Range<u64>> = (0..200).map(|n| 2 * n..2 * n + 2).collect();
        assert_eq!(offsets, expected);
        drop(writer);
        assert_eq!(PushLog::open(folder.path()).unwrap().next(), 400);
    }

    #[tokio::test]
    async fn a_row_that_is_too_long_takes_no_other_push_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut appender = Appender { folder: folder.path().to_owned(), clock: at, log: None };
        let (waiting, answers): (Vec<_>, Vec<_>) = ["a", &"x".repeat(9 << 20), "b"]
            .into_iter()
            .map(|text| {
                let (done, answer) = oneshot::channel();
                (Waiting { rows: vec![row(text)], done }, answer)
            })
            .unzip();
        appender.append(waiting);
        let answers: Vec<_> = join_all(answers).await.into_iter().map(|answer| answer.unwrap()).collect();
        assert_eq!(answers[0].as_ref().unwrap().offsets, 0..1);
        assert!(matches!(answers[1], Err(PushError::TooLong { .. })));
        assert_eq!(answers[2].as_ref().unwrap().offsets, 1..2);
    }

    /// Panics once.
    fn broken_at() -> Micros {
        static IS_MENDED: AtomicBool = AtomicBool::new(false);
        assert!(IS_MENDED.swap(true, Ordering::Relaxed), "out of luck");
        at()
    }

    #[tokio::test]
    async fn a_panic_refuses_those_who_wait_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let writer = PushWriter::start(folder.path(), broken_at).unwrap();
        assert!(matches!(writer.append(vec![row("a")]).await, Err(PushError::Busy { .. })));
        assert_eq!(writer.append(vec![row("b")]).await.unwrap().offsets, 0..1);
    }

    #[tokio::test]
    async fn a_topic_that_another_process_appends_to_is_refused_and_taken_once_that_one_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let other = PushLog::open(folder.path()).unwrap();
        let writer = PushWriter::start(folder.path(), at).unwrap();
        assert!(matches!(writer.append(vec![row("a")]).await, Err(PushError::Locked { .. })));
        drop(other);
        assert_eq!(writer.append(vec![row("a")]).await.unwrap().offsets, 0..1);
    }
}
