//! Tables beside a log that are gone or damaged: whoever looks at what is in them, and whoever checks, says so, and a project
//! of which no row was ever refused is well without them.

use std::fs;
use std::path::Path;

use crate::project::{Project, says};
use crate::quarantined::{QUARANTINES, expecting, write};

const OFFLINE: &str = ".twinstore/offline";
const DEAD_LETTERS: &str = ".twinstore/offline/dead_letters/airport_arrivals";

/// With a refused row, and a file in quarantine.
fn with_refused_rows() -> Project {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 100, 1);
    write(&project, "b", 1000, 100, 50);
    project.ok("backfill airport_arrivals");
    project
}

#[track_caller]
fn finds(project: &Project, words: &str, parts: &[&str]) {
    let done = project.run(words);
    assert_eq!(done.code, Some(1), "{words}: {}{}", done.stdout, done.stderr);
    says(&(done.stdout + &done.stderr), parts);
}

#[test]
fn dead_letters_that_are_gone_are_missed_by_whoever_reads_or_checks_them() {
    let project = with_refused_rows();
    for words in ["verify --deep", "doctor", "dead-letter list"] {
        project.ok(words);
    }
    fs::rename(project.path(DEAD_LETTERS), project.path("aside")).unwrap();
    let gone = ["the refused rows of airport_arrivals@1 are gone", "dead_letters/airport_arrivals/v1"];
    for words in ["verify", "verify --deep", "doctor", "dead-letter list"] {
        finds(&project, words, &gone);
    }
    fs::rename(project.path("aside"), project.path(DEAD_LETTERS)).unwrap();
    project.ok("verify --deep");
    project.ok("doctor");
}

#[test]
fn what_was_quarantined_is_missed_where_its_table_is_gone() {
    let project = with_refused_rows();
    fs::remove_dir_all(project.path(OFFLINE).join("quarantine/airport_arrivals")).unwrap();
    let gone = ["the quarantined files of airport_arrivals@1 is gone", "quarantine/airport_arrivals/v1"];
    for words in ["verify", "verify --deep", "doctor"] {
        finds(&project, words, &gone);
    }
    // Each can still be decided.
    says(&project.ok("quality quarantine list airport_arrivals"), &["what was found in it is lost"]);
}

#[test]
fn a_table_that_cannot_be_read_is_wrong_and_no_note() {
    for (table, said) in [
        ("dead_letters", "what airport_arrivals@1 refused"),
        ("statistics", "the statistics of airport_arrivals@1"),
    ] {
        let project = with_refused_rows();
        damage(&project.path(OFFLINE).join(table).join("airport_arrivals/v1"));
        finds(&project, "doctor", &[said, "cannot be read", "WRONG"]);
    }
}

/// Changes a byte of the first file of rows.
fn damage(table: &Path) {
    let files = fs::read_dir(table).unwrap().map(|entry| entry.unwrap().path());
    let file = files.filter(|file| file.extension().is_some_and(|end| end == "parquet")).min().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[40] ^= 0xff;
    fs::write(file, bytes).unwrap();
}

#[test]
fn lists_and_statistics_say_that_the_folder_of_the_logs_is_gone() {
    let project = with_refused_rows();
    fs::rename(project.path(OFFLINE), project.path("unmounted")).unwrap();
    for words in [
        "dead-letter list",
        "quality quarantine list",
        "quality statistics airport_arrivals",
        "drift airport_arrivals --reference 2013-06-01..2013-06-02",
    ] {
        finds(&project, words, &[OFFLINE, "`offline.url`"]);
    }
}

#[test]
fn statistics_that_are_gone_are_counted_again() {
    let project = with_refused_rows();
    let before = project.json("quality statistics airport_arrivals");
    fs::remove_dir_all(project.path(OFFLINE).join("statistics/airport_arrivals")).unwrap();
    assert_eq!(project.json("quality statistics airport_arrivals"), before);
}

#[test]
fn a_project_without_refused_rows_is_well_without_these_tables() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 100, 0);
    project.ok("backfill airport_arrivals");
    assert!(!project.path(DEAD_LETTERS).exists());
    for words in ["verify --deep", "doctor", "dead-letter list", "quality quarantine list"] {
        project.ok(words);
    }
}
