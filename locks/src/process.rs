//! One process of one machine, which can be looked for later: its number alone may be given to another.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process, by the boot of its machine, its number, and when it was started.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// The machine since it was booted: a UUID that the kernel draws.
    boot: String,
    /// Its number.
    id: u32,
    /// When it was started, in ticks of the kernel's clock since the boot.
    started: u64,
}

impl Process {
    /// The process that asks; `None` where `/proc` does not say.
    pub fn current() -> Option<Self> {
        let id = std::process::id();
        Some(Self { boot: boot()?, id, started: started(id)? })
    }

    /// Whether it goes on; `None` if it is one of another machine, or of this one before it was booted.
    pub fn is_alive(&self) -> Option<bool> {
        (boot()? == self.boot).then(|| started(self.id) == Some(self.started))
    }
}

fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// When a process was started, in ticks since the boot.
fn started(id: u32) -> Option<u64> {
    start_ticks(&stat(id)?)
}

/// What `/proc/PID/stat` says behind the name of a process, which may hold any character: its state, then numbers.
pub(crate) fn stat(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
}

/// The start among these numbers, in ticks since the boot.
pub(crate) fn start_ticks(stat: &str) -> Option<u64> {
    stat.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends_and_its_number_alone_says_nothing() {
        let own = Process::current().unwrap();
        assert_eq!(own.is_alive(), Some(true));
        assert_eq!(Process { started: own.started + 1, ..own.clone() }.is_alive(), Some(false));
        assert_eq!(Process { boot: String::new(), ..own }.is_alive(), None);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process =
            Process { boot: boot().unwrap(), id: child.id(), started: started(child.id()).unwrap() };
        assert_eq!(process.is_alive(), Some(true));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(process.is_alive(), Some(false));
    }
}
