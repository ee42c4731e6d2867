//! `capacity` needs no project, says what breaks first, and refuses numbers that cannot be computed with.

use std::path::Path;

use serde_json::Value;

use crate::project::Project;

#[test]
fn a_demand_is_estimated_without_a_project_and_the_same_each_time() {
    let nowhere = Project::empty();
    let words = "capacity --requests 2k --features 60 --windows 20 --views 5 --entities 5M --peaks 1,4";
    let table = nowhere.ok(words);
    assert_eq!(table, nowhere.ok(words));
    for expected in
        ["2,000", "8,000", "HEADROOM", "failed, not noticed", "a request for 60 features of one entity"]
    {
        assert!(table.contains(expected), "{expected} is not in {table}");
    }
    let estimate: Value = serde_json::from_str(&nowhere.ok(&format!("{words} --format json"))).unwrap();
    assert_eq!(estimate["needs"][1]["requests_per_second"], 8_000.0);
    assert_eq!(estimate["demand"]["entities"], 5e6);
    let headrooms: Vec<f64> = estimate["limits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|limit| limit["headroom"].as_f64().unwrap())
        .collect();
    assert!(headrooms.len() == 6 && headrooms.is_sorted(), "{headrooms:?}");
}

#[test]
fn numbers_that_say_nothing_are_refused_in_one_sentence() {
    let nowhere = Project::empty();
    for (words, sentence) in [
        ("--utilisation 1", "the utilisation is 1, but has to be 0.05 to 0.95"),
        ("--windows 101", "101 of 100 features cannot have a window: give as many features or fewer windows"),
        (
            "--requests 0",
            "the number of requests a second is 0, but has to be a number above 0 and of at most 1e18",
        ),
    ] {
        let done = nowhere.run(&format!("capacity {words}"));
        assert_eq!(
            (done.code, done.stderr.trim()),
            (Some(1), format!("error: {sentence}").as_str()),
            "{words}"
        );
    }
    let done = nowhere.run("capacity --requests many");
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("write it as 250, 11.6k, 1.16M, 2G or 30T"), "{}", done.stderr);
}

#[test]
fn each_figure_names_a_page_that_is_there() {
    let figures: Value =
        serde_json::from_str(&Project::empty().ok("capacity --figures --format json")).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let decisions: Vec<String> = std::fs::read_dir(docs.join("decisions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for figure in figures.as_array().unwrap() {
        let source = figure["source"].as_str().unwrap();
        let is_there = match source.strip_prefix("decision ") {
            Some(number) => decisions.iter().any(|name| name.starts_with(number)),
            None => docs.join(source.split(',').next().unwrap()).is_file(),
        };
        assert!(is_there, "{source} is not there");
    }
}
