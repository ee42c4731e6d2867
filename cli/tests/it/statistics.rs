//! What columns hold, counted as rows are written: once for each row, whatever happens to the process; and its drift.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use test_support::eventually;

use crate::landings::{Landing, batch, landing, write_parquet};
use crate::project::{Done, Project, says};
use crate::pushed::{clicks, now};
use crate::served::Server;
use crate::stored;

const LOG: &str = ".twinstore/offline/log/airport_arrivals/v1";
const TABLE: &str = ".twinstore/offline/statistics/airport_arrivals/v1/_delta_log";
const DAY: i64 = 86_400;

fn statistics(project: &Project, view: &str) -> Vec<Value> {
    project.json(&format!("quality statistics {view}"))["statistics"].as_array().unwrap().clone()
}

/// A folder of landings, and views that see rows of any age.
fn folder() -> Project {
    let project = Project::sample();
    project.edit("features/flights.yaml", "data/landings.parquet", "data/landings");
    project.without_ttl();
    project.ok("apply");
    project
}

/// Writes a file of a landing each minute of a day, whose delays are these.
fn write_day(project: &Project, day: i64, delay: impl Fn(i64) -> f32) {
    let landings: Vec<Landing> = (0..1440)
        .map(|minute| landing(day * 1440 + minute, day * DAY + minute * 60, delay(minute)))
        .collect();
    write_parquet(&project.path(&format!("data/landings/{day}.parquet")), &batch(&landings));
}

#[test]
fn statistics_are_those_of_the_rows_in_the_log() {
    let project = Project::loaded();
    let mut days: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in stored::rows(&project.path(LOG)) {
        let day = row["_event_time"].split('T').next().unwrap().to_owned();
        days.entry(day).or_default().extend(row.get("arr_delay").map(|delay| delay.parse::<f64>().unwrap()));
    }
    let found = statistics(&project, "airport_arrivals");
    assert_eq!(found.len(), days.len());
    for (day, (date, values)) in found.iter().zip(&days) {
        assert_eq!((&day["date"], &day["column"]), (&Value::from(date.as_str()), &"arr_delay".into()));
        let values = {
            let mut values = values.clone();
            values.sort_by(f64::total_cmp);
            values
        };
        assert_eq!(day["rows"].as_u64().unwrap() - day["nulls"].as_u64().unwrap(), values.len() as u64);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((day["mean"].as_f64().unwrap() - mean).abs() < 1e-9, "{day}");
        let quantile = |at: usize| day["quantiles"][at].as_f64().unwrap();
        assert_eq!((quantile(0), quantile(8)), (values[0], values[values.len() - 1]), "{day}");
        assert_eq!(quantile(4), values[(values.len() * 500).div_ceil(1000) - 1], "{day}");
        let mut distinct = values.clone();
        distinct.dedup();
        assert_eq!(day["distinct"], distinct.len(), "{day}");
    }
    let one = project.json("quality statistics airport_arrivals --day 2013-06-03");
    assert_eq!(one["statistics"].as_array().unwrap().len(), 1);
    let text = statistics(&project, "aircraft_last_flight");
    let dests = text.iter().find(|day| day["column"] == "dest").unwrap();
    assert!(dests["top"][0]["value"].as_str().unwrap().len() == 3 && dests["mean"].is_null(), "{dests}");
}

