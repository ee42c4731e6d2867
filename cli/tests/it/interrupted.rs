//! A training set that is interrupted leaves nothing behind.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::project::{Project, says};

/// Labels that take a second or more to join and to write.
const LABELS: usize = 300_000;
/// Longer than reading the spine takes.
const BOUND: Duration = Duration::from_secs(60);

#[test]
fn a_training_set_that_is_interrupted_leaves_nothing_behind() {
    let project = Project::loaded();
    let mut spine = String::from("dest,tailnum,distance,t\n");
    for label in 0..LABELS {
        let (day, hour, minute, second) = (1 + label % 7, label / 3600 % 24, label / 60 % 60, label % 60);
        spine.push_str(&format!("LAX,N{label},2475,2013-06-0{day}T{hour:02}:{minute:02}:{second:02}Z\n"));
    }
    project.write("s.csv", spine);
    let before = project.state();
    let words = "training-set --service late_arrival --spine s.csv --time t --out out.parquet";
    let mut making = project.command(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Its file is begun before the logs are read.
    let partial = project.path(&format!(".out.parquet.{}.partial", making.id()));
    let began = Instant::now();
    while !partial.exists() {
        assert!(making.try_wait().unwrap().is_none(), "it ended before its file was seen");
        assert!(began.elapsed() < BOUND, "it never began its file");
        std::thread::yield_now();
    }
    let sent = Command::new("kill").args(["-INT", &making.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(making.wait().unwrap().code(), Some(1));
    let mut message = String::new();
    making.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    says(&message, &["interrupted", "nothing was written"]);
    assert_eq!(project.state(), before);
}
