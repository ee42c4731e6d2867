//! A command that runs: what it says, how it is stopped, woken and ended, and how it ended.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a command may take, whatever is done to others.
const BOUND: Duration = Duration::from_secs(120);

/// A process of the binary.
pub struct Running {
    child: Child,
    /// What it was started with.
    pub words: String,
    said: PathBuf,
    status: Option<ExitStatus>,
    /// Whether it was killed from outside, or was to end itself.
    pub is_struck: bool,
    /// The processor time that it had when it was looked at, and since when it has not moved.
    idle: Option<(u64, Instant)>,
}

/// How a command ended.
pub struct Ended {
    /// What it was started with.
    pub words: String,
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl Running {
    pub(crate) fn start(mut command: Command, words: &str, said: PathBuf) -> Self {
        let out = fs::File::create(said.with_extension("out")).unwrap();
        let err = fs::File::create(said.with_extension("err")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
        Self { child, words: words.to_owned(), said, status: None, is_struck: false, idle: None }
    }

    /// Sends it a signal; one that has ended gets none.
    pub fn signal(&mut self, name: &str) {
        if self.has_ended() {
            return;
        }
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", name, &id]).status().unwrap();
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().unwrap();
        }
        self.status.is_some()
    }

    /// Whether it was stopped, by itself or from outside.
    pub fn is_stopped(&self) -> bool {
        self.stat().is_some_and(|stat| stat.starts_with('T'))
    }

    /// Its state and what follows it; the name before it is in parentheses.
    fn stat(&self) -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
    }

    /// For how long it has used no processor time, and was neither stopped nor waited for a processor.
    pub(crate) fn idle_for(&mut self) -> Duration {
        let used = self.stat().and_then(|stat| {
            if stat.starts_with(['R', 'T']) {
                self.idle = None;
            }
            let mut fields = stat.split(' ').skip(11);
            let user: u64 = fields.next()?.parse().ok()?;
            Some(user + fields.next()?.parse::<u64>().ok()?)
        });
        match (used, self.idle) {
            (Some(used), Some((before, since))) if used == before => since.elapsed(),
            (Some(used), _) => {
                self.idle = Some((used, Instant::now()));
                Duration::ZERO
            }
            (None, _) => Duration::ZERO,
        }
    }

    /// What it has said so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.said.with_extension("err")).unwrap_or_default()
    }

    /// Where it is and what it has said.
    pub(crate) fn shown(&self) -> String {
        let state = self.stat().unwrap_or_default();
        let state = state.chars().next();
        let mut waits = Vec::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten()
        {
            waits.extend(fs::read_to_string(thread.path().join("wchan")).ok());
        }
        format!("in state {state:?}, its threads in {waits:?}, it said: {}", self.stderr())
    }

    /// Waits for something that comes soon.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&mut Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < BOUND, "{}: it never {what}\n{}", self.words, self.stderr());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until it stopped itself.
    pub fn stops_itself(&mut self) {
        self.until("stopped itself", |it| it.is_stopped() || it.has_ended());
        assert!(self.is_stopped(), "{}: it ended instead\n{}", self.words, self.stderr());
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Ended {
        self.until("ended", Self::has_ended);
        let status = self.status.unwrap();
        Ended {
            words: self.words.clone(),
            code: status.code(),
            signal: status.signal(),
            stdout: fs::read_to_string(self.said.with_extension("out")).unwrap_or_default(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Running {
    /// A trial that fails leaves no process behind.
    fn drop(&mut self) {
        if !self.has_ended() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

impl Ended {
    /// What is wrong with how it ended: a command that fails says one sentence.
    pub fn complaint(&self) -> Option<String> {
        let Self { words, code, signal, stderr, .. } = self;
        let errors = stderr.lines().filter(|line| line.starts_with("error: ")).count();
        let has_panicked = stderr.contains("panicked at") || stderr.contains("itself failed");
        let is_right = match (code, signal) {
            _ if has_panicked => false,
            (Some(0), _) => errors == 0,
            (Some(1 | 130 | 143), _) => errors == 1,
            // Those that a test sends, and the one with which a process ends itself in a trial.
            (None, Some(6 | 9 | 15)) => true,
            _ => false,
        };
        (!is_right).then(|| format!("`{words}` ended with {code:?}, signal {signal:?}, and said: {stderr}"))
    }
}
