//! Versions never change: what may be edited, what may not, and two who apply at once.

use std::process::Stdio;

use crate::project::{Done, GET, Project, TRAINING, says};

#[test]
fn an_edited_window_is_refused_by_line_and_works_as_the_next_version() {
    let project = Project::loaded();
    let before = project.training_set();
    project.edit("features/flights.yaml", "aggregate: count, window: 1d", "aggregate: count, window: 2d");
    for command in ["plan", "apply"] {
        let message = project.refused(command);
        says(&message, &["features/flights.yaml:43:", "never changes", "1d → 2d", "add version 2 instead"]);
    }
    project.edit("features/flights.yaml", "aggregate: count, window: 2d", "aggregate: count, window: 1d");
    let text = project.read("features/flights.yaml");
    let view = text.split("---\n").find(|document| document.contains("name: airport_arrivals\n")).unwrap();
    let second = view.replace("version: 1", "version: 2").replace("count, window: 1d", "count, window: 2d");
    let service = "kind: feature_service\nname: late_arrival\nversion: 2\nfeatures:\n  \
                   - {from: airport_arrivals@2, on: {airport: dest}, take: [arrivals_1d], prefix: dest_}\n";
    project.write("features/second.yaml", format!("{second}---\n{service}"));
    says(&project.ok("plan"), &["+ view airport_arrivals@2", "late_arrival@2"]);
    project.ok("apply");
    says(&project.ok("backfill --all"), &["airport_arrivals@2      2,099   2,099", "nothing new"]);
    assert_eq!(project.training_set(), before, "the live version is still the first");
    project.ok(&format!("{} out.csv", TRAINING.replace("late_arrival", "late_arrival@2")));
    let read = |service: &str, rest: &str| {
        let read = project.json(&format!("get {service} dest=LAX {rest} --at 2013-06-08T01:00:00Z"));
        read["features"]["dest_arrivals_1d"]["value"].as_i64().unwrap()
    };
    assert!(read("late_arrival@2", "") > read("late_arrival", "tailnum=N338AA distance=2475"));
}

#[test]
fn a_service_counts_the_features_that_it_gives_and_not_its_choices() {
    let project = Project::applied();
    let features = |name: &str| {
        let listed = project.json("registry list");
        let listed = listed.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
        listed["features"].clone()
    };
    // All of two views, and one that is computed when it is read.
    assert_eq!(features("late_arrival"), 6);
    assert_eq!(features("airport_arrivals"), 3);
    project.edit(
        "features/flights.yaml",
        "{from: airport_arrivals@1, on: {airport: dest}, prefix: dest_}",
        "{from: airport_arrivals@1, on: {airport: dest}, take: [last_delay], prefix: dest_}",
    );
    project.ok("apply");
    assert_eq!(features("late_arrival"), 4);
}

#[test]
fn what_computes_nothing_may_change_and_is_kept_as_a_revision() {
    let project = Project::loaded();
    let before = project.answer();
    project.edit("features/flights.yaml", "objective: 1h", "objective: 2h");
    project.edit("features/flights.yaml", "path: data/landings.parquet", "path: data/moved.parquet");
    std::fs::rename(project.path("data/landings.parquet"), project.path("data/moved.parquet")).unwrap();
    let plan = project.ok("plan");
    says(&plan, &["airport_arrivals@1", "landings"]);
    says(&project.ok("apply"), &["0 added, 2 revised (generation 2)"]);
    says(&project.ok("registry show airport_arrivals@1"), &["revision  1 ", "revision  2 "]);
    assert_eq!(project.answer(), before);
}

#[test]
fn a_definition_whose_file_is_gone_stays_and_the_plan_says_so() {
    let project = Project::loaded();
    let text = project.read("features/flights.yaml");
    project.write("features/flights.yaml", text.rsplit_once("---\n").unwrap().0);
    let plan = project.ok("plan");
    says(&plan, &["late_arrival@1", "stays registered"]);
    project.ok("apply");
    says(&project.ok("registry list"), &["late_arrival@1"]);
    project.ok(GET);
}

#[test]
fn of_two_who_apply_at_once_one_wins_and_the_other_is_refused_or_comes_after() {
    let mut reported = 0;
    for round in 0..8 {
        let [one, two] = [Project::sample(), Project::sample()];
        let registry = format!("sqlite://{}", one.path("shared.db").display());
        two.edit("features/flights.yaml", "name: late_arrival", "name: late_landing");
        let running = [&one, &two].map(|project| {
            let mut command = project.command("apply");
            command.env("TWINSTORE_REGISTRY_URL", &registry).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        });
        let done = running.map(|child| Done::of(child.wait_with_output().unwrap()));
        let won = done.iter().filter(|done| done.code == Some(0)).count();
        assert!(won >= 1, "round {round}: {} {}", done[0].stderr, done[1].stderr);
        for lost in done.iter().filter(|done| done.code != Some(0)) {
            assert_eq!(lost.code, Some(1));
            says(&lost.stderr, &["the registry changed since", "again"]);
            reported += 1;
        }
        // Whoever was refused applies again, and then both are there.
        for project in [&one, &two] {
            let again = project.command("apply").env("TWINSTORE_REGISTRY_URL", &registry).output().unwrap();
            assert_eq!(Done::of(again).code, Some(0));
        }
        let listed = one.command("registry list").env("TWINSTORE_REGISTRY_URL", &registry).output().unwrap();
        says(&Done::of(listed).stdout, &["late_arrival@1", "late_landing@1"]);
    }
    println!("{reported} of 8 were refused");
}
