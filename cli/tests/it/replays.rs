//! Loading again: the whole, in parts, in overlapping parts, always gives what one load gives.

use std::path::PathBuf;

use crate::landings::{batch, landing, write_parquet};
use crate::project::{GET, Project, says};
use crate::stored;

const LOG: &str = ".twinstore/offline/log/airport_arrivals/v1";
const DEAD_LETTERS: &str = ".twinstore/offline/dead_letters/airport_arrivals/v1";

#[test]
fn a_second_backfill_changes_nothing() {
    let project = Project::loaded();
    let (before, read, set) = (project.state(), project.ok(GET), project.training_set());
    let commits = stored::commits(&project.path(LOG));
    says(&project.ok("backfill --all"), &["nothing new: 1 file loaded before", "0 rows loaded"]);
    says(&project.ok("materialize"), &["nothing new: 1 file loaded before", "0 rows loaded"]);
    assert_eq!(stored::commits(&project.path(LOG)), commits);
    assert_eq!((project.ok(GET), project.training_set()), (read, set));
    let is_log = |path: &&PathBuf| path.to_string_lossy().contains("offline");
    let after = project.state();
    assert!(before.keys().filter(is_log).eq(after.keys().filter(is_log)), "a file came or went");
}

#[test]
fn halves_and_overlapping_parts_give_what_one_load_gives() {
    let whole = Project::loaded();
    let parts: [&[&str]; 4] = [
        &["--to 2013-06-04", "--from 2013-06-04"],
        &["--from 2013-06-04", "--to 2013-06-04"],
        &["--to 2013-06-05T12:00:00Z", "--from 2013-06-03 --to 2013-06-06", "--from 2013-06-02"],
        &["--from 2013-06-02T06:00:00Z --to 2013-06-04T23:59:59.999999Z", ""],
    ];
    for loads in parts {
        let project = Project::applied();
        loads.iter().for_each(|range| assert_loads(&project, range));
        assert_eq!(project.ok(GET), whole.ok(GET), "{loads:?}");
        assert_eq!(project.training_set(), whole.training_set(), "{loads:?}");
        let positions = |project: &Project| stored::positions(&stored::rows(&project.path(LOG)));
        assert_eq!(positions(&project), positions(&whole), "{loads:?}");
    }
}

fn assert_loads(project: &Project, range: &str) {
    project.ok(&format!("backfill --all {range}"));
    let commits = stored::commits(&project.path(LOG));
    let again = project.json(&format!("backfill --all {range}"));
    assert_eq!(again["views"][0]["rows_loaded"], 0, "{range}: {again}");
    assert_eq!(stored::commits(&project.path(LOG)), commits, "{range}: a repeated load commits nothing");
}

#[test]
fn a_part_is_from_inclusive_and_to_exclusive() {
    let project = Project::sample();
    write_parquet(&project.path("data/landings.parquet"), &batch(&[0, 1, 2].map(|n| landing(n, n, 1.0))));
    project.ok("apply");
    let loaded = |from: u8, to: u8| {
        let time = |second: u8| format!("2013-06-08T00:00:0{second}Z");
        let words = format!("backfill airport_arrivals@1 --from {} --to {}", time(from), time(to));
        project.json(&words)["views"][0]["rows_loaded"].as_u64().unwrap()
    };
    assert_eq!([loaded(1, 2), loaded(0, 1), loaded(0, 3)], [1, 1, 1]);
}

/// A file's number is its own for ever: also of one that came, first by its path, between the
/// parts of a load.
#[test]
fn a_file_that_comes_between_two_parts_has_a_number_of_its_own() {
    let project = Project::sample();
    project.edit("features/flights.yaml", "data/landings.parquet", "data/landings");
    project.without_ttl();
    let write = |name: &str, ids: [i64; 2]| {
        let rows = ids.map(|id| landing(id, id, id as f32));
        write_parquet(&project.path(&format!("data/landings/{name}.parquet")), &batch(&rows));
    };
    write("b", [10, 11]);
    write("c", [20, 21]);
    project.ok("apply");
    project.ok("backfill airport_arrivals@1 --to 2013-06-08T00:00:11Z");
    write("a", [1, 2]);
    project.ok("backfill airport_arrivals@1 --from 2013-06-08T00:00:11Z");
    project.ok("backfill airport_arrivals@1");
    write("0", [30, 31]);
    project.ok("materialize airport_arrivals@1");
    let rows = stored::rows(&project.path(LOG));
    let expected: Vec<_> = (0..4).flat_map(|file| [(0, file, 0), (0, file, 1)]).collect();
    assert_eq!(stored::positions(&rows), expected);
    let delays: Vec<_> = rows.iter().map(|row| row["_event_time"][17..19].to_owned()).collect();
    assert_eq!(delays, ["10", "11", "20", "21", "01", "02", "30", "31"]);
}

#[test]
fn a_refused_row_is_kept_once_however_often_it_is_validated() {
    let project = Project::sample();
    let rows = [landing(0, 0, 5.0), landing(1, 1, 9999.0), landing(2, 2, -9999.0)];
    write_parquet(&project.path("data/landings.parquet"), &batch(&rows));
    project.ok("apply");
    for range in ["--from 2013-06-08", "--to 2013-06-08T00:00:02Z", "--from 2013-06-01", "", ""] {
        project.ok(&format!("backfill --all {range}"));
    }
    assert_eq!(stored::positions(&stored::rows(&project.path(DEAD_LETTERS))), [(0, 0, 1), (0, 0, 2)]);
    assert_eq!(stored::positions(&stored::rows(&project.path(LOG))), [(0, 0, 0)]);
}
