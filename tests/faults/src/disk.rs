//! A small disk that can be full: a file system in memory whose size is changed while it is used. It takes
//! a mount, so only root can.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system, gone with this.
pub(crate) struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts it in a folder.
    pub(crate) fn mount(path: &Path) -> Self {
        fs::create_dir_all(path).unwrap();
        let at = path.display().to_string();
        run(&["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", &at]);
        Self { path: path.to_owned() }
    }

    /// Leaves so many kilobytes free.
    pub(crate) fn leave(&self, kilobytes: u64) {
        let at = self.path.display().to_string();
        // Refused where more was written since it was read: then it is read again.
        let is_left = (0..50).any(|_| self.try_leave(&at, kilobytes));
        assert!(
            is_left,
            "{at} is no mount whose size can be changed: this fault takes one, so run it as root"
        );
    }

    fn try_leave(&self, at: &str, kilobytes: u64) -> bool {
        let used = run(&["df", "-k", "--output=used", at]);
        let used: u64 = used.lines().last().unwrap().trim().parse().unwrap();
        // A size of nothing would be no bound.
        let size = format!("remount,size={}k", (used + kilobytes).max(4));
        Command::new("mount").args(["-o", &size, at]).output().unwrap().status.success()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What is left of it goes with the machine's next start.
        drop(Command::new("umount").args(["-l", &self.path.display().to_string()]).status());
    }
}

fn run(words: &[&str]) -> String {
    let done = Command::new(words[0]).args(&words[1..]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words:?}: {said}: this fault takes a mount, so run it as root");
    String::from_utf8(done.stdout).unwrap()
}
