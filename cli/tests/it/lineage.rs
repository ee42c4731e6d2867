//! What is recorded of loads, streams and training sets, and what comes from what, as a user asks for it.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::project::{Project, TRAINING, says};
use crate::pushed::{clicks, now};

/// A load that is stopped begins well within this.
const BOUND: Duration = Duration::from_secs(60);

fn loads(project: &Project, view: &str) -> Vec<Value> {
    project.json(&format!("offline loads {view}")).as_array().unwrap().clone()
}

#[test]
fn a_load_is_recorded_with_its_files_its_rows_and_its_provenance() {
    let project = Project::loaded();
    let [load] = loads(&project, "airport_arrivals").try_into().unwrap();
    assert_eq!(load["job"], "backfill");
    assert_eq!(load["subject"], "airport_arrivals@1");
    assert_eq!(load["state"], "complete");
    let outcome = &load["outcome"]["load"];
    let [file] = outcome["files"].as_array().unwrap().as_slice() else { panic!("{outcome}") };
    assert_eq!(file["name"], "landings.parquet");
    assert_eq!(file["rows"], outcome["rows"]["read"]);
    assert_eq!(outcome["provenance"], "simulated");
    assert_eq!(outcome["assumed_delay"], "2m");
    assert_eq!(outcome["rows"]["loaded"], outcome["rows"]["read"]);
    assert!(load["runtime"]["datafusion"].is_string() && load["hash"].is_string(), "{load}");
    // A load that finds nothing new is a run of its own, and says that it read nothing.
    project.ok("backfill airport_arrivals");
    let [again, first] = loads(&project, "airport_arrivals").try_into().unwrap();
    assert_eq!(first, load);
    assert_eq!(again["outcome"]["load"]["rows"]["loaded"], 0);
    assert_eq!(again["outcome"]["load"]["files"], json!([]));
    let table = project.ok("offline loads airport_arrivals");
    says(&table, &["PROVENANCE", "landings.parquet", "simulated (2m)", "complete"]);
}

#[test]
fn a_version_that_is_retired_says_so_and_a_plan_tells_namesakes_apart() {
    let project = Project::empty();
    project.write("data/a.csv", "user_id,ts,x\n1,2024-01-01,a\n");
    let definitions = "kind: entity\nname: user\nkeys: {user_id: int64}\n---\nkind: source\nname: events\n\
        schema: {user_id: int64, ts: timestamp, x: string}\nevent_time: ts\nassumed_delay: 1m\nbatch: {path: data}\n---\n\
        kind: feature_view\nname: same\nversion: 1\nentity: user\nsource: events\nfeatures:\n  x: {latest: x}\n---\n\
        kind: feature_service\nname: same\nversion: 1\nfeatures: [{from: same@1}]\n";
    let two = "kind: feature_view\nname: same\nversion: 2\nentity: user\nsource: events\nfeatures:\n  y: {latest: x}\n---\n\
        kind: feature_service\nname: same\nversion: 2\nfeatures: [{from: same@2}]\n";
    project.write("features/all.yaml", definitions);
    let plan = project.ok("plan");
    says(
        &plan,
        &["+ source events → view same@1, service same@1", "+ view same@1 (1 feature) → service same@1"],
    );
    project.write("features/two.yaml", two);
    project.ok("apply");
    project.ok("backfill --all");
    assert!(!project.ok("lineage same@2").contains("retired"));
    project.ok("retire same@2 --kind feature_service --reason unused");
    project.ok("retire same@2 --kind feature_view --reason unused");
    let said = project.ok("lineage same@2");
    for kind in ["feature view", "service"] {
        assert!(said.contains(&format!("same@2  {kind}, retired on ")), "{kind}: {said}");
    }
    says(&said, &["(unused)"]);
}

#[test]
fn a_load_that_fails_keeps_its_reason() {
    let project = Project::applied();
    fs::write(project.path("data/landings.parquet"), "broken").unwrap();
    let refused = project.refused("backfill airport_arrivals");
    let [load] = loads(&project, "airport_arrivals").try_into().unwrap();
    assert_eq!(load["state"], "failed");
    let why = load["error"].as_str().unwrap();
    assert!(why.contains("landings.parquet") && refused.contains(why), "{why}\n{refused}");
    assert!(load.get("outcome").is_none(), "{load}");
}

#[test]
fn a_load_whose_process_is_killed_is_interrupted() {
    let project = Project::applied();
    let mut load = project.command("backfill airport_arrivals");
    let mut load = load.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    // It is recorded before it reads anything.
    while loads(&project, "airport_arrivals").is_empty() {
        assert!(began.elapsed() < BOUND, "no load was recorded");
        std::thread::yield_now();
    }
    load.kill().unwrap();
    let was_running = load.wait().unwrap().code().is_none();
    let [run] = loads(&project, "airport_arrivals").try_into().unwrap();
    assert_eq!(run["state"], if was_running { "interrupted" } else { "complete" }, "{run}");
    project.ok("backfill airport_arrivals");
    let newest = &loads(&project, "airport_arrivals")[0];
    assert_eq!(newest["state"], "complete");
}

