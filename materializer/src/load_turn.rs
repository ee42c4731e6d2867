//! Whose turn it is to write a view's history.
//!
//! A load takes the next turn in a commit before it writes anything that the commit of its rows does not hold:
//! file numbers, refused rows, online rows. All its later commits depend on the turn, so a load that was
//! overtaken, however long it was suspended, commits nothing more. A turn is settled once the online store has
//! what the log has; the next load finds a turn that is not settled and repairs the online store first.

use feature::Micros;
use offline::{BatchGuard, BatchPoint, Log, Marker, OfflineError};
use online::Mender;

use crate::error::MaterializerError;
use crate::fold::sync;
use crate::markers::{self, LOAD_READS, TURN_SETTLED, TURN_TAKEN};

/// The turn of one load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LoadTurn {
    number: i64,
    /// Whether the log records that it was taken.
    is_taken: bool,
    /// Whether the load before it was interrupted, or is still running.
    follows_unsettled: bool,
}

/// Whether the online store may lack rows that this snapshot of the log has: a load is running, or was interrupted.
pub async fn online_may_lack_rows(log: &Log) -> Result<bool, OfflineError> {
    Ok(LoadTurn::next(log).await?.follows_unsettled())
}

impl LoadTurn {
    /// The next turn by this snapshot.
    pub(crate) async fn next(log: &Log) -> Result<Self, OfflineError> {
        let taken = log.marker(TURN_TAKEN).await?.unwrap_or(0);
        let settled = log.marker(TURN_SETTLED).await?.unwrap_or(0);
        Ok(Self {
            number: taken + 1,
            is_taken: false,
            follows_unsettled: taken != settled && BatchGuard::Settled.is_on(),
        })
    }

    /// Takes the next turn, however often another writer takes it first.
    pub(crate) async fn begin(log: &mut Log) -> Result<Self, OfflineError> {
        loop {
            log.refresh().await?;
            let mut turn = Self::next(log).await?;
            match turn.take(log, &[]).await {
                Ok(()) => return Ok(turn),
                // Another writer took it: one of them always makes progress.
                Err(OfflineError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether all rows have to be put online again because a load was interrupted.
    pub(crate) fn follows_unsettled(self) -> bool {
        self.follows_unsettled
    }

    /// The marker of the commit that takes the turn; `None` if it was taken already.
    pub(crate) fn marker(self) -> Option<Marker> {
        (!self.is_taken).then(|| markers::marker(TURN_TAKEN, self.number))
    }

    /// Notes that a commit took the turn.
    pub(crate) fn mark_taken(&mut self) {
        self.is_taken = true;
    }

    /// The marker with which the last commit settles the turn by itself, if all rows that it adds are online.
    pub(crate) fn settling(self) -> Option<Marker> {
        (!self.follows_unsettled).then(|| self.settled())
    }

    /// Takes the turn in a commit of its own, with the markers that have to be known before anything is written.
    pub(crate) async fn take(&mut self, log: &mut Log, more: &[Marker]) -> Result<(), OfflineError> {
        let Some(marker) = self.marker() else { return Ok(()) };
        let markers: Vec<Marker> = more.iter().cloned().chain([marker]).collect();
        log.appender().await?.commit(&markers, &LOAD_READS).await?;
        self.mark_taken();
        BatchPoint::TurnTaken.pass();
        Ok(())
    }

    /// Ends the turn. If the one before was interrupted, the online store is brought to what the log has first.
    /// Returns how many entities were written for that.
    pub(crate) async fn end<W: Mender>(
        self,
        log: &mut Log,
        online: &W,
        clock: fn() -> Micros,
    ) -> Result<u64, MaterializerError> {
        let written = match self.follows_unsettled {
            true => sync::sync_and_take_back(log, online, clock).await?,
            false => 0,
        };
        self.settle(log).await?;
        Ok(written)
    }

    /// Records that the online store has what the log has. Does nothing if another load took the next turn: that
    /// one saw that this turn is not settled, and repairs the online store itself.
    pub(crate) async fn settle(self, log: &mut Log) -> Result<(), OfflineError> {
        if !self.is_taken || log.marker(TURN_SETTLED).await? == Some(self.number) {
            return Ok(());
        }
        log.refresh().await?;
        if log.marker(TURN_TAKEN).await? != Some(self.number) {
            return Ok(());
        }
        match log.appender().await?.commit(&[self.settled()], &[TURN_TAKEN]).await {
            Ok(_) | Err(OfflineError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn settled(self) -> Marker {
        markers::marker(TURN_SETTLED, self.number)
    }
}
