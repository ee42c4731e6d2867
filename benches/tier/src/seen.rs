//! How soon a row that another wrote is seen through the tier.

use std::time::{Duration, Instant};

use feature::EntityKey;
use online::{HotTier, Read, Reader, Store};

use crate::rows::Packer;
use crate::{Failure, figures, write};

/// Writes that are waited for.
const WRITES: u64 = 5_000;
/// A write that is not seen within this fails the run.
const BOUND: Duration = Duration::from_secs(10);

/// Writes one row after the other by a connection of its own, and after each reads it through the tier
/// until it is the new one. A reader that asks all the time keeps the old row in the tier until the end.
pub(crate) async fn report(tier: &HotTier<Store>, writer: &Store) -> Result<(), Failure> {
    let packer = Packer::new("seen@1", 10, true)?;
    let (key, first) = packer.row(0, 1)?;
    write(writer, &packer, 0..1, 1).await?;
    let keys = [key];
    wait(tier, &packer, &keys, &first).await?;
    let (mut since_begun, mut since_acknowledged) = (Vec::new(), Vec::new());
    for version in 2..2 + WRITES {
        let (_, row) = packer.row(0, version)?;
        let begun = Instant::now();
        write(writer, &packer, 0..1, version).await?;
        let acknowledged = Instant::now();
        wait(tier, &packer, &keys, &row).await?;
        since_begun.push(begun.elapsed());
        since_acknowledged.push(acknowledged.elapsed());
    }
    since_begun.sort_unstable();
    since_acknowledged.sort_unstable();
    println!("a write is seen after it was begun: {}", figures(&since_begun));
    println!("a write is seen after it was acknowledged: {}", figures(&since_acknowledged));
    Ok(())
}

async fn wait(tier: &HotTier<Store>, packer: &Packer, keys: &[EntityKey], row: &[u8]) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let found = tier.read(&[Read { view: packer.view(), keys }]).await?;
        if found.first().and_then(|found| found.row(0)) == Some(row) {
            return Ok(());
        }
        if began.elapsed() > BOUND {
            return Err("a write was never seen".into());
        }
        tokio::task::yield_now().await;
    }
}
