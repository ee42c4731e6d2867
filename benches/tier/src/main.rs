//! What the hot tier adds to an online store: how long reads take with it and without, alone and beside a
//! writer, and how soon a row that another process wrote is seen through it.
//! `bench-tier STORE-URL [ENTITIES]`, on an empty store; `benches/tier/run` runs it on both kinds.

#[path = "../../redis/src/reads.rs"]
mod reads;
#[path = "../../redis/src/rows.rs"]
mod rows;
mod seen;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use feature::{EntityKey, Micros, Span};
use online::{HotTier, Read, Reader, RowWrite, Store, StoreUrl, TableOptions, TierOptions, Writer};
use reads::ReadLoad;
use rows::Packer;

/// Rows in one write.
const ROWS_A_WRITE: usize = 10_000;
/// How long reads are counted.
const READING: Duration = Duration::from_secs(2);
/// Enough for all rows: what is measured is the tier and not what it evicts.
const TIER_BYTES: usize = 1 << 30;
/// Rows of each write beside the reads, and how often it is made.
const ROWS_BESIDE: u64 = 100;
const EVERY: Duration = Duration::from_millis(100);

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: bench-tier STORE-URL [ENTITIES]")?;
    let entities: u64 = arguments.next().map_or(Ok(1_000_000), |count| count.parse())?;
    let url: StoreUrl = url.parse()?;
    load(&open(&url).await?, entities).await?;

    let packer = Packer::new("loaded@1", 10, true)?;
    let began = Instant::now();
    let store = open(&url).await?;
    let keys = [packer.key(entities / 2)?];
    store.read(&[Read { view: packer.view(), keys: &keys }]).await?;
    println!("opened with {entities} entities, and one read: {:.2?}", began.elapsed());

    let tier = Arc::new(tier(open(&url).await?)?);
    let following = tokio::spawn(follow(Arc::clone(&tier)));
    warm(&*tier, &packer, entities).await?;
    for (readers, batch) in [(1, 1), (1, 50), (16, 1), (16, 50)] {
        let read_load = ReadLoad { entities, readers, batch, lasting: READING };
        read("the store", &store, &packer, read_load).await?;
        read("the tier", &*tier, &packer, read_load).await?;
    }
    let beside = tokio::spawn(write_beside(open(&url).await?, entities));
    for batch in [1, 50] {
        let read_load = ReadLoad { entities, readers: 1, batch, lasting: READING };
        read("the store, beside a writer", &store, &packer, read_load).await?;
        read("the tier, beside a writer", &*tier, &packer, read_load).await?;
    }
    WRITES.store(false, Ordering::Relaxed);
    beside.await??;
    println!("{:?}", tier.counts());
    seen::report(&tier, &open(&url).await?).await?;
    following.abort();
    Ok(())
}

async fn open(url: &StoreUrl) -> Result<Store, Failure> {
    Ok(Store::open(url, "bench").await?)
}

fn tier(store: Store) -> Result<HotTier<Store>, Failure> {
    let options = TierOptions { table: TableOptions::evicting(TIER_BYTES), longest_outage: Span::MINUTE };
    HotTier::new(store, options, || Micros::MIN).ok_or_else(|| "there is not enough memory".into())
}

/// Follows for as long as it is left to.
async fn follow(tier: Arc<HotTier<Store>>) {
    let ended = tier.follow().await;
    eprintln!("following has ended: {ended}");
}

/// A million entities with ten latest values and one window.
async fn load(store: &Store, entities: u64) -> Result<(), Failure> {
    let packer = Packer::new("loaded@1", 10, true)?;
    for start in (0..entities).step_by(ROWS_A_WRITE) {
        write(store, &packer, start..entities.min(start + ROWS_A_WRITE as u64), 1).await?;
    }
    Ok(())
}

pub(crate) async fn write(
    store: &Store,
    packer: &Packer,
    entities: std::ops::Range<u64>,
    version: u64,
) -> Result<(), Failure> {
    let packed: Vec<(EntityKey, Vec<u8>)> =
        entities.map(|entity| packer.row(entity, version)).collect::<Result<_, _>>()?;
    let rows: Vec<RowWrite<'_>> = packed.iter().map(|(key, bytes)| RowWrite { key, bytes }).collect();
    store.replace(packer.view(), &rows, Some(Micros::new(version as i64)?)).await?;
    Ok(())
}

/// Reads every row once.
async fn warm(tier: &impl Reader, packer: &Packer, entities: u64) -> Result<(), Failure> {
    for start in (0..entities).step_by(ROWS_A_WRITE) {
        let end = entities.min(start + ROWS_A_WRITE as u64);
        let keys: Vec<EntityKey> = (start..end).map(|entity| packer.key(entity)).collect::<Result<_, _>>()?;
        tier.read(&[Read { view: packer.view(), keys: &keys }]).await?;
    }
    Ok(())
}

/// Whether the writer beside the reads goes on.
static WRITES: AtomicBool = AtomicBool::new(true);

/// Writes rows as a stream does, a thousand a second.
async fn write_beside(store: Store, entities: u64) -> Result<(), Failure> {
    let packer = Packer::new("loaded@1", 10, true)?;
    let mut version = 1;
    while WRITES.load(Ordering::Relaxed) {
        version += 1;
        let start = version * 7919 * ROWS_BESIDE % (entities - ROWS_BESIDE);
        write(&store, &packer, start..start + ROWS_BESIDE, version).await?;
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}

/// Reads, and tells what they took.
async fn read(what: &str, store: &impl Reader, packer: &Packer, read_load: ReadLoad) -> Result<(), Failure> {
    let (reads, took) = reads::read(store, packer, read_load).await?;
    let ReadLoad { readers, batch, .. } = read_load;
    println!("{what}, {batch} entities, {readers} readers: {reads:.0} reads/s, {}", figures(&took));
    Ok(())
}

/// The median, the 99th percentile and the longest, of durations in ascending order.
pub(crate) fn figures(took: &[Duration]) -> String {
    let longest = took.last().copied().unwrap_or_default();
    format!("p50 {:.2?}, p99 {:.2?}, max {longest:.2?}", reads::at(took, 0.5), reads::at(took, 0.99))
}
