//! Batch commands whose clock is not that of their storage.

use crate::project::{Done, Project, says};

#[test]
fn a_batch_command_whose_clock_is_more_than_a_minute_off_that_of_the_storage_changes_nothing() {
    let project = Project::loaded();
    let commands =
        ["backfill --all", "materialize", "offline optimize", "online rebuild", "dead-letter replay"];
    for words in commands {
        let before = project.state();
        for (seconds, how) in [("3600", "ahead of"), ("-3600", "behind")] {
            let mut command = project.command(words);
            let done = Done::of(command.env("TWINSTORE_TRIAL_CLOCK_S", seconds).output().unwrap());
            assert_eq!(done.code, Some(1), "{words}: {}", done.stderr);
            says(
                &done.stderr,
                &["nothing was written", how, "seconds", ".twinstore/offline", "set it right"],
            );
            assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
        }
        assert!(project.state() == before, "{words}");
        let mut command = project.command(words);
        let done = Done::of(command.env("TWINSTORE_TRIAL_CLOCK_S", "20").output().unwrap());
        assert!(!done.stderr.contains("the clock"), "{words}: {}", done.stderr);
    }
}
