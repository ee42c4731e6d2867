//! What the online store in Redis takes and gives: rows written a second, batches read a second, bytes a
//! feature. `bench-redis REDIS-URL [ENTITIES]`; `benches/redis/run` starts the server and the peers.

mod rows;

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use feature::{EntityKey, Micros, VersionId};
use futures::future::try_join_all;
use online::{Outcome, Read, Reader, Replacement, Store, StoreUrl, Writer};
use redis::Connection;
use rows::Packer;

/// Rows in one write.
const ROWS_A_WRITE: usize = 10_000;
/// Readers at a time, as many as `redis-benchmark` has connections.
const READERS: usize = 50;
/// How long reads are counted.
const READING: Duration = Duration::from_secs(5);
/// Entities whose memory is asked for.
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
            let rows: Vec<Replacement<'_>> =
                packed.iter().map(|(key, bytes)| Replacement { key, bytes }).collect();
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

/// Batches of so many entities, by readers that begin the next once they have one.
async fn read(store: &Store, entities: u64, batch: u64) -> Result<(), Failure> {
    let packer = Packer::new("loaded@1", 10, true)?;
    let began = Instant::now();
    let done = AtomicUsize::new(0);
    let mut took = try_join_all((0..READERS as u64).map(|reader| {
        let (packer, done) = (&packer, &done);
        async move {
            let mut took = Vec::new();
            let mut entity = reader * 7919;
            while began.elapsed() < READING {
                let keys: Vec<EntityKey> = (0..batch)
                    .map(|place| packer.key((entity + place * 104_729) % entities))
                    .collect::<Result<_, _>>()?;
                let asked = Instant::now();
                let found = store.read(&[Read { view: packer.view(), keys: &keys }]).await?;
                took.push(asked.elapsed());
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
    let reads = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "read, {batch} entities x 10 values, {READERS} readers: {reads:.0} reads/s, {:.0} rows/s, p50 {:.2?}, p99 {:.2?}",
        reads * batch as f64,
        at(0.5),
        at(0.99)
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
            let rows: Vec<Replacement<'_>> =
                packed.iter().map(|(key, bytes)| Replacement { key, bytes }).collect();
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
