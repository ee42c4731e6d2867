//! Whose turn it is to write a view's history. A load takes the next turn in a commit, before it writes anything
//! that its rows' commit does not hold: file numbers, refused rows, online rows. All its later commits depend on the
//! turn, so a load that was overtaken, however long it slept, commits nothing more. A turn is settled once the
//! online store has what the log has; one that is not is found by whoever comes next, who puts that right.

use feature::Micros;
use offline::{BatchGuard, BatchPoint, Log, Marker, OfflineError};
use online::Mender;

use crate::error::MaterializerError;
use crate::{loaded, seam, sync};

/// The newest turn.
const BEGUN: &str = "loads";
/// The newest turn that was settled.
const SETTLED: &str = "loads-settled";

/// All counters on which it is decided what a load does: where another moves one of them between the
/// decision and a commit, the load is decided again.
pub(crate) const READS: [&str; 7] = [
    loaded::NUMBERS,
    loaded::FIRST_LOAD,
    loaded::TABLE_VERSION,
    loaded::FIRST_VERSION,
    BEGUN,
    SETTLED,
    seam::FROM,
];

/// The turn of one load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Turn {
    number: i64,
    /// Whether it was taken: the log says so.
    is_taken: bool,
    /// Whether the load before it was cut off, or is still going on.
    follows_unsettled: bool,
}

impl Turn {
    /// The turn that is next by this snapshot.
    pub(crate) async fn next(log: &Log) -> Result<Self, OfflineError> {
        let begun = log.marker(BEGUN).await?.unwrap_or(0);
        let settled = log.marker(SETTLED).await?.unwrap_or(0);
        Ok(Self {
            number: begun + 1,
            is_taken: false,
            follows_unsettled: begun != settled && BatchGuard::Settled.is_there(),
        })
    }

    /// Takes the turn that is next, whoever comes between.
    pub(crate) async fn begin(log: &mut Log) -> Result<Self, OfflineError> {
        loop {
            log.refresh().await?;
            let mut turn = Self::next(log).await?;
            match turn.take(log, &[]).await {
                Ok(()) => return Ok(turn),
                // Another took it meanwhile: at each time one gets on.
                Err(OfflineError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether all rows are to be put online again, since a load was cut off.
    pub(crate) fn follows_unsettled(self) -> bool {
        self.follows_unsettled
    }

    /// What the commit says that takes the turn; none where it was taken.
    pub(crate) fn marker(self) -> Option<Marker> {
        (!self.is_taken).then(|| Marker { app: BEGUN.to_owned(), version: self.number })
    }

    /// Notes that a commit took the turn.
    pub(crate) fn taken(&mut self) {
        self.is_taken = true;
    }

    /// What the commit says that settles the turn by itself: the last one, where all rows that it adds are online.
    pub(crate) fn settling(self) -> Option<Marker> {
        (!self.follows_unsettled).then(|| self.settled())
    }

    /// Takes the turn in a commit of its own, with what else has to be known before anything is written.
    pub(crate) async fn take(&mut self, log: &mut Log, more: &[Marker]) -> Result<(), OfflineError> {
        let Some(marker) = self.marker() else { return Ok(()) };
        let markers: Vec<Marker> = more.iter().cloned().chain([marker]).collect();
        log.appender().await?.commit(&markers, &READS).await?;
        self.taken();
        BatchPoint::TurnTaken.pass();
        Ok(())
    }

    /// Ends the turn: where the one before was cut off, the online store becomes what the log says. Gives how many
    /// entities were written for that.
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

    /// Says that the online store has what the log has. Nothing where another took the next turn: it saw that this
    /// one is not settled, and does so itself.
    pub(crate) async fn settle(self, log: &mut Log) -> Result<(), OfflineError> {
        if !self.is_taken || log.marker(SETTLED).await? == Some(self.number) {
            return Ok(());
        }
        log.refresh().await?;
        if log.marker(BEGUN).await? != Some(self.number) {
            return Ok(());
        }
        match log.appender().await?.commit(&[self.settled()], &[BEGUN]).await {
            Ok(_) | Err(OfflineError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn settled(self) -> Marker {
        Marker { app: SETTLED.to_owned(), version: self.number }
    }
}