#[test]
fn values_that_are_not_finite_are_counted_and_numbers_of_any_size_take_few_digits() {
    let project = folder();
    project.edit("features/flights.yaml", "expect:\n  - {column: arr_delay, between: [-120, 1500]}\n", "");
    project.ok("apply");
    let delays = [1.0, 2.0, f32::NEG_INFINITY, f32::MAX, f32::NAN];
    let landings: Vec<Landing> =
        (0_i64..).zip(delays).map(|(id, delay)| landing(id, 30 * DAY + id, delay)).collect();
    write_parquet(&project.path("data/landings/few.parquet"), &batch(&landings));
    project.ok("backfill airport_arrivals");
    let found = statistics(&project, "airport_arrivals");
    let [day] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&day["rows"], &day["nulls"], &day["not_finite"]), (&json!(5), &json!(0), &json!(2)), "{day}");
    assert_eq!((&day["quantiles"][0], &day["quantiles"][4]), (&json!("-Infinity"), &json!(1.0)), "{day}");
    assert_eq!(day["quantiles"][8].as_f64(), Some(f64::from(f32::MAX)), "{day}");
    let done = project.run("quality statistics airport_arrivals");
    says(&done.stdout, &["NOT FINITE", "-inf", "3.4028234663852886e38", "1.134e38"]);
    says(&done.stderr, &["note: means are of the finite numbers"]);
    assert!(!done.stdout.contains("0000000000"), "{}", done.stdout);
}

#[test]
fn statistics_of_loads_that_were_killed_are_those_of_loads_that_were_not() {
    let load = |project: &Project| {
        write_day(project, 0, |minute| minute as f32);
        project.ok("backfill airport_arrivals");
        write_day(project, 1, |minute| (minute * 7 % 1000) as f32);
        project.ok("materialize airport_arrivals");
    };
    let whole = folder();
    load(&whole);
    let expected = statistics(&whole, "airport_arrivals");
    assert_eq!(expected.iter().map(|day| day["rows"].as_u64().unwrap()).sum::<u64>(), 2880);
    let mut killed = 0;
    for words in ["backfill airport_arrivals", "materialize airport_arrivals"] {
        for point in ["file-written", "committed", "committed:2", "committed:3", "committed:4", "settled"] {
            let project = folder();
            write_day(&project, 0, |minute| minute as f32);
            if words.starts_with("materialize") {
                project.ok("backfill airport_arrivals");
                write_day(&project, 1, |minute| (minute * 7 % 1000) as f32);
            }
            let mut command = project.command(words);
            let done = Done::of(command.env("TWINSTORE_TRIAL_BATCH_END", point).output().unwrap());
            killed += usize::from(done.code != Some(0));
            load(&project);
            assert_eq!(statistics(&project, "airport_arrivals"), expected, "{words} at {point}");
        }
    }
    assert!(killed >= 8, "only {killed} were killed");
}

#[test]
fn rows_of_a_stream_that_was_killed_after_any_step_are_counted_once() {
    for point in ["transformed", "written", "file-written", "committed", "acknowledged"] {
        let project = clicks();
        let rows = |from: i64, to: i64| {
            let row = |id: i64| {
                json!({"visitor": id % 7, "at": now(), "id": id, "page": "p", "ms": id}).to_string()
            };
            (from..to).map(row).collect::<Vec<_>>().join("\n")
        };
        project.write("first.jsonl", rows(0, 40));
        project.write("second.jsonl", rows(40, 100));
        project.ok("push clicks first.jsonl");
        let mut command = project.command("stream visits --until-caught-up --flush-rows 10");
        Done::of(command.env("TWINSTORE_TRIAL_END", format!("{point}:2")).output().unwrap());
        project.ok("stream visits --until-caught-up");
        project.ok("push clicks second.jsonl");
        project.ok("stream visits --until-caught-up --flush-rows 10");
        let found = statistics(&project, "visits");
        let ids: Vec<&Value> = found.iter().filter(|day| day["column"] == "id").collect();
        assert_eq!(
            ids.iter().map(|day| day["rows"].as_u64().unwrap()).sum::<u64>(),
            100,
            "{point}: {found:?}"
        );
        assert_eq!(ids.iter().map(|day| day["distinct"].as_u64().unwrap()).sum::<u64>(), 100, "{point}");
    }
}

