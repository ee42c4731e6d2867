//! Replay equivalence: at any moment, an online store that was fed the log as it became visible says
//! what a training set says, to the bit.
//!
//! The log of three weeks of flights is replayed. As the replay passes each moment, the entities that
//! are read have folded the rows that are visible by then, and lie as packed rows in the store
//! on disk or in Redis; the server's reader reads them at that moment, from the store or through the hot tier. The training set of the same
//! entities and moments comes from the log by the point-in-time join. `SEED` draws others.

mod drawn;
mod follower;
mod reported;
mod tier;

use std::collections::HashMap;
use std::path::Path;

use feature::oracle::Numbers;
use feature::{AsOf, EntityKey, Row, VersionId};
use online::{Store, StoreUrl};
use read::{FeatureReader, Moment};
use test_support::RedisServer;

use crate::flights::{self, EVERYTHING};
use crate::label::{LABEL_TIME, spine, validated_request};
use follower::{Follower, Writing};
use reported::Reported;
use tier::Tier;

/// Of how many labels one is also answered by the oracle, which looks at every row for every feature.
const LABELS_FOR_EACH_OF_ORACLE: usize = 7;

/// Every view's rows, by entity.
type Logs = HashMap<VersionId, HashMap<EntityKey, Vec<Row>>>;

#[tokio::test]
async fn a_store_that_follows_the_log_says_what_the_training_set_says() {
    replay(&on_disk, Reading::Store, Writing::InTime, 1000).await;
}

#[tokio::test]
async fn rows_that_were_written_ahead_of_their_time_change_nothing() {
    replay(&on_disk, Reading::Store, Writing::Ahead, 4000).await;
}

#[tokio::test]
async fn redis_says_what_the_training_set_says() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    replay(&move |_| url.clone(), Reading::Store, Writing::InTime, 1000).await;
}

#[tokio::test]
async fn rows_that_wait_in_redis_change_nothing() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    replay(&move |_| url.clone(), Reading::Store, Writing::Ahead, 2000).await;
}

#[tokio::test]
async fn the_tier_before_the_store_on_disk_says_what_the_training_set_says() {
    replay(&on_disk, Reading::Tier, Writing::Ahead, 2000).await;
}

#[tokio::test]
async fn the_tier_before_redis_says_what_the_training_set_says() {
    let server = RedisServer::start(&[]);
    let url = server.url();
    replay(&move |_| url.clone(), Reading::Tier, Writing::Ahead, 2000).await;
}

/// What the server's reader reads.
#[derive(Clone, Copy, PartialEq)]
enum Reading {
    Store,
    /// Through the tier, once it was notified of what was written.
    Tier,
}

fn on_disk(project: &Path) -> String {
    format!("embedded://{}", project.join("followed").display())
}

/// Asks both sides about as many labels, each of which asks for an entity of every view. The empty store
/// is at the address that is given for the project's folder.
async fn replay(store_of: &dyn Fn(&Path) -> String, reading: Reading, writing: Writing, count: usize) {
    let seed = std::env::var("SEED").map_or(2013, |seed| seed.parse().unwrap());
    let mut numbers = Numbers::new(seed);
    let project = flights::project(EVERYTHING).await;
    let plan = project.plan("everything");
    project.backfill(&plan).await;
    let mut logs = Logs::new();
    for lookup in &plan.lookups {
        logs.insert(lookup.view.id.clone(), project.log_rows(&lookup.view).await);
    }
    let labels = drawn::labels(&mut numbers, count, &plan, &logs);
    let set = project.training_set(&plan, &spine(&plan, &labels), LABEL_TIME, AsOf::Available).await;

    let reader = FeatureReader::new(plan.clone()).unwrap();
    let store: StoreUrl = store_of(project.path()).parse().unwrap();
    let store = Store::open(&store, "flights").await.unwrap();
    let tier = (reading == Reading::Tier).then(|| Tier::new(store.clone()));
    let mut follower = Follower::new(store, &plan, &logs, writing);
    let mut present = vec![0; plan.outputs.len()];
    for (row, label) in labels.iter().enumerate() {
        let reads = writing.reads_a_write();
        if row % reads == 0 {
            follower.pass(&labels[row..count.min(row + reads)], &mut numbers).await;
            if let Some(tier) = &tier {
                tier.is_reported(&follower.store).await;
            }
        }
        let validated = validated_request(&reader, std::slice::from_ref(label));
        let online = match &tier {
            Some(tier) => reader.read(&*tier.hot, &validated, Moment::At(label.at)).await.unwrap(),
            None => reader.read(&follower.store, &validated, Moment::At(label.at)).await.unwrap(),
        };
        let reported = Reported { seed, label, plan: &plan, online: &online };
        reported.is_the_training_sets(&set, row);
        if row % LABELS_FOR_EACH_OF_ORACLE == 0 {
            reported.is_the_oracles(&logs);
        }
        for (present, column) in present.iter_mut().zip(&online.columns) {
            *present += usize::from(!online.cell(column, 0).unwrap().value.is_null());
        }
    }

    // Equal nulls would prove little, and so would rows that never waited.
    for (output, present) in plan.outputs.iter().zip(present) {
        assert!(present > count / 4, "{} was there for {present} labels of {count}", output.name);
    }
    if let Some(tier) = &tier {
        let counts = tier.hot.counts();
        assert!(counts.hits as usize > count / 4 && counts.misses > 0, "{counts:?}");
    }
    let waited = follower.written_with_waiting_rows;
    assert_eq!(waited > count / 10, writing == Writing::Ahead, "rows waited in {waited} packed rows");
}
