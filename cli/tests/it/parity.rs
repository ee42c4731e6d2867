//! Two versions compared by the command: what changed is found and named, what was declared passes, and the report is
//! kept.

use serde_json::{Value, json};
use sqlx::{Row, SqliteConnection};
use test_support::visitors;

use crate::project::{Project, says};
use crate::pushed::{now, with};

/// A second version of the sample's view with these features, after the first one.
fn second(features: &str, more: &str) -> String {
    format!(
        "kind: feature_view\nname: airport_arrivals\nversion: 2\nentity: airport\nsource: landings\n\
         keys: {{airport: dest}}\nttl: 2d\nexpect:\n  - {{column: arr_delay, between: [-120, 1500]}}\n\
         features:\n{features}{more}"
    )
}

pub const SAME: &str = "  last_delay: {latest: arr_delay, unit: minutes}\n  arrivals_1d: {aggregate: count, window: 1d}\n  \
                    mean_delay_1d: {aggregate: mean(arr_delay), window: 1d, unit: minutes}\n";

/// The sample with this second version of its view, both loaded.
pub fn versions(features: &str, more: &str) -> Project {
    let project = Project::sample();
    project.write("features/second.yaml", second(features, more));
    project.ok("apply");
    project.ok("backfill --all");
    project
}

pub const PARITY: &str = "parity airport_arrivals@1 airport_arrivals@2";

fn feature<'a>(report: &'a Value, name: &str) -> &'a Value {
    let features = report["features"].as_array().unwrap();
    features.iter().find(|feature| feature["name"] == name).unwrap()
}

/// The report of a comparison that is outside its bounds, and the sentence that says so.
fn outside(project: &Project, words: &str) -> (Value, String) {
    let done = project.run(&format!("{words} --format json"));
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    (serde_json::from_str(&done.stdout).unwrap(), done.stderr)
}

#[test]
fn a_version_that_gives_the_same_is_equal_in_every_row_and_the_report_is_kept() {
    let project = versions(SAME, "");
    let report = project.json(PARITY);
    assert_eq!((&report["passed"], &report["rows"]), (&json!(true), &json!(2099)));
    for name in ["last_delay", "arrivals_1d", "mean_delay_1d"] {
        let found = feature(&report, name);
        assert_eq!(
            (&found["verdict"], &found["psi"], &found["ks"]),
            (&json!("equal"), &json!(0.0), &json!(0.0)),
            "{name}"
        );
        assert_eq!(found["equal"], 2099);
    }
    let kept = project.registry(async |connection: &mut SqliteConnection| {
        let row = sqlx::query("SELECT passed, new_name, new_version, logs, report FROM parities");
        let row = row.fetch_one(connection).await.unwrap();
        (
            row.get::<i64, _>(0),
            row.get::<String, _>(1),
            row.get::<i64, _>(2),
            row.get::<String, _>(3),
            row.get::<String, _>(4),
        )
    });
    assert_eq!((kept.0, kept.1.as_str(), kept.2), (1, "airport_arrivals", 2));
    says(&kept.3, &["airport_arrivals@1", "airport_arrivals@2"]);
    assert_eq!(serde_json::from_str::<Value>(&kept.4).unwrap()["features"], report["features"]);
    says(
        &project.ok(PARITY),
        &["FEATURE", "VERDICT", "3 features at 2,099 rows drawn from the log of airport_arrivals@1"],
    );
}

