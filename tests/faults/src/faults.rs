//! The faults: what is done to streams while they run, each from a seed.

mod kafka;
mod online;
mod process;

use std::time::{Duration, Instant};

use feature::oracle::Numbers;

use crate::checker::Checked;
use crate::disk::SmallDisk;
use crate::redis::Redis;
use crate::stream_project::StreamProject;
use crate::topic::Topic;
use test_support::KafkaBroker;

/// The steps of a stream at which it ends itself, as `TWINSTORE_TRIAL_END` names them.
pub const POINTS: [&str; 10] = [
    "located",
    "transformed",
    "refused",
    "half-written",
    "written",
    "stamped",
    "file-written",
    "committed",
    "acknowledged",
    "rebuilt",
];

/// What is done to a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Killed at a random moment, again and again.
    Killed,
    /// Killed at this step of the protocol, again and again.
    KilledAt(usize),
    /// Killed at each step in turn.
    KilledAtEach,
    /// Put to sleep until the group gives its partitions to another, then woken.
    Zombie,
    /// Members come and go; partitions move cooperatively.
    Cooperative,
    /// Members come and go; all partitions are taken from all at each change.
    Eager,
    /// The broker is killed and started again after some seconds.
    BrokerDown,
    /// The connections to the broker are cut.
    BrokerCut,
    /// Nothing that is sent to the broker or by it arrives, for some seconds.
    BrokerSilent,
    /// What is sent to the broker arrives half a second later.
    BrokerSlow,
    /// The online rows are dropped while it runs.
    OnlineLost,
    /// Killed at random moments and steps, with its online rows in a Redis.
    RedisKilled,
    /// The Redis is killed, and starts again with what it had.
    RedisBack,
    /// The Redis is killed, and starts again with nothing.
    RedisEmpty,
    /// What is sent to the Redis arrives half a second later.
    RedisSlow,
    /// The Redis has no memory left for some seconds.
    RedisFull,
    /// Nothing that is sent to the Redis or by it arrives, for longer than a write is waited for.
    RedisSilent,
    /// The connections to the Redis are cut.
    RedisCut,
    /// Records that nobody can read among the others.
    Poison,
    /// The disk of the logs is full for some seconds. It takes a mount, so only root can.
    DiskFull,
    /// The clock of the streams is an hour ahead.
    ClockAhead,
    /// The clock of the streams is an hour behind; records have the broker's time.
    ClockBehind,
}

impl Fault {
    /// Every fault, but for what others do one by one.
    pub fn all() -> Vec<Fault> {
        let points = (0..POINTS.len()).map(Fault::KilledAt);
        let before = [Fault::Killed].into_iter().chain(points);
        before
            .chain([
                Fault::Zombie,
                Fault::Cooperative,
                Fault::Eager,
                Fault::BrokerDown,
                Fault::BrokerCut,
                Fault::BrokerSilent,
                Fault::BrokerSlow,
                Fault::OnlineLost,
                Fault::RedisKilled,
                Fault::RedisBack,
                Fault::RedisEmpty,
                Fault::RedisSlow,
                Fault::RedisFull,
                Fault::RedisSilent,
                Fault::RedisCut,
                Fault::Poison,
                Fault::DiskFull,
                Fault::ClockAhead,
                Fault::ClockBehind,
            ])
            .collect()
    }

    /// Whether each strike takes long.
    pub const fn is_long(self) -> bool {
        matches!(
            self,
            Fault::BrokerDown
                | Fault::BrokerCut
                | Fault::BrokerSilent
                | Fault::BrokerSlow
                | Fault::RedisSlow
                | Fault::RedisSilent
        )
    }

    /// What reports call it.
    pub fn name(self) -> String {
        match self {
            Fault::Killed => "killed",
            Fault::KilledAt(point) => return format!("killed when {}", POINTS[point]),
            Fault::KilledAtEach => "killed at each step",
            Fault::Zombie => "zombie",
            Fault::Cooperative => "cooperative rebalances",
            Fault::Eager => "eager rebalances",
            Fault::BrokerDown => "broker down",
            Fault::BrokerCut => "broker cut",
            Fault::BrokerSilent => "broker silent",
            Fault::BrokerSlow => "broker slow",
            Fault::OnlineLost => "online rows lost",
            Fault::RedisKilled => "redis, stream killed",
            Fault::RedisBack => "redis back",
            Fault::RedisEmpty => "redis empty",
            Fault::RedisSlow => "redis slow",
            Fault::RedisFull => "redis full",
            Fault::RedisSilent => "redis silent",
            Fault::RedisCut => "redis cut",
            Fault::Poison => "poison",
            Fault::DiskFull => "disk full",
            Fault::ClockAhead => "clock an hour ahead",
            Fault::ClockBehind => "clock an hour behind",
        }
        .to_owned()
    }
}

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How often the fault strikes.
    pub times: u32,
    /// Clicks that are produced between two of them.
    pub clicks: u64,
    /// For how many seconds what is down stays so.
    pub down_s: u64,
    /// From what everything follows.
    pub seed: u64,
}

