//! A first hour of trying: what was never used is edited and removed, and what was used stays. Defaults come
//! out the same in training sets and online.

use serde_json::json;

use crate::project::{GET, Project, says};

const NEVER: &str = "used      never: it may be edited or removed";

#[test]
fn a_version_is_edited_until_its_load_writes_a_row() {
    let project = Project::applied();
    project.edit("features/flights.yaml", "aggregate: count, window: 1d", "aggregate: count, window: 2d");
    says(&project.ok("plan"), &["view airport_arrivals@1 is edited before its first use", "1d → 2d"]);
    says(&project.ok("apply"), &["3 edited before first use"]);
    says(&project.ok("registry show airport_arrivals"), &[NEVER, "revision  2 "]);
    // A load that fails before its first row uses nothing.
    std::fs::rename(project.path("data/landings.parquet"), project.path("data/away.parquet")).unwrap();
    says(&project.refused("backfill airport_arrivals"), &["data/landings.parquet"]);
    says(&project.ok("registry show airport_arrivals"), &[NEVER]);
    std::fs::rename(project.path("data/away.parquet"), project.path("data/landings.parquet")).unwrap();
    // The version may be left out where there is one.
    project.ok("backfill airport_arrivals");
    says(&project.ok("registry show airport_arrivals"), &["used      since ", ", first by backfill"]);
    says(&project.ok("registry show late_arrival"), &[NEVER]);
    says(&project.refused("registry remove airport_arrivals@1"), &["it was used by `backfill`"]);
    project.edit("features/flights.yaml", "aggregate: count, window: 2d", "aggregate: count, window: 3d");
    says(&project.refused("plan"), &["never changes", "2d → 3d"]);
}

#[test]
fn a_first_load_of_which_every_row_is_refused_is_none() {
    let definitions = "kind: entity\nname: e\nkeys: {k: int64}\n---\nkind: source\nname: s\n\
                       schema: {k: int64, et: timestamp, x: float64}\nevent_time: et\nbatch: {path: data}\n---\n\
                       kind: feature_view\nname: v\nversion: 1\nentity: e\nsource: s\nfeatures:\n  x: {latest: x}\n---\n\
                       kind: feature_service\nname: svc\nversion: 1\nfeatures: [{from: v@1}]\n";
    let spine = "training-set --service svc --spine s.csv --time t --out o.csv";
    let tried = || {
        let project = Project::empty();
        project.write("features/all.yaml", definitions);
        project.write("data/a.csv", "k,et,x\n1,31/01/2020,1.5\n2,28/02/2020,2.5\n");
        project.write("s.csv", "k,t\n1,2021-01-01T00:00:00Z\n");
        project.ok("apply");
        for _ in 0..2 {
            says(
                &project.refused("backfill --all"),
                &[
                    "every row of v@1 was refused (2 rows)",
                    "row 1 of `a.csv`",
                    "`et` is timestamp",
                    "31/01/2020",
                ],
            );
        }
        says(&project.ok("registry show v"), &[NEVER]);
        project
    };
    // The file is corrected, or the definition.
    let project = tried();
    says(&project.refused(spine), &["v@1", "backfill"]);
    project.write("data/a.csv", "k,et,x\n1,2020-01-31,1.5\n2,28/02/2020,2.5\n");
    let loaded = &project.json("backfill --all")["views"][0];
    assert_eq!(
        (&loaded["rows_loaded"], &loaded["refused"]["undecodable"]),
        (&json!(1), &json!(1)),
        "{loaded}"
    );
    assert_eq!(project.json("get svc k=1")["features"]["x"]["value"], 1.5);
    let project = tried();
    project.edit("features/all.yaml", "et: timestamp", "et: string");
    let sql = "event_time: {sql: \"to_timestamp(et, '%d/%m/%Y')\"}";
    project.edit("features/all.yaml", "event_time: et", sql);
    project.ok("apply");
    assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 2);
    project.ok(spine);
}

