//! A Delta source whose table is another one than before, or the same under another id.

use std::fs;

use serde_json::Value;

use crate::delta_source::{BACKFILL, DeltaProject, LOG, MATERIALIZE, TABLE_ID};
use crate::landings::landing;
use crate::project::says;

#[test]
fn a_table_that_was_dropped_and_written_again_is_refused_however_far_its_versions_go() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0)]);
    let added = delta.add("b.parquet", &[landing(2, 1, 2.0)], true);
    delta.commit(&[added]);
    delta.project.ok(&format!("{BACKFILL} --to 2013-06-08T00:00:05Z"));
    // Of the first round only a part is loaded; of the second everything.
    for _ in 0..2 {
        let folders = [delta.table.clone(), delta.table.join("_delta_log")];
        let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
        let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        let kept: Vec<_> = paths.map(|path| (fs::read(&path).unwrap(), path)).collect();
        let version = delta.version;
        for files in 0..4 {
            delta.rewrite_again(&vec![&[landing(3, 2, 3.0)][..]; files]);
            for command in [MATERIALIZE, BACKFILL] {
                let message = delta.project.refused(command);
                says(
                    &message,
                    &["data/table` is not the one that airport_arrivals@1 loaded", "restore the table"],
                );
                says(&message, &["define airport_arrivals@2 and backfill that"]);
            }
        }
        // What was loaded comes back.
        fs::remove_dir_all(&delta.table).unwrap();
        fs::create_dir_all(delta.table.join("_delta_log")).unwrap();
        kept.iter().for_each(|(bytes, path)| fs::write(path, bytes).unwrap());
        delta.version = version;
        assert_eq!(delta.loads(BACKFILL), 0);
    }
}

#[test]
fn a_table_whose_id_a_later_commit_changes_is_the_same_table() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0)]);
    delta.project.ok(BACKFILL);
    for (number, id) in [(1, "0b5c1d7e-0000-4000-8000-000000000003"), (2, TABLE_ID)] {
        let added = delta.add(&format!("{number}.parquet"), &[landing(number + 1, number, 2.0)], true);
        delta.commit(&[DeltaProject::metadata(id), added]);
        assert_eq!(delta.loads(MATERIALIZE), 1);
    }
}

#[test]
fn a_log_that_does_not_say_which_table_it_loaded_records_it_with_its_next_load() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0)]);
    delta.project.ok(BACKFILL);
    // As an earlier version left it: without the id, and without checksums.
    let commits = delta.project.path(LOG).join("_delta_log");
    for entry in fs::read_dir(&commits).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with(".last_commit") {
            fs::remove_file(path).unwrap();
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let without = |action: &mut Value| {
                if let Some(info) = action.get_mut("commitInfo").and_then(Value::as_object_mut) {
                    info.retain(|key, _| !key.starts_with("twinstore"));
                }
                action["txn"]["appId"] != "source-table"
            };
            let text = fs::read_to_string(&path).unwrap();
            let actions = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let actions = actions.filter_map(|mut action| without(&mut action).then(|| action.to_string()));
            fs::write(&path, actions.collect::<Vec<_>>().join("\n")).unwrap();
        }
    }
    // The online rows note the commits as they were before.
    delta.project.ok("online rebuild");
    assert_eq!(delta.loads(BACKFILL), 0);
    delta.rewrite_again(&[&[landing(3, 2, 3.0)]]);
    says(&delta.project.refused(MATERIALIZE), &["is not the one that airport_arrivals@1 loaded"]);
}
