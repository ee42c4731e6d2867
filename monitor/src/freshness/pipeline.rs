//! Which stage of a view's pipeline ate the time, from how far the pipeline is and how long its rows took.

use std::mem::discriminant;

use feature::{Micros, Span};

/// A process that follows a stream says every few seconds how far it is; after this long it is gone.
const GONE_AFTER_US: i64 = 15_000_000;
/// A step that takes this long for the average row is slow, in microseconds; else the wait is at the broker.
const SLOW_US: u64 = 1_000_000;
/// The stages that the process goes through itself: while records wait at the broker, these may be why.
const STEPS: [Stage; 3] = [Stage::Transform, Stage::OnlineWrite, Stage::Commit];
/// A clock is not exact to this.
const CLOCKS_DIFFER_US: i64 = 60_000_000;

/// A stage of a row's way from its event into both stores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stage {
    /// From the event until the broker, or a load, has it.
    Source,
    /// At the broker, until it is received.
    Broker,
    /// The transform and the fold.
    Transform,
    /// The write to the online store.
    OnlineWrite,
    /// The commit of the log.
    Commit,
}

impl Stage {
    /// Every stage, in the order of a row's way.
    pub const ALL: [Stage; 5] =
        [Stage::Source, Stage::Broker, Stage::Transform, Stage::OnlineWrite, Stage::Commit];

    /// What reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Source => "source",
            Stage::Broker => "broker lag",
            Stage::Transform => "transform",
            Stage::OnlineWrite => "online write",
            Stage::Commit => "commit",
        }
    }
}

/// How long rows took in a stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// The sum over the rows, in microseconds.
    pub total_us: u64,
    /// How many rows.
    pub rows: u64,
}

/// How far one partition of a stream is, or what the newest load brought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionProgress {
    /// Which; `None` for loads.
    pub partition: Option<u32>,
    /// The newest event time that is in both stores.
    pub newest: Option<Micros>,
    /// When its newest record was received.
    pub received_at: Option<Micros>,
    /// Records that are not in the log yet.
    pub lag: u64,
    /// When the process that follows it last said so.
    pub updated_at: Micros,
    /// The stage that fails again and again, and why.
    pub stuck: Option<(Stage, String)>,
}

/// What is known of the pipeline of a view.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PipelineFacts {
    /// Whether its rows come as a stream.
    pub is_streamed: bool,
    /// Whether a backfill by dates of it is to go on: until then other loads of it are refused.
    pub has_open_backfill: bool,
    /// How far it is.
    pub progress: Vec<PartitionProgress>,
    /// How long its rows took lately.
    pub times: Vec<StageTime>,
}

/// Why a view is not as fresh as promised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Nothing was ever loaded or streamed.
    NeverLoaded,
    /// Its batch rows were loaded, and no newer ones since this moment.
    NotLoadedSince(Micros),
    /// Nobody has followed its stream since this moment.
    NotFollowedSince(Micros),
    /// A stage fails again and again.
    Stuck {
        /// Which.
        stage: Stage,
        /// Why.
        why: String,
    },
    /// Records wait for being read.
    Behind {
        /// How many.
        records: u64,
        /// The stage that took most of the time of those before.
        slowest: Option<Stage>,
    },
    /// Events have times that are still to come, by this many seconds: a producer's clock is ahead.
    ClockAhead(i64),
    /// No record has arrived since this moment, although somebody listens.
    SilentSince(Option<Micros>),
    /// Records arrive, and their events are old.
    LateEvents,
    /// Records arrive and go through, and take most of their time in this stage.
    Slow(Stage),
}

impl Cause {
    /// The stage that it belongs to.
    pub fn stage(&self) -> Stage {
        match self {
            Cause::NeverLoaded
            | Cause::NotLoadedSince(_)
            | Cause::ClockAhead(_)
            | Cause::SilentSince(_)
            | Cause::LateEvents => Stage::Source,
            Cause::NotFollowedSince(_) => Stage::Broker,
            Cause::Stuck { stage, .. } | Cause::Slow(stage) => *stage,
            Cause::Behind { slowest, .. } => slowest.unwrap_or(Stage::Broker),
        }
    }

