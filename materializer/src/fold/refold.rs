//! What an entity's online row answers, folded again from the log: from the rows that the online row has folded, by the
//! oracle, which shares no code with the fold that wrote it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use feature::{Answer, AsOf, EntityKey, Micros, Opening, Position, Row, View, oracle};
use offline::{Log, entity_rows};
use online::Positions;

use super::entities::Folded;
use crate::blocking;
use crate::error::MaterializerError;

/// An entity as it was read from the online store.
#[derive(Clone, PartialEq, Debug)]
pub struct OnlineRead {
    /// The entity.
    pub key: EntityKey,
    /// The moment of the read.
    pub at: Micros,
    /// What its row had folded; `None` if it had no row.
    pub positions: Option<Positions>,
    /// The opening that it was answered by, if the view's breaker was open.
    pub opening: Option<Opening>,
}

/// What the log says of a read.
#[derive(Clone, PartialEq, Debug)]
pub enum Refolded {
    /// It has every row that the online row had folded.
    Whole(FoldedAgain),
    /// It lacks rows that the online row had folded: they may be committed yet, or retention dropped them. Or a vacuum
    /// removed the files that say which rows are newer than the online row.
    Ahead,
}

/// A read folded again.
#[derive(Clone, PartialEq, Debug)]
pub struct FoldedAgain {
    /// What a reader of that moment gets. A second answer also has rows that were written online by then and stamped as
    /// available shortly after, once the write was acknowledged: either is right.
    pub answers: Vec<Answer>,
    /// Rows that were folded.
    pub rows: usize,
    /// The latest of them that was visible.
    pub latest: Option<Row>,
}

/// How long after a read a row may be stamped that the read has seen, in microseconds.
const STAMPED_WITHIN_US: i64 = 60_000_000;

/// Folds reads again. The log is read once, by so many threads, and once more what was added since each version that online rows name.
pub async fn refold(
    log: &Log,
    reads: &[OnlineRead],
    threads: usize,
) -> Result<Vec<Refolded>, MaterializerError> {
    let keys: HashSet<EntityKey> = reads.iter().map(|read| read.key.clone()).collect();
    let (whole, keys) = (log.clone(), Arc::new(keys));
    let rows = blocking::run(move || entity_rows(&whole, None, &keys, threads)).await??;
    let mut by_version: BTreeMap<Option<u64>, Vec<usize>> = BTreeMap::new();
    for (index, read) in reads.iter().enumerate() {
        by_version.entry(folded_version(read)).or_default().push(index);
    }
    let mut refolded = vec![Refolded::Ahead; reads.len()];
    // Before it, the log lacks rows.
    let whole_since = log.labels_from().await?;
    for (version, indices) in by_version {
        if version > log.version() {
            continue;
        }
        let later = match version {
            Some(version) => match positions_since(log, version, reads, &indices, threads).await? {
                Some(later) => later,
                None => continue,
            },
            None => HashMap::new(),
        };
        for index in indices {
            let (Some(read), Some(refolded)) = (reads.get(index), refolded.get_mut(index)) else { continue };
            let rows = rows.get(&read.key).map(Vec::as_slice).unwrap_or_default();
            let folded_at = read.opening.as_ref().map_or(read.at, |opening| opening.good_until);
            if whole_since.is_some_and(|since| folded_at < since) {
                continue;
            }
            if let Some(held) = held(read, version, rows, later.get(&read.key)) {
                *refolded = Refolded::Whole(match &read.opening {
                    None => fold(log.view(), held, read.at),
                    Some(opening) => fold_while_open(log.view(), held, read.at, opening),
                });
            }
        }
    }
    Ok(refolded)
}

/// The version of the log that an online row has folded.
fn folded_version(read: &OnlineRead) -> Option<u64> {
    read.positions.as_ref()?.history().map(Folded::version_of)
}

/// The positions of the rows that commits after a version added, by entity; `None` where a vacuum removed some of them.
async fn positions_since(
    log: &Log,
    version: u64,
    reads: &[OnlineRead],
    indices: &[usize],
    threads: usize,
) -> Result<Option<HashMap<EntityKey, HashSet<Position>>>, MaterializerError> {
    let added = log.added_since(version).await?;
    if added.is_empty() {
        return Ok(Some(HashMap::new()));
    }
    if version < log.whole_from().await? && !log.has_files(&added).await? {
        return Ok(None);
    }
    let keys = indices.iter().filter_map(|index| Some(reads.get(*index)?.key.clone()));
    let (log, keys) = (log.clone(), Arc::new(keys.collect::<HashSet<EntityKey>>()));
    let rows = blocking::run(move || entity_rows(&log, Some(&added), &keys, threads)).await??;
    let positions = |(key, rows): (EntityKey, Vec<Row>)| (key, rows.iter().map(|row| row.position).collect());
    Ok(Some(rows.into_iter().map(positions).collect()))
}

