//! A command that waits for another process says for whom, and goes on once that has ended.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use crate::project::{Done, GET, Project, TRAINING, says};

/// Longer than a command is silent.
const BOUND: Duration = Duration::from_secs(60);

/// Starts a command, and waits until it says something.
fn says_on_its_own(project: &Project, words: &str, part: &str) -> Child {
    let said = project.path("said");
    let mut command = project.command(words);
    let child = command.stdout(Stdio::null()).stderr(File::create(&said).unwrap()).spawn().unwrap();
    let began = Instant::now();
    while !fs::read_to_string(&said).unwrap().contains(part) {
        assert!(began.elapsed() < BOUND, "it says nothing: {}", fs::read_to_string(&said).unwrap());
        thread::sleep(Duration::from_millis(10));
    }
    child
}

fn ends_well(project: &Project, child: Child) {
    let done = Done::of(child.wait_with_output().unwrap());
    assert_eq!(done.code, Some(0), "{}", project.read("said"));
}

fn own_process() -> String {
    format!("process {}", std::process::id())
}

#[test]
fn whoever_waits_for_the_registry_says_for_whom_and_gives_up_in_a_sentence() {
    let project = Project::applied();
    project.write("features/more.yaml", "kind: entity\nname: more\nkeys: {more: string}\n");
    project.registry(async |connection: &mut SqliteConnection| {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.unwrap();
        // Whoever only reads does not wait.
        project.ok("registry list");
        let apply = says_on_its_own(&project, "apply", "waiting for the registry");
        says(&project.read("said"), &[&own_process(), "since 20"]);
        // It gives up.
        assert_eq!(Done::of(apply.wait_with_output().unwrap()).code, Some(1));
        let said = project.read("said");
        let last = said.lines().last().unwrap();
        says(last, &["error: the registry", &own_process(), "run this again when it has ended"]);
        let apply = says_on_its_own(&project, "apply", "waiting for the registry");
        sqlx::query("ROLLBACK").execute(&mut *connection).await.unwrap();
        ends_well(&project, apply);
    });
}

#[test]
fn whoever_waits_to_put_a_training_set_beside_another_says_for_whom_and_goes_on_after_it() {
    let project = Project::loaded();
    let folder = File::open(project.path("")).unwrap();
    folder.lock().unwrap();
    let making = says_on_its_own(&project, &format!("{TRAINING} out.csv"), "waiting for ");
    says(&project.read("said"), &[&own_process(), "training set"]);
    drop(folder);
    ends_well(&project, making);
    project.ok("training-set verify out.csv");
}

#[test]
fn whoever_waits_to_write_to_the_online_store_says_for_whom_and_goes_on_after_it() {
    let project = Project::applied();
    // Makes the store.
    project.ok("online rebuild");
    let turn = File::options().write(true).open(project.path(".twinstore/online/writing.lock")).unwrap();
    for words in ["backfill --all", "online rebuild"] {
        turn.lock().unwrap();
        let writing = says_on_its_own(&project, words, "waiting for its turn to write to the online store");
        says(&project.read("said"), &[&own_process(), ".twinstore/online"]);
        // Whoever only reads does not wait.
        project.ok(GET);
        turn.unlock().unwrap();
        ends_well(&project, writing);
    }
}
