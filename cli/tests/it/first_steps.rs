//! The first minutes with the command: what `init` writes works at once, and says what comes next.

use crate::project::{GET, Project, TRAINING, says};

#[test]
fn every_command_that_init_names_succeeds() {
    let project = Project::sample();
    let project_of_ours = tempfile::tempdir().unwrap();
    let reported = project.ok(&format!("init {}", project_of_ours.path().join("flights").display()));
    let next = reported.split_once(":\n\n").unwrap().1.replace("\\\n", " ");
    let mut ran = 0;
    for line in next.lines() {
        project.ok(line.trim().strip_prefix("twinstore ").unwrap());
        ran += 1;
    }
    assert_eq!(ran, 5, "{next}");
    assert!(project.path("training.parquet").is_file());
}

#[test]
fn a_plan_says_what_is_added_and_whom_it_reaches_and_then_that_nothing_changes() {
    let project = Project::sample();
    let plan = project.ok("plan");
    says(&plan, &["+ view airport_arrivals@1 (3 features) → route@1, late_arrival@1", "7 to add"]);
    says(&project.ok("apply"), &["applied: 7 added, 0 revised (generation 1)"]);
    says(&project.ok("plan"), &["7 unchanged"]);
    says(&project.ok("apply"), &["nothing to apply", "generation 1"]);
    let plan = project.json("plan");
    assert!(plan.is_object(), "{plan}");
}

#[test]
fn a_read_shows_value_status_time_and_age_of_every_feature() {
    let project = Project::loaded();
    let read: serde_json::Value = serde_json::from_str(&project.ok(GET)).unwrap();
    assert_eq!(read["service"], "late_arrival@1");
    assert_eq!(read["at"], "2013-06-08T01:00:00Z");
    let delay = &read["features"]["dest_last_delay"];
    assert_eq!(delay["status"], "PRESENT", "{read}");
    assert!(delay["value"].is_number() && delay["age_s"].as_f64().unwrap() > 0.0, "{read}");
    assert!(delay["event_time"].as_str().unwrap() < delay["available_at"].as_str().unwrap(), "{read}");
    let computed = &read["features"]["delay_per_100_miles"];
    let mean = read["features"]["dest_mean_delay_1d"]["value"].as_f64().unwrap();
    assert_eq!(computed["value"].as_f64(), Some(mean / (2475.0 / 100.0)));
    says(&project.ok(&GET.replace(" --format json", "")), &["FEATURE", "dest_last_delay", "PRESENT"]);
}

#[test]
fn an_entity_that_was_never_seen_is_not_found_and_no_error() {
    let project = Project::loaded();
    let read = project.json("get late_arrival dest=XXX tailnum=N0 distance=1 --at 2013-06-08T01:00:00Z");
    for (name, feature) in read["features"].as_object().unwrap() {
        let status = if name == "delay_per_100_miles" { "NULL_VALUE" } else { "NOT_FOUND" };
        assert_eq!((&feature["status"], &feature["value"]), (&status.into(), &().into()), "{name}");
    }
}

#[test]
fn a_read_before_any_load_names_the_backfill() {
    let project = Project::applied();
    let read = project.run(GET);
    assert_eq!(read.code, Some(0), "{}", read.stderr);
    says(&read.stdout, &["NOT_FOUND"]);
    says(
        &read.stderr,
        &["nothing was loaded for airport_arrivals@1 yet: run `twinstore backfill airport_arrivals@1`"],
    );
    project.ok("backfill --all");
    assert_eq!(project.run(GET).stderr, "");
}

#[test]
fn a_training_set_ends_with_a_summary_that_names_the_leaks_it_avoided() {
    let project = Project::loaded();
    let summary = project.ok(&format!("{TRAINING} out.parquet --preview 2"));
    says(
        &summary,
        &["ROW 1", "LEAKS AVOIDED", "would have filled", "out.parquet: ", "6 features of late_arrival@1"],
    );
    let summary = project.json(&format!("{TRAINING} out.parquet"));
    assert_eq!(summary["features"].as_array().unwrap().len(), 6);
    assert!(summary["leaked_by_event_time"].as_u64().unwrap() > 0, "{summary}");
}

#[test]
fn a_project_needs_no_settings_file() {
    let project = Project::sample();
    std::fs::remove_file(project.path("twinstore.toml")).unwrap();
    project.ok("apply");
    says(&project.ok("registry list"), &["late_arrival@1", "live"]);
}

#[test]
fn init_overwrites_nothing() {
    let project = Project::sample();
    says(&project.refused("init ."), &["already has twinstore.toml", "name an empty folder"]);
}

#[test]
fn what_is_registered_can_be_looked_up() {
    let project = Project::applied();
    let listed = project.json("registry list");
    assert_eq!(listed.as_array().unwrap().len(), 7, "{listed}");
    let shown = project.ok("registry show airport_arrivals@1");
    says(&shown, &["features/flights.yaml", "read by", "late_arrival@1", "arrivals_1d"]);
    says(&project.refused("registry show airport_arival"), &["did you mean `airport_arrivals"]);
}

#[test]
fn a_wrong_command_line_exits_2() {
    let project = Project::sample();
    let cases = [
        "backfill",
        "backfill Airport_Arrivals",
        "backfill --all airport_arrivals@1",
        "backfill --all --from soon",
        "get late_arrival dest=LAX --at yesterday",
        "training-set --service late_arrival",
        "fly",
    ];
    for words in cases {
        let before = project.state();
        let done = project.run(words);
        assert_eq!(done.code, Some(2), "twinstore {words}: {}", done.stderr);
        assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
        assert!(before == project.state(), "twinstore {words}");
    }
}
