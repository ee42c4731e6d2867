//! Opening and reading of regular files, after following links.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Opens a regular file for reading, after following links. What is none is refused by what it is, and not touched.
pub fn open(path: &Path) -> io::Result<File> {
    regular(&path.metadata()?)?;
    // It may be another by now: one that waits for its other end is not waited for, and is refused then.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// All bytes of a regular file that has at most this many.
pub fn read(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_bytes {
        let what = format!("it has more than the {most_bytes} bytes that such a file may have");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// The text of a regular file that has at most this many bytes.
pub fn read_text(path: &Path, most_bytes: u64) -> io::Result<String> {
    String::from_utf8(read(path, most_bytes)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

fn regular(about: &Metadata) -> io::Result<()> {
    let kind = about.file_type();
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let what = format!("it is {}: only regular files are read", name(kind));
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

fn name(kind: FileType) -> &'static str {
    match () {
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_char_device() || kind.is_block_device() => "a device",
        () => "no file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_file_is_read_through_a_link_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        link(&at("file"), "link");
        link("/dev/zero".as_ref(), "zero");
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert_eq!(read_text(&at("link"), 4).unwrap(), "text");
        for (name, said) in [("zero", "a device"), ("pipe", "a named pipe"), ("socket", "a socket")] {
            let refused = open(&at(name)).unwrap_err().to_string();
            assert!(refused.contains(said) && refused.contains("only regular files"), "{refused}");
        }
        assert_eq!(open(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(read(&at("link"), 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