#[test]
fn another_unit_is_found_and_named_with_the_rows_that_explain_it() {
    let features = SAME.replace("latest: arr_delay, unit: minutes", "latest: arr_delay * 60, unit: seconds");
    let project = versions(&features, "");
    let (report, said) = outside(&project, PARITY);
    says(
        &said,
        &[
            "airport_arrivals@2 is outside its bounds beside airport_arrivals@1: last_delay (PSI ",
            "declare in `expect_change`",
        ],
    );
    let found = feature(&report, "last_delay");
    says(&found["likely_causes"].to_string(), &["60 times the old ones, as from minutes to seconds"]);
    let largest = &found["differences"][0];
    assert_eq!(found["differences"].as_array().unwrap().len(), 10);
    let (old, new) = (&largest["old_inputs"][0], &largest["new_inputs"][0]);
    assert_eq!(old["values"]["arr_delay"], largest["old"]);
    assert_eq!(new["values"]["arr_delay * 60"], largest["new"]);
    assert_eq!(old["event_time"], new["event_time"]);
    assert!(old["available_at"].as_str() <= largest["at"].as_str(), "{largest}");
    assert_eq!(feature(&report, "arrivals_1d")["verdict"], "equal");
    let table = project.run(PARITY);
    says(&table.stdout, &["last_delay: outside bounds", "60 times", "old: its latest row: arr_delay = "]);
}

#[test]
fn a_sentinel_and_values_that_are_gone_are_found_and_named() {
    let features = SAME
        .replace("latest: arr_delay,", "latest: CASE WHEN flight_id % 20 = 0 THEN 999 ELSE arr_delay END,")
        .replace("mean(arr_delay)", "mean(CASE WHEN flight_id % 50 < 40 THEN arr_delay END)")
        .replace("count, window: 1d", "count(CASE WHEN flight_id > 0 THEN arr_delay END), window: 1d");
    let project = versions(&features, "");
    let (report, _) = outside(&project, PARITY);
    let causes = feature(&report, "last_delay")["likely_causes"].to_string();
    says(&causes, &["999 is ", "of the new values and 0.0% of the old ones"]);
    assert_eq!(feature(&report, "arrivals_1d")["verdict"], "equal");
    // Nulls by the row: 18 in 100 of the latest ones.
    let nulls =
        SAME.replace("latest: arr_delay,", "latest: CASE WHEN flight_id % 50 >= 9 THEN arr_delay END,");
    let project = versions(&nulls, "");
    let (report, said) = outside(&project, PARITY);
    says(&said, &["last_delay (null share changed by "]);
    says(&feature(&report, "last_delay")["likely_causes"].to_string(), &["of rows lost their value"]);
    let changes = feature(&report, "last_delay")["statuses_changed"].clone();
    assert_eq!(
        (&changes[0]["old"], &changes[0]["new"]),
        (&json!("PRESENT"), &json!("NULL_VALUE")),
        "{changes}"
    );
}

#[test]
fn a_default_that_the_new_version_names_is_said_to_be_one_and_no_change_of_nulls() {
    let nulls =
        SAME.replace("latest: arr_delay,", "latest: CASE WHEN flight_id % 50 >= 9 THEN arr_delay END,");
    let project = versions(&nulls, "");
    let third =
        second(&nulls.replace("unit: minutes}\n  arrivals", "unit: minutes, default: -1}\n  arrivals"), "");
    assert!(third.contains("default: -1"), "{third}");
    project.write("features/third.yaml", third.replace("version: 2", "version: 3"));
    project.ok("apply");
    project.ok("backfill airport_arrivals@3");
    let versions = "parity airport_arrivals@2 airport_arrivals@3";
    let (report, said) = outside(&project, versions);
    assert!(!said.contains("null share"), "{said}");
    let found = feature(&report, "last_delay");
    let filled = found["nulls"]["filled_by_default"].as_u64().unwrap();
    assert!(filled > 100, "{}", found["nulls"]);
    assert_eq!((&found["nulls"]["gained"], &found["nulls"]["lost"]), (&json!(0), &json!(0)));
    assert_eq!(found["statuses_changed"], json!([]), "the status stays");
    says(
        &found["likely_causes"].to_string(),
        &["of rows were null, and have the default that the new version names"],
    );
    // The other way round they are null again.
    let (report, _) = outside(&project, "parity airport_arrivals@3 airport_arrivals@2");
    assert_eq!(feature(&report, "last_delay")["nulls"]["default_gone"], filled);
}

