//! What a command says on its outputs: it ends well where its reader has left, as `head` does, and colours nothing
//! off a terminal.

use std::process::Stdio;

use crate::project::{Done, GET, Project, TRAINING};

/// Runs a command whose reader is gone before it says anything. Gives how it ended and its stderr.
fn unread(project: &Project, words: &str) -> Done {
    let mut child = project.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    Done::of(child.wait_with_output().unwrap())
}

#[test]
fn a_command_whose_reader_has_left_does_all_of_its_work_and_ends_quietly() {
    let project = Project::applied();
    for words in ["plan", "registry list", "backfill --all", GET, "dead-letter list", "reference commands"] {
        let done = unread(&project, words);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{words}");
    }
    // Also where nobody hears of what is wrong.
    let mut child = project.command("get nothing").stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 0);
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let project = Project::applied();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done = Done::of(project.command("registry list").stdout(full).output().unwrap());
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(done.stderr.contains("could not be written on stdout"), "{}", done.stderr);
}

#[test]
fn log_lines_are_not_coloured_off_a_terminal_and_those_of_dependencies_are_left_out() {
    let project = Project::applied();
    let mut lines_of_our_own = 0;
    for words in ["backfill --all", &format!("{TRAINING} out.parquet")] {
        let done = Done::of(project.command(&format!("-v {words}")).output().unwrap());
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(!done.stderr.contains('\u{1b}'), "{}", done.stderr);
        for line in done.stderr.lines().filter(|line| line.contains(" INFO ")) {
            assert!(line.contains("twinstore"), "{line}");
            lines_of_our_own += 1;
        }
    }
    assert!(lines_of_our_own > 0, "no line was logged");
}
