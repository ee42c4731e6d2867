//! An entity is forgotten: nothing of it is left in any file of any version, whenever the command is killed and whatever
//! runs beside it, nothing brings it back, and all others stay as they were.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use test_support::{RedisServer, eventually};

use crate::landings::{Landing, batch, landing, write_parquet};
use crate::project::{Done, Project, says};
use crate::pushed::{self, micros_now};
use crate::served::Server;
use crate::stored;

const FORGET: &str = "forget aircraft=N338AA --yes --reason ticket";
/// The aircraft that is forgotten, and one that is not.
const GONE: &str = "N338AA";
const KEPT: &str = "N583JB";
const AT: &str = "--at 2013-06-08T01:00:00Z";
/// A second version of the view, which has no log yet.
const VERSION_2: &str = "kind: feature_view
name: aircraft_last_flight
version: 2
entity: aircraft
source: landings
ttl: 7d
features:
  last_delay: {latest: arr_delay, unit: minutes}
";
const TRAINING: &str =
    "training-set --service late_arrival@1 --spine data/departures.parquet --time scheduled_departure --out";
/// The points of the command, in their order, and how often each is passed at least.
const POINTS: [(&str, u32); 8] = [
    ("forgetting-noted", 1),
    ("turn-taken", 1),
    ("file-forgotten", 2),
    ("commit-forgotten", 1),
    ("rows-forgotten", 1),
    ("online-forgotten", 1),
    ("committed", 2),
    ("forgotten", 1),
];

/// The sample, loaded in two parts and compacted: older versions of its logs have other files.
fn compacted() -> Project {
    let project = Project::applied();
    project.ok("backfill aircraft_last_flight --to 2013-06-04T12:00:00Z");
    project.ok("backfill --all");
    project.ok(&format!("{TRAINING} set.csv"));
    project.ok("offline optimize");
    project
}

/// What is read of an aircraft.
fn get(project: &Project, tailnum: &str, at: &str) -> Value {
    let read = project.json(&format!("get late_arrival@1 dest=LAX tailnum={tailnum} distance=2475 {at}"));
    let features = read["features"].as_object().unwrap().iter();
    let of_aircraft = features.filter(|(name, _)| name.starts_with("aircraft_"));
    let cell = |cell: &Value| json!([cell["value"], cell["status"], cell["event_time"]]);
    Value::Object(of_aircraft.map(|(name, found)| (name.clone(), cell(found))).collect())
}