#[test]
fn values_that_became_null_are_found_behind_a_default_that_both_versions_have() {
    let of = |latest: &str| {
        SAME.replace(
            "latest: arr_delay, unit: minutes",
            &format!("latest: {latest}, unit: minutes, default: 0"),
        )
    };
    let project = versions(&of("arr_delay"), "");
    let third = second(&of("CASE WHEN flight_id % 50 >= 9 THEN arr_delay END"), "");
    let on_demand = |version: u32, expression: &str| {
        format!(
            "---\nkind: on_demand_view\nname: late\nversion: {version}\n\
             inputs: [{{from: airport_arrivals@1, take: [arrivals_1d]}}]\n\
             features: {{busy: {{expression: \"{expression}\", default: 0}}}}\n\
             ---\nkind: feature_service\nname: busy_airports\nversion: {version}\nfeatures: [{{from: late@{version}}}]\n"
        )
    };
    let computed = on_demand(1, "CASE WHEN arrivals_1d > 0 THEN arrivals_1d END")
        + &on_demand(2, "CASE WHEN arrivals_1d > 5 THEN arrivals_1d END");
    project.write("features/third.yaml", third.replace("version: 2", "version: 3") + &computed);
    project.ok("apply");
    project.ok("backfill airport_arrivals@3");
    for (versions, name) in [
        ("parity airport_arrivals@2 airport_arrivals@3", "last_delay"),
        ("parity busy_airports@1 busy_airports@2", "busy"),
    ] {
        let (report, said) = outside(&project, versions);
        says(&said, &[&format!("{name} (")]);
        let found = feature(&report, name);
        assert!(found["exceeded"].to_string().contains("\"nulls\""), "{found}");
        let lost = found["nulls"]["lost"].as_u64().unwrap();
        assert!(lost > 100, "{}", found["nulls"]);
        assert_eq!(
            found["statuses_changed"],
            json!([{"old": "PRESENT", "new": "NULL_VALUE", "rows": lost}]),
            "{versions}"
        );
        // Of an airport's first landing there is no row before: no default stands there.
        assert!(found["nulls"]["both"].as_u64().unwrap() < lost, "{}", found["nulls"]);
    }
}

#[test]
fn a_declared_change_passes_within_its_bounds_and_is_refused_in_a_definition_that_does_not_fit() {
    let features = SAME.replace("count, window: 1d", "count, window: 2d");
    let declared = "expect_change:\n  arrivals_1d: {psi: 20, reason: two days instead of one}\n";
    let project = versions(&features, declared);
    let report = project.json(PARITY);
    let found = feature(&report, "arrivals_1d");
    assert_eq!(
        (&found["verdict"], &found["expected"]["reason"]),
        (&json!("declared"), &json!("two days instead of one"))
    );
    says(&project.ok("registry show airport_arrivals@2"), &["two days instead of one"]);
    // It may be changed at any time, and checks the next report.
    project.edit("features/second.yaml", "psi: 20", "psi: 0.001");
    says(&project.ok("apply"), &["1 revised"]);
    let (report, _) = outside(&project, PARITY);
    assert_eq!(feature(&report, "arrivals_1d")["exceeded"][0]["figure"], "psi");
    project.edit("features/second.yaml", "arrivals_1d: {psi: 0.001", "arrivals: {psi: -1");
    says(
        &project.refused("plan"),
        &[
            "features/second.yaml:15: ",
            "names `arrivals`, which is no feature of it, did you mean `arrivals_1d`?",
            "`-1` is not a number from 0 to 100",
        ],
    );
}

