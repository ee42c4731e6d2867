//! What the online store in Redis takes and gives: rows written a second, batches read a second, bytes a
//! feature. `bench-redis REDIS-URL [ENTITIES]`; `benches/redis/run` starts the server and the peers.

mod reads;
mod rows;

use std::error::Error;
use std::time::{Duration, Instant};

use feature::{EntityKey, Micros, VersionId};
use online::{Outcome, RowWrite, Store, StoreUrl, Writer};
use reads::ReadLoad;
use redis::Connection;
use rows::Packer;

/// Rows in one write.
const ROWS_A_WRITE: usize = 10_000;
/// Readers at a time, as many as `redis-benchmark` has connections.
const READERS: u64 = 50;
/// How long reads are counted.
const READING: Duration = Duration::from_secs(5);
/// Entities whose memory is measured.
const WEIGHED: u64 = 2_000;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: bench-redis REDIS-URL [ENTITIES]")?;
    let entities: u64 = arguments.next().map_or(Ok(1_000_000), |count| count.parse())?;
    let store = Store::open(&url.parse::<StoreUrl>()?, "bench").await?;
    let mut redis = redis::Client::open(url)?.get_connection()?;

    load(&store, entities).await?;
    for batch in [1, 50] {
        read(&store, entities, batch).await?;
    }
    for (views, features) in [(1, 10), (1, 50), (20, 10), (60, 10)] {
        weigh(&store, &mut redis, views, features).await?;
    }
    peer(&mut redis)
}

/// A million entities with ten latest values and one window: first, once more, and newer.
async fn load(store: &Store, entities: u64) -> Result<(), Failure> {
    let packer = Packer::new("loaded@1", 10, true)?;
    for (what, version, wanted) in [
        ("first load", 1, Outcome::Written),
        ("the same again", 1, Outcome::Unchanged),
        ("newer rows", 2, Outcome::Written),
    ] {
        let (mut took, mut bytes) = (Duration::ZERO, 0);
        for start in (0..entities).step_by(ROWS_A_WRITE) {
            let packed: Vec<(EntityKey, Vec<u8>)> = (start..entities.min(start + ROWS_A_WRITE as u64))
                .map(|entity| packer.row(entity, version))
                .collect::<Result<_, _>>()?;
            let rows: Vec<RowWrite<'_>> = packed.iter().map(|(key, bytes)| RowWrite { key, bytes }).collect();
            bytes += packed.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            let began = Instant::now();
            let outcomes = store.replace(packer.view(), &rows, Some(Micros::new(version as i64)?)).await?;
            took += began.elapsed();
            if outcomes.iter().any(|outcome| *outcome != wanted) {
                return Err("a row became something else: is the server empty at first?".into());
            }
        }
        println!(
            "write, {what}: {:.0} rows/s ({entities} rows of {} bytes in {took:.2?})",
            entities as f64 / took.as_secs_f64(),
            bytes / entities as usize
        );
    }
    Ok(())
}

/// Batches of so many entities, by as many readers as `redis-benchmark` has.
async fn read(store: &Store, entities: u64, batch: u64) -> Result<(), Failure> {
    let packer = Packer::new("loaded@1", 10, true)?;
    let read_load = ReadLoad { entities, readers: READERS, batch, lasting: READING };
    let (reads, took) = reads::read(store, &packer, read_load).await?;
    println!(
        "read, {batch} entities x 10 values, {READERS} readers: {reads:.0} reads/s, {:.0} rows/s, p50 {:.2?}, p99 {:.2?}",
        reads * batch as f64,
        reads::at(&took, 0.5),
        reads::at(&took, 0.99)
    );
    Ok(())
}

/// What Redis needs for the latest values of some views, by its own account.
async fn weigh(store: &Store, redis: &mut Connection, views: usize, features: usize) -> Result<(), Failure> {
    for has_window in [false, true] {
        let packers: Vec<Packer> = (0..views)
            .map(|view| Packer::new(&format!("view_{view}_{has_window}@1"), features, has_window))
            .collect::<Result<_, _>>()?;
        for packer in &packers {
            let packed: Vec<(EntityKey, Vec<u8>)> =
                (0..WEIGHED).map(|entity| packer.row(entity, 1)).collect::<Result<_, _>>()?;
            let rows: Vec<RowWrite<'_>> = packed.iter().map(|(key, bytes)| RowWrite { key, bytes }).collect();
            store.replace(packer.view(), &rows, None).await?;
        }
        let ids: Vec<VersionId> = packers.iter().map(|packer| packer.view().clone()).collect();
        let bytes = memory(redis, &ids)? as f64 / WEIGHED as f64;
        let latest = (views * features) as f64;
        println!(
            "memory, {views} views x {features} float64{}: {bytes:.0} bytes an entity, {:.1} a latest value",
            if has_window { " and a count over an hour, of 13 tiles" } else { "" },
            bytes / latest
        );
    }
    Ok(())
}

/// The memory of all rows of these views.
fn memory(redis: &mut Connection, views: &[VersionId]) -> Result<u64, Failure> {
    let mut total = 0;
    for view in views {
        let pattern = format!("tw:1:bench:{{*}}{view}");
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg(pattern).query(redis)?;
        for keys in keys.chunks(1000) {
            let mut pipeline = redis::pipe();
            for key in keys {
                pipeline.cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0);
            }
            total += pipeline.query::<Vec<u64>>(redis)?.into_iter().sum::<u64>();
        }
    }
    Ok(total)
}

/// Strings as long as a row, under keys that `redis-benchmark` can name, for it to read.
fn peer(redis: &mut Connection) -> Result<(), Failure> {
    let (key, bytes) = Packer::new("loaded@1", 10, true)?.row(0, 1)?;
    let padding = "x".repeat((key.as_bytes().len() + "tw:1:bench:{}loaded@1".len()).saturating_sub(16));
    for start in (0..100_000).step_by(1000) {
        let mut pipeline = redis::pipe();
        for number in start..start + 1000 {
            pipeline.set(format!("{padding}peer{number:012}"), &bytes).ignore();
        }
        pipeline.exec(redis)?;
    }
    println!("peer: 100000 strings of {} bytes under {padding}peer000000000000", bytes.len());
    Ok(())
}