#[test]
fn statistics_that_were_lost_are_counted_again_from_the_log() {
    let project = Project::loaded();
    let before = statistics(&project, "airport_arrivals");
    fs::remove_dir_all(project.path(".twinstore/offline/statistics/airport_arrivals")).unwrap();
    assert_eq!(statistics(&project, "airport_arrivals"), before);
    // Compacting moves rows into other files, and counts none twice.
    project.ok("offline optimize");
    assert_eq!(statistics(&project, "airport_arrivals"), before);
    says(&project.ok("verify --deep"), &["statistics/airport_arrivals/v1"]);
}

#[test]
fn a_change_of_unit_has_drifted_and_the_same_values_are_stable() {
    let project = folder();
    let delay = |minute: i64| ((minute * 37) % 200) as f32 / 10.0;
    write_day(&project, 0, delay);
    project.ok("backfill --all");
    project.write("s.csv", "dest,tailnum,distance,t\nLAX,N1,1,2013-06-08T12:00:00Z\n");
    project.ok("training-set --service late_arrival --spine s.csv --time t --out o.csv");
    write_day(&project, 1, |minute| delay(minute + 3));
    project.ok("materialize");
    let stable = project.json("drift airport_arrivals --reference o.csv");
    let column = &stable["columns"][0];
    assert_eq!((&column["verdict"], &column["column"]), (&"stable".into(), &"arr_delay".into()), "{stable}");
    assert_eq!((&column["reference_rows"], &column["live_rows"]), (&1440.into(), &1440.into()));
    assert_eq!(column["features"], json!(["last_delay", "mean_delay_1d"]));
    // Minutes as seconds.
    write_day(&project, 2, |minute| delay(minute) * 60.0);
    project.ok("materialize");
    let drifted = project.run("drift airport_arrivals --reference 2013-06-08..2013-06-09 --format json");
    assert_eq!(drifted.code, Some(1), "{}", drifted.stdout);
    says(&drifted.stderr, &["airport_arrivals@1: arr_delay drifted"]);
    let report: Value = serde_json::from_str(&drifted.stdout).unwrap();
    assert!(report["columns"][0]["psi"].as_f64().unwrap() > 1.0, "{report}");
    let between = "drift airport_arrivals --reference 2013-06-08..2013-06-08 --live 2013-06-09..2013-06-09";
    says(&project.ok(between), &["stable"]);
    says(&project.ok("drift airport_arrivals --reference 2013-06-08 --live 2013-06-09"), &["stable"]);
    for dates in ["2013-13-08", "2013-13-08..2013-06-09", "2013-06-08..2013-06-31"] {
        says(
            &project.run(&format!("drift airport_arrivals --reference {dates}")).stderr,
            &[&format!("--reference {dates}: "), "is not a date", "the path of its file"],
        );
    }
    says(
        &project.run("drift airport_arrivals --reference 2013-06-09..2013-06-08").stderr,
        &["2013-06-09 is after"],
    );
    says(&project.run("drift airport_arrivals --reference none.csv").stderr, &["none.csv"]);
}

#[test]
fn a_drift_without_rows_or_with_too_few_of_them_is_no_pass() {
    let project = folder();
    write_day(&project, 0, |minute| (minute % 200) as f32);
    // The first minutes of the same distribution.
    let few: Vec<Landing> =
        (0..9).map(|row| landing(2000 + row, DAY + row, ((row * 37) % 200) as f32)).collect();
    write_parquet(&project.path("data/landings/1.parquet"), &batch(&few));
    project.ok("backfill --all");
    let measured = project.run("drift airport_arrivals --reference 2013-06-08..2013-06-08");
    assert_eq!(measured.code, Some(1), "{}", measured.stdout);
    says(&measured.stdout, &["too few rows"]);
    says(&measured.stderr, &["the reference has 1,440 rows and 9 measured", "200 are needed on each side"]);
    for (dates, sides) in [
        ("--reference 2012-01-01..2012-01-07", "that happened on 2012-01-01..2012-01-07"),
        ("--reference 2013-06-08..2013-06-09", "that happened after 2013-06-09"),
        (
            "--reference 2013-06-08..2013-06-08 --live 2014-01-01..2014-01-02",
            "that happened on 2014-01-01..2014-01-02",
        ),
    ] {
        let none = project.run(&format!("drift airport_arrivals {dates}"));
        assert_eq!(none.code, Some(1), "{}", none.stdout);
        says(&none.stderr, &["airport_arrivals@1 has no row", sides, "from 2013-06-08 to 2013-06-09"]);
    }
    project.write("s.csv", "dest,tailnum,distance,t\nLAX,N1,1,2013-06-08T12:00:00Z\n");
    project.ok("training-set --service late_arrival --spine s.csv --time t --out o.csv");
    let none = project.run("drift airport_arrivals --reference o.csv");
    assert_eq!(none.code, Some(1), "{}", none.stdout);
    says(&none.stderr, &["airport_arrivals@1 has no row that came since o.csv was made"]);
}

