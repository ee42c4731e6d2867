//! Rows beyond retention, and files that only older versions have: what goes, what stays, and what is said.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::project::{Project, says};
use crate::pushed::micros_now;
use crate::served::Server;

const DEFINITIONS: &str = "kind: entity
name: user
keys: {user: int64}
---
kind: source
name: payments
schema: {id: int64, user: int64, at: timestamp, amount: float64}
event_time: at
batch: {path: data/payments}
---
kind: feature_view
name: spending
version: 1
entity: user
source: payments
ttl: 1d
retention: {online: 2d, offline: 3d}
features:
  last:  {latest: amount}
  today: {aggregate: sum(amount), window: 1d}
  rows:  {aggregate: count, window: 12h}
---
kind: feature_view
name: kept
version: 1
entity: user
source: payments
ttl: 1d
retention: {offline: 3d}
features:
  last: {latest: amount}
---
kind: feature_service
name: limits
version: 1
features:
  - {from: spending@1}
";
const DERIVED: &str = "kind: feature_view
name: peaks
version: 1
entity: user
source: {view: spending@1}
features:
  peak: {aggregate: max(today), window: 1d}
";
const TRAINING: &str = "training-set --service limits --spine spine.csv --time t --out";
const HOUR: i64 = 3_600_000_000;
/// Payments of user 1 and 2 some hours ago; those of user 3 are all old. The old ones are of two dates, whatever hour it is.
const PAYMENTS: [(i64, i64); 7] = [(1, 1), (1, 20), (2, 3), (1, 150), (2, 150), (3, 150), (3, 220)];

fn ago(hours: i64) -> String {
    feature::Micros::new(micros_now() - hours * HOUR).unwrap().to_string()
}

fn write_payments(project: &Project, name: &str, payments: &[(i64, i64)]) {
    let row = |(id, (user, hours)): (usize, &(i64, i64))| format!("{id},{user},{},{id}.5\n", ago(*hours));
    let rows: String = payments.iter().enumerate().map(row).collect();
    project.write(&format!("data/payments/{name}"), format!("id,user,at,amount\n{rows}"));
}

fn write_spine(project: &Project, name: &str, hours: &[i64]) {
    let labels = hours.iter().flat_map(|hours| (1..=4).map(move |user| format!("{user},{}\n", ago(*hours))));
    project.write(name, format!("user,t\n{}", labels.collect::<String>()));
}

/// Loaded twice, each time in a commit of its own.
fn loaded() -> Project {
    let project = Project::empty();
    project.write("features/all.yaml", DEFINITIONS);
    write_payments(&project, "a.csv", &PAYMENTS);
    project.ok("apply");
    project.ok("backfill --all");
    write_payments(&project, "b.csv", &[(1, 2), (2, 4), (1, 150)]);
    project.ok("materialize");
    write_spine(&project, "spine.csv", &[0, 5]);
    project
}

fn only<'a>(found: &'a Value, view: &str) -> &'a Value {
    found["views"].as_array().unwrap().iter().find(|one| one["view"] == view).unwrap()
}

#[test]
fn old_dates_go_from_both_stores_and_nobody_who_asks_for_what_is_kept_notices() {
    let project = loaded();
    project.ok(&format!("{TRAINING} before.csv"));
    let would = project.json("offline expire --all --dry-run");
    let log = project.json("offline loads spending");
    let done = project.json("offline expire --all");
    // Who did it, what it is without now, and how much went; a try changes nothing.
    let audit = project.ok("audit");
    let entries: Vec<&str> = audit.lines().filter(|line| line.contains(" expire ")).collect();
    assert_eq!(entries.len(), 1, "{audit}");
    says(
        entries[0],
        &[
            "feature_view spending@1",
            "without rows before 20",
            "5 rows of ",
            "of 2 dates in 3 files, 1 online row",
        ],
    );
    says(&project.ok("lineage spending@1"), &[" expire ", "dropped 5 rows", "complete"]);
    let (spending, kept) = (only(&done, "spending@1"), only(&done, "kept@1"));
    assert_eq!(only(&would, "spending@1")["rows"], 5);
    assert_eq!((&spending["rows"], &spending["online_rows"]), (&Value::from(5), &Value::from(1)));
    says(kept["why_not"].as_str().unwrap(), &["`online`", "ever seen"]);
    says(&project.refused("offline expire kept"), &["kept@1", "names no `online`"]);
    project.ok(&format!("{TRAINING} after.csv"));
    assert_eq!(project.read("after.csv"), project.read("before.csv"));
    for words in ["verify --deep", "verify spending", "training-set verify before.csv"] {
        project.ok(words);
    }
    // What was loaded stays known.
    for words in ["backfill spending", "materialize spending"] {
        let loaded = project.json(words);
        assert_eq!(loaded["views"][0]["rows_loaded"], 0, "{words}: {loaded}");
    }
    let again = project.json("offline expire spending");
    assert_eq!(again["views"][0]["rows"], 0, "{again}");
    assert_eq!(project.ok("audit").matches(" expire ").count(), 1, "what drops nothing is no change");
    assert_eq!(
        project.json("offline loads spending").as_array().unwrap().len(),
        2 + log.as_array().unwrap().len()
    );
    write_spine(&project, "early.csv", &[0, 75]);
    let refused = project.run(&format!("{} early-out.csv", TRAINING.replace("spine.csv", "early.csv")));
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    says(
        &refused.stderr,
        &["4 of the labels", "spending@1", "retention dropped", "leave out the labels before"],
    );
    assert!(!project.path("early-out.csv").exists());
}

