//! `materialize`: what is new is loaded as measured, seen from that moment on, and nothing else moves.

use serde_json::Value;

use crate::landings::{batch, landing, write_parquet};
use crate::project::{Project, says};
use crate::stored::{self, Row};

const LOG: &str = ".twinstore/offline/log/airport_arrivals/v1";

/// The sample with a folder as its source, which holds one landing at second 0.
fn folder_of_landings() -> Project {
    let project = Project::sample();
    project.edit("features/flights.yaml", "data/landings.parquet", "data/landings");
    project.without_ttl();
    write_parquet(&project.path("data/landings/a.parquet"), &batch(&[landing(1, 0, 5.0)]));
    project.ok("apply");
    project
}

fn log(project: &Project) -> Vec<Row> {
    stored::rows(&project.path(LOG))
}

/// A time without its zone and without zeros at the end of its fraction.
fn shortened(time: &str) -> String {
    let time = time.trim_end_matches('Z');
    if time.contains('.') { time.trim_end_matches('0').to_owned() } else { time.to_owned() }
}

fn last_delay(project: &Project, at: &str) -> Value {
    let read = format!("get late_arrival dest=LAX tailnum=N1 distance=1{at}");
    project.json(&read)["features"]["dest_last_delay"].clone()
}

#[test]
fn a_source_that_was_never_backfilled_is_refused_naming_the_backfill() {
    let project = folder_of_landings();
    let message = project.refused("materialize");
    for view in ["airport_arrivals@1", "aircraft_last_flight@1"] {
        says(&message, &[&format!("{view} was never backfilled: run `twinstore backfill {view}`")]);
    }
}

