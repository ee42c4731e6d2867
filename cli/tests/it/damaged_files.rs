//! Files that are not as they were written: named by whoever needs them, and all at once by `verify`.

use std::fs;
use std::path::{Path, PathBuf};

use feature::Micros;
use materializer::{PushLog, Pushed};
use serde_json::json;

use crate::project::{Project, TRAINING, says};

const LOG: &str = ".twinstore/offline/log/airport_arrivals/v1";

fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 4;
    fs::write(path, bytes).unwrap();
}

fn first_file(folder: &Path) -> PathBuf {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    match entries.iter().find(|path| path.extension().is_some_and(|extension| extension == "parquet")) {
        Some(file) => file.clone(),
        None => entries.iter().filter(|path| path.is_dir()).map(|path| first_file(path)).next().unwrap(),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn verify_finds_nothing_in_a_project_that_is_whole_and_everything_in_one_that_is_not() {
    let project = Project::loaded();
    project.ok(&format!("{TRAINING} a.parquet"));
    fs::create_dir(project.path("sets")).unwrap();
    project.ok(&format!("{TRAINING} sets/b.csv"));
    let whole = project.json("verify --deep");
    assert_eq!(whole["damaged"], json!([]));
    let checked = whole["checked"].as_array().unwrap();
    let of = |what: &str| checked.iter().find(|checked| checked["what"] == what).unwrap();
    assert!(of("log/airport_arrivals/v1")["files"].as_u64().unwrap() > 6, "{whole}");
    assert_eq!(of("log/airport_arrivals/v1")["without_checksums"], 0);
    assert_eq!(of("training sets")["files"], 2);
    assert!(project.ok("verify").contains("--deep reads everything"));

    let log = project.path(LOG);
    let file = first_file(&log);
    let commit = log.join("_delta_log/00000000000000000001.json");
    let middle = |path: &Path| fs::read(path).unwrap().len() / 2;
    flip(&file, middle(&file));
    flip(&commit, middle(&commit));
    flip(&project.path("a.parquet"), 100);
    fs::remove_file(project.path("sets/b.csv")).unwrap();
    let found = project.refused("verify --deep");
    let names = [name(&file), name(&commit), "a.parquet".to_owned(), "sets/b.csv".to_owned()];
    says(&found, &names.each_ref().map(String::as_str));
    says(&found, &["restore it from a copy", "make it again, or delete its manifest"]);
    let found = project.run("verify --deep --format json");
    let json: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!((found.code, json["damaged"].as_array().unwrap().len()), (Some(1), 4), "{json}");
    says(&project.refused(&format!("{TRAINING} c.parquet")), &[&name(&commit), "is damaged"]);
}

#[test]
fn a_file_of_rows_that_is_cut_lost_or_flipped_is_named_by_all_that_read_it() {
    let project = Project::loaded();
    let file = first_file(&project.path(LOG));
    let original = fs::read(&file).unwrap();
    let damages: [(&str, Option<Vec<u8>>); 4] = [
        ("lost", None),
        ("empty", Some(Vec::new())),
        ("cut", Some(original[..original.len() / 2].to_vec())),
        ("flipped", Some(original.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 40)).collect())),
    ];
    for (how, bytes) in damages {
        match bytes {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        for command in
            [&format!("{TRAINING} c.parquet"), "online rebuild airport_arrivals@1", "verify --deep"]
        {
            let done = project.run(command);
            assert_eq!(done.code, Some(1), "{how}, {command}: {}", done.stderr);
            assert!(done.stderr.contains(&name(&file)), "{how}, {command}: {}", done.stderr);
        }
        fs::write(&file, &original).unwrap();
    }
    project.ok("verify --deep");
    project.ok(&format!("{TRAINING} c.parquet"));
}

#[test]
fn a_pushed_row_that_is_damaged_on_disk_is_found_by_verify() {
    let project = Project::loaded();
    let topic = project.path(".twinstore/topics/landings");
    let mut log = PushLog::open(&topic).unwrap();
    for row in 0..50 {
        let value = Some(format!("{{\"flight_id\": {row}}}").into_bytes());
        log.append(&[Pushed { key: None, value }], Micros::new(0).unwrap()).unwrap();
    }
    drop(log);
    let whole = project.json("verify --deep");
    assert!(whole["checked"].as_array().unwrap().iter().any(|checked| checked["what"] == "topic landings"));
    let segment = "00000000000000000000.segment";
    flip(&topic.join(segment), 600);
    says(&project.refused("verify --deep"), &[segment, "does not match its checksum"]);
    // A link to a disk that is not mounted.
    fs::rename(topic.join(segment), project.path("segment")).unwrap();
    std::os::unix::fs::symlink(project.path("unmounted/segment"), topic.join(segment)).unwrap();
    says(&project.refused("verify --deep"), &[segment, "its link leads to a file that is not there"]);
    fs::remove_file(topic.join(segment)).unwrap();
    says(&project.refused("verify --deep"), &["its segments are missing", "offsets up to 50"]);
}

#[test]
fn a_count_of_rows_that_was_edited_in_a_manifest_is_a_difference() {
    let project = Project::loaded();
    project.ok(&format!("{TRAINING} a.parquet"));
    let manifest = project.read("a.parquet.manifest.json");
    let (before, after) = manifest.split_once("\"rows\": ").unwrap();
    let (rows, after) = after.split_once(',').unwrap();
    project.write("a.parquet.manifest.json", format!("{before}\"rows\": 1{rows},{after}"));
    let verified = project.run("training-set verify a.parquet");
    assert_eq!(verified.code, Some(1));
    let said = format!("has {rows} rows, and its manifest says 1{rows}");
    says(&format!("{}{}", verified.stdout, verified.stderr), &[&said]);
}

#[test]
fn a_commit_that_is_a_folder_now_is_named_as_one_wherever_it_stands() {
    let project = Project::loaded();
    let commits = project.path(LOG).join("_delta_log");
    let mut names: Vec<PathBuf> =
        fs::read_dir(&commits).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    names.sort();
    for path in [&names[0], &names[1], names.last().unwrap()] {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
        for words in ["verify", "materialize", &format!("{TRAINING} out.parquet")] {
            let done = project.run(words);
            assert_eq!(done.code, Some(1), "{words}: {}{}", done.stdout, done.stderr);
            says(&(done.stdout + &done.stderr), &[&name(path), "it is a folder, and was a file"]);
        }
        fs::remove_dir(path).unwrap();
        fs::write(path, bytes).unwrap();
    }
    project.ok("verify --deep");
}