#[test]
fn rows_from_which_others_are_derived_stay_and_a_new_view_does_not_begin_with_a_part_of_them() {
    let project = loaded();
    project.write("features/derived.yaml", DERIVED);
    project.ok("apply");
    says(&project.refused("offline expire spending"), &["peaks@1 is derived"]);
    let late = loaded();
    late.ok("offline expire spending");
    late.write("features/derived.yaml", DERIVED);
    late.ok("apply");
    let refused = late.run("backfill peaks");
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    says(&(refused.stdout + &refused.stderr), &["peaks@1", "spending@1", "retention dropped"]);
}

fn files(project: &Project) -> u64 {
    let folder = project.path(".twinstore/offline/log/spending/v1");
    let dates = fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_dir());
    let of_date = |entry: fs::DirEntry| {
        let files = fs::read_dir(entry.path()).unwrap().flatten();
        files.filter(|file| file.path().extension().is_some_and(|end| end == "parquet")).count() as u64
    };
    dates.filter(|entry| !entry.path().ends_with("_delta_log")).map(of_date).sum()
}

#[test]
fn a_vacuum_keeps_what_a_training_set_was_built_from_until_that_is_too_old_and_verify_says_so() {
    let project = loaded();
    project.ok(&format!("{TRAINING} out.csv"));
    project.ok("offline expire spending");
    project.ok("offline optimize");
    let before = files(&project);
    // What is recent is kept, whatever else.
    let nothing = project.json("offline vacuum spending");
    assert_eq!(nothing["views"][0]["vacuumed"]["log"]["files"], 0, "{nothing}");
    let pinned = project.json("offline vacuum spending --keep-versions-for 1ms");
    assert_eq!((&pinned["views"][0]["training_sets"], files(&project)), (&Value::from(1), before));
    project.ok("training-set verify out.csv");
    let all = "offline vacuum spending --keep-versions-for 1ms --keep-training-sets-for 1ms";
    let would = project.json(&format!("{all} --dry-run"));
    assert_eq!(files(&project), before);
    let done = project.json(all);
    let log = &done["views"][0]["vacuumed"]["log"];
    assert_eq!(log, &would["views"][0]["vacuumed"]["log"]);
    let audit = project.ok("audit");
    let entries: Vec<&str> = audit.lines().filter(|line| line.contains(" vacuum ")).collect();
    let newest = entries.last().unwrap();
    let whole = format!("whole from version {} on", log["whole_from"]);
    says(newest, &["feature_view spending@1", &whole, "files of older versions", " bytes"]);
    says(&project.ok("lineage spending@1"), &[" vacuum ", "dropped ", " files"]);
    assert_eq!(before - files(&project), log["files"].as_u64().unwrap());
    assert!(log["files"].as_u64().unwrap() >= 4 && log["bytes"].as_u64().unwrap() > 1000, "{log}");
    let verified = project.run("training-set verify out.csv");
    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    says(&(verified.stdout + &verified.stderr), &["cannot be built again to the bit", "version", "vacuum"]);
    for words in
        ["verify --deep", "verify spending", "online rebuild", "materialize", "quality statistics spending"]
    {
        project.ok(words);
    }
    // What is built from now on is as it was.
    project.ok(&format!("{TRAINING} again.csv"));
    assert_eq!(project.read("again.csv"), project.read("out.csv"));
    project.ok("training-set verify again.csv");
}

#[test]
fn a_server_drops_what_is_old_and_removes_its_files_by_itself_where_the_settings_say_so() {
    let project = loaded();
    let settings = "offline.upkeep_every = \"1s\"\noffline.keep_versions_for = \"1s\"\n";
    project.write("twinstore.toml", settings);
    let before = files(&project);
    let server = Server::start(&project);
    let began = Instant::now();
    while files(&project) == before {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing went");
        thread::sleep(Duration::from_millis(50));
    }
    drop(server);
    let left = project.json("offline expire spending --dry-run");
    assert_eq!(left["views"][0]["rows"], 0, "{left}");
    project.ok("verify --deep");
}

#[test]
fn a_cost_is_estimated_for_numbers_of_ones_own_and_stands_beside_what_is_taken() {
    let project = loaded();
    let parts = |words: &str| {
        let cost = project.json(words);
        let parts = cost["views"][0]["parts"].as_array().unwrap().clone();
        move |part: &str, what: &str| parts.iter().find(|one| one["part"] == part).unwrap()[what].as_f64()
    };
    let own = parts("offline cost limits");
    let log = own("log", "taken").unwrap();
    assert!(log > 1000.0 && own("online store", "taken").unwrap() > 100.0);
    assert_eq!(own("log", "estimated_a_month"), None);
    let words = "offline cost spending --entities 1000000 --every 1h --kept-for 365d --log-price 0.02 --online-price 3";
    let large = parts(words);
    // 9 bytes of facts, a key and an amount of 8.
    assert_eq!(large("log", "estimated"), Some(1e6 * 24.0 * 365.0 * 25.0));
    assert_eq!(large("log", "estimated_a_month"), Some(1e6 * 24.0 * 365.0 * 25.0 / 1e9 * 0.02));
    assert_eq!(large("log", "taken"), Some(log));
    let double = parts(&words.replace("1000000", "2000000"));
    let ratio = double("online store", "estimated").unwrap() / large("online store", "estimated").unwrap();
    assert!((ratio - 2.0).abs() < 1e-6, "{ratio}");
    assert!(project.run("offline cost spending --log-price=-1").stderr.contains("is not a price"));
}
