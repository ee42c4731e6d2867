//! A backfill that goes date by date: it gives what a backfill at once gives, whenever it is killed, paused or resumed; a
//! date that fails is set aside; and nothing goes online before all of it is loaded.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::project::{Done, GET, Project, says};
use crate::pushed::with;
use crate::stored;

const VIEWS: [&str; 2] = ["airport_arrivals", "aircraft_last_flight"];
/// Longer than anything here takes.
const BOUND: Duration = Duration::from_secs(60);
/// So little memory that each date is read by itself.
pub const BY_ITSELF: &str = "--max-memory 8KB";

fn log(view: &str) -> String {
    format!(".twinstore/offline/log/{view}/v1")
}

fn positions(project: &Project, view: &str) -> Vec<String> {
    let rows = stored::rows(&project.path(&log(view)));
    let position = |row: &stored::Row| {
        let part = |name: &str| row[name].clone();
        format!("{} {} {}", part("_position_kind"), part("_position_major"), part("_position_minor"))
    };
    rows.iter().map(position).collect()
}

/// The newest backfill of a view.
pub fn status(project: &Project, view: &str) -> Value {
    project.json(&format!("backfill status {view}"))[0].clone()
}

fn date<'a>(status: &'a Value, date: &str) -> &'a Value {
    let dates = status["dates"].as_array().unwrap();
    dates.iter().find(|one| one["date"] == date).unwrap_or_else(|| panic!("no {date} in {status}"))
}

#[track_caller]
fn equals_whole(project: &Project, whole: &Project, what: &str) {
    for view in VIEWS {
        assert_eq!(positions(project, view), positions(whole, view), "{what}: {view}");
    }
    assert_eq!(project.answer(), whole.answer(), "{what}");
    assert_eq!(project.training_set(), whole.training_set(), "{what}");
}

#[test]
fn dates_in_either_order_and_however_many_at_once_give_what_a_backfill_at_once_gives() {
    let whole = Project::loaded();
    for options in ["", "--order oldest --jobs 2", BY_ITSELF, "--order oldest --max-memory 8KB --jobs 3"] {
        let project = Project::applied();
        for view in VIEWS {
            project.ok(&format!("backfill start {view}@1 {options}"));
            let status = status(&project, view);
            assert_eq!(status["state"], "done", "{status}");
            assert_eq!(status["dates_done"], status["dates"].as_array().unwrap().len());
            let source: u64 = stored::parquet_rows(&project.path("data/landings.parquet")).len() as u64;
            assert_eq!(status["rows"], source, "every row of the source has a date");
            for date in status["dates"].as_array().unwrap() {
                let of = |name: &str| date[name].as_u64().unwrap();
                let accounted = of("loaded") + of("known") + of("left_out") + of("refused");
                assert_eq!(of("rows"), accounted, "{date}");
            }
        }
        equals_whole(&project, &whole, options);
        // Each date is a commit of its own: beside them the creation, the turn, the end, the sync and the mark of it.
        let dates = status(&project, VIEWS[0])["dates_done"].as_u64().unwrap() as usize;
        assert_eq!(stored::commits(&project.path(&log(VIEWS[0]))), dates + 5, "{options}");
        // All of the source is loaded: nothing is left for others.
        let before = VIEWS.map(|view| positions(&project, view));
        project.ok("backfill --all");
        project.ok("materialize");
        assert_eq!(VIEWS.map(|view| positions(&project, view)), before);
    }
}

