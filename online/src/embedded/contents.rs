//! What the tables of one state hold, against what is noted of them: which views have lost rows, and whether
//! anything else is not what was written.

use std::collections::HashMap;

use feature::VersionId;

use super::page::Meta;
use super::record::Record;
use super::seal::{Stored, unsealed};
use super::walk::{Fault, Leaves, Walk};

/// The tables, by the names that the main tree gives them.
pub(super) const ABOUT: &str = "about";
pub(super) const VIEWS: &str = "views";
pub(super) const ROWS: &str = "rows";
pub(super) const DROPPED: &str = "dropped";
pub(super) const CHANGES: &str = "changes";

/// In the table about the store: its format.
pub(super) const FORMAT_KEY: &[u8] = b"format";
/// The number of the next view.
pub(super) const NEXT_VIEW: &[u8] = b"next_view";
/// The number of the transaction that wrote the state.
pub(super) const STATE: &[u8] = b"state";
/// What the key begins with under which the commit is noted that a view's rows have folded.
const FOLDED: &str = "log ";
/// Noted while the store is filled again from the log.
pub(super) const REBUILDING: &[u8] = b"rebuilding";

/// The key under which the commit is noted that a view's rows have folded. It sorts behind the format.
pub(super) fn folded_key(view: &VersionId) -> Vec<u8> {
    format!("{FOLDED}{view}").into_bytes()
}

/// The format from which on everything is sealed.
pub(super) const SEALED: u32 = 3;

/// Where rows were lost: views by their numbers, and how often their rows had been counted again.
pub(super) type Lost = Vec<(u32, u32)>;

/// What was found sound.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Contents {
    /// None where the store is still to be made.
    pub(super) format: Option<u32>,
    pub(super) lost: Lost,
    /// Rows that are not what was written.
    pub(super) damaged_rows: u64,
    /// Whether the store is still to be filled again from the log.
    pub(super) is_rebuilding: bool,
}

/// What was found under one view's number.
#[derive(Clone, Copy, Default)]
struct Tally {
    rows: u64,
    bytes: u64,
    sum: u64,
    /// Rows that may lie under another key than their own.
    displaced: u64,
}

#[derive(Default)]
struct Found {
    format: Option<u32>,
    state: Option<u64>,
    is_rebuilding: bool,
    views: Vec<Record>,
    dropped: Vec<u32>,
    tallies: HashMap<u32, Tally>,
    damaged_rows: u64,
}

/// Reads the state that a meta page names.
pub(super) fn contents(walk: &mut Walk<'_>, meta: &Meta, leaves: Leaves) -> Result<Contents, Fault> {
    let tables = walk.tables(&meta.main)?;
    let mut found = Found::default();
    // The store's format decides how the others are read.
    let (about, others): (Vec<_>, Vec<_>) =
        tables.into_iter().partition(|(name, _)| name == ABOUT.as_bytes());
    for (_, tree) in &about {
        walk.table(tree, true, &mut |key, value| found.about(key, value))?;
    }
    let is_sealed = found.format == Some(SEALED);
    for (name, tree) in &others {
        let is_rows = name == ROWS.as_bytes();
        let all = !is_rows || leaves == Leaves::All;
        walk.table(tree, all, &mut |key, value| match name.as_slice() {
            _ if !is_sealed => Ok(()),
            name if name == VIEWS.as_bytes() => found.view(key, value),
            name if name == ROWS.as_bytes() => found.row(key, value),
            name if name == DROPPED.as_bytes() => found.dropped(key, value),
            name if name == CHANGES.as_bytes() => note("changes", key, value).map(|_| ()),
            _ => Err("it holds a table that is none of its own".to_owned()),
        })?;
    }
    walk.free(&meta.free)?;
    if !is_sealed {
        return Ok(Contents { format: found.format, ..Contents::default() });
    }
    if found.state != Some(meta.state) || about.len() + others.len() != 5 {
        return Err(Fault::Damaged("it is not the state that was written last".to_owned()));
    }
    let lost = if leaves == Leaves::All { found.lost().map_err(Fault::Damaged)? } else { Lost::new() };
    Ok(Contents {
        format: found.format,
        lost,
        damaged_rows: found.damaged_rows,
        is_rebuilding: found.is_rebuilding,
    })
}

fn note<'n>(table: &str, key: &[u8], value: &'n [u8]) -> Result<&'n [u8], String> {
    unsealed(key, value).ok_or_else(|| format!("a note in its table of {table} is not what was written"))
}

impl Found {
    fn about(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        // The keys sort the format before all others.
        if key == FORMAT_KEY {
            self.format = value.try_into().ok().map(u32::from_le_bytes);
            return Ok(());
        }
        if self.format != Some(SEALED) {
            return Ok(());
        }
        let noted = note(ABOUT, key, value)?;
        if key == STATE {
            self.state = noted.try_into().ok().map(u64::from_le_bytes);
        }
        self.is_rebuilding |= key == REBUILDING;
        Ok(())
    }

    fn view(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let record = Record::from_bytes(key, value);
        self.views.push(record.ok_or("the record of a view in it is not what was written")?);
        Ok(())
    }

    fn dropped(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        note(DROPPED, key, value)?;
        self.dropped.extend(key.try_into().ok().map(u32::from_be_bytes));
        Ok(())
    }

    /// A damaged row is its view's: others are served.
    fn row(&mut self, stored_key: &[u8], value: &[u8]) -> Result<(), String> {
        let stored = Stored::of(value);
        let is_damaged = stored.check(stored_key).is_err();
        self.damaged_rows += u64::from(is_damaged);
        let number = stored_key.first_chunk().map(|number| u32::from_be_bytes(*number));
        let tally = self.tallies.entry(number.unwrap_or(u32::MAX)).or_default();
        tally.rows += 1;
        tally.bytes += (stored_key.len() + stored.row.len()) as u64;
        tally.sum = tally.sum.wrapping_add(stored.share(stored_key));
        tally.displaced += u64::from(is_damaged && stored.is_displaced());
        Ok(())
    }

    /// The views whose rows are not those that are noted. Where no row is damaged that would explain it, the
    /// tree has lost rows or has old ones, and nothing of it can be trusted.
    fn lost(&mut self) -> Result<Lost, String> {
        let mut lost = Lost::new();
        for record in &self.views {
            let tally = self.tallies.remove(&record.number).unwrap_or_default();
            let noted = (record.stats.rows, record.stats.bytes, record.sum, 0);
            if (tally.rows, tally.bytes, tally.sum, tally.displaced) != noted {
                lost.push((record.number, record.recounts));
            }
        }
        for number in &self.dropped {
            self.tallies.remove(number);
        }
        if (!lost.is_empty() || !self.tallies.is_empty()) && self.damaged_rows == 0 {
            return Err("rows in it are gone, or old ones are back".to_owned());
        }
        Ok(lost)
    }
}
