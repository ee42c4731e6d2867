//! What a comparison and the gates of a cutover do not let pass: what was not compared, or too little of it, and what was
//! loaded in part; and what is still known and said of versions that were retired.

use serde_json::{Value, json};

use crate::project::{Project, says};

const BASE: &str = "kind: entity
name: user
keys: {k: string}
---
kind: source
name: rows
schema: {k: string, ts: timestamp, v: float64}
event_time: ts
assumed_delay: 1m
batch: {path: data/rows.csv}
---
kind: feature_view
name: a
version: 1
entity: user
source: rows
features: {m: {aggregate: mean(v), window: 1d}, n: {aggregate: count, window: 1d}}
---
kind: feature_service
name: s
version: 1
features: [{from: a@1}]
";

/// A second version of the view and of the service.
fn second(features: &str) -> String {
    format!(
        "kind: feature_view\nname: a\nversion: 2\nentity: user\nsource: rows\nfeatures: {features}\n---\n\
         kind: feature_service\nname: s\nversion: 2\nfeatures: [{{from: a@2}}]\n"
    )
}

/// Rows of ten days, 120 a day.
fn rows() -> String {
    let row = |row: u32| {
        let (day, hour, minute) = (1 + row / 120, row * 7 % 24, row % 60);
        format!("u{},2024-01-{day:02}T{hour:02}:{minute:02}:00Z,{}.5\n", row % 20, row % 97)
    };
    std::iter::once("k,ts,v\n".to_owned()).chain((0..1_200).map(row)).collect()
}

fn project(base: &str, second: &str) -> Project {
    let project = Project::empty();
    project.write("features/base.yaml", base);
    project.write("features/second.yaml", second);
    project.write("data/rows.csv", rows());
    project.ok("apply");
    project
}

const SAME: &str = "{m: {aggregate: mean(v), window: 1d}, n: {aggregate: count, window: 1d}}";
const OTHER: &str = "{m: {aggregate: mean(v * 100), window: 1d}, n: {aggregate: count, window: 2d}}";

#[test]
fn versions_are_compared_at_the_moments_of_their_rows_however_long_history_takes() {
    let project = project(&BASE.replace("assumed_delay: 1m", "assumed_delay: 2h"), &second(OTHER));
    project.ok("backfill --all");
    let done = project.run("parity s@1 s@2");
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    says(&done.stdout, &["the new values are 100 times the old ones"]);
    says(&project.refused("cutover s@2"), &["s@2 is outside its bounds beside s@1"]);
}

#[test]
fn a_comparison_at_few_rows_holds_a_cutover_up() {
    let project = project(BASE, &second(SAME));
    project.ok("backfill --all");
    project.write("one.csv", "k,t\nu1,2024-01-05T00:00:00Z\n");
    project.ok("parity s@1 s@2 --spine one.csv --time t");
    says(
        &project.refused("cutover s@2"),
        &["s@2 was compared with s@1 at 1 row, and at least 500 are needed", "`twinstore parity s@1 s@2`"],
    );
    // For programs, the gates that hold it up are the answer.
    let done = project.run("cutover s@2 --format json");
    let gates: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        (done.code, &gates["moved"], &gates["gates"][0]["gate"]),
        (Some(1), &Value::Null, &json!("parity"))
    );
    project.ok("parity s@1 s@2");
    project.ok("cutover s@2");
}

#[test]
fn a_feature_that_was_not_compared_and_is_computed_otherwise_holds_a_cutover_up() {
    let on_demand = |version: u32, expression: &str| {
        format!(
            "---\nkind: on_demand_view\nname: od\nversion: {version}\nrequest: {{q: float64}}\ninputs: [{{from: a@1, take: [m]}}]\n\
             features: {{r: {{expression: {expression}}}}}\n"
        )
    };
    let first = BASE.replace("features: [{from: a@1}]", "features: [{from: a@1}, {from: od@1}]");
    let base = format!("{first}{}{}", on_demand(1, "m * q"), on_demand(2, "m * q * -1000"));
    let service = "kind: feature_service\nname: s\nversion: 2\nfeatures: [{from: a@1}, {from: od@VERSION}]\n";
    for (version, passes) in [("2", false), ("1", true)] {
        let project = project(&base, &service.replace("VERSION", version));
        project.ok("backfill --all");
        let done = project.run("parity s@1 s@2");
        assert_eq!(done.code, Some(i32::from(!passes)), "{}{}", done.stdout, done.stderr);
        if passes {
            project.ok("cutover s@2");
            continue;
        }
        says(
            &done.stderr,
            &["`r` of s@2 and s@1 is computed otherwise and was not compared", "name a spine with q"],
        );
        project.refused("cutover s@2");
        let label = |row: u32| format!("u{},2024-01-0{}T12:00:00Z,1.0\n", row % 20, 2 + row % 7);
        let spine = std::iter::once("k,t,q\n".to_owned()).chain((0..600).map(label));
        project.write("spine.csv", spine.collect::<String>());
        says(
            &project.run("parity s@1 s@2 --spine spine.csv --time t").stderr,
            &["outside its bounds", "r ("],
        );
    }
}

