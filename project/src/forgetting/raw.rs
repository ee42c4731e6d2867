//! The bytes of everything that a project stores, searched as they are, whatever they mean: what no part of the program
//! would look at is found, too.
//!
//! Files of rows are compressed, and are searched row by row; commits name values of other rows, and are searched beside
//! them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use feature::counted;
use files::unless_gone;

use super::report::{BYTES, SearchedPart};
use crate::error::ProjectError;
use crate::project::Project;

const CHUNK_BYTES: usize = 1 << 20;

/// Searches the files of a project's stores for patterns.
pub(super) fn search(project: &Project, patterns: &[Vec<u8>]) -> Result<SearchedPart, ProjectError> {
    let mut part = SearchedPart { part: BYTES.to_owned(), ..SearchedPart::default() };
    if patterns.is_empty() {
        part.searched = "nothing".to_owned();
        part.note = Some("a key of numbers or short texts is met in bytes by chance".to_owned());
        return Ok(part);
    }
    let (mut files, mut bytes, mut holding) = (0, 0, Vec::new());
    let mut folders = vec![project.folder.join(".twinstore"), project.offline()?.folder()?];
    folders.extend(project.topics_folder());
    folders.sort();
    folders.dedup_by(|inner, outer| inner.starts_with(&*outer));
    while let Some(folder) = folders.pop() {
        let Some(entries) =
            unless_gone(fs::read_dir(&folder)).map_err(ProjectError::file("read", &folder))?
        else {
            continue;
        };
        for entry in entries {
            let entry = entry.map_err(ProjectError::file("read", &folder))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(ProjectError::file("read", &path))?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && !is_of_table(&path) {
                let searched =
                    unless_gone(holds(&path, patterns)).map_err(ProjectError::file("read", &path))?;
                let Some((length, is_there)) = searched else { continue };
                files += 1;
                bytes += length;
                holding.extend(is_there.then_some(path));
            }
        }
    }
    holding.sort();
    part.searched = format!("{}, {}", counted(files, "file"), counted(bytes, "byte"));
    part.found = holding.len() as u64;
    part.note = (!holding.is_empty()).then(|| {
        let names: Vec<String> = holding.iter().map(|path| shown(project, path)).collect();
        format!("the key is in {}", names.join(", "))
    });
    Ok(part)
}

/// Whether a file is of rows or commits of a table, which are searched by what they say.
fn is_of_table(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
        || path.parent().is_some_and(|folder| folder.ends_with("_delta_log"))
}

fn shown(project: &Project, path: &Path) -> String {
    path.strip_prefix(&project.folder).unwrap_or(path).display().to_string()
}

/// How long a file is, and whether it has one of the patterns.
fn holds(path: &Path, patterns: &[Vec<u8>]) -> io::Result<(u64, bool)> {
    let overlap = patterns.iter().map(Vec::len).max().unwrap_or(1).saturating_sub(1);
    let (mut file, mut window, mut length) = (File::open(path)?, Vec::new(), 0);
    loop {
        let kept = window.len().min(overlap);
        window.drain(..window.len() - kept);
        let read = (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut window)?;
        if read == 0 {
            return Ok((length, false));
        }
        length += read as u64;
        let has = |pattern: &Vec<u8>| window.windows(pattern.len()).any(|bytes| bytes == pattern);
        if patterns.iter().any(has) {
            return Ok((length, true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_found_wherever_it_lies_also_across_two_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for at in [0, 7, CHUNK_BYTES - 3, CHUNK_BYTES, 2 * CHUNK_BYTES - 1] {
            let mut bytes = vec![b'x'; 2 * CHUNK_BYTES + 9];
            bytes[at..at + 5].copy_from_slice(b"\"LAX\"");
            fs::write(&path, &bytes).unwrap();
            assert!(holds(&path, &[b"nothing".to_vec(), b"\"LAX\"".to_vec()]).unwrap().1, "{at}");
            assert_eq!(holds(&path, &[b"\"BOS\"".to_vec()]).unwrap(), (bytes.len() as u64, false));
        }
    }
}