#[test]
fn a_read_uses_a_service_and_all_that_it_reads() {
    for command in ["training", "get"] {
        let project = Project::loaded();
        says(&project.ok("registry show late_arrival"), &[NEVER]);
        match command {
            "get" => drop(project.ok(GET)),
            _ => drop(project.training_set()),
        }
        for name in ["late_arrival", "route"] {
            says(&project.ok(&format!("registry show {name}")), &["used      since ", command]);
        }
        says(
            &project.refused("registry remove route"),
            &["on_demand_view route@1 is not removed: it was used by"],
        );
    }
}

#[test]
fn what_was_tried_is_removed_and_leaves_nothing() {
    let project = Project::applied();
    says(&project.refused("registry remove airport_arrivals@1"), &["route@1, late_arrival@1 read it"]);
    says(
        &project.ok("registry remove late_arrival@1"),
        &["feature_service late_arrival@1 removed (generation 2)"],
    );
    project.ok("registry remove route");
    let removed = project.ok("registry remove airport_arrivals");
    says(&removed, &["where features/flights.yaml still defines it, the next `apply` adds it again"]);
    let list = project.ok("registry list");
    assert!(!list.contains("airport_arrivals") && !list.contains("late_arrival"), "{list}");
    says(&project.ok("apply"), &["3 added"]);
}

#[test]
fn a_service_shows_what_it_takes_and_gives_and_a_feature_is_found_by_name() {
    let project = Project::applied();
    let shown = project.ok("registry show late_arrival");
    says(
        &shown,
        &["keys      dest (string), tailnum (string)", "request   distance (int32)", "float64", "minutes"],
    );
    let service = &project.json("registry show late_arrival")[0]["service"];
    assert_eq!(service["keys"][0], json!({"name": "dest", "data_type": "string"}));
    assert!(service["features"].as_array().is_some_and(|features| features.len() > 2), "{service}");
    says(
        &project.ok("registry show arrivals_1d"),
        &["feature_view airport_arrivals@1", "count over 1d", "int64"],
    );
    says(&project.refused("registry show arrivals_2d"), &["there is no definition `arrivals_2d`"]);
}

#[test]
fn a_default_is_read_for_a_null_of_a_known_entity_in_training_and_online() {
    let project = Project::sample();
    project.write(
        "features/more.yaml",
        "kind: feature_view\nname: recent\nversion: 1\nentity: airport\nsource: landings\nkeys: {airport: dest}\n\
         features:\n  \
         delay_1h: {aggregate: sum(arr_delay), window: 1h, default: -1}\n  \
         bare_1h: {aggregate: sum(arr_delay), window: 1h}\n---\n\
         kind: on_demand_view\nname: twice\nversion: 1\ninputs: [{from: recent@1, on: {airport: dest}}]\n\
         features:\n  \
         doubled: {expression: delay_1h * 2}\n  \
         bare: {expression: bare_1h * 2, default: 7}\n---\n\
         kind: feature_service\nname: recent\nversion: 1\nfeatures:\n  \
         - {from: recent@1, on: {airport: dest}}\n  \
         - {from: twice@1}\n",
    );
    project.ok("apply");
    project.ok("backfill recent");
    let read = |dest: &str| {
        let read = project.json(&format!("get recent dest={dest} --at 2014-01-01T00:00:00Z"));
        ["delay_1h", "bare_1h", "doubled", "bare"].map(|name| {
            let feature = &read["features"][name];
            (feature["value"].clone(), feature["status"].as_str().unwrap().to_owned())
        })
    };
    let null = |value| (value, "NULL_VALUE".to_owned());
    let present = |value| (value, "PRESENT".to_owned());
    assert_eq!(read("LAX"), [null(json!(-1.0)), null(json!(null)), present(json!(-2.0)), null(json!(7.0))]);
    let unknown = (json!(null), "NOT_FOUND".to_owned());
    assert_eq!(read("NIX"), [unknown.clone(), unknown, null(json!(null)), null(json!(7.0))]);
    project.write("spine.csv", "dest,at\nLAX,2014-01-01T00:00:00Z\nNIX,2014-01-01T00:00:00Z\n");
    project.ok("training-set --service recent --spine spine.csv --time at --out out.csv");
    let out = project.read("out.csv");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[1].ends_with(",-1.0,,-2.0,7.0"), "{out}");
    assert!(lines[2].ends_with(",,,,7.0"), "{out}");
}
