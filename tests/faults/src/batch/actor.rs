//! One process of a trial: at which point or moment it is cut off, stopped or woken.

use std::time::{Duration, Instant};

use feature::oracle::Numbers;

use super::command::Running;
use super::scene::Counts;

/// Points of loads, of compactions, of rebuilds and of training sets.
const LOAD_POINTS: [&str; 9] = [
    "hashed",
    "read",
    "turn-taken",
    "refused",
    "half-online",
    "online",
    "file-written",
    "committed",
    "settled",
];
const EXPIRY_POINTS: [&str; 4] = ["expired", "online-expired", "file-written", "committed"];
const VACUUM_POINTS: [&str; 5] = ["vacuum-noted", "file-vacuumed", "turn-taken", "rebuilding", "committed"];
const COMPACTION_POINTS: [&str; 3] = ["compaction-read", "file-written", "committed"];
const REBUILD_POINTS: [&str; 3] = ["turn-taken", "rebuilding", "committed"];
const TRAINING_POINTS: [&str; 4] = ["training-begun", "training-written", "manifest-removed", "data-named"];

/// For how long a process may be held up by one that is stopped before it says so.
pub(super) const SILENCE: Duration = Duration::from_secs(6);

/// One process, and what is done to it.
pub(super) struct Actor {
    pub(super) words: String,
    pub(super) start_ms: u64,
    pub(super) point: Option<(String, bool)>,
    /// When it gets a signal from outside, counted from its start.
    signal: Option<(u64, &'static str)>,
    wake_after: Duration,
    pub(super) running: Option<Running>,
    pub(super) began: Option<Instant>,
    pub(super) stopped_since: Option<Instant>,
    is_silent: bool,
}

impl Actor {
    pub(super) fn draw(words: String, numbers: &mut Numbers) -> Self {
        let (command, rest) = words.split_once(' ').unwrap_or((words.as_str(), ""));
        let points: &[&str] = match command {
            "materialize" | "backfill" => &LOAD_POINTS,
            "offline" if rest.starts_with("expire") => &EXPIRY_POINTS,
            "offline" if rest.starts_with("vacuum") => &VACUUM_POINTS,
            "offline" => &COMPACTION_POINTS,
            "online" => &REBUILD_POINTS,
            "training-set" => &TRAINING_POINTS,
            _ => &[],
        };
        let (mut point, mut signal) = (None, None);
        let name = numbers.pick(points);
        let pass = 1 + numbers.below(3);
        let after = numbers.below(400);
        match numbers.below(10) {
            0 | 1 => point = name.map(|name| (format!("{name}:{pass}"), false)),
            2 | 3 => point = name.map(|name| (format!("{name}:{pass}"), true)),
            4 => signal = Some((after, "KILL")),
            5 => signal = Some((after, "STOP")),
            6 => signal = Some((after, "TERM")),
            _ => {}
        }
        let wake_ms = if numbers.once_in(12) { 9_000 } else { 50 + numbers.below(1_000) };
        Self {
            words,
            start_ms: numbers.below(300),
            point,
            signal,
            wake_after: Duration::from_millis(wake_ms),
            running: None,
            began: None,
            stopped_since: None,
            is_silent: false,
        }
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.began.is_some() && self.running.as_mut().is_none_or(Running::has_ended)
    }

    /// Sends the signal that is due.
    pub(super) fn strike(&mut self, counts: &mut Counts) {
        let (Some(running), Some(began)) = (&mut self.running, self.began) else { return };
        let is_due = |(after, _): &mut (u64, &str)| began.elapsed() >= Duration::from_millis(*after);
        if let Some((_, name)) = self.signal.take_if(is_due)
            && !running.has_ended()
        {
            running.signal(name);
            counts.terminated += u64::from(name == "TERM");
        }
    }

    /// Wakes a process that was stopped for long enough.
    pub(super) fn wake(&mut self, counts: &mut Counts) {
        let Some(running) = &mut self.running else { return };
        if !running.is_stopped() {
            self.stopped_since = None;
            return;
        }
        let since = *self.stopped_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.wake_after {
            running.signal("CONT");
            counts.stops += 1;
        }
    }

    pub(super) fn end_server(&mut self) {
        let Some(running) = &mut self.running else { return };
        let serves = running.stderr().contains(" and HTTP ");
        if serves && !running.is_struck && !running.is_stopped() {
            running.is_struck = true;
            running.signal("TERM");
        }
    }

    /// What a process says that does nothing for long, unless it says for whom it waits.
    pub(super) fn silent(&mut self) -> Option<String> {
        if self.is_silent || self.words == "serve" || self.has_ended() {
            return None;
        }
        let running = self.running.as_mut()?;
        let idle = running.idle_for();
        self.is_silent = idle > SILENCE && !running.stderr().contains("process ");
        self.is_silent.then(|| running.shown())
    }
}