    /// Whether another view is behind for the same reason, whatever its moments and counts are.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Cause::Stuck { .. }, Cause::Stuck { .. }) => self == other,
            _ => discriminant(self) == discriminant(other) && self.stage() == other.stage(),
        }
    }
}

impl PipelineFacts {
    /// The newest event time that is in both stores.
    pub fn newest(&self) -> Option<Micros> {
        self.progress.iter().filter_map(|one| one.newest).max()
    }

    /// Why rows are staler than `within` at a moment; `None` if they are not.
    pub fn cause(&self, within: Span, now: Micros) -> Option<Cause> {
        let newest = self.newest();
        if let Some(ahead) = newest.map(|newest| newest.since(now)).filter(|ahead| *ahead > CLOCKS_DIFFER_US)
        {
            return Some(Cause::ClockAhead(ahead / 1_000_000));
        }
        if newest.is_some_and(|newest| now.since(newest) <= within.micros()) {
            return None;
        }
        Some(self.stale(now))
    }

    /// Why nothing newer is there.
    fn stale(&self, now: Micros) -> Cause {
        let streams = || self.progress.iter().filter(|one| one.partition.is_some());
        let Some(heard) = streams().map(|one| one.updated_at).max() else {
            let loaded = self.progress.iter().map(|one| one.updated_at).max();
            return match (self.is_streamed, loaded) {
                (_, None) => Cause::NeverLoaded,
                (true, Some(at)) => Cause::NotFollowedSince(at),
                (false, Some(at)) => Cause::NotLoadedSince(at),
            };
        };
        if now.since(heard) > GONE_AFTER_US {
            return Cause::NotFollowedSince(heard);
        }
        if let Some((stage, why)) = streams().find_map(|one| one.stuck.clone()) {
            return Cause::Stuck { stage, why };
        }
        let records: u64 = streams().map(|one| one.lag).sum();
        if records > 0 {
            return Cause::Behind { records, slowest: self.slowest(&STEPS) };
        }
        let received = streams().filter_map(|one| one.received_at).max();
        match received {
            Some(at) if now.since(at) <= GONE_AFTER_US => match self.slowest(&Stage::ALL) {
                None | Some(Stage::Source) => Cause::LateEvents,
                Some(stage) => Cause::Slow(stage),
            },
            received => Cause::SilentSince(received),
        }
    }

    /// Of these stages the one that took most of the time of the rows, if it is slow.
    fn slowest(&self, stages: &[Stage]) -> Option<Stage> {
        let of_these = self.times.iter().filter(|one| stages.contains(&one.stage));
        let slow = of_these.filter(|one| one.rows > 0 && one.total_us / one.rows >= SLOW_US);
        Some(slow.max_by_key(|one| one.total_us)?.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_alike_whatever_their_moments_are_and_not_if_they_differ_in_kind_or_reason() {
        let at = |seconds: i64| Micros::new(seconds * 1_000_000).unwrap();
        let stuck = |why: &str| Cause::Stuck { stage: Stage::Commit, why: why.to_owned() };
        let behind = |slowest| Cause::Behind { records: 1, slowest };
        assert!(Cause::NotLoadedSince(at(1)).is_like(&Cause::NotLoadedSince(at(2))));
        assert!(behind(None).is_like(&Cause::Behind { records: 9, slowest: None }));
        assert!(stuck("the disk is full").is_like(&stuck("the disk is full")));
        for (one, other) in [
            (Cause::NeverLoaded, Cause::NotLoadedSince(at(1))),
            (Cause::NeverLoaded, Cause::SilentSince(None)),
            (behind(None), behind(Some(Stage::Commit))),
            (stuck("the disk is full"), stuck("the disk is away")),
        ] {
            assert!(!one.is_like(&other), "{one:?} {other:?}");
        }
    }
}
