//! Whether a stream that is to catch up has done so. What another process reads counts once that one has committed it: its
//! commits are looked for in the log, and the wait is given up where none comes.

use std::time::{Duration, Instant};

use online::Mender;

use super::state::Follower;
use crate::error::{FeedError, MaterializerError};
use crate::stream::committed;
use crate::stream::feed::{Feed, Others};

/// How often it is looked for commits of others.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// For how long others may commit nothing while rows are left.
const WAIT_FOR_COMMIT: Duration = Duration::from_secs(30);

impl<W: Mender, F: Feed> Follower<'_, W, F> {
    /// Whether everything is in the log that the topic had when it was first looked at, if the stream is to end then.
    pub(super) async fn is_caught_up(&mut self) -> Result<bool, MaterializerError> {
        let owned = self.protocol.owned();
        let has_all = |partition: &u32| {
            let next = self.report.partitions.get(partition).map(|partition| partition.next);
            self.ends.get(partition).is_some_and(|end| next >= Some(*end))
        };
        if !self.options.until_caught_up || !owned.keys().all(has_all) {
            return Ok(false);
        }
        if self.beside.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(false);
        }
        self.beside.looked_at = Some(Instant::now());
        match self.feed.others() {
            Ok(others) if others.partitions.is_empty() => Ok(!owned.is_empty()),
            Ok(others) => self.have_others_committed(others).await,
            // The next record is waited for, which says so.
            Err(FeedError::Unreachable(_)) => Ok(false),
            Err(error) => Err(self.feed_failed(error)),
        }
    }

    async fn have_others_committed(&mut self, others: Others) -> Result<bool, MaterializerError> {
        let log = match &mut self.beside.log {
            Some(log) => log,
            none => none.insert(self.offline.log(&self.target.view).await?),
        };
        log.refresh().await?;
        let mut left = 0;
        for partition in others.partitions {
            let committed = committed::partition(log, self.validator.topic(), partition).await?;
            let (first, end) = match self.beside.extents.get(&partition) {
                Some(extent) => *extent,
                None => match self.feed.extent(partition) {
                    Ok(extent) => *self.beside.extents.entry(partition).or_insert(extent),
                    Err(FeedError::Unreachable(_)) => return Ok(false),
                    Err(error) => return Err(self.feed_failed(error)),
                },
            };
            left += end.saturating_sub(committed.next.unwrap_or(first));
        }
        let reader = others.reader.map_or_else(|| "another process".to_owned(), |reader| reader.to_string());
        if left == 0 {
            self.report.read_by = Some(reader);
            return Ok(true);
        }
        let since = match self.beside.left {
            Some((before, since)) if before == left => since,
            _ => Instant::now(),
        };
        self.beside.left = Some((left, since));
        if since.elapsed() < WAIT_FOR_COMMIT {
            return Ok(false);
        }
        Err(MaterializerError::LeftByReader {
            view: self.target.view.id.clone(),
            topic: self.validator.topic().to_owned(),
            reader,
            left,
            waited_s: WAIT_FOR_COMMIT.as_secs(),
        })
    }
}
