//! Opening the store on disk: what its files must be before anything of them is mapped, new ones where there are
//! none, and those of an older format brought to the newest.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::data_file::{check_head, damaged, data_file, lock_file, remove_if_there, whole_file};
use super::environment::{Environment, FORMAT, new_tables, open_env, read_contents};
use super::failed::{Failed, of_heed, of_io};
use super::{conversion, cut_short};
use crate::error::OnlineError;

/// How long another process may take to make or replace the files.
const MAKING: Duration = Duration::from_secs(60);

/// Entries that are copied in one transaction.
const COPIED_AT_ONCE: usize = 100_000;

/// Opens the files in a folder, and makes them where there are none. Nothing of them is mapped before
/// it is checked.
pub(super) fn open(path: &Path) -> Result<Environment, OnlineError> {
    let data = data_file(path);
    if !data.exists() {
        let _alone = alone(path)?;
        if !data.exists() && whole_file(path).exists() {
            // Whoever put it there was cut off.
            name_whole(path).map_err(|error| of_io(path, error))?;
        }
        if !data.exists() {
            if lock_file(path).exists() {
                return Err(damaged(&data, "it is missing, and it was there"));
            }
            create(path, false)?;
        }
    }
    check_head(&data)?;
    cut_short::survive();
    let env = open_env(path)?;
    let contents = read_contents(&env, path, None)?;
    let format = contents.format.ok_or_else(|| damaged(&data, "its format is not noted in it"))?;
    if format == 0 || format > FORMAT {
        let what = format!("the online store at {}", path.display());
        return Err(OnlineError::Newer { what, found: format, known: FORMAT });
    }
    let mut environment = Environment::with_tables(env, path)?;
    if format < FORMAT && files::is_read_only(path) {
        return Err(OnlineError::Unusable {
            path: path.to_owned(),
            reason:
                "it is of an earlier release, and its folder cannot be written: open it once where it can be"
                    .to_owned(),
        });
    }
    let contents = if format < FORMAT {
        conversion::convert(&environment)?;
        read_contents(&environment.env, path, None)?
    } else {
        contents
    };
    environment.note(contents);
    Ok(environment)
}

/// Gives the store's name to the copy that is to replace its data file, which is aside. Its readers and writers are those of
/// the file before. Only one who is alone does so.
pub(super) fn name_whole(path: &Path) -> io::Result<()> {
    remove_if_there(&lock_file(path))?;
    fs::rename(whole_file(path), data_file(path))
}

/// Writes all that a store has into new files in a folder.
pub(super) fn copy(from: &Environment, folder: &Path) -> Result<(), OnlineError> {
    let env = open_env(folder)?;
    new_tables(&env, false).map_err(|error| of_heed(folder, error))?;
    let to = Environment::with_tables(env, folder)?;
    copy_tables(from, &to).map_err(|failed| from.error(failed))?;
    let Environment { env, .. } = to;
    env.prepare_for_closing().wait();
    Ok(())
}

fn copy_tables(from: &Environment, to: &Environment) -> Result<(), Failed> {
    let reading = from.env.read_txn()?;
    let tables = [
        (from.about, to.about),
        (from.views, to.views),
        (from.rows, to.rows),
        (from.dropped, to.dropped),
        (from.changes, to.changes),
    ];
    for (old, new) in tables {
        let mut entries = old.iter(&reading)?.peekable();
        loop {
            let mut writing = to.write_txn()?;
            for entry in entries.by_ref().take(COPIED_AT_ONCE) {
                let (key, value) = entry?;
                new.put(&mut writing, key, value)?;
            }
            // It notes the number of its own state, and not of the one that is copied.
            to.commit(writing)?;
            if entries.peek().is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// Waits until no other process makes or replaces the files of this folder, and says for whom.
pub(super) fn alone(path: &Path) -> Result<File, OnlineError> {
    let folder = File::open(path).map_err(|error| of_io(path, error))?;
    let location = path.display().to_string();
    let what = || format!("the online store {location}, whose files another process makes");
    match locks::lock(&folder, path, what, MAKING) {
        Ok(()) => Ok(folder),
        Err(locked) => Err(OnlineError::Unavailable { location, reason: locked.to_string() }),
    }
}

/// Makes new files, whole at once. Only one who is alone does so.
pub(super) fn create(path: &Path, is_rebuilding: bool) -> Result<(), OnlineError> {
    let new = path.join("new");
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(of_io(path, error)),
        _ => fs::create_dir_all(&new).map_err(|error| of_io(path, error))?,
    }
    let env = open_env(&new)?;
    new_tables(&env, is_rebuilding).map_err(|error| of_heed(path, error))?;
    let closing = env.prepare_for_closing();
    closing.wait();
    let sync = || {
        fs::rename(data_file(&new), data_file(path))?;
        fs::remove_dir_all(&new)?;
        File::open(path)?.sync_all()?;
        path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    sync().map_err(|error| of_io(path, error))
}