#[test]
fn a_view_whose_history_is_loaded_in_part_holds_a_cutover_up() {
    let project = project(BASE, &second(SAME));
    project.ok("backfill a@1");
    let label = |row: u32| format!("u{},2024-01-11T00:00:00Z\n", row % 20);
    project.write(
        "spine.csv",
        std::iter::once("k,t\n".to_owned()).chain((0..600).map(label)).collect::<String>(),
    );
    for load in ["backfill start a@2 --from 2024-01-09T00:00:00Z", "backfill a@2 --from 2024-01-10T00:00:00Z"]
    {
        project.ok(load);
        project.ok("parity s@1 s@2 --spine spine.csv --time t");
        says(
            &project.refused("cutover s@2"),
            &["a@2 is loaded in part: not all of its history was loaded", "`twinstore backfill a@2`"],
        );
    }
    project.ok("backfill a@2");
    project.ok("parity s@1 s@2");
    project.ok("cutover s@2");
}

#[test]
fn a_date_that_lacks_rows_of_the_version_before_is_set_aside() {
    let wrong_key = "kind: feature_view\nname: a\nversion: 2\nentity: user\nsource: rows\n\
                     keys: {k: \"case when v > 1 then null else k end\"}\nfeatures: {m: {aggregate: mean(v), window: 1d}}\n";
    let project = project(BASE, wrong_key);
    project.ok("backfill a@1");
    let done = project.run("backfill start a@2");
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    says(&done.stderr, &["10 dates set aside", "rows in the log, and 120 in that of a@1"]);
    // Fewer rows are meant where `where` says so.
    project.edit("features/second.yaml", "features:", "where: v < 50\nfeatures:");
    project.edit("features/second.yaml", "keys: {k: \"case when v > 1 then null else k end\"}\n", "");
    project.edit("features/second.yaml", "version: 2", "version: 3");
    project.ok("apply");
    project.ok("backfill start a@3");
}

#[test]
fn a_cell_that_cannot_be_read_is_a_dead_letter_of_its_date() {
    for (file, bad) in [
        ("data/rows.csv", "u1,2024-01-02T12:00:00Z,abc\n"),
        ("data/rows.jsonl", "{\"k\": \"u1\", \"ts\": \"2024-01-02T12:00:00Z\", \"v\": \"abc\"}\n"),
    ] {
        let project = Project::empty();
        project.write("features/base.yaml", BASE.replace("data/rows.csv", file));
        let good = match file.ends_with("csv") {
            true => rows(),
            false => rows()
                .lines()
                .skip(1)
                .map(|line| {
                    let fields: Vec<&str> = line.split(',').collect();
                    format!("{{\"k\": \"{}\", \"ts\": \"{}\", \"v\": {}}}\n", fields[0], fields[1], fields[2])
                })
                .collect(),
        };
        project.write(file, good + bad);
        project.ok("apply");
        let done = project.json("backfill start a@1");
        let date =
            done["dates"].as_array().unwrap().iter().find(|date| date["date"] == "2024-01-02").unwrap();
        assert_eq!(
            (&done["state"], &date["rows"], &date["loaded"], &date["refused"]),
            (&json!("done"), &json!(121), &json!(120), &json!(1)),
            "{date}"
        );
        says(&project.ok("dead-letter list a@1"), &["undecodable", "`v`", "abc"]);
    }
}

#[test]
fn a_retired_version_is_named_as_such_and_what_was_built_by_it_is_known() {
    let project = project(BASE, &second(SAME));
    project.ok("backfill --all");
    project.write("spine.csv", "k,t\nu1,2024-01-05T00:00:00Z\n");
    project.ok("training-set --service s@2 --spine spine.csv --time t --out old.parquet");
    project.ok("parity s@1 s@2");
    project.ok("cutover s@2");
    project.ok("cutover s@1 --override back");
    project.ok("retire s@2");
    says(&project.ok("lineage a@2"), &["old.parquet"]);
    says(&project.ok("registry show s"), &["s@1, live", "s@2"]);
    says(&project.ok("registry show s@2"), &["retired", "`m`"][..1]);
    says(&project.refused("parity s@1 s@2"), &["s@2 was retired"]);
    project.ok("retire a@2");
    // What a process that was killed has left of its log cannot be opened, and is freed all the same.
    project.write(".twinstore/offline/log/a/v2/_delta_log/00000000000000000003.json", "{}\n");
    says(&project.ok("retire a@2"), &["a@2"]);
    assert!(!project.path(".twinstore/offline/log/a/v2").exists());
    says(&project.refused("parity a@1 a@2"), &["a@2 was retired"]);
    says(&project.refused("rollback s"), &["s@1 is live, and what was live before it was retired (s@2)"]);
}

#[test]
fn how_a_backfill_by_dates_stands_is_said_also_of_one_that_another_load_completed_and_of_a_retired_view() {
    let project = project(BASE, &second(SAME));
    let paused = |view: &str| {
        let words = format!("backfill start {view} --max-rows-per-second 200 --max-memory 1KB");
        let mut child = project.command(&words).spawn().unwrap();
        let began = std::time::Instant::now();
        while project.run(&format!("backfill pause {view}")).code != Some(0) {
            assert!(began.elapsed().as_secs() < 60, "it is not paused");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        child.wait().unwrap();
    };
    paused("a@1");
    let run = &project.json("offline loads a@1")[0];
    assert_eq!(run["state"], "cancelled", "{run}");
    project.ok("backfill cancel a@1");
    says(&project.ok("backfill status a@1"), &["the version is incomplete"]);
    project.ok("backfill a@1");
    says(&project.ok("backfill status a@1"), &["the version is complete"]);
    paused("a@2");
    project.ok("retire a@2 --override gone");
    let said = project.ok("backfill status");
    says(&said, &["a@2: the version was retired"]);
    assert!(!said.contains("resume a@2"), "{said}");
}
