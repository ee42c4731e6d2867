//! All rows that a log has of some entities, and entities drawn from it. Each reads the log once, by so many threads.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use feature::{EntityKey, Row};

use crate::error::OfflineError;
use crate::join::{OfferedRows, RowFacts, RowFold, WholeRows, fold_rows};
use crate::log::{Added, Log};

/// The rows of these entities in a log, or of what commits added to it, in no order. An entity without rows is not among
/// them. Blocks.
pub fn entity_rows(
    log: &Log,
    added: Option<&Added>,
    keys: &Arc<HashSet<EntityKey>>,
    threads: usize,
) -> Result<HashMap<EntityKey, Vec<Row>>, OfflineError> {
    let mut rows: HashMap<EntityKey, Vec<Row>> = HashMap::new();
    if keys.is_empty() {
        return Ok(rows);
    }
    let folds = (0..threads).map(|_| Gathering::new(keys.clone())).collect();
    for gathered in fold_rows(log, added, folds)? {
        for (key, of_entity) in gathered.rows {
            rows.entry(key).or_default().extend(of_entity);
        }
    }
    Ok(rows)
}

/// Entities of a log, drawn so that each has the same chance whatever rows it has; another seed draws others. Blocks.
pub fn draw_entities(
    log: &Log,
    most: usize,
    seed: u64,
    threads: usize,
) -> Result<Vec<EntityKey>, OfflineError> {
    let folds = (0..threads).map(|_| Drawing { most, seed, drawn: BTreeSet::new() }).collect();
    let drawn = fold_rows(log, None, folds)?.into_iter().flat_map(|drawing| drawing.drawn);
    let drawn: BTreeSet<(u64, EntityKey)> = drawn.collect();
    Ok(drawn.into_iter().take(most).map(|(_, key)| key).collect())
}

/// The key of an entity by its bytes in a log.
fn entity_key(bytes: &[u8]) -> Result<EntityKey, OfflineError> {
    EntityKey::from_bytes(bytes.into()).map_err(|error| OfflineError::Corrupt {
        what: "the key of an entity in a log".to_owned(),
        why: error.to_string(),
    })
}

/// One thread's part of the rows of entities.
struct Gathering {
    keys: Arc<HashSet<EntityKey>>,
    /// The rows of the current group that are wanted, in order.
    wanted: Vec<(u32, EntityKey, RowFacts)>,
    /// How many of them were taken.
    taken: usize,
    rows: HashMap<EntityKey, Vec<Row>>,
}

impl Gathering {
    fn new(keys: Arc<HashSet<EntityKey>>) -> Self {
        Self { keys, wanted: Vec::new(), taken: 0, rows: HashMap::new() }
    }
}

impl RowFold for Gathering {
    fn offer(&mut self, rows: &OfferedRows<'_>, first_row: usize) -> Result<(), OfflineError> {
        for row in 0..rows.keys.len() {
            if let Some(key) = self.keys.get(rows.keys.key(row)) {
                self.wanted.push(((first_row + row) as u32, key.clone(), rows.facts(row)?));
            }
        }
        Ok(())
    }

    fn wanted(&mut self) -> Vec<u32> {
        self.taken = 0;
        self.wanted.iter().map(|(row, ..)| *row).collect()
    }

    fn fold(&mut self, rows: &WholeRows<'_>) {
        let part = self.wanted.get(self.taken..self.taken + rows.len());
        let part = part.expect("invariant: no more rows are given than are wanted");
        for (row, (_, key, facts)) in part.iter().enumerate() {
            let mut values = Vec::new();
            rows.values(row, &mut values);
            let whole = Row {
                event_time: facts.event_time,
                available_at: facts.available_at,
                position: facts.position,
                deleted: rows.is_deleted(row),
                values,
            };
            self.rows.entry(key.clone()).or_default().push(whole);
        }
        self.taken += rows.len();
        if self.taken == self.wanted.len() {
            self.wanted.clear();
        }
    }
}

/// One thread's part of a draw: the entities whose keys have the least hashes.
struct Drawing {
    most: usize,
    seed: u64,
    drawn: BTreeSet<(u64, EntityKey)>,
}

impl RowFold for Drawing {
    fn offer(&mut self, rows: &OfferedRows<'_>, _first_row: usize) -> Result<(), OfflineError> {
        for row in 0..rows.keys.len() {
            let key = rows.keys.key(row);
            let mut hasher = DefaultHasher::new();
            (self.seed, key).hash(&mut hasher);
            let hash = hasher.finish();
            let is_beyond = self.drawn.last().is_some_and(|(greatest, _)| hash > *greatest);
            if self.drawn.len() < self.most || !is_beyond {
                self.drawn.insert((hash, entity_key(key)?));
                if self.drawn.len() > self.most {
                    self.drawn.pop_last();
                }
            }
        }
        Ok(())
    }

    fn wanted(&mut self) -> Vec<u32> {
        Vec::new()
    }

    fn fold(&mut self, _rows: &WholeRows<'_>) {}
}