#[test]
fn killed_at_any_step_it_goes_on_without_loading_a_date_twice() {
    let whole = Project::loaded();
    let points = [
        ("hashed", 1, 0),
        ("turn-taken", 1, 0),
        ("read", 1, 0),
        ("read", 3, 2),
        ("file-written", 2, 0),
        ("committed", 2, 0),
        ("committed", 4, 2),
        ("date-kept", 1, 1),
        ("date-kept", 4, 4),
        ("half-online", 1, 7),
        ("settled", 1, 7),
    ];
    for (point, pass, least) in points {
        let what = format!("killed at {point}:{pass}");
        let project = Project::applied();
        project.ok("backfill start aircraft_last_flight");
        let mut command = project.command(&format!("backfill start airport_arrivals {BY_ITSELF}"));
        let killed =
            Done::of(command.env("TWINSTORE_TRIAL_BATCH_END", format!("{point}:{pass}")).output().unwrap());
        assert_eq!(killed.code, None, "{what}: {}", killed.stderr);
        let interrupted = status(&project, "airport_arrivals");
        assert_eq!(interrupted["state"], "interrupted", "{what}: {interrupted}");
        let there = positions(&project, "airport_arrivals").len() as u64;
        let resumed = project.json("backfill resume airport_arrivals");
        assert_eq!(resumed["state"], "done", "{what}: {resumed}");
        let done = interrupted["dates_done"].as_u64().unwrap();
        assert!(done >= least, "{what}: {done} dates were done");
        // What is in the log was loaded by the first process: the second one found none of it in its dates.
        let dates = resumed["dates"].as_array().unwrap();
        assert!(dates.iter().all(|date| date["known"] == 0), "{what}: {resumed}");
        let runs = project.json("offline loads airport_arrivals");
        let read = runs[0]["outcome"]["load"]["rows"]["loaded"].as_u64().unwrap();
        let all = positions(&project, "airport_arrivals").len() as u64;
        assert_eq!(there + read, all, "{what}");
        // The run that was killed has what it loaded, and from which files.
        let killed = &runs[1]["outcome"]["load"];
        assert_eq!(killed["rows"]["loaded"].as_u64().unwrap_or(0), there, "{what}: {runs}");
        let files = killed["files"].as_array().map_or(0, Vec::len);
        assert_eq!((&runs[1]["state"], files > 0), (&json!("interrupted"), there > 0), "{what}: {runs}");
        equals_whole(&project, &whole, &what);
    }
}

