//! The rows of a log folded into entities by one of several threads. A group of rows is read twice: keys, times and
//! positions of all rows say which of them can change a fold, and only those are read whole.

use std::sync::Arc;

use feature::{AsOf, Micros, Row};
use offline::{OfferedRows, OfflineError, RowFacts, RowFold, WholeRows};

use super::selection::Selection;
use super::shards::{SHARDS, Shards};

/// One thread's part of a fold.
pub(super) struct Folding {
    shards: Arc<Shards>,
    selection: Selection,
    now: Micros,
    /// Whether rows that are not visible yet are left out, and do not wait.
    leaves_out_later: bool,
    reach: i64,
    /// The rows of the current group that may have to be folded, by shard.
    candidates: Vec<Vec<Candidate>>,
    /// The same, in the order of the rows.
    wanted: Vec<Wanted>,
    /// How many of them were folded.
    folded: usize,
    /// Rows of a batch by shard, each with its hash.
    of_shards: Vec<Vec<(usize, u64)>>,
}

/// A row that may have to be folded.
struct Candidate {
    /// Its number in the group.
    row: u32,
    entity: u32,
    facts: RowFacts,
}

#[derive(Clone, Copy)]
struct Wanted {
    row: u32,
    shard: usize,
    /// Its index among the candidates of the shard.
    candidate: usize,
}

impl Folding {
    pub(super) fn new(shards: Arc<Shards>, selection: Selection, now: Micros) -> Self {
        Self {
            reach: shards.layout.reach(),
            shards,
            selection,
            now,
            leaves_out_later: false,
            candidates: (0..SHARDS).map(|_| Vec::new()).collect(),
            wanted: Vec::new(),
            folded: 0,
            of_shards: vec![Vec::new(); SHARDS],
        }
    }

    /// Leaves out the rows that are not visible yet.
    pub(super) fn leaving_out_later(self) -> Self {
        Self { leaves_out_later: true, ..self }
    }

    /// Sorts the selected rows of a batch by shard, the last first: mostly they are the newest, and once they are
    /// known, the others do not matter.
    fn sort(&mut self, rows: &OfferedRows<'_>) {
        for row in (0..rows.keys.len()).rev() {
            let key = rows.keys.key(row);
            if self.selection.includes(key) {
                let hash = self.shards.hash(key);
                if let Some(of_shard) = self.of_shards.get_mut(Shards::number_of(hash)) {
                    of_shard.push((row, hash));
                }
            }
        }
    }
}

impl RowFold for Folding {
    fn offer(&mut self, rows: &OfferedRows<'_>, first_row: usize) -> Result<(), OfflineError> {
        self.sort(rows);
        let shards = self.of_shards.iter_mut().zip(&mut self.candidates).enumerate();
        for (number, (of_shard, candidates)) in shards.filter(|(_, (of_shard, _))| !of_shard.is_empty()) {
            let mut shard = self.shards.shard(number);
            for (row, hash) in of_shard.drain(..) {
                let key = rows.keys.key(row);
                let facts = rows.facts(row)?;
                let visible_at = AsOf::Available.visible_at(facts.event_time, facts.available_at);
                if self.leaves_out_later && visible_at > self.now {
                    continue;
                }
                let entity = match &self.selection {
                    Selection::Present => shard.find(key, hash),
                    _ => Some(self.shards.find_or_add(&mut shard, key, hash)),
                };
                let Some(entity) = entity else { continue };
                if shard.offer(entity, &facts, self.now, self.reach) {
                    candidates.push(Candidate { row: (first_row + row) as u32, entity, facts });
                }
            }
        }
        Ok(())
    }

    fn wanted(&mut self) -> Vec<u32> {
        self.wanted.clear();
        self.folded = 0;
        for (shard, candidates) in self.candidates.iter_mut().enumerate() {
            if candidates.is_empty() {
                continue;
            }
            let mut entities = self.shards.shard(shard);
            candidates.retain(|row| entities.still_wants(row.entity, &row.facts, self.now, self.reach));
            let wanted = candidates.iter().enumerate();
            self.wanted.extend(wanted.map(|(candidate, of)| Wanted { row: of.row, shard, candidate }));
        }
        self.wanted.sort_unstable_by_key(|wanted| wanted.row);
        let rows: Vec<u32> = self.wanted.iter().map(|wanted| wanted.row).collect();
        if rows.is_empty() {
            self.candidates.iter_mut().for_each(Vec::clear);
        }
        rows
    }

    fn fold(&mut self, rows: &WholeRows<'_>) {
        let part = self.wanted.get(self.folded..self.folded + rows.len());
        let part = part.expect("invariant: no more rows are given than are wanted");
        let mut part: Vec<(usize, Wanted)> = part.iter().copied().enumerate().collect();
        part.sort_unstable_by_key(|(_, wanted)| wanted.shard);
        let mut values = Vec::new();
        for of_shard in part.chunk_by(|one, next| one.1.shard == next.1.shard) {
            let Some((_, Wanted { shard: number, .. })) = of_shard.first() else { continue };
            let mut shard = self.shards.shard(*number);
            for (row, Wanted { candidate, .. }) in of_shard {
                let candidate = self.candidates.get(*number).and_then(|all| all.get(*candidate));
                let Candidate { entity, facts, .. } =
                    candidate.expect("invariant: a row that is wanted is a candidate");
                rows.values(*row, &mut values);
                let whole = Row {
                    event_time: facts.event_time,
                    available_at: facts.available_at,
                    position: facts.position,
                    deleted: rows.is_deleted(*row),
                    values: std::mem::take(&mut values),
                };
                shard.fold(*entity, &whole, self.now);
                values = whole.values;
            }
        }
        self.folded += rows.len();
        if self.folded == self.wanted.len() {
            self.candidates.iter_mut().for_each(Vec::clear);
        }
    }
}
