//! The process that has a lock, as the system knows it: `/proc/locks` says which, and `/proc` what it runs, since
//! when, and whether it was stopped. Where there is no `/proc`, nobody is named.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use feature::Micros;

use crate::process::{start_ticks, stat};

/// Characters of a command that are shown.
const SHOWN: usize = 120;
/// The ticks in which Linux gives times of processes to programs, in a second.
const TICKS_A_SECOND: i64 = 100;

/// A process that has a lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its id.
    pub process: u32,
    /// Whether it was stopped, and waits to be continued.
    pub is_stopped: bool,
    command: Option<String>,
    since: Option<Micros>,
}

impl Holder {
    /// A process by its id.
    pub fn of_process(process: u32) -> Self {
        let stat = stat(process).unwrap_or_default();
        Self {
            process,
            is_stopped: stat.starts_with(['T', 't']),
            command: command(process),
            since: started(&stat),
        }
    }

    /// Whoever has locked a file or folder, or a part of it, for writing; this process where it is no other.
    pub fn of_file(path: &Path) -> Option<Self> {
        let inode = fs::metadata(path).ok()?.ino();
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let own = std::process::id();
        let lockers: Vec<u32> = locks.lines().filter_map(|line| locker(line, inode, &["WRITE"])).collect();
        let other = lockers.iter().find(|process| **process != own);
        other.or(lockers.first()).copied().map(Self::of_process)
    }

    /// The other processes that have locked a part of a file, for reading or writing, as far as they can be named.
    pub fn all_of_file(path: &Path) -> BTreeSet<u32> {
        let Ok(inode) = fs::metadata(path).map(|file| file.ino()) else { return BTreeSet::new() };
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        let by_range = locks.lines().filter(|line| line.contains(" POSIX "));
        let lockers = by_range.filter_map(|line| locker(line, inode, &["READ", "WRITE"]));
        lockers.filter(|process| ![0, std::process::id()].contains(process)).collect()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.process)?;
        let command = self.command.as_ref().map(|command| format!("`{command}`"));
        let since = self.since.map(|since| format!("since {since}"));
        let stopped = self.is_stopped.then(|| "stopped".to_owned());
        let parts: Vec<String> = [command, since, stopped].into_iter().flatten().collect();
        match parts.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", parts.join(", ")),
        }
    }
}

/// The process of a line of `/proc/locks` that has this inode locked in one of these ways; none where it only waits for the
/// lock.
/// `1: FLOCK  ADVISORY  WRITE 32237 fe:00:5686061 0 EOF`
fn locker(line: &str, inode: u64, ways: &[&str]) -> Option<u32> {
    let mut fields = line.split_whitespace().skip(1);
    if fields.next()? == "->" || !ways.contains(&fields.nth(1)?) {
        return None;
    }
    let process = fields.next()?.parse().ok()?;
    let location = fields.next()?;
    (location.rsplit(':').next()?.parse() == Ok(inode)).then_some(process)
}

/// What a process runs: the name of its program and its arguments.
fn command(process: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{process}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut words = text.split('\0').filter(|word| !word.is_empty());
    let program = words.next()?;
    let name = Path::new(program).file_name().map_or(program.into(), |name| name.to_string_lossy());
    let all: Vec<&str> = std::iter::once(name.as_ref()).chain(words).collect();
    Some(all.join(" ").chars().take(SHOWN).collect())
}

/// When a process was started, from the part of its `stat` that begins with its state.
fn started(stat: &str) -> Option<Micros> {
    let ticks = i64::try_from(start_ticks(stat)?).ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let booted: i64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Micros::new(booted.checked_add(ticks / TICKS_A_SECOND)?.checked_mul(1_000_000)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_has_a_lock_is_found_and_one_that_waits_for_it_is_not() {
        let has = "1: FLOCK  ADVISORY  WRITE 32237 fe:00:5686061 0 EOF";
        let waits = "1: -> FLOCK  ADVISORY  WRITE 32238 fe:00:5686061 0 EOF";
        let posix = "2: POSIX  ADVISORY  WRITE 7 00:2f:12 120 120";
        let reads = "2: POSIX  ADVISORY  READ 7 00:2f:12 128 128";
        let writer = |line: &str, inode| locker(line, inode, &["WRITE"]);
        assert_eq!(writer(has, 5_686_061), Some(32_237));
        assert_eq!(writer(has, 12), None);
        assert_eq!(writer(waits, 5_686_061), None);
        assert_eq!(writer(posix, 12), Some(7));
        assert_eq!(writer(reads, 12), None);
        assert_eq!(locker(reads, 12, &["READ", "WRITE"]), Some(7));
        assert_eq!(writer("", 12), None);
    }

    #[test]
    fn a_process_is_shown_with_its_command_and_when_it_began() {
        let own = Holder::of_process(std::process::id());
        let said = own.to_string();
        assert!(said.starts_with(&format!("process {} (`", std::process::id())), "{said}");
        assert!(said.contains("since 20") && !own.is_stopped, "{said}");
        // One that is gone has a number and nothing else.
        assert_eq!(Holder::of_process(u32::MAX).to_string(), format!("process {}", u32::MAX));
    }
}
