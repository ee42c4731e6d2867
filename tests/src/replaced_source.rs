//! What happens while a source's file is read: where it is replaced or written to, nothing of it is loaded, and the
//! next load takes it as it is then; where another load of it comes between, each row is loaded once.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use feature::Micros;
use materializer::{EventRange, MaterializerError, Target};
use offline::write_file;

use crate::project::Project;

const DEFINITIONS: &str = "
kind: entity
name: user
keys: {user: int64}
---
kind: source
name: events
schema: {user: int64, ts: timestamp, x: int64}
event_time: ts
batch: {path: data}
---
kind: feature_view
name: counts
version: 1
entity: user
source: events
features:
  x: {latest: x}
";

fn now() -> Micros {
    Micros::new(1_800_000_000_000_000).unwrap()
}

fn write(path: &Path, x: i64, rows: usize) {
    let columns: [(&str, ArrayRef); 3] = [
        ("user", Arc::new(Int64Array::from_iter_values(0..rows as i64))),
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(vec![1_700_000_000_000_000; rows]).with_timezone("UTC")),
        ),
        ("x", Arc::new(Int64Array::from(vec![x; rows]))),
    ];
    write_file(path, &RecordBatch::try_from_iter(columns).unwrap()).unwrap();
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_refused_by_name_and_loaded_next_time() {
    for in_place in [false, true] {
        let mut project = Project::empty(now);
        project.apply(&[("all.yaml".to_owned(), DEFINITIONS.to_owned())]).await;
        fs::create_dir(project.path().join("data")).unwrap();
        let (file, other) = (project.path().join("data/a.parquet"), project.path().join("other.parquet"));
        write(&file, 1, 3);
        write(&other, 2, 4);
        let view = project.registered.view(&"counts@1".parse().unwrap()).unwrap().clone();
        let target = Target {
            source: Arc::new(project.registered.source_of(&view).unwrap().into_owned()),
            view: view.clone(),
            input: None,
        };
        let replace = |_| match in_place {
            true => fs::write(&file, fs::read(&other).unwrap()).unwrap(),
            false => fs::rename(&other, &file).unwrap(),
        };
        let refused = project.materializer.backfill(&target, EventRange::default(), replace).await;
        match refused {
            Err(error @ MaterializerError::ReplacedMeanwhile { .. }) => {
                let message = error.to_string();
                assert!(message.contains("a.parquet") && message.contains("again"), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert!(project.log_rows(&view).await.is_empty());
        let loaded = project.materializer.backfill(&target, EventRange::default(), |_| {}).await.unwrap();
        assert_eq!((loaded.rows_loaded, loaded.files), (4, 1));
        let again = project.materializer.backfill(&target, EventRange::default(), |_| {}).await.unwrap();
        assert_eq!((again.rows_loaded, again.files_known), (0, 1));
    }
}

#[tokio::test]
async fn a_load_that_another_overtakes_loads_nothing_again() {
    let mut project = Project::empty(now);
    project.apply(&[("all.yaml".to_owned(), DEFINITIONS.to_owned())]).await;
    fs::create_dir(project.path().join("data")).unwrap();
    write(&project.path().join("data/a.parquet"), 1, 3);
    let view = project.registered.view(&"counts@1".parse().unwrap()).unwrap().clone();
    let source = Arc::new(project.registered.source_of(&view).unwrap().into_owned());
    let target = Target { source, view: view.clone(), input: None };
    let materializer = &project.materializer;
    let overtaken = std::sync::Once::new();
    // Before there is a log there is no lock either: what was decided is all that counts.
    let overtake = |_| {
        overtaken.call_once(|| {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    let other = materializer.backfill(&target, EventRange::default(), |_| {});
                    assert_eq!(runtime.block_on(other).unwrap().rows_loaded, 3);
                });
            });
        });
    };
    let loaded = materializer.backfill(&target, EventRange::default(), overtake).await.unwrap();
    assert_eq!((loaded.rows_loaded, loaded.files_known), (0, 1));
    let rows: usize = project.log_rows(&view).await.values().map(Vec::len).sum();
    assert_eq!(rows, 3);
}

#[tokio::test]
async fn a_loaded_file_that_is_edited_in_place_is_refused_by_name_although_size_and_time_are_kept() {
    let mut project = Project::empty(now);
    project.apply(&[("all.yaml".to_owned(), DEFINITIONS.to_owned())]).await;
    fs::create_dir(project.path().join("data")).unwrap();
    let file = project.path().join("data/a.parquet");
    write(&file, 1, 3);
    let view = project.registered.view(&"counts@1".parse().unwrap()).unwrap().clone();
    let source = Arc::new(project.registered.source_of(&view).unwrap().into_owned());
    let target = Target { source, view: view.clone(), input: None };
    let materializer = &project.materializer;
    let load = || materializer.backfill(&target, EventRange::default(), |_| {});
    assert_eq!(load().await.unwrap().rows_loaded, 3);
    let again = load().await.unwrap();
    assert_eq!((again.rows_loaded, again.files_known), (0, 1));
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    match load().await {
        Err(error @ MaterializerError::ContentChanged { .. }) => {
            assert!(
                error.to_string().contains("data/a.parquet` changed since counts@1 loaded it"),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
    // The content that was loaded is taken again once it is back.
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert_eq!(load().await.unwrap().files_known, 1);
}