#[test]
fn what_a_large_load_brought_is_counted_when_somebody_asks_and_is_the_reference_of_its_training_set() {
    const ROWS: i64 = 101_000;
    let project = folder();
    let day: Vec<Landing> = (0..ROWS).map(|row| landing(row, row % DAY, (row % 200) as f32 / 10.0)).collect();
    write_parquet(&project.path("data/landings/large.parquet"), &batch(&day));
    project.ok("backfill --all");
    assert!(!project.path(".twinstore/offline/statistics/airport_arrivals").exists());
    project.write("s.csv", "dest,tailnum,distance,t\nLAX,N1,1,2013-06-08T12:00:00Z\n");
    project.ok("training-set --service late_arrival --spine s.csv --time t --out o.csv");
    let landings: Vec<Landing> = (0..1440)
        .map(|minute| landing(ROWS + minute, DAY + minute * 60, (minute % 200) as f32 / 10.0))
        .collect();
    write_parquet(&project.path("data/landings/next.parquet"), &batch(&landings));
    project.ok("materialize");
    // A path with two dots is no range of dates.
    let report = project.json("drift airport_arrivals --reference data/../o.csv");
    let column = &report["columns"][0];
    assert_eq!((&column["reference_rows"], &column["live_rows"]), (&ROWS.into(), &1440.into()), "{report}");
    let rows: u64 =
        statistics(&project, "airport_arrivals").iter().map(|day| day["rows"].as_u64().unwrap()).sum();
    assert_eq!(rows, ROWS as u64 + 1440);
    // From then on, what a load brings is counted with it.
    let commits = || fs::read_dir(project.path(TABLE)).unwrap().count();
    let before = commits();
    write_day(&project, 3, |_| 1.0);
    project.ok("materialize");
    assert_eq!(commits(), before + 1);
}

#[test]
fn the_contract_of_a_source_says_what_is_checked_and_who_depends_on_it() {
    let project = Project::sample();
    let quarantines = "{column: arr_delay, between: [-120, 1500], name: plausible, on_failure: quarantine}\n  - {rows: {least: 5}, on_failure: warn}";
    project.edit("features/flights.yaml", "{column: arr_delay, between: [-120, 1500]}", quarantines);
    project.ok("apply");
    let contract = project.json("quality contract landings");
    assert_eq!((&contract["source"], &contract["event_time"]), (&"landings".into(), &"landed_at".into()));
    assert_eq!(contract["schema"]["arr_delay"], "float32");
    let promises: Vec<(&str, &str)> = contract["promises"]
        .as_array()
        .unwrap()
        .iter()
        .map(|promise| (promise["name"].as_str().unwrap(), promise["on_failure"].as_str().unwrap()))
        .collect();
    assert_eq!(promises, [("plausible", "quarantine"), ("at least 5 rows", "warn")]);
    says(&project.ok("quality contract landings"), &["late_arrival@1", "arr_delay: float32"]);
    says(&project.refused("quality contract landing"), &["landing", "landings"]);
}

