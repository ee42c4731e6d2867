//! Who looks at the online rows all along, from another process than those that write them: what is seen
//! is kept, to be explained by the log when all is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use feature::oracle::Numbers;
use feature::{Answer, EntityKey, Micros, Value, View};
use online::{Layout, PackedRow, PackedRows, Positions, Read, Reader, Store};
use tokio::runtime::Handle;

use crate::stream_project::StreamProject;
use crate::topic::{USERS, now};

/// Rows that are kept of all that are seen, each with the same chance.
const SAMPLES: usize = 1_000;
/// How long it rests between two looks.
const REST: Duration = Duration::from_millis(20);

/// One who looks.
pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    looking: JoinHandle<Seen>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How often all rows were looked at.
    pub(crate) looks: u64,
    /// Rows that have folded less than they had before, or are gone.
    pub(crate) went_back: u64,
    /// The first of them.
    pub(crate) example: Option<String>,
    /// Some of the rows.
    pub(crate) samples: Vec<Sample>,
}

/// One row as it was seen.
#[derive(Debug)]
pub(crate) struct Sample {
    /// The entity.
    pub(crate) key: EntityKey,
    /// The moment of which its features are.
    pub(crate) at: Micros,
    /// What the row says that it has folded.
    pub(crate) positions: Positions,
    /// Its features.
    pub(crate) answer: Answer,
}

/// The looking itself.
struct Looking {
    store: Store,
    view: Arc<View>,
    layout: Layout,
    keys: Vec<EntityKey>,
    /// What each row had folded when it was seen last.
    last_positions: Vec<Option<Positions>>,
    ahead_us: i64,
    seen: Seen,
    numbers: Numbers,
    /// Rows that were seen for the first time.
    met: u64,
}

impl Witness {
    /// Begins to look at a project.
    pub(crate) fn begin(project: &StreamProject) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let view = project.view.clone();
        let users = (0..USERS as i64).map(|user| EntityKey::encode(&view.keys, &[Value::Int64(user)]));
        let keys: Vec<EntityKey> = users.map(Result::unwrap).collect();
        let looking = Looking {
            store: project.runtime.block_on(project.online()),
            layout: Layout::new(&view),
            last_positions: vec![None; keys.len()],
            view,
            keys,
            ahead_us: project.now().since(now()),
            seen: Seen::default(),
            numbers: Numbers::new(1),
            met: 0,
        };
        let (is_over, losses, handle) =
            (stop.clone(), project.losses.clone(), project.runtime.handle().clone());
        let looking = thread::spawn(move || looking.run(&handle, &is_over, &losses));
        Self { stop, looking }
    }

    /// Ends it, and gives what was seen.
    pub(crate) fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.join().unwrap()
    }
}

impl Looking {
    fn run(mut self, handle: &Handle, is_over: &AtomicBool, losses: &AtomicU64) -> Seen {
        let mut lost_before = 0;
        while !is_over.load(Ordering::Relaxed) {
            thread::sleep(REST);
            let lost = losses.load(Ordering::SeqCst);
            // A store that is down is no news here.
            let read = Read { view: &self.view.id, keys: &self.keys };
            let Ok(found) = handle.block_on(self.store.read(&[read])) else { continue };
            // The count is odd while rows are being lost.
            if lost % 2 == 1 || lost != lost_before || losses.load(Ordering::SeqCst) != lost {
                lost_before = lost;
                self.last_positions.fill(None);
            } else {
                self.look(&found[0]);
            }
        }
        self.seen
    }

    fn look(&mut self, found: &PackedRows) {
        self.seen.looks += 1;
        let at = Micros::new(now().get() + self.ahead_us).unwrap();
        for index in 0..self.keys.len() {
            let bytes = found.row(index);
            let row = bytes.map(|bytes| PackedRow::new(&self.layout, bytes).unwrap());
            let positions = row.as_ref().map(|row| row.positions().unwrap());
            if positions == self.last_positions[index] {
                continue;
            }
            let before = std::mem::replace(&mut self.last_positions[index], positions.clone());
            let is_newer = before
                .as_ref()
                .is_none_or(|before| positions.as_ref().is_some_and(|positions| positions.contains(before)));
            if !is_newer {
                self.seen.went_back += 1;
                let user = self.keys[index].decode(&self.view.keys);
                self.seen.example.get_or_insert_with(|| format!("{user:?}: {positions:?} after {before:?}"));
            }
            if let (Some(row), Some(positions)) = (row, positions) {
                let answer = row.answer(at).unwrap();
                let key = self.keys[index].clone();
                keep(
                    &mut self.seen.samples,
                    Sample { key, at, positions, answer },
                    &mut self.numbers,
                    self.met,
                );
                self.met += 1;
            }
        }
    }
}

/// Keeps a row so that each of all that were met has the same chance.
fn keep(samples: &mut Vec<Sample>, sample: Sample, numbers: &mut Numbers, met_before: u64) {
    if samples.len() < SAMPLES {
        samples.push(sample);
    } else if let Some(other) = samples.get_mut(numbers.below(met_before + 1) as usize) {
        *other = sample;
    }
}
