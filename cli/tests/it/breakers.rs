//! Circuit breakers of views: what readers, training sets and operators get while one is open, and when it opens and closes
//! by itself.

use feature::Micros;
use serde_json::{Value, json};
use test_support::{eventually, visitors};

use crate::project::{Project, says};
use crate::pushed::{clicks, micros_now, now, with};
use crate::served::Server;

const CLICKS: &str = "\
schema: {visitor: int64, at: timestamp, id: int64, page: string, ms: float64}
event_time: at
stream: {topic: clicks, format: json}
";

/// A view whose breaker opens by the share of refused rows, and closes soon.
const BY_BAD_SHARE: &str = "---
kind: feature_view
name: visits
version: 1
entity: visitor
source: clicks
expect:
  - {column: ms, between: [0, 1000]}
breaker: {bad_share: 0.2, window: 10s, min_rows: 10, close_after: 2s}
features:
  page: {latest: page}
  clicks: {aggregate: count}
---
kind: feature_service
name: visit
version: 1
features:
  - {from: visits@1}
";

fn rows(visitors: std::ops::Range<i64>, page: &str, ms: f64) -> Value {
    let at = now();
    visitors.map(|id| json!({"visitor": id, "at": at, "id": id, "page": page, "ms": ms})).collect()
}

fn push(server: &Server, rows: &Value) {
    let (status, answer) =
        server.post("/v1/push", &json!({"source": "clicks", "rows": rows, "wait": "online"}));
    assert_eq!(status, 200, "{answer}");
}

/// The page that visitor 1 is on, and its status.
fn page(server: &Server) -> (Value, Value) {
    let answer = server.post("/v1/features", &visit()).1;
    let page = &answer["columns"]["page"];
    (page["values"][0].clone(), page["statuses"][0].clone())
}

fn visit() -> Value {
    json!({"service": "visit", "entities": {"visitor": [1]}})
}

fn is(page: &str, status: &str) -> (Value, Value) {
    (json!(page), json!(status))
}

/// What time it is, as a training set in CSV writes it: all digits of its microseconds.
fn moment() -> String {
    let now = now();
    let (second, fraction) =
        now.trim_end_matches('Z').split_once('.').unwrap_or((now.trim_end_matches('Z'), ""));
    format!("{second}.{fraction:0<6}Z")
}

/// The service's features for visitor 1 at some moments, as CSV without its header.
fn trained(project: &Project, moments: &[String]) -> Vec<String> {
    let labels: String = moments.iter().map(|at| format!("1,{at}\n")).collect();
    project.write("spine.csv", format!("visitor,t\n{labels}"));
    project.ok("training-set --service visit --spine spine.csv --time t --out set.csv");
    project.read("set.csv").lines().skip(1).map(str::to_owned).collect()
}

fn counted(server: &Server, sample: &str) -> f64 {
    let text = server.get("/metrics");
    text.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok()).unwrap_or_default()
}

/// What a command says that is refused while a server goes on writing.
fn refused(project: &Project, words: &str) -> String {
    let done = project.run(words);
    assert_eq!(done.code, Some(1), "{words}: {}{}", done.stdout, done.stderr);
    done.stderr
}

/// The openings, newest first.
fn openings(project: &Project) -> Vec<Value> {
    project.json("breaker list")["breakers"].as_array().unwrap().clone()
}

