//! The faults: what is done to streams while they run, each from a seed.

use std::thread;
use std::time::Duration;

use feature::oracle::Numbers;

use crate::broker::Broker;
use crate::checker::Checked;
use crate::disk::SmallDisk;
use crate::stage::{Stage, Streaming};
use crate::topic::Topic;

/// What is done to a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Killed at a random moment, again and again.
    Killed,
    /// Put to sleep until the group gives its partitions to another, then woken.
    Zombie,
    /// Members come and go; partitions move cooperatively.
    Cooperative,
    /// Members come and go; all partitions are taken from all at each change.
    Eager,
    /// The broker is killed and started again.
    BrokerDown,
    /// The online rows are dropped while it runs.
    OnlineLost,
    /// Records that nobody can read among the others.
    Poison,
    /// The disk of the logs is full for some seconds. It takes a mount, so only root can.
    DiskFull,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 8] = [
        Fault::Killed,
        Fault::Zombie,
        Fault::Cooperative,
        Fault::Eager,
        Fault::BrokerDown,
        Fault::OnlineLost,
        Fault::Poison,
        Fault::DiskFull,
    ];

    /// What reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Killed => "killed",
            Fault::Zombie => "zombie",
            Fault::Cooperative => "cooperative rebalances",
            Fault::Eager => "eager rebalances",
            Fault::BrokerDown => "broker down",
            Fault::OnlineLost => "online rows lost",
            Fault::Poison => "poison",
            Fault::DiskFull => "disk full",
        }
    }
}

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How often the fault strikes.
    pub times: u32,
    /// Clicks that are produced between two of them.
    pub clicks: u64,
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

/// Streams under a fault, and what is left.
pub fn run(broker: &Broker, fault: Fault, extent: Extent) -> Outcome {
    let name = format!("{}-{}", fault.name().replace(' ', "-"), extent.seed);
    let mut topic = Topic::create(broker, &name, 4, extent.seed);
    let stage = Stage::set(broker, &topic);
    let mut numbers = Numbers::new(extent.seed);
    match fault {
        Fault::Killed => killed(&stage, &mut topic, extent, &mut numbers),
        Fault::Zombie => zombie(&stage, &mut topic, extent),
        Fault::Cooperative => rebalanced(&stage, &mut topic, extent, &mut numbers),
        Fault::Eager => {
            stage.set_kafka("partition.assignment.strategy", "range");
            rebalanced(&stage, &mut topic, extent, &mut numbers);
        }
        Fault::BrokerDown => broker_down(broker, &stage, &mut topic, extent),
        Fault::OnlineLost => online_lost(&stage, &mut topic, extent),
        Fault::Poison => poison(&stage, &mut topic, extent),
        Fault::DiskFull => disk_full(&stage, &mut topic, extent),
    }
    let last = stage.stream(&[]);
    stage.await_rows(&topic, 0);
    last.stop();
    Outcome { fault, times: extent.times, checked: stage.check(&topic) }
}

/// A moment of at most so many milliseconds.
fn pause(numbers: &mut Numbers, at_most: u64) {
    thread::sleep(Duration::from_millis(numbers.below(at_most)));
}

fn killed(stage: &Stage, topic: &mut Topic, extent: Extent, numbers: &mut Numbers) {
    for _ in 0..extent.times {
        let stream = stage.stream(&SMALL);
        produce_and_await(stage, topic, extent);
        pause(numbers, 200);
        stream.kill();
    }
}

/// Produces what one turn has, and waits until some of it is in the log.
fn produce_and_await(stage: &Stage, topic: &mut Topic, extent: Extent) {
    let before = stage.rows();
    topic.produce(extent.clicks);
    stage.await_more(before);
}

fn zombie(stage: &Stage, topic: &mut Topic, extent: Extent) {
    for _ in 0..extent.times {
        let sleeper = stage.stream(&SMALL);
        produce_and_await(stage, topic, extent);
        sleeper.pause();
        let successor = stage.stream(&SMALL);
        topic.produce(extent.clicks);
        // All of it: the successor has the sleeper's partitions.
        stage.await_rows(topic, 0);
        sleeper.wake();
        topic.produce(extent.clicks);
        stage.await_rows(topic, 0);
        sleeper.kill();
        successor.kill();
    }
}

fn rebalanced(stage: &Stage, topic: &mut Topic, extent: Extent, numbers: &mut Numbers) {
    let mut members: Vec<Streaming> = vec![stage.stream(&SMALL)];
    for _ in 0..extent.times {
        produce_and_await(stage, topic, extent);
        if members.len() < 3 && (members.len() == 1 || numbers.once_in(2)) {
            members.push(stage.stream(&SMALL));
        } else {
            let leaves = members.remove(numbers.below(members.len() as u64) as usize);
            leaves.stop();
        }
        pause(numbers, 300);
    }
    stage.await_rows(topic, 0);
    members.into_iter().for_each(Streaming::stop);
}

fn broker_down(broker: &Broker, stage: &Stage, topic: &mut Topic, extent: Extent) {
    let stream = stage.stream(&SMALL);
    for _ in 0..extent.times {
        produce_and_await(stage, topic, extent);
        broker.kill();
        thread::sleep(Duration::from_secs(5));
        broker.restart();
    }
    topic.produce(extent.clicks);
    stage.await_rows(topic, 0);
    stream.stop();
}

fn online_lost(stage: &Stage, topic: &mut Topic, extent: Extent) {
    let stream = stage.stream(&SMALL);
    for _ in 0..extent.times {
        produce_and_await(stage, topic, extent);
        stage.lose_online_rows();
    }
    topic.produce(extent.clicks);
    stage.await_rows(topic, 0);
    stream.stop();
}

fn disk_full(stage: &Stage, topic: &mut Topic, extent: Extent) {
    let disk = SmallDisk::mount(&stage.path().join(".twinstore/offline"));
    let stream = stage.stream(&SMALL);
    for _ in 0..extent.times {
        disk.leave(0);
        topic.produce(extent.clicks);
        stage.await_said("no room left");
        disk.leave(64 << 10);
        stage.await_rows(topic, 0);
        stage.forget_said();
    }
    disk.leave(1 << 20);
    stream.stop();
}

fn poison(stage: &Stage, topic: &mut Topic, extent: Extent) {
    let stream = stage.stream(&SMALL);
    for _ in 0..extent.times {
        topic.produce(extent.clicks);
        topic.poison(extent.clicks / 50);
    }
    stage.await_rows(topic, 0);
    stream.stop();
    let letters = stage.dead_letters();
    assert_eq!(letters, topic.poison, "refused rows in the dead letters");
}