#[test]
fn a_new_file_is_measured_and_visible_from_its_load_on() {
    let project = folder_of_landings();
    project.ok("backfill --all");
    // Late by more than two days, and a day before the row that is there: new all the same.
    write_parquet(&project.path("data/landings/b.parquet"), &batch(&[landing(2, -86_400, 7.0)]));
    write_parquet(&project.path("data/landings/c.parquet"), &batch(&[landing(3, 1, 9.0)]));
    let loaded = project.json("materialize airport_arrivals@1");
    assert_eq!(
        (&loaded["views"][0]["rows_loaded"], &loaded["views"][0]["files_known"]),
        (&2.into(), &1.into())
    );
    let rows = log(&project);
    assert_eq!(stored::positions(&rows), [(0, 0, 0), (0, 1, 0), (0, 2, 0)]);
    let provenance: Vec<_> = rows.iter().map(|row| row["_provenance"].as_str()).collect();
    assert_eq!(provenance, ["simulated", "measured", "measured"]);
    assert_eq!(rows[0]["_available_at"], "2013-06-08T00:02:00Z");
    assert_eq!(rows[0]["_assumed_delay_us"], "120000000");
    assert!(!rows[1].contains_key("_assumed_delay_us"));
    // Online the newest row is read, but not as of a time before it was loaded.
    let now = last_delay(&project, "");
    assert_eq!(now["status"], "PRESENT", "landed in 2013: {now}");
    let stamp = shortened(&rows[2]["_available_at"]);
    assert!(shortened(now["available_at"].as_str().unwrap()) <= stamp, "{now}");
    let before = project.refused("get late_arrival dest=LAX tailnum=N1 distance=1 --at 2013-06-08T01:00:00Z");
    says(&before, &["too early", &stamp, "twinstore training-set"]);
    // Offline a label sees the new rows from the moment of their load.
    let count_at = |time: &str| {
        project.write("s.csv", format!("dest,tailnum,distance,t\nLAX,N1,1,{time}\n"));
        project.ok("training-set --service late_arrival --spine s.csv --time t --out o.csv --explain");
        project.read("o.csv").lines().nth(1).unwrap().split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(count_at("2013-06-08T01:00:00Z")[4], "5.0");
    let stamp = rows[2]["_available_at"].clone();
    assert!(count_at(&stamp).contains(&"2013-06-08T00:00:01Z".to_owned()), "{:?}", count_at(&stamp));
}

#[test]
fn a_second_materialize_changes_nothing_and_leaves_old_files_as_they_are() {
    let project = folder_of_landings();
    project.ok("backfill --all");
    let old = log(&project);
    write_parquet(&project.path("data/landings/b.parquet"), &batch(&[landing(2, 1, 7.0)]));
    project.ok("materialize");
    let (commits, rows) = (stored::commits(&project.path(LOG)), log(&project));
    assert_eq!(rows[..1], old[..]);
    says(&project.ok("materialize"), &["nothing new: 2 files loaded before", "0 rows loaded"]);
    says(&project.ok("backfill --all"), &["nothing new: 2 files loaded before"]);
    assert_eq!((stored::commits(&project.path(LOG)), log(&project)), (commits, rows));
}

#[test]
fn a_new_file_is_history_to_a_backfill() {
    let project = folder_of_landings();
    project.ok("backfill --all");
    write_parquet(&project.path("data/landings/b.parquet"), &batch(&[landing(2, 1, 7.0)]));
    project.ok("backfill --all");
    assert!(log(&project).iter().all(|row| row["_provenance"] == "simulated"));
    let read = last_delay(&project, " --at 2013-06-08T01:00:00Z");
    assert_eq!(read["value"], 7.0);
}

#[test]
fn changed_content_under_a_loaded_path_is_refused_with_the_choices() {
    let project = folder_of_landings();
    project.ok("backfill --all");
    write_parquet(&project.path("data/landings/a.parquet"), &batch(&[landing(1, 0, 6.0)]));
    write_parquet(&project.path("data/landings/b.parquet"), &batch(&[landing(2, 1, 7.0)]));
    for command in ["materialize airport_arrivals@1", "backfill airport_arrivals@1"] {
        let message = project.refused(command);
        says(&message, &["data/landings/a.parquet` changed since airport_arrivals@1 loaded it"]);
        says(&message, &["into a new file", "restore what was loaded", "define airport_arrivals@2"]);
        says(&message, &["or if the `path` of its source was changed, put that back"]);
        assert!(!message.contains("b.parquet"), "{message}");
    }
    assert_eq!(log(&project).len(), 1);
    // The first choice: what was loaded comes back, and the new rows lie in a file of their own.
    write_parquet(&project.path("data/landings/a.parquet"), &batch(&[landing(1, 0, 5.0)]));
    project.ok("materialize airport_arrivals@1");
    assert_eq!(log(&project).len(), 2);
}

#[test]
fn a_file_that_is_gone_takes_nothing_with_it() {
    let project = folder_of_landings();
    write_parquet(&project.path("data/landings/b.parquet"), &batch(&[landing(2, 1, 7.0)]));
    project.ok("backfill --all");
    std::fs::remove_file(project.path("data/landings/b.parquet")).unwrap();
    project.ok("materialize");
    assert_eq!(log(&project).len(), 2);
    assert_eq!(last_delay(&project, " --at 2013-06-08T01:00:00Z")["value"], 7.0);
}

#[test]
fn files_whose_newest_row_no_read_of_today_sees_are_refused_as_history() {
    let project = Project::sample();
    project.edit("features/flights.yaml", "data/landings.parquet", "data/landings");
    write_parquet(&project.path("data/landings/a.parquet"), &batch(&[landing(1, 0, 5.0)]));
    project.ok("apply");
    project.ok("backfill --all");
    write_parquet(
        &project.path("data/landings/b.parquet"),
        &batch(&[landing(2, 60, 7.0), landing(3, 1, 7.0)]),
    );
    let message = project.refused("materialize airport_arrivals@1");
    says(
        &message,
        &[
            "airport_arrivals@1",
            "b.parquet`, whose newest row is of 2013-06-08T00:01:00Z",
            "run `twinstore backfill",
        ],
    );
    project.ok("backfill airport_arrivals@1");
    assert_eq!(log(&project).len(), 3);
    // A row of today is in the same file as an old one, or most are old: it is loaded, and said.
    let today = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let today = landing(4, today - crate::landings::AFTER_THE_WEEK - 60, 7.0);
    write_parquet(
        &project.path("data/landings/c.parquet"),
        &batch(&[landing(5, 2, 7.0), landing(6, 3, 7.0), today.clone()]),
    );
    let done = project.run("materialize airport_arrivals@1");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    says(
        &done.stderr,
        &["half of the new rows happened at 2013-06-08T00:00:03Z or before", "--as-of available"],
    );
    write_parquet(
        &project.path("data/landings/d.parquet"),
        &batch(&[landing(7, 4, 7.0), today.clone(), today]),
    );
    let done = project.run("materialize airport_arrivals@1");
    assert_eq!((done.code, done.stderr.contains("half of")), (Some(0), false), "{}", done.stderr);
}

#[test]
fn a_file_that_has_another_name_or_is_found_by_another_path_stays_loaded_and_a_copy_is_a_file_of_its_own() {
    let project = Project::sample();
    project.edit("features/flights.yaml", "data/landings.parquet", "data/landings/*.parquet");
    project.without_ttl();
    let file = |second: i64| batch(&[landing(second + 1, second, 5.0)]);
    write_parquet(&project.path("data/landings/a.parquet"), &file(0));
    write_parquet(&project.path("data/landings/b.parquet"), &file(60));
    project.ok("apply");
    project.ok("backfill --all");
    let before = log(&project);
    assert_eq!(before.len(), 2);
    let is_as_before = |words: &str| {
        let loads = project.json(words);
        assert_eq!(loads["views"][0]["rows_loaded"], 0, "{words}: {loads}");
        assert_eq!(log(&project), before, "{words}");
    };
    let rename = |from: &str, to: &str| {
        std::fs::rename(
            project.path(&format!("data/landings/{from}")),
            project.path(&format!("data/landings/{to}")),
        )
        .unwrap();
    };
    rename("a.parquet", "z.parquet");
    is_as_before("materialize");
    is_as_before("backfill --all");
    // The same folder by another path, and below another folder.
    project.edit("features/flights.yaml", "data/landings/*.parquet", "data");
    std::fs::remove_file(project.path("data/landings.parquet")).unwrap();
    std::fs::remove_file(project.path("data/departures.parquet")).unwrap();
    project.ok("apply");
    is_as_before("materialize");
    rename("b.parquet", "c.parquet");
    is_as_before("materialize");
    std::fs::copy(project.path("data/landings/c.parquet"), project.path("data/landings/d.parquet")).unwrap();
    assert_eq!(project.json("materialize")["views"][0]["rows_loaded"], 1);
    assert_eq!(log(&project).len(), 3);
}

#[test]
fn a_file_below_another_folder_that_gives_a_column_has_other_rows() {
    let project = Project::empty();
    project.write(
        "features/sales.yaml",
        "kind: entity
name: shop
keys: {shop: string}
---
kind: source
name: sales
schema: {at: timestamp, amount: float64, shop: string}
event_time: at
batch: {path: data}
assumed_delay: 1m
---
kind: feature_view
name: turnover
version: 1
entity: shop
source: sales
features: {total: {aggregate: sum(amount)}}
---
kind: feature_service
name: totals
version: 1
features: [{from: turnover@1}]
",
    );
    project.write("data/shop=a/1.csv", "at,amount\n2024-01-01T00:00:00Z,5\n");
    project.ok("apply");
    project.ok("backfill --all");
    std::fs::create_dir(project.path("data/shop=b")).unwrap();
    std::fs::rename(project.path("data/shop=a/1.csv"), project.path("data/shop=b/1.csv")).unwrap();
    assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 1);
    says(&project.ok("get totals shop=b"), &["5"]);
    // Renamed in its folder it is the same.
    std::fs::rename(project.path("data/shop=b/1.csv"), project.path("data/shop=b/2.csv")).unwrap();
    assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 0);
}

#[test]
fn a_folder_that_a_pattern_matches_is_named_as_not_read() {
    let project = folder_of_landings();
    project.edit("features/flights.yaml", "path: data/landings}", "path: 'data/landings/*'}");
    std::fs::create_dir(project.path("data/landings/more")).unwrap();
    write_parquet(&project.path("data/landings/more/b.parquet"), &batch(&[landing(2, 60, 5.0)]));
    project.ok("apply");
    let loads = project.json("backfill airport_arrivals");
    assert_eq!(loads["views"][0]["files_unread"][0], "more/", "{loads}");
    assert_eq!(loads["views"][0]["rows_loaded"], 1);
}