#[test]
fn readers_and_training_sets_get_the_last_good_answers_until_it_is_closed_also_after_a_restart() {
    let project = clicks();
    let mut server = Server::start(&project);
    push(&server, &rows(1..4, "home", 5.0));
    let good = moment();
    push(&server, &rows(1..4, "wrong", 5.0));
    assert_eq!(page(&server), is("wrong", "PRESENT"));
    says(
        &refused(&project, &format!("breaker open visits --good-until {good} --reason x")),
        &["rows of visits@1 that were readable at", "may not be in its log yet"],
    );
    // What was readable ten seconds ago is in the log.
    let open = format!("breaker open visits --good-until {good} --reason unit-changed --format json");
    eventually("it can be opened", || project.run(&open).code == Some(0));
    says(&refused(&project, "breaker open visits --reason again"), &["visits@1 is open since"]);
    eventually("readers get the last good answers", || page(&server) == is("home", "LAST_KNOWN_GOOD"));

    // It says so in its head and in the metrics, and its answers are those of their own event.
    let head = server.head_of("/v1/features", &visit().to_string());
    says(&head, &["x-twinstore-breakers: visits@1=last_known_good"]);
    let open = "twinstore_breaker_open{view=\"visits@1\",answers=\"last_known_good\",rule=\"none\"} ";
    assert_eq!(counted(&server, open), 1.0);
    let feast = json!({"features": ["visits:page"], "entities": {"visitor": [1]}});
    let feast = server.post("/get-online-features", &feast).1;
    assert_eq!(feast["results"][1]["statuses"][0], "PRESENT", "{feast}");
    assert_eq!(feast["results"][1]["values"][0], "home", "{feast}");
    let during = moment();

    // Rows go on, a visitor who came later is not known, and a server that starts again keeps to it.
    push(&server, &rows(1..9, "later", 5.0));
    assert_eq!(server.terminate().0, Some(0));
    server = Server::start(&project);
    assert_eq!(page(&server), is("home", "LAST_KNOWN_GOOD"));
    let late = json!({"service": "visit", "entities": {"visitor": [8]}});
    assert_eq!(server.post("/v1/features", &late).1["columns"]["clicks"]["statuses"][0], "NOT_FOUND");
    let got = project.json("get visit visitor=1");
    assert_eq!(got["features"]["clicks"]["value"], 1, "{got}");
    assert_eq!(got["features"]["clicks"]["status"], "LAST_KNOWN_GOOD", "{got}");

    // What is served is what the log gives by that opening, and the page and doctor name it.
    let same = "twinstore_served_values_total{view=\"visits@1\",outcome=\"same\"} ";
    eventually("reads were compared", || {
        page(&server);
        counted(&server, same) >= 1.0
    });
    let differs = "twinstore_served_values_total{view=\"visits@1\",outcome=\"differs\"} ";
    assert_eq!(counted(&server, differs), 0.0);
    project.ok("verify visits --served");
    project.ok("verify visits");
    project.ok("verify --values visits@1");
    says(&project.run("doctor").stdout, &["visits@1: its circuit breaker is open since", "unit-changed"]);
    says(&server.get("/"), &["its circuit breaker is open since"]);
    let labels = [good.clone(), during.clone()];
    assert_eq!(trained(&project, &labels), [format!("1,{good},home,1,1"), format!("1,{during},home,1,1")]);

    project.ok("breaker close visits --reason mended");
    says(&refused(&project, "breaker close visits --reason again"), &["is not open"]);
    eventually("readers get what the rows give", || page(&server) == is("later", "PRESENT"));
    let after = moment();
    // What was served meanwhile stays what training sets have, and they say so.
    let labels = [good, during, after];
    let served = ["home,1,1", "home,1,1", "later,1,3"];
    let expected: Vec<String> = labels.iter().zip(served).map(|(at, row)| format!("1,{at},{row}")).collect();
    assert_eq!(trained(&project, &labels), expected);
    let said = project.ok("training-set --service visit --spine spine.csv --time t --out set.csv");
    says(&said, &["1 label while the circuit breaker of visits@1 was open, and has what was served then"]);
    let manifest: Value = serde_json::from_str(&project.read("set.csv.manifest.json")).unwrap();
    assert_eq!(
        (&manifest["breakers"][0]["labels"], &manifest["breakers"][0]["number"]),
        (&json!(1), &json!(1))
    );
    project.ok("training-set verify set.csv");
    let audit = project.ok("audit visits@1");
    says(&audit, &["breaker_open", "unit-changed", "breaker_close", "mended"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn only_the_named_features_are_held_in_serving_and_in_training_and_each_opening_closes_alone() {
    let project = clicks();
    let server = Server::start(&project);
    push(&server, &rows(1..4, "home", 5.0));
    let good = moment();
    push(&server, &rows(1..4, "wrong", 5.0));
    says(
        &refused(&project, "breaker open visits --features pages --reason x"),
        &["visits@1 has no feature `pages`: it has page, id, clicks"],
    );
    let open = format!("breaker open visits --features page --good-until {good} --reason renamed");
    eventually("it can be opened", || project.run(&open).code == Some(0));
    // Another opening of another feature stands beside it; one of the same feature does not.
    project.ok("breaker open visits --features id --answers no_value --reason probe");
    says(
        &refused(&project, "breaker close visits --number 77 --reason x"),
        &["visits@1 is not open by the number 77: it is open", " of page and ", " of id"],
    );
    says(&refused(&project, "breaker open visits --reason all"), &["visits@1 is open since"]);
    let cells = || {
        let columns = server.post("/v1/features", &visit()).1["columns"].clone();
        ["page", "id", "clicks"].map(|name| {
            let column = &columns[name];
            (column["values"][0].clone(), column["statuses"][0].clone(), column["event_times"][0].clone())
        })
    };
    let (held, none) = (json!("LAST_KNOWN_GOOD"), json!("BREAKER_OPEN"));
    eventually("each feature is answered by its own opening", || {
        let [page, id, _] = cells();
        (page.0, page.1, id.1) == (json!("home"), held.clone(), none.clone())
    });
    let [page, id, clicks] = cells();
    assert_eq!((&id.0, &clicks.0, &clicks.1), (&Value::Null, &json!(2), &json!("PRESENT")));
    assert!(
        page.2.as_str() < clicks.2.as_str(),
        "{page:?} has the time of the last good moment, {clicks:?} its own"
    );
    let head = server.head_of("/v1/features", &visit().to_string());
    says(&head, &["visits@1:page=last_known_good", "visits@1:id=no_value"]);
    let sample = "twinstore_breaker_open{view=\"visits@1\",feature=\"page\",answers=\"last_known_good\",rule=\"none\"} ";
    eventually("metrics name the feature", || counted(&server, sample) == 1.0);
    says(
        &project.run("doctor").stdout,
        &["its circuit breaker is open for page since", "is open for id since"],
    );
    let got = project.json("get visit visitor=1");
    assert_eq!(got["features"]["page"]["status"], "LAST_KNOWN_GOOD", "{got}");
    assert_eq!(got["features"]["clicks"]["value"], 2, "{got}");

    // Training has the same at a label of then, and the verifier of served values finds no difference.
    let during = moment();
    eventually("the log has it", || {
        trained(&project, std::slice::from_ref(&during)) == [format!("1,{during},home,,2")]
    });
    let said = project.ok("training-set --service visit --spine spine.csv --time t --out set.csv");
    says(
        &said,
        &["1 label while the circuit breaker of visits@1 was open for page, and has", "open for id, and has"],
    );
    project.ok("training-set verify set.csv");
    let same = "twinstore_served_values_total{view=\"visits@1\",outcome=\"same\"} ";
    eventually("reads were compared", || {
        cells();
        counted(&server, same) >= 2.0
    });
    let differs = "twinstore_served_values_total{view=\"visits@1\",outcome=\"differs\"} ";
    assert_eq!(counted(&server, differs), 0.0);
    project.ok("verify visits --served");

    says(
        &refused(&project, "breaker close visits --reason done"),
        &["is open 1 of page and 2 of id: say which of these is to be closed by its number"],
    );
    project.ok("breaker close visits --number 1 --reason renamed-back");
    eventually("the page is that of its rows again", || cells()[0].0 == "wrong");
    assert_eq!(cells()[1].1, none);
    project.ok("breaker close visits --reason done");
    eventually("all are", || cells().iter().all(|cell| cell.1 == "PRESENT"));
    assert_eq!(trained(&project, std::slice::from_ref(&during)), [format!("1,{during},home,,2")]);
    says(&project.ok("audit visits@1"), &["opening 1 of page from", "opening 2 of id from"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_view_may_answer_no_value_and_then_training_sets_have_none() {
    let project = clicks();
    let server = Server::start(&project);
    push(&server, &rows(1..3, "home", 5.0));
    let before = moment();
    project.ok("breaker open visits --answers no_value --reason x");
    let nothing = (Value::Null, json!("BREAKER_OPEN"));
    eventually("readers get no value", || page(&server) == nothing);
    let during = moment();
    let got = project.json("get visit visitor=1");
    // Not even what is never null of a known visitor.
    assert_eq!(
        got["features"]["clicks"],
        json!({
            "value": null, "status": "BREAKER_OPEN", "event_time": null, "available_at": null, "age_s": null, "fresh": null,
        })
    );
    let labels = [before.clone(), during.clone()];
    assert_eq!(trained(&project, &labels), [format!("1,{before},home,1,1"), format!("1,{during},,,")]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn the_last_good_answers_of_a_loaded_view_are_those_of_its_history_and_are_written_again_with_the_store() {
    let project = Project::sample();
    project.without_ttl();
    project.ok("apply");
    project.ok("backfill --all");
    let good = "2013-06-05T00:00:00Z";
    says(
        &project.refused("breaker open airport_arrivals --good-until 2010-01-01T00:00:00Z --reason x"),
        &["nothing of airport_arrivals@1 was readable at 2010-01-01"],
    );
    project.ok(&format!("breaker open airport_arrivals --good-until {good} --reason x"));
    let get = "get late_arrival dest=LAX tailnum=N338AA distance=2475";
    let is_kept = |read: &Value| read["features"]["dest_arrivals_1d"]["status"] == "LAST_KNOWN_GOOD";
    eventually("it holds", || is_kept(&project.json(get)));
    let read = project.json(get);
    project.write(
        "spine.csv",
        format!("dest,tailnum,distance,t\nLAX,N338AA,2475,{good}\nLAX,N338AA,2475,{}\n", now()),
    );
    project.ok("training-set --service late_arrival --spine spine.csv --time t --out set.csv");
    let set = project.read("set.csv");
    let mut lines = set.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let (header, then, today) = (lines.next().unwrap(), lines.next().unwrap(), lines.next().unwrap());
    let mut compared = 0;
    for (index, name) in header.iter().enumerate().filter(|(_, name)| name.starts_with("dest_")) {
        assert_eq!(then[index], today[index], "{name}");
        let value = &read["features"][*name]["value"];
        assert_eq!(
            value.to_string().trim_matches('"').parse::<f64>().ok(),
            today[index].parse().ok(),
            "{name}"
        );
        compared += 1;
    }
    assert!(compared >= 3, "{set}");
    // A store that is lost answers no value, and never what came later.
    let kept = project.json(get);
    std::fs::remove_dir_all(project.path(".twinstore/online")).unwrap();
    let lost = project.run(&format!("{get} --format json"));
    if lost.code == Some(0) {
        let lost: Value = serde_json::from_str(&lost.stdout).unwrap();
        assert_eq!(lost["features"]["dest_arrivals_1d"]["status"], "BREAKER_OPEN", "{lost}");
    }
    project.ok("online rebuild");
    let again = project.json(get);
    assert_eq!(again["features"]["dest_arrivals_1d"]["value"], kept["features"]["dest_arrivals_1d"]["value"]);
    assert!(is_kept(&again), "{again}");
}

#[test]
fn a_breaker_opens_where_too_many_rows_are_refused_and_closes_once_they_are_good_again() {
    let project = with(&(visitors(CLICKS) + BY_BAD_SHARE));
    let server = Server::start(&project);
    push(&server, &rows(1..20, "home", 5.0));
    assert_eq!(page(&server), is("home", "PRESENT"));
    // Rows in a window of ten seconds: nothing was good before it, so no value is answered at first.
    eventually("it opens", || {
        let bad = json!({"source": "clicks", "rows": rows(1..20, "wrong", -1.0)});
        assert_eq!(server.post("/v1/push", &bad).0, 400);
        !openings(&project).is_empty()
    });
    let opening = &openings(&project)[0];
    assert_eq!((&opening["rule"], &opening["view"]), (&json!("bad_share"), &json!("visits@1")), "{opening}");
    says(opening["why"].as_str().unwrap(), &["were refused, and 20% may be"]);
    eventually("readers are kept from it", || page(&server).1 != "PRESENT");
    eventually("it closes", || !openings(&project)[0]["until"].is_null());
    eventually("readers get what the rows give", || page(&server) == is("home", "PRESENT"));
    let audit = project.ok("audit visits@1");
    says(&audit, &["breaker_open", "by the rule bad_share", "breaker_close"]);
    let opened = openings(&project).len();
    push(&server, &rows(1..20, "cart", 5.0));
    assert_eq!(openings(&project).len(), opened, "good rows open nothing");

    // From now on there is a good moment before the window.
    eventually("there is one", || {
        project.run("breaker open visits --reason probe --answers last_known_good").code == Some(0)
    });
    eventually("it holds", || {
        page(&server) == is("home", "LAST_KNOWN_GOOD") || page(&server) == is("cart", "LAST_KNOWN_GOOD")
    });
    // What a person has opened, no rule closes.
    eventually("the rules were checked again", || {
        let bad = json!({"source": "clicks", "rows": rows(1..20, "wrong", -1.0)});
        server.post("/v1/push", &bad);
        counted(&server, "twinstore_push_rows_total{outcome=\"refused\"} ") > 60.0
    });
    assert!(openings(&project)[0]["until"].is_null());
    project.ok("breaker close visits --reason done");
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_breaker_that_never_opens_or_counts_what_is_not_there_is_refused() {
    let project = Project::sample();
    project.edit(
        "features/flights.yaml",
        "name: airport_arrivals\n",
        "name: airport_arrivals\nbreaker: {bad_share: 0.1}\n",
    );
    says(&project.refused("plan"), &["`bad_share` of the breaker", "the source has no `stream`"]);
    project.edit("features/flights.yaml", "breaker: {bad_share: 0.1}", "breaker: {answers: no_value}");
    says(&project.refused("plan"), &["never opens by itself: add `bad_share`, `drift`, `skew` or `stale`"]);
    project.edit(
        "features/flights.yaml",
        "breaker: {answers: no_value}",
        "breaker: {drift: 1, features: [last_dely]}",
    );
    says(
        &project.refused("plan"),
        &[
            "the breaker of feature_view `airport_arrivals` names `last_dely`, which is no feature of it, did you mean `last_delay`?",
        ],
    );
    project.edit("features/flights.yaml", "features: [last_dely]", "features: []");
    says(&project.refused("plan"), &["`features` of the breaker of", "is empty: name some"]);
    project.edit(
        "features/flights.yaml",
        "breaker: {drift: 1, features: []}",
        "breaker: {answers: no_value}",
    );
    project.edit(
        "features/flights.yaml",
        "breaker: {answers: no_value}",
        "breaker: {drift: 0.25, window: 1s, min_rows: 1.5}",
    );
    says(
        &project.refused("plan"),
        &["make it at least 10s", "`min_rows` of the breaker", "is not a whole number"],
    );
    project.edit("features/flights.yaml", ", window: 1s, min_rows: 1.5", "");
    project.ok("apply");
    // It changes nothing that a version computes, so it may change after its first use.
    project.ok("backfill --all");
    project.edit("features/flights.yaml", "breaker: {drift: 0.25}", "breaker: {drift: 0.5}");
    project.ok("apply");
}

#[test]
fn a_breaker_opens_where_the_newest_date_has_other_values() {
    let project = Project::empty();
    let definitions = BY_DRIFT.to_owned();
    project.write("features/base.yaml", definitions);
    project.write("twinstore.toml", "serve.grpc = \"127.0.0.1:0\"\nserve.http = \"127.0.0.1:0\"\n");
    let day = |day: u32, shift: u32| -> String {
        (0..200)
            .map(|row| {
                format!("u{},2024-01-{day:02}T12:00:{:02}Z,{}.5\n", row % 20, row % 60, row % 97 + shift)
            })
            .collect()
    };
    let days = |last: u32| (1..=last).map(|number| day(number, 0)).collect::<String>();
    project.write("data/a.csv", format!("k,ts,v\n{}", days(10)));
    project.ok("apply");
    project.ok("backfill --all");
    let server = Server::start(&project);
    let features = json!({"service": "s", "entities": {"k": ["u1"]}});
    let status = || server.post("/v1/features", &features).1["columns"]["m"]["statuses"][0].clone();
    assert_eq!(status(), "PRESENT");
    project.write("data/b.csv", format!("k,ts,v\n{}", day(11, 5000)));
    let before = micros_now();
    project.ok("materialize");
    let loaded = before..micros_now();
    eventually("it opens", || status() == "LAST_KNOWN_GOOD");
    let opening = &openings(&project)[0];
    assert_eq!(opening["rule"], "drift", "{opening}");
    // What was answered last before the date was loaded, or ten seconds before it opened, whichever is earlier.
    let good_until: Micros = opening["good_until"].as_str().unwrap().parse().unwrap();
    assert!((loaded.start - 10_000_000..loaded.end).contains(&good_until.get()), "{opening}");
    says(opening["why"].as_str().unwrap(), &["2024-01-11", "(PSI "]);
    // Who closes it has seen the date: only other rows of it, or another date, are found again.
    project.ok("breaker close a --reason a-campaign");
    eventually("it is closed", || status() == "PRESENT");
    let looked = micros_now() + 25_000_000;
    eventually("statistics were looked at again", || micros_now() > looked);
    assert_eq!((status(), openings(&project).len()), (json!("PRESENT"), 1));
    project.write("data/c.csv", format!("k,ts,v\n{}", day(12, 9000)));
    project.ok("materialize");
    eventually("it opens by the next date", || openings(&project).len() == 2);
    assert_eq!(server.terminate().0, Some(0));
}

/// A view over files whose breaker opens by drift.
const BY_DRIFT: &str = "kind: entity
name: user
keys: {k: string}
---
kind: source
name: rows
schema: {k: string, ts: timestamp, v: float64}
event_time: ts
assumed_delay: 1m
batch: {path: data}
---
kind: feature_view
name: a
version: 1
entity: user
source: rows
breaker: {drift: 0.25}
features: {m: {aggregate: mean(v)}}
---
kind: feature_service
name: s
version: 1
features: [{from: a@1}]
";