fn is_not_found(cells: &Value) -> bool {
    cells.as_object().unwrap().values().all(|cell| cell[1] == "NOT_FOUND" || cell["status"] == "NOT_FOUND")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Files of a project's stores that hold a text: rows by their values, all others by their bytes.
fn holding(project: &Project, column: &str, text: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    files(&project.path(".twinstore"), &mut all);
    let quoted = format!("\"{text}\"");
    let sized = [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    all.retain(|path| match path.extension().is_some_and(|extension| extension == "parquet") {
        true if path.to_string_lossy().contains("_delta_log") => false,
        true => {
            stored::parquet_rows(path).iter().any(|row| row.get(column).is_some_and(|value| value == text))
        }
        false => {
            let bytes = fs::read(path).unwrap();
            holds(&bytes, quoted.as_bytes())
                || holds(&bytes, quoted.replace('"', "\\\"").as_bytes())
                || holds(&bytes, &sized)
        }
    });
    all
}

/// The rows of a training set by the texts of their spine, those of the aircraft apart.
fn rows_of(csv: &str) -> (Vec<&str>, Vec<&str>) {
    csv.lines().skip(1).partition(|line| line.contains(GONE))
}

#[test]
fn a_forgotten_entity_is_in_no_file_of_any_version_and_all_others_stay_to_the_bit() {
    let project = compacted();
    let before = project.read("set.csv");
    project.ok("quality statistics aircraft_last_flight");
    let kept = get(&project, KEPT, AT);
    assert!(!is_not_found(&get(&project, GONE, AT)));
    assert!(holding(&project, "tailnum", GONE).len() > 3);

    let dry = project.json("forget aircraft=N338AA --dry-run");
    assert!(dry["found"].as_u64().unwrap() > 2 && dry["removed"] == 0, "{dry}");
    assert!(!is_not_found(&get(&project, GONE, AT)));
    let refused = project.refused("forget aircraft=N338AA");
    says(&refused, &["--dry-run", "--yes"]);

    let done = project.json(FORGET);
    assert_eq!((&done["found"], &done["left"]), (&done["removed"], &json!(0)), "{done}");
    assert!(done["removed"].as_u64() >= dry["found"].as_u64(), "{done}");
    assert_eq!(holding(&project, "tailnum", GONE), Vec::<PathBuf>::new());
    assert!(is_not_found(&get(&project, GONE, AT)));
    assert_eq!(get(&project, KEPT, AT), kept);
    project.ok("verify --deep");
    project.ok("verify --values");

    // The training set is not what it was where the entity is, and is everywhere else.
    project.ok(&format!("{TRAINING} again.csv"));
    let after = project.read("again.csv");
    let ((gone, same), (now, still)) = (rows_of(&before), rows_of(&after));
    assert!(!gone.is_empty() && gone != now && same == still);
    let manifest: Value = serde_json::from_str(&project.read("set.csv.manifest.json")).unwrap();
    assert_eq!(manifest["forgotten"][0]["entity"], "aircraft");
    assert_eq!(manifest["forgotten"][0]["rows"], gone.len());
    let verify = project.run("training-set verify set.csv");
    assert_eq!(verify.code, Some(1), "{}", verify.stdout);
    let said = format!("{}{}", verify.stdout, verify.stderr);
    says(&said, &["it cannot be built again to the bit", &format!("{} rows", gone.len()), "forgotten since"]);
    assert!(!said.contains("differs in the column"), "{said}");
    project.ok("training-set verify again.csv");

    let audit = project.json("audit aircraft");
    let entry = audit["entries"].as_array().unwrap().last().unwrap();
    assert_eq!((&entry["action"], &entry["to"]), (&json!("forget"), &done["hash"]));
    assert_eq!((&entry["reason"], &audit["damaged"]), (&json!("ticket"), &json!([])));
    assert!(!entry.to_string().contains(GONE), "{entry}");
}

#[test]
fn no_load_brings_a_forgotten_entity_back_and_the_list_is_what_keeps_it_out() {
    let project = Project::loaded();
    project.ok(FORGET);
    project.ok("backfill --all");
    project.ok("online rebuild");
    assert!(is_not_found(&get(&project, GONE, AT)));
    // A version that has no log yet reads the source from its beginning.
    project.write("features/version_2.yaml", VERSION_2);
    project.ok("apply");
    let guarded = project.json("backfill aircraft_last_flight@2");
    let report = &guarded["views"][0];
    let count = |name: &str| report[name].as_u64().unwrap();
    assert!(count("forgotten") > 0, "{report}");
    assert_eq!(count("rows_read"), count("rows_loaded") + count("forgotten") + count("filtered"), "{report}");
    assert_eq!(holding(&project, "tailnum", GONE), Vec::<PathBuf>::new());
    says(&project.ok("backfill aircraft_last_flight@2"), &["nothing new"]);
    // Without the list they are back.
    let other = Project::loaded();
    other.ok(FORGET);
    other.write("features/version_2.yaml", VERSION_2);
    other.ok("apply");
    let mut command = other.command("backfill aircraft_last_flight@2");
    let done = command.env("TWINSTORE_TRIAL_BATCH_WITHOUT", "forgotten").output().unwrap();
    assert!(done.status.success());
    assert!(!holding(&other, "tailnum", GONE).is_empty());
    // A list that was lost is noticed by whoever would load.
    fs::remove_file(project.path(".twinstore/offline/forgotten.json")).unwrap();
    let verified = project.run("verify --deep");
    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    says(&(verified.stdout + &verified.stderr), &["forgotten.json", "is missing, or older than"]);
    let refused = project.run("backfill aircraft_last_flight@1").stderr;
    says(
        &refused,
        &["forgotten.json", "is missing, or older than aircraft_last_flight@1 says", "restore it"],
    );
}

#[test]
fn killed_at_any_point_and_run_again_it_comes_to_the_same_end() {
    let whole = compacted();
    whole.ok(FORGET);
    let expected = (get(&whole, GONE, AT), get(&whole, KEPT, AT), whole.training_set());
    for (point, passes) in POINTS {
        for pass in 1..=passes {
            let project = compacted();
            let mut command = project.command(FORGET);
            let killed =
                command.env("TWINSTORE_TRIAL_BATCH_END", format!("{point}:{pass}")).output().unwrap();
            assert_eq!(killed.status.code(), None, "{point}:{pass}\n{killed:?}");
            // What is there can be read, whatever it is.
            get(&project, KEPT, AT);
            project.training_set();
            project.ok("verify");
            project.ok(FORGET);
            let holding = holding(&project, "tailnum", GONE);
            assert_eq!(holding, Vec::<PathBuf>::new(), "{point}:{pass}");
            let found = (get(&project, GONE, AT), get(&project, KEPT, AT), project.training_set());
            assert_eq!(found, expected, "{point}:{pass}");
            // Of the training sets that were read and removed.
            fs::remove_file(project.path("training.csv.manifest.json")).unwrap();
            project.ok("verify --deep");
            project.ok("verify --values");
        }
    }
}

/// A command that stopped itself at a point.
fn stopped_at(project: &Project, words: &str, point: &str) -> Child {
    let mut command = project.command(words);
    command.env("TWINSTORE_TRIAL_BATCH_SLEEP", point).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    eventually(point, || fs::read_to_string(&stat).unwrap().contains(") T "));
    child
}

fn go_on(child: Child) -> Done {
    let sent = Command::new("kill").args(["-s", "CONT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    Done::of(child.wait_with_output().unwrap())
}

#[test]
fn commands_that_were_stopped_in_their_middle_do_not_bring_back_what_they_had_read() {
    for (words, point) in [
        ("offline optimize", "compaction-read"),
        ("offline optimize", "file-written"),
        ("backfill aircraft_last_flight@1", "file-written"),
        ("materialize aircraft_last_flight@1", "online"),
        ("online rebuild aircraft_last_flight@1", "rebuilding"),
    ] {
        let project = Project::sample();
        project.without_ttl();
        project.ok("apply");
        project.ok("backfill aircraft_last_flight --to 2013-06-04T12:00:00Z");
        project.ok("backfill --all");
        if words.contains("aircraft") && !words.starts_with("online") {
            more_landings(&project);
        }
        let stopped = stopped_at(&project, words, point);
        project.ok(FORGET);
        let done = go_on(stopped);
        assert_eq!(done.code, Some(0), "{words} {point}\n{}", done.stderr);
        let left = holding(&project, "tailnum", GONE);
        assert_eq!(left, Vec::<PathBuf>::new(), "{words} {point}");
        assert!(is_not_found(&get(&project, GONE, "")), "{words} {point}");
        assert!(!is_not_found(&get(&project, KEPT, "")), "{words} {point}");
        project.ok("verify --deep");
        project.ok("verify --values");
    }
}

/// A second file of landings, in a folder that the source reads from now on.
fn more_landings(project: &Project) {
    let text = project.read("features/flights.yaml");
    let from = "batch: {path: data/landings.parquet}";
    assert!(text.contains(from), "{text}");
    fs::create_dir(project.path("data/landings")).unwrap();
    // The same rows in other bytes: a file that only has another name is loaded already.
    let file = fs::File::open(project.path("data/landings.parquet")).unwrap();
    let mut rows = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    write_parquet(&project.path("data/landings/a.parquet"), &rows.next().unwrap().unwrap());
    project.edit("features/flights.yaml", from, "batch: {path: data/landings}");
    project.ok("apply");
}

#[test]
fn a_pushed_entity_is_forgotten_under_a_running_server_and_may_come_back_with_what_happens_later() {
    let project = pushed::clicks();
    let server = Server::start(&project);
    let push = |visitor: i64, at: &str| {
        let rows = json!([{"visitor": visitor, "at": at, "id": visitor, "page": "secret-page", "ms": 5}]);
        server.post("/v1/push", &json!({"source": "clicks", "rows": rows, "wait": "online"})).1
    };
    let at = pushed::now();
    push(70_001, &at);
    push(70_002, &at);
    // A refused row of it is stored with its values.
    let rows = json!([{"visitor": 70_001, "at": at, "id": 3, "page": "secret-page", "ms": 5000},
        {"visitor": 70_002, "at": at, "id": 3, "ms": 5000}]);
    server.post("/v1/push", &json!({"source": "clicks", "rows": rows, "wait": "online"}));
    let clicks = |visitor: i64| pushed::read(&server, &json!([visitor]))["clicks"].clone();
    assert_eq!(clicks(70_001)["values"], json!([1]));

    let done = project.json("forget visitor=70001 --yes");
    assert_eq!(done["left"], 0, "{done}");
    let removed: BTreeMap<String, u64> = done["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["part"].as_str().unwrap().to_owned(), part["removed"].as_u64().unwrap()))
        .collect();
    assert_eq!((removed["log of visits@1"], removed["online rows of visits@1"]), (1, 1), "{done}");
    assert!(removed["topic clicks on disk"] >= 1, "{done}");
    server.waits_for(&json!({"service": "visit", "entities": {"visitor": [70_001]}}), |_, answer| {
        answer["columns"]["clicks"]["statuses"] == json!(["NOT_FOUND"])
    });
    assert_eq!(clicks(70_002)["values"], json!([1]));
    // What happened before stays out, whoever pushes it again.
    let answer = push(70_001, &at);
    assert!(answer.to_string().contains("forgotten"), "{answer}");
    assert_eq!(clicks(70_001)["statuses"], json!(["NOT_FOUND"]));
    let log = stored::rows(&project.path(pushed::LOG));
    assert!(log.iter().all(|row| row["visitor"] != "70001"), "{log:?}");
    // What happens later is a new entity of the same key.
    let until: feature::Micros = done["until"].as_str().unwrap().parse().unwrap();
    eventually("the moment of the forgetting is over", || micros_now() > until.get() + 1_000);
    push(70_001, &pushed::now());
    assert_eq!(clicks(70_001)["values"], json!([1]));
    push(70_002, &pushed::now());
    assert_eq!(clicks(70_002)["values"], json!([2]));
    project.ok("verify --values");
}

#[test]
fn an_entity_is_forgotten_in_redis_too() {
    let redis = RedisServer::start(&[]);
    let project = Project::sample();
    project.write("twinstore.toml", format!("online.url = \"{}\"\nproject = \"forgotten\"\n", redis.url()));
    project.ok("apply");
    project.ok("backfill --all");
    let kept = get(&project, KEPT, AT);
    assert!(redis.says("KEYS *N338AA*").contains(GONE));
    let done = project.json(FORGET);
    assert_eq!(done["left"], 0, "{done}");
    assert!(!redis.says("KEYS *N338AA*").contains(GONE));
    assert!(is_not_found(&get(&project, GONE, AT)));
    assert_eq!(get(&project, KEPT, AT), kept);
    project.ok("verify --values");
}

const ROUTES: &str = "
kind: entity
name: route
keys: {origin: string, dest: string}
---
kind: source
name: landings
schema: {flight_id: int64, landed_at: timestamp, tailnum: string, dest: string, arr_delay: float32}
event_time: landed_at
batch: {path: data/landings.parquet}
---
kind: feature_view
name: routes
version: 1
entity: route
source: landings
keys: {origin: tailnum, dest: dest}
expect: [{column: arr_delay, between: [0, 1000], name: plausible}]
features: {count: {aggregate: count}, last: {latest: flight_id}}
---
kind: feature_view
name: later
version: 1
entity: route
source: {view: routes@1}
features: {most: {aggregate: max(count)}}
---
kind: feature_service
name: visit
version: 1
features: [{from: routes@1}, {from: later@1, prefix: later_}]
";

/// The refused rows of routes, as they are kept.
fn refused(project: &Project) -> Vec<Value> {
    let list = project.json("dead-letter list routes@1 --limit 100");
    let texts = list["dead_letters"].as_array().unwrap().iter();
    texts.map(|one| serde_json::from_str(one["row"].as_str().unwrap()).unwrap()).collect()
}

fn is_of(row: &Value, origin: &str, dest: &str) -> bool {
    row["tailnum"] == origin && row["dest"] == dest
}

#[test]
fn a_composite_key_is_forgotten_with_its_refused_and_its_derived_rows() {
    let project = pushed::with(ROUTES);
    let row = |n: usize| Landing {
        tailnum: Some(["N1", "N2", "N3", "N4"][n % 4]),
        dest: ["LAX", "BOS"][n % 3 % 2],
        ..landing(n as i64, n as i64, if n % 10 == 3 { -1.0 } else { 2.0 })
    };
    let rows: Vec<_> = (0..120).map(row).collect();
    write_parquet(&project.path("data/landings.parquet"), &batch(&rows));
    project.ok("backfill --all");
    // One of which rows are refused, too.
    let (origin, dest) = ("N4".to_owned(), "LAX".to_owned());
    let said = project.refused(&format!("forget origin={origin} --yes"));
    says(&said, &["origin", "of no entity", "route (origin, dest)"]);
    let before = refused(&project);
    assert!(before.iter().any(|row| is_of(row, &origin, &dest)), "{before:?}");
    let done = project.json(&format!("forget dest={dest} origin={origin} --yes"));
    assert_eq!(done["left"], 0, "{done}");
    for view in ["routes", "later"] {
        let left = stored::rows(&project.path(&format!(".twinstore/offline/log/{view}/v1")));
        assert!(!left.is_empty(), "{view}");
        let is_it = |row: &stored::Row| row["origin"] == origin && row["dest"] == dest;
        assert!(!left.iter().any(is_it), "{view}");
    }
    let kept = refused(&project);
    assert!(!before.is_empty() && kept.len() < before.len());
    let expected: Vec<Value> = before.into_iter().filter(|row| !is_of(row, &origin, &dest)).collect();
    assert_eq!(kept, expected);
    let read = project.json(&format!("get visit origin={origin} dest={dest}"));
    assert!(is_not_found(&read["features"]), "{read}");
    project.ok("verify --values");
}

#[test]
fn rows_of_other_entities_that_name_the_entity_are_reported_and_stay() {
    let project = Project::loaded();
    let done = project.json("forget airport=LAX --yes");
    assert_eq!(done["left"], 0, "{done}");
    let values = done["values"].as_array().unwrap();
    let named = values.iter().find(|held| held["view"] == "aircraft_last_flight@1").unwrap();
    assert!(named["rows"].as_u64().unwrap() > 50, "{done}");
    let mut of_airports = holding(&project, "airport", "LAX");
    of_airports.retain(|path| path.to_string_lossy().contains("airport_arrivals"));
    assert_eq!(of_airports, Vec::<PathBuf>::new());
    let sources = done["sources"].as_array().unwrap();
    assert!(sources[0]["file"].as_str().unwrap().ends_with("data/landings.parquet"), "{done}");
    assert!(sources[0]["rows"].as_u64().unwrap() > 50, "{done}");
}

const VISITS: &str = "kind: feature_view
name: visits
version: 1
entity: airport
source: {view: aircraft_last_flight@1}
keys: {airport: last_dest}
features: {count: {aggregate: count}}
---
kind: feature_service
name: visited
version: 1
features: [{from: visits@1, on: {airport: dest}}]
";

#[test]
fn rows_that_were_made_of_its_rows_for_another_entity_go_with_it() {
    let project = Project::sample();
    project.write("features/visits.yaml", VISITS);
    project.ok("apply");
    project.ok("backfill --all");
    let rows = |view: &str| stored::rows(&project.path(&format!(".twinstore/offline/log/{view}/v1")));
    let own: Vec<stored::Row> =
        rows("aircraft_last_flight").into_iter().filter(|row| row["tailnum"] == GONE).collect();
    let of_own = stored::positions(&own);
    let before = stored::positions(&rows("visits"));
    assert!(!of_own.is_empty() && of_own.iter().all(|position| before.contains(position)));
    let dest =
        rows("visits").into_iter().find(|row| stored::positions(std::slice::from_ref(row))[0] == of_own[0]);
    let dest = dest.unwrap()["airport"].clone();
    let count = || project.json(&format!("get visited dest={dest}"))["features"]["count"]["value"].clone();
    let counted = count().as_u64().unwrap();
    let done = project.json(FORGET);
    assert_eq!(done["left"], 0, "{done}");
    let after = stored::positions(&rows("visits"));
    let expected: Vec<_> = before.into_iter().filter(|position| !of_own.contains(position)).collect();
    assert_eq!(after, expected);
    assert!(count().as_u64().unwrap() < counted);
    project.ok("verify --values");
    project.ok("backfill --all");
    assert_eq!(stored::positions(&rows("visits")), expected);
}