/// Starts a backfill of which each date takes a while, and waits until one is done.
fn started(project: &Project) -> Child {
    let words = format!("backfill start airport_arrivals {BY_ITSELF} --max-rows-per-second 300");
    let mut command = project.command(&words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    let is_done = || project.json("backfill status")[0]["dates_done"].as_u64().is_some_and(|done| done > 0);
    while !is_done() {
        assert!(began.elapsed() < BOUND, "no date is loaded");
        thread::sleep(Duration::from_millis(50));
    }
    child
}

#[test]
fn another_process_pauses_it_and_nothing_is_online_until_it_was_resumed_to_its_end() {
    let whole = Project::loaded();
    let project = Project::applied();
    project.ok("backfill aircraft_last_flight");
    let running = started(&project);
    let now = status(&project, "airport_arrivals");
    assert_eq!((&now["state"], now["rows_per_second"].is_number()), (&json!("running"), true), "{now}");
    assert!(now["seconds_left"].as_f64().is_some_and(|left| left > 0.0), "{now}");
    // A second one is refused by the registry, which names the first.
    // Both are refused beside it, and it goes on.
    let refused = |words: &str| {
        let done = project.run(words);
        assert_eq!(done.code, Some(1), "{words}: {}", done.stdout);
        done.stderr
    };
    let refusal = refused("backfill start airport_arrivals");
    says(
        &refusal,
        &["backfill 1 of airport_arrivals@1", "is running", "twinstore backfill status airport_arrivals@1"],
    );
    says(&refused("backfill resume airport_arrivals"), &["backfill 1 of airport_arrivals@1", "is running"]);
    let requested = Instant::now();
    let paused = project.json("backfill pause airport_arrivals");
    assert!(requested.elapsed() < Duration::from_secs(10), "{:?}", requested.elapsed());
    assert_eq!(paused["state"], "paused", "{paused}");
    let ended = Done::of(running.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    says(&ended.stdout, &["paused", "`twinstore backfill resume airport_arrivals@1` goes on with it"]);
    let done = paused["dates_done"].as_u64().unwrap();
    assert!(done >= 1 && done < paused["dates"].as_array().unwrap().len() as u64, "{paused}");
    // What is loaded is in the log alone.
    assert!(!positions(&project, "airport_arrivals").is_empty());
    says(&project.ok(GET), &["NOT_FOUND"]);
    for words in
        ["backfill airport_arrivals", "materialize airport_arrivals", "online rebuild airport_arrivals"]
    {
        let refusal = project.refused(words);
        says(&refusal, &["the history of airport_arrivals@1 is loaded in part", "twinstore backfill status"]);
    }
    // The others are written again, and nobody is sent to what puts a part online.
    let rebuilt = project.run("online rebuild");
    assert_eq!(rebuilt.code, Some(0), "{}", rebuilt.stderr);
    says(&rebuilt.stderr, &["airport_arrivals@1 is loaded in part", "nothing of it is put online before"]);
    assert!(!project.run("doctor").stdout.contains("online rebuild"));
    says(&project.ok(GET), &["NOT_FOUND"]);
    project.ok("backfill resume airport_arrivals");
    equals_whole(&project, &whole, "resumed");
    let refusal = project.refused("backfill pause airport_arrivals");
    says(&refusal, &["backfill 1 of airport_arrivals@1 is done"]);
}

#[test]
fn what_a_cancelled_backfill_loaded_stays_and_the_version_is_incomplete_until_the_rest_is_loaded() {
    let whole = Project::loaded();
    for rest in ["backfill start airport_arrivals", "backfill airport_arrivals"] {
        let project = Project::applied();
        project.ok("backfill aircraft_last_flight");
        let running = started(&project);
        let cancelled = project.json("backfill cancel airport_arrivals");
        assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
        assert_eq!(Done::of(running.wait_with_output().unwrap()).code, Some(0));
        let there = positions(&project, "airport_arrivals").len();
        assert!(there > 0);
        says(
            &project.refused("materialize airport_arrivals"),
            &[
                "airport_arrivals@1 is loaded in part: its backfill by dates was cancelled",
                "twinstore backfill",
            ],
        );
        let refused = project.refused("backfill resume airport_arrivals");
        says(&refused, &["is cancelled", "`twinstore backfill start airport_arrivals@1`"]);
        project.ok(rest);
        equals_whole(&project, &whole, rest);
        project.ok("materialize airport_arrivals");
    }
}

/// A project with a source of CSV files, a file a day, whose third view column is the delay.
pub fn days(delays: &[&[f64]]) -> Project {
    let project = with(DAYS);
    for (day, delays) in delays.iter().enumerate() {
        write_day(&project, day, delays);
    }
    project
}

fn write_day(project: &Project, day: usize, delays: &[f64]) {
    let mut text = "airport,at,delay\n".to_owned();
    for (row, delay) in delays.iter().enumerate() {
        let delay = if delay.is_nan() { String::new() } else { delay.to_string() };
        text.push_str(&format!("A{},2024-01-0{}T{:02}:00:00Z,{delay}\n", row % 7, day + 1, row % 24));
    }
    project.write(&format!("data/days/{day}.csv"), text);
}

const DAYS: &str = "
kind: entity
name: airport
keys: {airport: string}
---
kind: source
name: days
schema: {airport: string, at: timestamp, delay: float64}
event_time: at
batch: {path: data/days}
assumed_delay: 1m
---
kind: feature_view
name: delays
version: 1
entity: airport
source: days
features:
  last: {latest: delay}
---
kind: feature_service
name: late
version: 1
features:
  - {from: delays@1}
";

/// Delays like those of any day.
pub fn usual() -> Vec<f64> {
    (0..200).map(|row| f64::from(row % 60)).collect()
}

#[test]
fn a_date_that_does_not_look_like_the_others_is_set_aside_named_and_taken_once_it_is_accepted() {
    let usual = usual();
    let nulls = vec![f64::NAN; 200];
    let project = days(&[&usual, &nulls, &usual]);
    let done = project.run("backfill start delays --order oldest");
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    says(
        &done.stderr,
        &[
            "delays@1: 1 date set aside, with none of its rows in the log, and nothing is online yet",
            "2024-01-02: `delay` is null in 100.0% of its rows, and in 0.0% of those of the dates loaded before",
            "`twinstore backfill resume delays@1` tries the dates again, with `--accept 2024-01-02`",
        ],
    );
    let now = status(&project, "delays");
    assert_eq!(
        (&now["state"], &now["dates_done"], &now["dates_failed"]),
        (&json!("incomplete"), &json!(2), &json!(1))
    );
    assert_eq!(
        (&date(&now, "2024-01-02")["state"], &date(&now, "2024-01-02")["loaded"]),
        (&json!("failed"), &json!(0))
    );
    assert_eq!(positions(&project, "delays").len(), 400);
    says(&project.ok("get late airport=A1 --format json"), &["NOT_FOUND"]);
    // Tried again as it is, it fails again; the others are not loaded again.
    assert_eq!(project.run("backfill resume delays").code, Some(1));
    assert_eq!(positions(&project, "delays").len(), 400);
    says(
        &project.refused("backfill resume delays --accept 2099-12-31"),
        &["the backfill of delays@1 has no rows of 2099-12-31: its dates are from 2024-01-01 to 2024-01-03"],
    );
    let taken = project.json("backfill resume delays --accept 2024-01-02");
    says(&project.ok("audit delays@1"), &["override", "the checks of its backfill: 2024-01-02"]);
    assert_eq!(taken["state"], "done", "{taken}");
    assert_eq!(positions(&project, "delays").len(), 600);
    says(&project.ok("get late airport=A1 --format json"), &["PRESENT"]);
}

#[test]
fn a_date_of_which_there_are_no_rows_cannot_be_accepted_and_nothing_is_loaded() {
    let project = days(&[&usual(), &usual()]);
    let start = "backfill start delays --accept 2024-01-02 --accept 2031-07-01";
    says(
        &project.refused(start),
        &["the backfill of delays@1 has no rows of 2031-07-01: its dates are from 2024-01-01 to 2024-01-02"],
    );
    assert!(!project.path(&log("delays")).join("_date=2024-01-01").exists());
    let done = project.json("backfill start delays --accept 2024-01-02");
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(positions(&project, "delays").len(), 400);
}

/// A second version of the view, with this feature.
fn second(feature: &str) -> String {
    format!(
        "kind: feature_view\nname: delays\nversion: 2\nentity: airport\nsource: days\nfeatures:\n  {feature}\n---\n\
         kind: feature_service\nname: late\nversion: 2\nfeatures:\n  - {{from: delays@2}}\n"
    )
}

#[test]
fn dates_are_compared_with_the_version_before_unless_a_change_is_expected() {
    let day: Vec<f64> = (0..600).map(|row| f64::from(row % 60)).collect();
    for (feature, fails) in [
        ("last: {latest: delay}", false),
        ("last: {latest: delay * 60.0}", true),
        ("last: {latest: delay * 60.0}\nexpect_change: {last: {psi: 9, reason: seconds}}", false),
    ] {
        let project = days(&[&day, &day]);
        project.ok("backfill delays@1");
        project.write("features/second.yaml", second(feature));
        project.ok("apply");
        let done = project.run("backfill start delays@2");
        assert_eq!(done.code, Some(i32::from(fails)), "{feature}: {}", done.stderr);
        if fails {
            says(
                &done.stderr,
                &[
                    "delays@2: 2 dates set aside",
                    "`last` reaches from 0 to 3540, and in delays@1 on that date from 0 to 59",
                    "`last` is distributed otherwise than in delays@1 on that date: PSI ",
                ],
            );
            let refusal = project.refused("cutover late@2");
            says(&refusal, &["delays@2 is loaded in part: its backfill by dates is not done"]);
        }
    }
}

#[test]
fn a_source_that_changed_or_went_after_it_began_is_named_and_nothing_more_of_it_is_loaded() {
    let usual = usual();
    let project = days(&[&usual, &usual, &usual]);
    let words = format!("backfill start delays --order oldest {BY_ITSELF}");
    let mut command = project.command(&words);
    let killed = Done::of(command.env("TWINSTORE_TRIAL_BATCH_END", "date-kept").output().unwrap());
    assert_eq!(killed.code, None, "{}", killed.stderr);
    let file = "data/days/2.csv";
    let before = project.read(file);
    project.write(file, before.replace("A1,", "A2,"));
    let stopped = project.run("backfill resume delays");
    assert_eq!(stopped.code, Some(1));
    says(
        &stopped.stderr,
        &[
            "2.csv` changed since the backfill of delays@1 began: the dates that it has loaded stay in the log",
            "put back what was there and resume it, or cancel it, define delays@2 and backfill that",
        ],
    );
    assert_eq!(positions(&project, "delays").len(), 200);
    assert_eq!(status(&project, "delays")["state"], "stopped");
    fs::remove_file(project.path(file)).unwrap();
    let stopped = project.run("backfill resume delays");
    says(&stopped.stderr, &["the source of delays@1 has 2 of the 3 files that its backfill reads"]);
    // A file that comes later is not part of it.
    project.write(file, before);
    write_day(&project, 4, &usual);
    let resumed = project.json("backfill resume delays");
    assert_eq!((&resumed["state"], &resumed["files_later"]), (&json!("done"), &json!(1)), "{resumed}");
    assert_eq!(positions(&project, "delays").len(), 600);
    project.ok("backfill delays");
    assert_eq!(positions(&project, "delays").len(), 800);
}

#[test]
fn rows_without_a_date_and_ranges_are_accounted_for() {
    let usual = usual();
    let project = days(&[&usual, &usual]);
    let text = project.read("data/days/1.csv");
    project.write("data/days/1.csv", format!("{text}A1,,5\nA1,no time,5\nonly one field\n"));
    project.ok("backfill start delays");
    let now = status(&project, "delays");
    let undated = date(&now, "undated");
    assert_eq!(
        (&undated["rows"], &undated["refused"], &undated["loaded"]),
        (&json!(3), &json!(3), &json!(0)),
        "{now}"
    );
    assert_eq!(positions(&project, "delays").len(), 400);
    // A range cuts dates: what is left of them is loaded later, and nothing twice.
    let project = days(&[&usual, &usual]);
    project.ok("backfill start delays --from 2024-01-01T12:00:00Z --to 2024-01-02");
    let half = positions(&project, "delays").len();
    assert!(half > 0 && half < 200, "{half}");
    project.ok("backfill start delays");
    let now = status(&project, "delays");
    assert_eq!((&now["number"], &date(&now, "2024-01-01")["known"]), (&json!(2), &json!(half)));
    assert_eq!(positions(&project, "delays").len(), 400);
    let refusal = project.refused("backfill start delays --from 2024-01-02 --to 2024-01-01");
    says(&refusal, &["--from 2024-01-02T00:00:00Z does not lie before --to 2024-01-01T00:00:00Z"]);
}

#[test]
fn what_a_backfill_left_of_its_files_is_of_the_past_and_no_load_of_new_rows_takes_it() {
    for begun in ["backfill delays --from 2024-01-02", "backfill start delays --from 2024-01-02"] {
        let project = days(&[&[1.0; 4], &[2.0; 4], &[3.0; 4]]);
        project.ok("apply");
        project.ok(begun);
        let rows = positions(&project, "delays").len();
        write_day(&project, 3, &[4.0; 4]);
        let loaded = project.ok("materialize delays");
        says(&loaded, &["that a backfill began and did not load to the end left to it"]);
        assert_eq!(positions(&project, "delays").len(), rows + 4, "{begun}: only the new file's");
        project.ok("backfill delays");
        assert_eq!(positions(&project, "delays").len(), 16, "{begun}");
    }
}

#[test]
fn a_clock_that_went_back_between_two_steps_changes_nothing_of_what_is_loaded() {
    let whole = Project::loaded();
    let project = Project::applied();
    project.ok("backfill aircraft_last_flight");
    let mut command = project.command(&format!("backfill start airport_arrivals {BY_ITSELF}"));
    command.env("TWINSTORE_TRIAL_CLOCK_S", "30").env("TWINSTORE_TRIAL_BATCH_END", "date-kept:2");
    assert_eq!(Done::of(command.output().unwrap()).code, None);
    let mut command = project.command("backfill resume airport_arrivals");
    let resumed = Done::of(command.env("TWINSTORE_TRIAL_CLOCK_S", "-30").output().unwrap());
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    equals_whole(&project, &whole, "the clock went back by a minute");
    // When it began is what limits rows that are too far ahead, whatever the clock says later.
    let now = status(&project, "airport_arrivals");
    assert!(now["updated_at"].as_str() < now["started_at"].as_str(), "{now}");
}

#[test]
fn a_view_without_event_times_and_one_without_a_backfill_are_refused_with_what_to_do() {
    let project = Project::applied();
    says(
        &project.refused("backfill resume airport_arrivals"),
        &[
            "airport_arrivals@1 has no backfill by dates",
            "`twinstore backfill start airport_arrivals@1` begins one",
        ],
    );
    says(&project.ok("backfill status"), &["no backfill by dates was ever started"]);
    let text = DAYS.replace("event_time: at\n", "").replace("assumed_delay: 1m\n", "");
    let project = with(&text);
    write_day(&project, 0, &[1.0, 2.0]);
    let refused = project.run("backfill start delays");
    assert_eq!(refused.code, Some(1));
    says(
        &refused.stderr,
        &["the source of delays@1 has no event time", "run `twinstore backfill delays@1` first"],
    );
    project.ok("backfill delays");
}

#[test]
fn a_count_of_nothing_is_refused_in_a_sentence_that_names_its_flag() {
    let project = Project::sample();
    for (words, flag) in [
        ("backfill start airport_arrivals --jobs 0", "--jobs"),
        ("backfill start airport_arrivals --max-rows-per-second 0", "--max-rows-per-second"),
        ("stream --flush-rows 0", "--flush-rows"),
        ("dead-letter list --limit 0", "--limit"),
        ("dead-letter replay --limit x", "--limit"),
        ("training-set --service s --spine s.csv --time t --out o.parquet --threads 0", "--threads"),
    ] {
        let done = project.run(words);
        assert_ne!(done.code, Some(0), "{words}");
        says(&done.stderr, &[flag, "it has to be a whole number from 1 on"]);
    }
}
