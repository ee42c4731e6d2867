//! Rows that came and that no reader sees, circuit breakers, and reads that are stale: what holds up a cutover, and what a
//! search for causes and a read say of them.

use serde_json::json;
use test_support::eventually;

use crate::project::{Project, says};
use crate::quarantined::{QUARANTINES, expecting, write};
use crate::rolled_out::{VERSION_2, two_versions};
use crate::served::Server;

/// A second version that sets files aside which the first one takes.
fn stricter() -> Project {
    let project = expecting("{column: arr_delay, between: [-10000, 10000]}");
    let version_2 = VERSION_2
        .replace("ttl: 2d\n", "")
        .replace("features:\n  last_delay", &format!("expect:\n  - {QUARANTINES}\nfeatures:\n  last_delay"));
    project.write("features/version_2.yaml", version_2);
    project.ok("apply");
    project
}

#[test]
fn files_in_quarantine_hold_up_a_cutover_and_are_named_by_doctor() {
    let project = stricter();
    write(&project, "a", 0, 300, 0);
    write(&project, "b", 1000, 300, 100);
    project.ok("backfill --all");
    let refusal = project.refused("cutover late_arrival@2");
    says(
        &refusal,
        &[
            "airport_arrivals@2 is loaded in part: 1 file of it in quarantine with 300 rows: release or drop them",
            "`twinstore quality quarantine list airport_arrivals@2`",
            "airport_arrivals@2 refused 300 of 600 rows, 300 of them in quarantine, and at most 5% may be",
        ],
    );
    says(
        &project.ok("doctor"),
        &["kept out", "1 file of airport_arrivals@2 in quarantine with 300 rows: release or drop them"],
    );
    // Released, its good rows are loaded and its bad ones are refused, which is still too many.
    project.ok("quality quarantine release airport_arrivals@2 1 --reason mended");
    let refusal = project.refused("cutover late_arrival@2");
    says(&refusal, &["airport_arrivals@2 refused 100 of 600 rows, and at most 5% may be"]);
    assert!(!refusal.contains("in quarantine"), "{refusal}");
    says(&project.ok("doctor"), &["100 rows of airport_arrivals@2 refused and not loaded since"]);
}

#[test]
fn every_refused_row_counts_however_many_there_are() {
    const ROWS: i64 = 101_000;
    let project = expecting("{column: arr_delay, between: [-120, 1500]}");
    write(&project, "a", 0, ROWS, ROWS - 1);
    project.ok("backfill airport_arrivals");
    let overview = project.json("overview");
    let views = overview["views"].as_array().unwrap();
    let view = views.iter().find(|view| view["id"] == "airport_arrivals@1").unwrap();
    assert_eq!(view["quality"]["refused"], json!(ROWS - 1), "{view}");
    says(&project.ok("doctor"), &["100,999 rows of airport_arrivals@1 refused and not loaded since"]);
}

#[test]
fn a_date_all_of_whose_rows_are_in_quarantine_or_never_came_is_found() {
    let project = expecting(QUARANTINES);
    let day = 86_400;
    for date in (0..10).filter(|date| *date != 8) {
        write(&project, &format!("day{date}"), date * day, 300, 0);
    }
    project.ok("backfill airport_arrivals");
    let wrong = project.run("doctor");
    assert_eq!(wrong.code, Some(1), "{}", wrong.stdout);
    let missing = "of 2013-06-16 fewer rows of airport_arrivals@1 are there: no row came, and at least 300";
    says(&wrong.stderr, &["the probable cause: ", missing]);
    // They come, and are set aside.
    write(&project, "day8", 8 * day, 300, 200);
    project.ok("backfill airport_arrivals");
    let wrong = project.run("doctor");
    says(&wrong.stdout, &[missing]);
    says(&wrong.stderr, &["the probable cause: 1 file of airport_arrivals@1 in quarantine with 300 rows"]);
}

#[test]
fn a_few_refused_rows_are_not_named_as_the_cause_of_many_that_are_missing() {
    let project = expecting("{column: arr_delay, between: [-120, 1500]}");
    let day = 86_400;
    for date in 0..10 {
        let (rows, bad) = match date {
            0 => (300, 2),
            8 => (100, 0),
            _ => (300, 0),
        };
        write(&project, &format!("day{date}"), date * day, rows, bad);
    }
    project.ok("backfill airport_arrivals");
    let wrong = project.run("doctor");
    assert_eq!(wrong.code, Some(1), "{}", wrong.stdout);
    says(&wrong.stderr, &["the probable cause: of 2013-06-16 fewer rows of airport_arrivals@1 are there"]);
    says(&wrong.stdout, &["2 rows of airport_arrivals@1 refused and not loaded since"]);
}

#[test]
fn rows_in_quarantine_are_the_cause_of_a_date_with_too_few_rows() {
    let project = expecting(QUARANTINES);
    let day = 86_400;
    for date in 0..4 {
        write(&project, &format!("day{date}"), date * day, 300, 0);
    }
    // Of the date that is over half of the rows are set aside.
    write(&project, "day4", 4 * day, 150, 0);
    write(&project, "day4b", 4 * day + 1000, 150, 100);
    write(&project, "day5", 5 * day, 300, 0);
    project.ok("backfill airport_arrivals");
    let wrong = project.run("doctor");
    assert_eq!(wrong.code, Some(1), "{}", wrong.stdout);
    says(&wrong.stdout, &["of 2013-06-12 fewer rows of airport_arrivals@1 are there"]);
    says(&wrong.stderr, &["the probable cause: 1 file of airport_arrivals@1 in quarantine with 150 rows"]);
}

#[test]
fn an_open_circuit_breaker_holds_up_a_cutover() {
    let project = two_versions();
    says(
        &project.refused("cutover late_arrival@2"),
        &["late_arrival@2 was never compared with late_arrival@1"],
    );
    project.ok("breaker open airport_arrivals@2 --good-until 2013-06-08T12:00:00Z --reason unit-changed");
    eventually("the gate of the breaker fails", || {
        let refusal = project.run("cutover late_arrival@2").stderr;
        refusal.contains("airport_arrivals@2 is known to be wrong, as its circuit breaker is open since")
            && refusal.contains("`twinstore breaker list airport_arrivals@2` has them")
    });
}

#[test]
fn a_read_is_as_fresh_as_its_objective_says_in_the_store_and_from_a_server() {
    let project = Project::loaded();
    project.edit("features/flights.yaml", "objective: 1h", "objective: 2h");
    project.ok("apply");
    let server = Server::start(&project);
    // The newest flight of the week landed less than two hours before the first of these moments.
    for (at, fresh) in [("2013-06-08T01:00:00Z", true), ("2013-06-08T12:00:00Z", false)] {
        let read = format!("get late_arrival dest=LAX tailnum=N338AA distance=2475 --at {at}");
        let remote = format!(" --grpc {}", server.grpc);
        for from in ["", remote.as_str()] {
            let answer = project.json(&format!("{read}{from}"));
            let delay = &answer["features"]["dest_last_delay"];
            assert_eq!((&delay["status"], &delay["fresh"]), (&json!("PRESENT"), &json!(fresh)), "{at}{from}");
        }
    }
    assert_eq!(server.terminate().0, Some(0));
}