/// A view of eight days like each other, and a ninth.
fn nine_days(ninth: impl Fn(i64) -> f32, minutes: i64) -> Project {
    let project = folder();
    let delay = |minute: i64| ((minute * 37) % 200) as f32 / 2.0 - 10.0;
    for day in 0..8 {
        write_day(&project, day, |minute| delay(minute + day));
    }
    project.ok("backfill --all");
    let landings: Vec<Landing> =
        (0..minutes).map(|minute| landing(8 * 1440 + minute, 8 * DAY + minute * 60, ninth(minute))).collect();
    write_parquet(&project.path("data/landings/8.parquet"), &batch(&landings));
    project.ok("backfill --all");
    project
}

/// What doctor says is wrong with values, and the metric of a server.
fn changed(project: &Project) -> (String, String) {
    let report: Value = serde_json::from_str(&project.run("doctor --format json").stdout).unwrap();
    let wrong = report["findings"].as_array().unwrap().iter();
    let wrong = wrong.filter(|one| one["area"] == "values" && one["condition"] == "WRONG");
    let said: Vec<&str> = wrong.map(|one| one["said"].as_str().unwrap()).collect();
    let server = Server::start(project);
    let mut metrics = String::new();
    if !said.is_empty() {
        eventually("the metric is there", || {
            metrics = server.get("/metrics");
            metrics.contains("twinstore_value_changes{")
        });
    }
    assert_eq!(server.terminate().0, Some(0));
    (said.join("\n"), metrics)
}

#[test]
fn another_unit_is_found_after_its_load_and_is_over_with_the_next_days_as_before() {
    let delay = |minute: i64| ((minute * 37) % 200) as f32 / 2.0 - 10.0;
    let project = nine_days(|minute| delay(minute) * 60.0, 1440);
    let (said, metrics) = changed(&project);
    says(
        &said,
        &[
            "`arr_delay` of airport_arrivals@1 is not as before since 2013-06-16",
            "the new values are 60 times the old ones, as from minutes to seconds",
            "it reaches last_delay, mean_delay_1d",
        ],
    );
    says(&metrics, &["{view=\"airport_arrivals@1\",column=\"arr_delay\",change=\"multiple\"} 1"]);
    says(
        &project.run("doctor").stderr,
        &["the probable cause: `arr_delay` of", "`twinstore quality statistics"],
    );
    write_day(&project, 9, delay);
    project.ok("backfill --all");
    // Most of its rows were refused, as no flight is a day late: that is still to be said once the date is over.
    let (said, _) = changed(&project);
    says(&said, &["of 2013-06-16 fewer rows of airport_arrivals@1 are there"]);
    assert!(!said.contains("arr_delay"), "{said}");
    write_day(&project, 10, delay);
    project.ok("backfill --all");
    assert_eq!(changed(&project).0, "");
}

#[test]
fn a_sentinel_missing_rows_and_another_distribution_are_found_and_a_day_like_the_others_is_not() {
    let delay = |minute: i64| ((minute * 37) % 200) as f32 / 2.0 - 10.0;
    let (said, _) = changed(&nine_days(|minute| if minute % 20 == 0 { 999.0 } else { delay(minute) }, 1440));
    says(&said, &["999 is 5.0% of the new values and 0.0% of the old ones"]);
    // A date is over once there is a later one.
    let begun = |project: &Project| {
        write_parquet(&project.path("data/landings/9.parquet"), &batch(&[landing(99_999, 9 * DAY, 1.0)]));
        project.ok("backfill --all");
    };
    let project = nine_days(delay, 1180);
    assert_eq!(changed(&project).0, "");
    begun(&project);
    says(
        &changed(&project).0,
        &["of 2013-06-16 fewer rows of airport_arrivals@1 are there", "1,180 rows came, 18% fewer"],
    );
    let project = nine_days(|minute| delay(minute) + 70.0, 1440);
    assert_eq!(changed(&project).0, "");
    begun(&project);
    says(&changed(&project).0, &["the distribution is another one"]);
    assert_eq!(changed(&nine_days(|minute| delay(minute + 3), 1440)).0, "");
}