#[test]
fn services_are_compared_by_their_names_and_a_spine_brings_request_columns() {
    let project = Project::sample();
    let service = "---\nkind: feature_service\nname: late_arrival\nversion: 2\nfeatures:\n  \
                   - {from: airport_arrivals@2, on: {airport: dest}, prefix: dest_}\n  \
                   - {from: aircraft_last_flight@1, take: [last_delay], prefix: aircraft_}\n  - {from: route@1}\n";
    let features = SAME.replace("count, window: 1d", "count, window: 2d");
    let declared = "expect_change: {arrivals_1d: {psi: 20, nulls: 0.1, reason: two days}}\n";
    project.write("features/second.yaml", second(&features, declared) + service);
    project.ok("apply");
    project.ok("backfill --all");
    let report = project.json("parity late_arrival@1 late_arrival@2");
    assert_eq!(feature(&report, "dest_arrivals_1d")["verdict"], "declared");
    assert_eq!(feature(&report, "aircraft_last_delay")["verdict"], "equal");
    assert_eq!(report["only_old"], json!(["aircraft_last_dest"]));
    assert_eq!(
        report["not_compared"],
        json!([{"name": "delay_per_100_miles", "needs": ["distance"], "same_definition": true}])
    );
    let spine =
        "parity late_arrival@1 late_arrival@2 --spine data/departures.parquet --time scheduled_departure";
    let report = project.json(spine);
    assert_eq!(feature(&report, "delay_per_100_miles")["verdict"], "equal");
    assert_eq!(report["not_compared"], json!([]));
    assert_eq!(report["moments"]["time"], "scheduled_departure");
    says(
        &project.refused("parity late_arrival@1 airport_arrivals@2"),
        &["the first is a feature_service and the second a feature_view"],
    );
    says(&project.refused("parity late_arrival@1 late_arrival@9"), &["did you mean `late_arrival@"]);
}

#[test]
fn the_same_rows_are_drawn_however_the_files_of_the_log_lie() {
    let project = versions(&SAME.replace("count, window: 1d", "count, window: 2d"), "");
    let (before, _) = outside(&project, &format!("{PARITY} --rows 500"));
    assert_eq!(before["rows"], 500);
    project.ok("offline optimize");
    let (after, _) = outside(&project, &format!("{PARITY} --rows 500"));
    assert_eq!(before["features"], after["features"]);
}

#[test]
fn what_was_never_loaded_names_the_backfill_and_moments_without_values_are_no_proof() {
    let project = Project::sample();
    project.write("features/second.yaml", second(SAME, ""));
    project.ok("apply");
    project.ok("backfill airport_arrivals@1");
    says(&project.refused(PARITY), &["run `twinstore backfill airport_arrivals@2` first"]);
    project.ok("backfill airport_arrivals@2");
    project.write("early.csv", "airport,at\nLAX,2001-01-01T00:00:00Z\n");
    let (report, said) = outside(&project, &format!("{PARITY} --spine early.csv --time at"));
    says(&said, &["neither airport_arrivals@2 nor airport_arrivals@1 has a value at any of the 1 moment"]);
    assert_eq!(report["passed"], false);
}

#[test]
fn the_page_stands_alone_and_escapes_what_comes_from_data_and_definitions() {
    let attack = "<img src=x onerror=alert(1)>";
    let project = Project::empty();
    project.write(
        "features/x.yaml",
        format!(
            "kind: entity\nname: user\nkeys: {{user: string}}\n---\nkind: source\nname: s\n\
             schema: {{user: string, at: timestamp, tag: string, x: float64}}\nevent_time: at\nbatch: {{path: s.csv}}\n\
             ---\nkind: feature_view\nname: v\nversion: 1\nentity: user\nsource: s\n\
             features: {{tag: {{latest: tag}}, x: {{latest: x, unit: \"{attack}\"}}}}\n\
             ---\nkind: feature_view\nname: v\nversion: 2\nentity: user\nsource: s\n\
             features: {{tag: {{latest: \"tag || '{attack}'\"}}, x: {{latest: x + 1}}}}\n\
             expect_change: {{x: {{mean: 9, reason: \"{attack}\"}}}}\n"
        ),
    );
    let rows: String = (0..200)
        .map(|i| format!("{attack}{},2020-01-01T00:{:02}:{:02}Z,<b>{},{i}\n", i % 3, i / 60, i % 60, i % 5))
        .collect();
    project.write("s.csv", format!("user,at,tag,x\n{rows}"));
    project.ok("apply");
    project.ok("backfill --all");
    let done = project.run("parity v@1 v@2 --html report.html");
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let page = project.read("report.html");
    says(
        &page,
        &["<!doctype html>", "<svg", "&lt;img src=x onerror=alert(1)&gt;", "&lt;b&gt;", "outside bounds"],
    );
    for never in ["<img", "<b>", "<script", "http://", "https://", "<link", "url(", " onerror=\""] {
        assert!(!page.contains(never), "{never}");
    }
}

