//! Batches that are read by several readers at once, and what they took: for each benchmark of a store.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use feature::EntityKey;
use futures::future::try_join_all;
use online::{Read, Reader};

use crate::Failure;
use crate::rows::Packer;

/// How a store is read.
#[derive(Clone, Copy)]
pub struct ReadLoad {
    /// How many entities there are.
    pub entities: u64,
    /// Readers, of which each begins its next read once it has one.
    pub readers: u64,
    /// Entities of one read.
    pub batch: u64,
    /// For how long.
    pub lasting: Duration,
}

/// Reads a second, and what each took, in ascending order.
pub async fn read(
    store: &impl Reader,
    packer: &Packer,
    read_load: ReadLoad,
) -> Result<(f64, Vec<Duration>), Failure> {
    let began = Instant::now();
    let done = AtomicUsize::new(0);
    let mut took = try_join_all((0..read_load.readers).map(|reader| {
        let done = &done;
        async move {
            let mut took = Vec::new();
            let mut entity = reader * 7919;
            while began.elapsed() < read_load.lasting {
                let keys: Vec<EntityKey> = (0..read_load.batch)
                    .map(|index| packer.key((entity + index * 104_729) % read_load.entities))
                    .collect::<Result<_, _>>()?;
                let began = Instant::now();
                let found = store.read(&[Read { view: packer.view(), keys: &keys }]).await?;
                took.push(began.elapsed());
                if found.iter().flat_map(|found| found.rows()).any(|row| row.is_none()) {
                    return Err("a row is missing".into());
                }
                done.fetch_add(1, Ordering::Relaxed);
                entity += 15_485_863;
            }
            Ok::<_, Failure>(took)
        }
    }))
    .await?
    .concat();
    took.sort_unstable();
    Ok((done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64(), took))
}

/// What a share of them took at most, of durations in ascending order.
pub fn at(took: &[Duration], share: f64) -> Duration {
    took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default()
}