/// The rows of an entity that its online row had folded; `None` where the log lacks one of them. Where there was no
/// online row, these are all rows.
fn held<'a>(
    read: &OnlineRead,
    version: Option<u64>,
    rows: &'a [Row],
    later: Option<&HashSet<Position>>,
) -> Option<Vec<&'a Row>> {
    let Some(positions) = &read.positions else { return Some(rows.iter().collect()) };
    let is_known = |(partition, offset): &(u32, u64)| {
        let last = Position::Stream { partition: *partition, offset: *offset };
        rows.iter().any(|row| row.position == last)
    };
    if !positions.partitions().iter().all(is_known) {
        return None;
    }
    let is_held = |row: &&Row| {
        let is_in_version = version.is_some() && later.is_none_or(|later| !later.contains(&row.position));
        is_in_version || positions.holds(row.position)
    };
    Some(rows.iter().filter(is_held).collect())
}

/// What rows give at a moment.
fn fold(view: &View, rows: Vec<&Row>, at: Micros) -> FoldedAgain {
    let rows: Vec<Row> = rows.into_iter().cloned().collect();
    let mut answers = vec![oracle::answer(view, &rows, at, AsOf::Available)];
    let is_stamped_after = |row: &Row| (1..STAMPED_WITHIN_US).contains(&row.available_at.since(at));
    if rows.iter().any(is_stamped_after) {
        let mut seen = rows.clone();
        seen.iter_mut().filter(|row| is_stamped_after(row)).for_each(|row| row.available_at = at);
        answers.push(oracle::answer(view, &seen, at, AsOf::Available));
    }
    let visible =
        rows.iter().filter(|row| row.event_time <= at && row.available_at.since(at) < STAMPED_WITHIN_US);
    let latest = visible.max_by_key(|row| row.recency()).cloned();
    FoldedAgain { answers, rows: rows.len(), latest }
}

/// What rows give at a moment at which the view's breaker was open. Rows of the last good moment were all stamped.
fn fold_while_open(view: &View, rows: Vec<&Row>, at: Micros, opening: &Opening) -> FoldedAgain {
    let rows: Vec<Row> = rows.into_iter().cloned().collect();
    let visible = rows.iter().filter(|row| row.visible_at(AsOf::Available) <= opening.good_until);
    let latest = visible.max_by_key(|row| row.recency()).cloned();
    FoldedAgain {
        answers: vec![oracle::answer_while_open(view, &rows, at, opening)],
        rows: rows.len(),
        latest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_370_001_600_000_000;

    fn row(position: Position, seconds: i64) -> Row {
        let at = Micros::new(NOON + seconds * 1_000_000).unwrap();
        Row { event_time: at, available_at: at, position, deleted: false, values: Vec::new() }
    }

    fn stream(offset: u64) -> Position {
        Position::Stream { partition: 0, offset }
    }

    fn read(history: Option<u64>, offset: Option<u64>) -> OnlineRead {
        let mut positions = Positions::default();
        history.into_iter().for_each(|version| positions.set_history(version));
        offset.into_iter().for_each(|offset| positions.note(stream(offset)));
        let key = EntityKey::from_bytes([1].as_slice().into()).unwrap();
        OnlineRead { key, at: Micros::new(NOON).unwrap(), positions: Some(positions), opening: None }
    }

    fn found(read: &OnlineRead, rows: &[Row], later: &[Position]) -> Option<Vec<Position>> {
        let later: HashSet<Position> = later.iter().copied().collect();
        let held = held(read, folded_version(read), rows, Some(&later))?;
        Some(held.into_iter().map(|row| row.position).collect())
    }

    #[test]
    fn rows_of_the_folded_version_and_up_to_the_folded_offset_are_folded_again() {
        let history = |row| Position::History { file: 0, row };
        let rows = [row(history(0), 0), row(history(1), 1), row(stream(4), 2), row(stream(7), 3)];
        let since = [history(1), stream(4), stream(7)];
        assert_eq!(found(&read(Some(6), Some(4)), &rows, &since), Some(vec![history(0), stream(4)]));
        assert_eq!(found(&read(Some(6), None), &rows, &since), Some(vec![history(0)]));
        assert_eq!(found(&read(None, Some(7)), &rows, &[]), Some(vec![stream(4), stream(7)]));
    }

    #[test]
    fn a_log_that_lacks_the_last_folded_row_is_behind() {
        assert_eq!(found(&read(None, Some(8)), &[row(stream(7), 0)], &[]), None);
        // What a load writes before its commit counts as of the version that it commits.
        assert_eq!(folded_version(&read(Some(6), None)), Some(3));
        assert_eq!(folded_version(&read(Some(7), None)), Some(4));
    }

    #[test]
    fn a_row_stamped_just_after_a_read_may_have_been_seen_or_not() {
        let history = oracle::History::generate(3, 1);
        let width = history.view.columns.len();
        let of = |seconds| Row { values: vec![feature::Value::Null; width], ..row(stream(1), seconds) };
        let at = Micros::new(NOON).unwrap();
        let times = |rows: Vec<Row>| {
            let folded = fold(&history.view, rows.iter().collect(), at);
            folded.answers.iter().map(|answer| answer.times.is_some()).collect::<Vec<bool>>()
        };
        let late = Row { available_at: Micros::new(NOON + 1_000_000).unwrap(), ..of(-1) };
        assert_eq!(times(vec![of(-1)]), [true]);
        assert_eq!(times(vec![late.clone()]), [false, true]);
        let pending = Row { available_at: Micros::new(NOON + STAMPED_WITHIN_US).unwrap(), ..late };
        assert_eq!(times(vec![pending]), [false]);
    }
}
