//! Points of a stream at which a test ends or suspends the process, and the guards that a test switches off, so that a
//! checker that finds nothing wrong is known to work. Only the feature `fault-injection` compiles what is done there:
//! without it a point does nothing, and every guard is on.

#[cfg(feature = "fault-injection")]
mod stream_faults;

#[cfg(feature = "fault-injection")]
pub use stream_faults::FaultInjection;

use super::protocol::Step;

/// A point at which the process ends or is suspended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultPoint {
    /// The offsets of partitions are known, and nothing was read yet.
    Located,
    /// A flush is transformed and folded in memory.
    Transformed,
    /// Its refused rows are in the dead letters.
    Refused,
    /// Half of its entities are online.
    HalfWritten,
    /// All of its entities are online.
    Written,
    /// The moment of the acknowledgement is taken.
    Stamped,
    /// The file with its rows is there, and no commit that names it.
    FileWritten,
    /// Its rows and positions are committed.
    Committed,
    /// The broker was notified.
    Acknowledged,
    /// An online store that lost rows has those of the log again, and the flush begins again.
    Rebuilt,
}

impl FaultPoint {
    /// The point after a step that succeeded.
    pub(crate) fn after(step: &Step) -> Option<Self> {
        match step {
            Step::Locate(_) => Some(FaultPoint::Located),
            Step::Transform => Some(FaultPoint::Transformed),
            Step::Refuse => Some(FaultPoint::Refused),
            Step::Write => Some(FaultPoint::Written),
            Step::Stamp => Some(FaultPoint::Stamped),
            Step::Commit(_) => Some(FaultPoint::Committed),
            Step::Acknowledge(_) => Some(FaultPoint::Acknowledged),
            Step::Receive { .. }
            | Step::Forget
            | Step::Compare(_)
            | Step::Rest { .. }
            | Step::Done
            | Step::Halt(_) => None,
        }
    }
}

/// What keeps rows from being lost, doubled or taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// A fold skips rows at or below its position.
    Positions,
    /// An online row is written only if the current one has folded nothing else.
    CompareAndSet,
    /// Positions are in the commit of their rows.
    OneCommit,
}

/// The faults of a stream: none, without the feature `fault-injection`.
#[cfg(not(feature = "fault-injection"))]
#[derive(Debug, Default)]
pub struct FaultInjection(());

#[cfg(not(feature = "fault-injection"))]
impl FaultInjection {
    pub(crate) const fn strikes_at(&self, _point: FaultPoint) -> bool {
        false
    }

    pub(crate) const fn strike_now(&self) {}

    pub(crate) const fn pass(&self, _point: FaultPoint) {}

    /// Whether a guard is on.
    pub const fn has(&self, _guard: Guard) -> bool {
        true
    }
}
