//! Which rows a packed row has folded, as a set that two writers can compare.

use feature::Position;

/// What a packed row has folded: the log up to one version, and each source partition that the
/// entity was seen in up to one offset.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Positions {
    history: Option<u64>,
    /// (partition, offset), by partition.
    partitions: Vec<(u32, u64)>,
}

impl Positions {
    /// The version of the log that was folded; none where only streamed rows were.
    pub fn history(&self) -> Option<u64> {
        self.history
    }

    /// The source partitions and the last offset folded of each, by partition.
    pub fn partitions(&self) -> &[(u32, u64)] {
        &self.partitions
    }

    /// Notes that the log was folded up to this version.
    pub fn set_history(&mut self, version: u64) {
        self.history = Some(version);
    }

    /// Whether a streamed row was folded: its offset is at or below the one held for its partition.
    /// History has no offsets here: it is never folded into a row that is there.
    pub fn holds(&self, position: Position) -> bool {
        match position {
            Position::History { .. } => false,
            Position::Stream { partition, offset } => {
                self.offset(partition).is_some_and(|folded| offset <= folded)
            }
        }
    }

    /// Notes that a streamed row was folded.
    pub fn note(&mut self, position: Position) {
        if let Position::Stream { partition, offset } = position {
            match self.partitions.binary_search_by_key(&partition, |(partition, _)| *partition) {
                Ok(index) => {
                    if let Some((_, folded)) = self.partitions.get_mut(index) {
                        *folded = offset.max(*folded);
                    }
                }
                Err(index) => self.partitions.insert(index, (partition, offset)),
            }
        }
    }

    /// Whether everything that `other` has folded was folded here too.
    pub fn contains(&self, other: &Positions) -> bool {
        other.history <= self.history
            && other
                .partitions
                .iter()
                .all(|(partition, offset)| self.offset(*partition).is_some_and(|folded| offset <= &folded))
    }

    /// The positions of these parts; none where the partitions are not in order.
    pub(crate) fn from_parts(history: Option<u64>, partitions: Vec<(u32, u64)>) -> Option<Self> {
        let in_order = partitions.is_sorted_by(|a, b| a.0 < b.0);
        in_order.then_some(Self { history, partitions })
    }

    fn offset(&self, partition: u32) -> Option<u64> {
        let index = self.partitions.binary_search_by_key(&partition, |(partition, _)| *partition).ok()?;
        self.partitions.get(index).map(|(_, offset)| *offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(history: Option<u64>, offsets: &[(u32, u64)]) -> Positions {
        let mut positions = Positions { history, ..Positions::default() };
        for (partition, offset) in offsets {
            positions.note(Position::Stream { partition: *partition, offset: *offset });
        }
        positions
    }

    #[test]
    fn streamed_rows_at_or_below_the_folded_offset_are_folded() {
        let folded = positions(None, &[(1, 5), (0, 0)]);
        let stream = |partition, offset| Position::Stream { partition, offset };
        assert!(folded.holds(stream(1, 5)) && folded.holds(stream(1, 0)) && folded.holds(stream(0, 0)));
        assert!(!folded.holds(stream(1, 6)) && !folded.holds(stream(0, 1)) && !folded.holds(stream(2, 0)));
        assert!(!folded.holds(Position::History { file: 0, row: 0 }));
    }

    #[test]
    fn of_two_sets_one_may_contain_the_other_or_neither() {
        let older = positions(Some(3), &[(0, 7)]);
        let newer = positions(Some(3), &[(0, 7), (1, 0)]);
        let synced = positions(Some(4), &[(0, 6)]);
        assert!(newer.contains(&older) && !older.contains(&newer));
        assert!(!synced.contains(&older) && !older.contains(&synced));
        assert!(older.contains(&older) && older.contains(&Positions::default()));
        assert!(!positions(None, &[(0, 9)]).contains(&older));
    }
}
