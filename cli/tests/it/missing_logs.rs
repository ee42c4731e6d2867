//! Logs that are not where the settings say: nothing is emptied, and nothing is started again.

use std::fs;

use crate::project::{GET, Project, TRAINING, says};
use crate::pushed;

const LOGS: &str = ".twinstore/offline";

#[test]
fn where_the_folder_of_the_logs_is_gone_or_another_one_nothing_is_emptied_or_begun_again() {
    let project = Project::loaded();
    let right = project.ok(GET);
    fs::rename(project.path(LOGS), project.path("unmounted")).unwrap();
    let training = format!("{TRAINING} out.parquet");
    for words in
        ["online rebuild", "backfill --all", "materialize", "offline optimize", &training, "verify --deep"]
    {
        let done = project.run(words);
        assert_eq!(done.code, Some(1), "{words}: {}{}", done.stdout, done.stderr);
        says(&(done.stdout + &done.stderr), &[LOGS, "loaded", "`offline.url`"]);
        assert!(!project.path(LOGS).exists(), "{words}");
        assert_eq!(project.ok(GET), right, "{words}");
    }
    fs::create_dir(project.path(LOGS)).unwrap();
    let done = project.run("online rebuild");
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    says(&done.stderr, &["@1 has ", "rows online and no log in ", LOGS, "`offline.url`"]);
    assert_eq!(project.ok(GET), right);
    fs::remove_dir_all(project.path(LOGS)).unwrap();
    fs::rename(project.path("unmounted"), project.path(LOGS)).unwrap();
    project.ok("online rebuild");
    project.ok("verify --deep");
    assert_eq!(project.ok(GET), right);
}

#[test]
fn a_stream_of_pushed_rows_begins_no_new_log_where_the_folder_of_the_logs_is_gone() {
    let project = pushed::clicks();
    let row = serde_json::json!({"visitor": 1, "at": pushed::now(), "page": "x"});
    project.write("rows.jsonl", row.to_string());
    project.ok("push clicks rows.jsonl");
    project.ok("stream --until-caught-up");
    fs::rename(project.path(LOGS), project.path("unmounted")).unwrap();
    let done = project.run("stream --until-caught-up");
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    says(&done.stderr, &["online and no log in ", LOGS, "`offline.url`"]);
    assert!(!project.path(LOGS).exists());
}