#[test]
fn both_versions_follow_a_stream_side_by_side_and_a_report_proves_it() {
    let view = |version: u32| {
        format!(
            "---\nkind: feature_view\nname: visits\nversion: {version}\nentity: visitor\nsource: clicks\n\
             features:\n  last_ms: {{latest: ms}}\n  clicks: {{aggregate: count}}\n"
        )
    };
    let source = "schema: {visitor: int64, at: timestamp, ms: float64}\nevent_time: at\n\
                  stream: {topic: clicks, format: json}\n";
    let project = with(&(visitors(source) + &view(1) + &view(2)));
    let push = |round: u32| {
        let at = now();
        let rows: Vec<String> =
            (0..50).map(|i| json!({"visitor": i % 7, "at": at, "ms": i * round}).to_string()).collect();
        project.write("rows.jsonl", rows.join("\n"));
        project.ok("push clicks rows.jsonl");
        project.ok("stream --until-caught-up");
    };
    // What is read at the moments of the second round is the first.
    push(1);
    push(2);
    let report = project.json("parity visits@1 visits@2");
    assert_eq!((&report["passed"], &report["rows"]), (&json!(true), &json!(100)), "{report}");
    for name in ["last_ms", "clicks"] {
        let found = feature(&report, name);
        assert_eq!(
            (&found["verdict"], &found["nulls"]["old_share"]),
            (&json!("equal"), &json!(0.5)),
            "{found}"
        );
    }
    // Online both have the same, too: each view was written by itself.
    let stores = project.json("online verify");
    assert!(stores.is_object(), "{stores}");
}

#[test]
fn a_cutover_is_held_up_until_a_comparison_passes_that_still_holds() {
    let project = Project::sample();
    let service = "---\nkind: feature_service\nname: late_arrival\nversion: 2\nfeatures:\n  \
                   - {from: airport_arrivals@2, on: {airport: dest}, prefix: dest_}\n  \
                   - {from: aircraft_last_flight@1, prefix: aircraft_}\n  - {from: route@1}\n";
    let features = SAME.replace("count, window: 1d", "count, window: 2d");
    project.write("features/second.yaml", second(&features, "") + service);
    project.ok("apply");
    project.ok("backfill --all");
    let cutover = "cutover late_arrival@2";
    let compare = "parity late_arrival@1 late_arrival@2";
    says(
        &project.refused(cutover),
        &["late_arrival@2 was never compared with late_arrival@1: run `twinstore parity"],
    );
    assert_eq!(project.run(compare).code, Some(1));
    says(&project.refused(cutover), &["late_arrival@2 is outside its bounds beside late_arrival@1"]);
    // What is declared now is not what the report checked by.
    let declared = "expect_change: {arrivals_1d: {psi: 20, nulls: 0.1, reason: two days}}\n";
    project.write("features/second.yaml", second(&features, declared) + service);
    project.ok("apply");
    says(&project.refused(cutover), &["late_arrival@2 declares other changes since: compare them again"]);
    project.ok(compare);
    // A load that comes after it is not in it.
    let landings = std::fs::read(project.path("data/landings.parquet")).unwrap();
    project.write("data/more/landings.parquet", landings);
    project.edit(
        "features/flights.yaml",
        "path: data/landings.parquet",
        "path: \"data/**/landings.parquet\"",
    );
    project.ok("apply");
    project.ok("backfill airport_arrivals@2");
    says(&project.refused(cutover), &["airport_arrivals@2 was loaded since: compare them again"]);
    project.ok("backfill --all");
    project.ok(compare);
    says(&project.ok(cutover), &["late_arrival@2"]);
}