/// A view of sixty days; each day's delays are so many minutes longer than those of the day before.
fn sixty_days(minutes_a_day: f32) -> Project {
    let project = folder();
    let delay = |minute: i64| ((minute * 37) % 200) as f32 / 2.0 - 10.0;
    for day in 0..60 {
        let landings: Vec<Landing> = (0..300)
            .map(|row| {
                let delay = delay(row * 5 + day) + minutes_a_day * day as f32;
                landing(day * 1440 + row, day * DAY + row * 280, delay)
            })
            .collect();
        write_parquet(&project.path(&format!("data/landings/{day:02}.parquet")), &batch(&landings));
    }
    project.ok("backfill --all");
    project
}

#[test]
fn a_drift_that_no_date_shows_is_found_from_week_to_week_and_weeks_like_each_other_are_not() {
    let (said, metrics) = changed(&sixty_days(0.8));
    says(
        &said,
        &[
            "`arr_delay` of airport_arrivals@1 is not as before since 2013-08-05",
            "the week up to then is not like those of a month before",
            "it reaches last_delay, mean_delay_1d",
        ],
    );
    says(&metrics, &["{view=\"airport_arrivals@1\",column=\"arr_delay\",change=\"slow_drift\"} 1"]);
    assert_eq!(changed(&sixty_days(0.0)).0, "");
}

/// A view over files with a vector in each row.
const WITH_VECTORS: &str = "kind: entity
name: user
keys: {k: string}
---
kind: source
name: rows
schema: {k: string, ts: timestamp, e: \"list<float32>[4]\"}
event_time: ts
assumed_delay: 1m
batch: {path: data, format: json}
---
kind: feature_view
name: a
version: 1
entity: user
source: rows
features: {e: {latest: e}}
";

#[test]
fn a_column_of_vectors_drifts_where_their_sample_is_another() {
    let project = Project::empty();
    project.write("features/base.yaml", WITH_VECTORS);
    let day = |day: u32, by: f64| -> String {
        // No two rows have the same vector.
        let number = |row: u32, at: u32| {
            let one_of_many = (row * 31 + at * 17 + row * row * (at + 3)) % 97;
            f64::from(one_of_many) / 97.0 + f64::from(row) / 1e5 + by
        };
        let row = |row: u32| {
            let vector: Vec<String> = (0..4).map(|at| number(row + 300 * day, at).to_string()).collect();
            format!(
                "{{\"k\":\"u{}\",\"ts\":\"2024-01-0{day}T12:00:00Z\",\"e\":[{}]}}\n",
                row % 20,
                vector.join(",")
            )
        };
        (0..300).map(row).collect()
    };
    project.write("data/a.json", (1..=3).map(|number| day(number, 0.0)).collect::<String>() + &day(4, 0.8));
    project.ok("apply");
    project.ok("backfill --all");
    let drift = |reference: &str, live: &str| {
        let done = project.run(&format!("drift a --reference {reference} --live {live} --format json"));
        let report: Value = serde_json::from_str(&done.stdout).unwrap();
        (done.code, report["columns"][0].clone())
    };
    let (code, same) = drift("2024-01-01..2024-01-02", "2024-01-03..2024-01-03");
    assert_eq!((code, &same["verdict"]), (Some(0), &Value::from("stable")), "{same}");
    assert!(same["mmd"]["distance"].as_f64() < same["mmd"]["bound"].as_f64(), "{same}");
    let (code, moved) = drift("2024-01-01..2024-01-03", "2024-01-04..2024-01-04");
    assert_eq!((code, &moved["verdict"]), (Some(1), &Value::from("drifted")), "{moved}");
    // 900 different vectors of the reference are more than a sample keeps.
    assert_eq!(moved["mmd"]["vectors"][0], 256, "{moved}");
    says(&project.run("drift a --reference 2024-01-01..2024-01-03").stdout, &["MMD", "drifted"]);
}
