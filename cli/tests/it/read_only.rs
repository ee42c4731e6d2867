//! A project that lies where nothing can be written: it is read as anywhere else.

use std::process::Command;

use serde_json::Value;

use crate::project::{Done, GET, Project, TRAINING, says};

/// The command in a project whose folder is mounted for reading alone, as only this command sees it.
fn run(project: &Project, words: &str) -> Done {
    let folder = project.path("");
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && cd \"$1\" && \
                  ! touch written 2>/dev/null && shift && exec \"$@\"";
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = Command::new("unshare");
    // A user who is not root is root of a namespace of their own.
    command.args(if is_root { ["--mount"].as_slice() } else { &["--user", "--map-root-user", "--mount"] });
    command.args(["sh", "-c", script, "sh"]).arg(&folder).arg(env!("CARGO_BIN_EXE_twinstore"));
    let ended = command.args(words.split_whitespace()).output();
    Done::of(ended.expect("`unshare` of util-linux is needed to mount a folder for reading alone"))
}

fn ok(project: &Project, words: &str) -> String {
    let done = run(project, words);
    assert_eq!(done.code, Some(0), "{words}: {}{}", done.stdout, done.stderr);
    done.stdout
}

fn answer(text: &str) -> Value {
    let answer: Value = serde_json::from_str(text).unwrap();
    answer["features"].clone()
}

#[test]
fn a_project_on_a_read_only_mount_is_read_and_not_written() {
    let project = Project::loaded();
    let right = answer(&ok(&project, GET));
    assert!(right.as_object().unwrap().values().any(|feature| feature["status"] == "PRESENT"), "{right}");
    let elsewhere = Project::empty();
    let out = elsewhere.path("out.parquet");
    ok(&project, &format!("{TRAINING} {}", out.display()));
    assert!(out.exists());
    says(&ok(&project, "registry show late_arrival"), &["late_arrival@1", "dest_last_delay"]);
    ok(&project, "registry list");
    ok(&project, "verify");
    // What is to be written there is refused, and nothing is half done.
    for words in ["materialize", "online rebuild", "registry remove late_arrival@1"] {
        let done = run(&project, words);
        assert_eq!(done.code, Some(1), "{words}: {}{}", done.stdout, done.stderr);
    }
    // Nothing of it was used there: it is written and read as before.
    assert_eq!(answer(&project.ok(GET)), right);
    project.ok("materialize");
    project.ok("verify --deep");
}