#[test]
fn a_stream_is_recorded_with_the_offsets_up_to_which_it_read() {
    let project = clicks();
    let time = now();
    let row =
        |visitor: i64| format!("{{\"visitor\": {visitor}, \"at\": \"{time}\", \"id\": 1, \"ms\": 1.5}}\n");
    project.write("rows.jsonl", row(1) + &row(2));
    project.ok("push clicks rows.jsonl");
    project.ok("stream --until-caught-up");
    let [run] = loads(&project, "visits@1").try_into().unwrap();
    assert_eq!((run["job"].as_str(), run["state"].as_str()), (Some("stream"), Some("complete")), "{run}");
    let outcome = &run["outcome"]["stream"];
    assert_eq!(outcome["rows"]["read"], 2, "{run}");
    assert_eq!(outcome["partitions"], json!([{"partition": 0, "next_offset": 2}]), "{run}");
}

#[test]
fn a_training_set_is_found_from_the_file_that_its_features_come_from() {
    let project = Project::loaded();
    project.training_set();
    let tree = project.ok("lineage landings");
    says(&tree, &["data/landings.parquet  batch", "late_arrival@1  service, live", "training set", "rows"]);
    // The file alone names it, without the hash that tells it from others of the name.
    says(&project.ok("lineage training.csv"), &["data/landings.parquet  batch", "training.csv ("]);
    let lineage = project.json("lineage airport_arrivals@1:mean_delay_1d");
    let kinds = |kind: &str| {
        let nodes = lineage["nodes"].as_array().unwrap().iter().filter(|node| node["kind"] == kind);
        nodes.map(|node| node["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds("batch"), ["data/landings.parquet"]);
    assert_eq!(kinds("training_set").len(), 1, "{lineage}");
    assert_eq!(kinds("source"), ["landings"]);
    let view = &lineage["views"][0];
    assert_eq!((&view["view"], &view["schema_version"]), (&json!("airport_arrivals@1"), &json!(1)));
    let field = |name: &str| {
        let fields = view["schema"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).unwrap().clone()
    };
    let delay = field("mean_delay_1d");
    assert_eq!(
        delay,
        json!({"name": "mean_delay_1d", "type": "float64", "unit": "minutes", "nullable": true})
    );
    let chart = project.ok("lineage mean_delay_1d --format mermaid");
    says(&chart, &["flowchart LR", "landings:arr_delay", "-->"]);
    let refused = project.refused("lineage airport_arivals");
    says(&refused, &["there is no", "airport_arrivals"]);
}

#[test]
fn events_are_appended_to_a_file_and_lost_ones_do_not_stop_a_load() {
    let project = Project::applied();
    project.write("twinstore.toml", "lineage.url = \"events/runs.jsonl\"\n");
    project.ok("backfill --all");
    let events = project.read("events/runs.jsonl");
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| events.iter().filter(|event| event["eventType"] == kind).count();
    assert_eq!((of("START"), of("COMPLETE"), events.len()), (2, 2, 4));
    let output = &events.iter().find(|event| event["eventType"] == "COMPLETE").unwrap()["outputs"][0];
    assert!(output["outputFacets"]["outputStatistics"]["rowCount"].as_u64().unwrap() > 0, "{output}");
    // Nobody listens there.
    project.write("twinstore.toml", "lineage.url = \"http://127.0.0.1:9/lineage\"\n");
    let done = project.run("backfill airport_arrivals");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    says(&done.stderr, &["an OpenLineage event", "was lost"]);
    project.write("twinstore.toml", "lineage.url = \"ftp://user:secret@host/x\"\n");
    let refused = project.refused("backfill airport_arrivals");
    says(&refused, &["lineage.url", "http"]);
    assert!(!refused.contains("secret"), "{refused}");
}

#[test]
fn a_plan_names_the_training_sets_that_a_change_reaches_through_every_view_and_service() {
    let project = Project::loaded();
    project.ok(&format!("{TRAINING} train.parquet"));
    project.ok(&format!("{TRAINING} other.csv"));
    project.ok(&format!("{TRAINING} train.parquet"));
    project.edit("features/flights.yaml", "assumed_delay: 2m", "assumed_delay: 2m\nowner: landings-team");
    let plan = project.json("plan");
    let reached = |name: &str| -> Vec<String> {
        let changes = plan["changes"].as_array().unwrap();
        let change = changes.iter().find(|change| change["name"] == name).unwrap();
        let sets = change["training_sets"].as_array().cloned().unwrap_or_default();
        sets.iter().map(|set| set["file"].as_str().unwrap().to_owned()).collect()
    };
    // Each file once, the newest first: through the views that read the source, and the service that reads them.
    for name in ["landings", "airport_arrivals", "aircraft_last_flight", "route", "late_arrival"] {
        assert_eq!(reached(name), ["train.parquet", "other.csv"], "{name}");
    }
    says(
        &project.ok("plan"),
        &["~ source landings", "; training sets train.parquet (late_arrival@1), other.csv (late_arrival@1)"],
    );
    // What they pin is not changed.
    project.edit("features/flights.yaml", "assumed_delay: 2m", "assumed_delay: 3m");
    let refused = project.run("plan");
    assert_eq!(refused.code, Some(1));
    says(&refused.stderr, &["this changes what", "2m → 3m"]);
    says(&refused.stdout, &["! source landings", "train.parquet (late_arrival@1)"]);
}