/// What was left of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The fault.
    pub fault: Fault,
    /// How often it struck.
    pub times: u32,
    /// What was found in both stores.
    pub checked: Checked,
}

/// Small flushes, so that a fault finds every step under way.
const SMALL: [&str; 4] = ["--flush-rows", "200", "--flush-after", "20ms"];

/// A fault that is under way.
struct Strike<'a> {
    broker: &'a KafkaBroker,
    project: &'a StreamProject,
    topic: &'a mut Topic,
    extent: Extent,
    numbers: Numbers,
    /// It has the log, so it stays until the log is checked.
    disk: Option<SmallDisk>,
}

/// Streams under a fault, and what is left.
pub fn run(broker: &KafkaBroker, fault: Fault, extent: Extent) -> Outcome {
    let name = format!("{}-{}", fault.name().replace([' ', ','], "-"), extent.seed);
    let create = if fault == Fault::ClockBehind { Topic::of_broker_time } else { Topic::create };
    let mut topic = create(broker, &name, 4, extent.seed);
    let mut redis = redis_of(fault);
    let mut project = match (&redis, fault) {
        (Some(redis), _) => StreamProject::with_redis(broker, &topic, redis),
        (None, Fault::BrokerCut | Fault::BrokerSilent | Fault::BrokerSlow) => {
            StreamProject::proxied(broker, &topic)
        }
        _ => StreamProject::set(broker, &topic),
    };
    match fault {
        Fault::ClockAhead => project.set_clock(3_600),
        Fault::ClockBehind => project.set_clock(-3_600),
        Fault::Eager => project.set_kafka("partition.assignment.strategy", "range"),
        _ => {}
    }
    project.watch();
    let numbers = Numbers::new(extent.seed);
    let mut strike = Strike { broker, project: &project, topic: &mut topic, extent, numbers, disk: None };
    match (fault, &mut redis) {
        (Fault::KilledAt(point), _) => strike.killed_at(point),
        (Fault::KilledAtEach, _) => strike.killed_at_each(),
        (Fault::Zombie, _) => strike.zombie(),
        (Fault::Cooperative | Fault::Eager, _) => strike.rebalanced(),
        (Fault::BrokerDown, _) => strike.broker_down(),
        (Fault::BrokerCut, _) => strike.broker_cut(),
        (Fault::BrokerSilent, _) => strike.broker_silent(),
        (Fault::BrokerSlow, _) => strike.broker_slow(),
        (Fault::OnlineLost, _) => strike.online_lost(),
        (Fault::RedisBack, Some(redis)) => strike.redis_back(redis),
        (Fault::RedisEmpty, Some(redis)) => strike.redis_empty(redis),
        (Fault::RedisSlow, Some(redis)) => strike.redis_slow(redis),
        (Fault::RedisFull, Some(redis)) => strike.redis_full(redis),
        (Fault::RedisSilent, Some(redis)) => strike.redis_silent(redis),
        (Fault::RedisCut, Some(redis)) => strike.redis_cut(redis),
        (Fault::RedisKilled, _) => strike.killed_anywhere(),
        (Fault::Poison, _) => strike.poison(),
        (Fault::DiskFull, _) => strike.disk_full(),
        _ => strike.killed(),
    }
    let disk = strike.disk.take();
    let last = project.stream(&[]);
    project.await_rows(&topic, 0);
    last.stop();
    let checked = project.check(&topic);
    drop(disk);
    Outcome { fault, times: extent.times, checked }
}

/// How long a stream takes that was killed, from its start until both stores have so many clicks that came
/// meanwhile.
pub fn restart(broker: &KafkaBroker, behind: u64, seed: u64) -> Duration {
    let mut topic = Topic::create(broker, &format!("restart-{seed}"), 4, seed);
    let project = StreamProject::set(broker, &topic);
    let stream = project.stream(&SMALL);
    topic.produce(behind / 10);
    project.await_more(0);
    stream.kill();
    topic.produce(behind);
    let began = Instant::now();
    let stream = project.stream(&[]);
    project.await_rows(&topic, 0);
    let took = began.elapsed();
    stream.stop();
    project.check(&topic).expect_nothing_wrong();
    took
}

fn redis_of(fault: Fault) -> Option<Redis> {
    match fault {
        Fault::RedisBack => Some(Redis::that_keeps()),
        Fault::RedisKilled
        | Fault::RedisEmpty
        | Fault::RedisSlow
        | Fault::RedisFull
        | Fault::RedisSilent
        | Fault::RedisCut => Some(Redis::start()),
        _ => None,
    }
}

impl Strike<'_> {
    /// Produces what one turn has, and waits until some of it is in the log.
    fn produce_and_await(&mut self) {
        let before = self.project.rows();
        self.topic.produce(self.extent.clicks);
        self.project.await_more(before);
    }

    /// Produces what one turn has, and waits until all is in the log.
    fn produce_and_await_all(&mut self) {
        self.topic.produce(self.extent.clicks);
        self.project.await_rows(self.topic, 0);
    }
}
