//! Whether a folder can be written to.

use std::path::Path;

use rustix::fs::{Access, access};
use rustix::io::Errno;

/// Whether nothing can be written into a folder: it lies on what is mounted for reading alone, or this user may not.
pub fn is_read_only(folder: &Path) -> bool {
    // An empty path is that of the working folder, as in the parent of a bare name.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    matches!(access(folder, Access::WRITE_OK), Err(Errno::ROFS | Errno::ACCESS | Errno::PERM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_ones_own_can_be_written_and_what_is_not_there_is_not_read_only() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_read_only(folder.path()));
        assert!(!is_read_only(&folder.path().join("none")));
        assert!(is_read_only(Path::new("/proc")) || !is_read_only(Path::new("")));
    }
}
