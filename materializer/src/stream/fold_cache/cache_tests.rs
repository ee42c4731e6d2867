//! Folds in memory beside a store on disk, by histories of every kind of column.

use std::collections::HashMap;

use feature::oracle::{self, History, Numbers};
use feature::{AsOf, Position};
use online::{Embedded, PackedRow};
use proptest::prelude::*;

use super::*;

/// The rows of a generated history as one partition's stream, in the order of offsets.
fn streamed(history: &History) -> Vec<(EntityKey, Row)> {
    let mut rows = Vec::new();
    for (values, entity) in &history.entities {
        // A key that is null or too long has no entity.
        if let Ok(key) = EntityKey::encode(&history.view.keys, values) {
            rows.extend(entity.iter().map(|row| (key.clone(), row.clone())));
        }
    }
    rows.sort_by_key(|(_, row)| (row.event_time, row.position));
    for (offset, (_, row)) in rows.iter_mut().enumerate() {
        row.position = Position::Stream { partition: 0, offset: offset as u64 };
    }
    rows
}

fn by_entity(rows: &[(EntityKey, Row)]) -> RowsByEntity {
    let mut entities: Vec<(EntityKey, Vec<(usize, Row)>)> = Vec::new();
    for (index, (key, row)) in rows.iter().enumerate() {
        match entities.iter_mut().find(|(other, _)| other == key) {
            Some((_, rows)) => rows.push((index, row.clone())),
            None => entities.push((key.clone(), vec![(index, row.clone())])),
        }
    }
    RowsByEntity { entities }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn flushes_that_are_repeated_and_folds_that_are_forgotten_give_what_the_oracle_gives(seed: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let history = History::generate(seed, 60);
            let mut numbers = Numbers::new(seed);
            let view = Arc::new(history.view.clone());
            let rows = streamed(&history);
            let now = Micros::MAX;
            let folder = tempfile::tempdir().unwrap();
            let online = Embedded::open(folder.path()).unwrap();
            // Two processes take turns at flushes, each with little memory, and repeat some.
            let mut processes = [FoldCache::new(&view, 2_000, true), FoldCache::new(&view, 0, true)];
            for flush in rows.chunks(7) {
                let times = if numbers.once_in(3) { 2 } else { 1 };
                for _ in 0..times {
                    let cache = &mut processes[numbers.below(2) as usize];
                    // As a process does whose partitions were another's.
                    cache.clear();
                    let by_entity = by_entity(flush);
                    assert_eq!(cache.fold(&online, &by_entity, now).await.unwrap(), Some(BTreeSet::new()));
                    let written = cache.write(&online, &by_entity, now).await.unwrap();
                    assert!(matches!(written, Write::Done { .. }), "{written:?}");
                }
            }
            let layout = Layout::new(&view);
            let mut by_entity: HashMap<EntityKey, Vec<Row>> = HashMap::new();
            rows.iter().for_each(|(key, row)| by_entity.entry(key.clone()).or_default().push(row.clone()));
            for (key, rows) in by_entity {
                let found = online.read(&[Read { view: &view.id, keys: &[key] }]).await.unwrap();
                let answer = PackedRow::new(&layout, found[0].row(0).unwrap()).unwrap().answer(now).unwrap();
                assert_eq!(answer, oracle::answer(&view, &rows, now, AsOf::Available));
            }
        });
    }
}
