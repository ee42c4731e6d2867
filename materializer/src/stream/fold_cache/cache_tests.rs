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

/// What a store has of every entity, its bytes.
async fn stored(online: &Embedded, view: &View, rows: &[(EntityKey, Row)]) -> Vec<Option<Vec<u8>>> {
    let keys: BTreeSet<EntityKey> = rows.iter().map(|(key, _)| key.clone()).collect();
    let keys: Vec<EntityKey> = keys.into_iter().collect();
    let found = online.read(&[Read { view: &view.id, keys: &keys }]).await.unwrap();
    (0..keys.len()).map(|index| found[0].row(index).map(<[u8]>::to_vec)).collect()
}

#[tokio::test]
async fn a_write_that_is_tried_again_after_folds_were_dropped_writes_what_one_write_does() {
    let history = History::generate(7, 60);
    let view = Arc::new(history.view.clone());
    let rows = streamed(&history);
    let (flush, now) = (by_entity(&rows), Micros::MAX);
    let mut bytes = Vec::new();
    for dropped in ["none", "some", "all"] {
        let folder = tempfile::tempdir().unwrap();
        let online = Embedded::open(folder.path()).unwrap();
        let mut cache = FoldCache::new(&view, 1 << 20, true);
        assert_eq!(cache.fold(&online, &flush, now).await.unwrap(), Some(BTreeSet::new()));
        // What a failed step may leave behind: half of the entities are written, and folds are gone.
        cache.write(&online, &flush.half(), now).await.unwrap();
        match dropped {
            "all" => cache.clear(),
            "some" => flush.entities.iter().step_by(3).for_each(|(key, _)| cache.drop_fold(key)),
            _ => {}
        }
        assert_eq!(cache.fold_dropped(&online, &flush, now).await.unwrap(), Some(BTreeSet::new()));
        let written = cache.write(&online, &flush, now).await.unwrap();
        assert!(matches!(written, Write::Done { .. }), "{dropped}: {written:?}");
        bytes.push(stored(&online, &view, &rows).await);
    }
    assert!(bytes[0].iter().all(Option::is_some));
    assert!(bytes.iter().all(|other| *other == bytes[0]));
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
