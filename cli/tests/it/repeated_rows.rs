//! Rows that a view expects to be there once: those that repeat others are refused as any row is that fails an expectation,
//! in every load of history.

use serde_json::Value;

use crate::landings::{batch, landing, write_parquet};
use crate::project::{Project, says};
use crate::quarantined::expecting;

/// Landings at these seconds.
fn write(project: &Project, name: &str, seconds: impl IntoIterator<Item = i64>) {
    let landings: Vec<_> = seconds.into_iter().map(|second| landing(second, second, 5.0)).collect();
    write_parquet(&project.path(&format!("data/landings/{name}.parquet")), &batch(&landings));
}

/// How many rows a load took, and how many it refused.
fn taken(loaded: &Value) -> (u64, u64) {
    let view = &loaded["views"][0];
    let refused = view["refused"].as_object().unwrap().values();
    (view["rows_loaded"].as_u64().unwrap(), refused.map(|rows| rows.as_u64().unwrap()).sum())
}

fn rows_in_log(project: &Project) -> usize {
    crate::stored::rows(&project.path(".twinstore/offline/log/airport_arrivals/v1")).len()
}

#[test]
fn rows_that_repeat_others_are_dead_letters_where_their_file_is_loaded() {
    for expectation in ["{unique: true}", "{unique: log}"] {
        let project = expecting(expectation);
        write(&project, "a", (0..100).chain(3..5));
        let loaded = project.json("backfill airport_arrivals");
        assert_eq!(taken(&loaded), (100, 2), "{expectation}: {loaded}");
        says(&project.ok("dead-letter list airport_arrivals"), &["unique"]);
        // Of these the log has five.
        write(&project, "b", 95..195);
        let loaded = project.json("materialize airport_arrivals");
        let expected = if expectation == "{unique: log}" { (95, 5) } else { (100, 0) };
        assert_eq!(taken(&loaded), expected, "{expectation}: {loaded}");
    }
}

#[test]
fn a_load_that_was_killed_refuses_the_same_rows_when_it_goes_on() {
    for point in ["read:2", "refused", "committed", "file-written:2"] {
        let project = expecting("{unique: log}");
        write(&project, "a", (0..100).chain(3..5));
        write(&project, "b", 98..198);
        let mut killed = project.command("backfill airport_arrivals");
        let ended = killed.env("TWINSTORE_TRIAL_BATCH_END", point).output().unwrap();
        project.ok("backfill airport_arrivals");
        assert_eq!(rows_in_log(&project), 198, "{point}: {:?}", ended.status);
        let refused = project.json("dead-letter list airport_arrivals");
        assert_eq!(refused["dead_letters"].as_array().map(Vec::len), Some(4), "{point}: {refused}");
    }
}

#[test]
fn a_backfill_by_dates_refuses_repeated_rows_and_files_that_are_not_as_expected() {
    let project = expecting("{unique: log}");
    write(&project, "a", (0..50).chain(86_400..86_450).chain(3..5));
    write(&project, "b", 49..150);
    let done = project.ok("backfill start airport_arrivals");
    assert_eq!(rows_in_log(&project), 200, "{done}");
    let refused = project.json("dead-letter list airport_arrivals");
    assert_eq!(refused["dead_letters"].as_array().map(Vec::len), Some(3), "{refused}");

    let whole = [
        ("{unique: true}", "50 of its 101 rows fail (50 `unique`)"),
        ("{rows: {least: 1000}}", "it has 101 rows, and at least 1000 are expected"),
        ("{newest_within: 1d}", "more than 1d before its load"),
    ];
    for (expectation, why) in whole {
        let project = expecting(expectation);
        write(&project, "a", (0..50).chain(0..51));
        let refused = project.refused("backfill start airport_arrivals");
        says(&refused, &["`a.parquet`", why, "load its history as a whole, which quarantines them"]);
        // Nothing of it was begun: the definition may be corrected.
        project.edit("features/flights.yaml", expectation, "{unique: true, on_failure: warn}");
        project.ok("apply");
        let done = project.ok("backfill start airport_arrivals");
        says(&done, &["50 rows against `unique`, which only warns"]);
        assert_eq!(rows_in_log(&project), 101);
    }
}

#[test]
fn a_view_of_which_all_files_are_quarantined_says_so_and_shows_the_repeated_rows() {
    let project = expecting("{unique: true}");
    write(&project, "a", (0..3).chain(0..2));
    project.ok("backfill airport_arrivals");
    let shown = project.json("quality quarantine show airport_arrivals 0");
    let examples = shown["examples"].as_array().unwrap();
    let rows: Vec<&Value> = examples.iter().map(|example| &example["row"]).collect();
    assert_eq!(rows, [4, 5], "{shown}");
    says(examples[0]["detail"].as_str().unwrap(), &["an earlier row of the file"]);
    let again = project.ok("backfill airport_arrivals");
    says(&again, &["nothing new: 1 file in quarantine, of which nothing is loaded"]);
    let read = project.run(crate::project::GET);
    says(
        &read.stderr,
        &["airport_arrivals@1 wait in quarantine", "quality quarantine list airport_arrivals@1"],
    );
}
