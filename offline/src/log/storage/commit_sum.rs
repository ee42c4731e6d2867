//! The checksum of a commit, in the commit itself.
//!
//! It stands first in what the commit says of itself (`commitInfo`), which may hold anything, and covers the commit's
//! name and every byte of it. Beside it stands the checksum of all bytes of the commit before: so one that was
//! replaced by another, or had its checksum taken away, is seen by the next.
//!
//! A commit that was written again because an entity was forgotten says what the checksum of all its bytes was before:
//! that is what the next one follows, which stays as it is.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crc32fast::Hasher;
use serde_json::Value;

/// Where a commit begins to say something of itself.
const INFO: &str = "{\"commitInfo\":{";
const SUM: &str = "\"twinstoreCrc32\":";
const PREVIOUS: &str = "\"twinstorePrevious\":";
const BEFORE: &str = "\"twinstoreBefore\":";
/// What replaces a checksum while it is taken.
const UNKNOWN: &str = "00000000";
/// Commits whose checksums are remembered.
const REMEMBERED: usize = 4096;

/// What a commit's own bytes say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommitSum {
    /// The checksum of all its bytes, its own checksum too; of a commit that was written again, of those before.
    pub(crate) whole: u32,
    /// The same of the commit before, where it says so.
    pub(crate) previous: Option<u32>,
    /// Whether it has a checksum of its own: not, where an earlier version or another program wrote it.
    pub(crate) is_signed: bool,
}

/// The commit with its checksum in it; as it is where it says nothing of itself.
pub(crate) fn signed(name: &str, commit: &[u8], previous: Option<u32>) -> Vec<u8> {
    signed_with(name, commit, previous, None)
}

/// A commit that was written with this checksum, with other lines instead of its own: the next one still follows it.
pub(crate) fn rewritten(name: &str, lines: &[u8], sum: CommitSum) -> Vec<u8> {
    let mut bare = without_sums(lines);
    if info_at(&bare).is_none() {
        // Another program's, that says nothing of itself.
        bare = [format!("{INFO}}}}}\n").as_bytes(), &bare].concat();
    }
    signed_with(name, &bare, sum.previous, Some(sum.whole))
}

fn signed_with(name: &str, commit: &[u8], previous: Option<u32>, stood: Option<u32>) -> Vec<u8> {
    let Some(at) = info_at(commit) else { return commit.to_vec() };
    let (before, after) = commit.split_at(at + INFO.len());
    let mut info = format!("{SUM}\"{UNKNOWN}\"");
    for (key, sum) in [(PREVIOUS, previous), (BEFORE, stood)] {
        if let Some(sum) = sum {
            info.push_str(&format!(",{key}\"{sum:08x}\""));
        }
    }
    if !after.starts_with(b"}") {
        info.push(',');
    }
    let mut bytes = [before, info.as_bytes(), after].concat();
    let sum = format!("{:08x}", sum(name, &bytes));
    let index = at + INFO.len() + SUM.len() + 1;
    if let Some(index) = bytes.get_mut(index..index + UNKNOWN.len()) {
        index.copy_from_slice(sum.as_bytes());
    }
    bytes
}

/// Checks the bytes of a commit of this name; gives what is wrong with them.
pub(crate) fn checked(name: &str, commit: &[u8]) -> Result<CommitSum, &'static str> {
    if commit.trim_ascii().is_empty() {
        return Err("it is empty");
    }
    let whole = crc32fast::hash(commit);
    let info =
        info_at(commit).and_then(|at| commit.get(at + INFO.len()..).map(|info| (at + INFO.len(), info)));
    let Some((at, info)) = info.filter(|(_, info)| info.starts_with(SUM.as_bytes())) else {
        return unsigned(commit).map(|()| CommitSum { whole, previous: None, is_signed: false });
    };
    let index = at + SUM.len() + 1..at + SUM.len() + 1 + UNKNOWN.len();
    let mut bytes = commit.to_vec();
    let stored = bytes.get_mut(index).map(|index| {
        let stored = index.to_vec();
        index.copy_from_slice(UNKNOWN.as_bytes());
        stored
    });
    if stored != Some(format!("{:08x}", sum(name, &bytes)).into_bytes()) {
        return Err("it does not match its checksum: it was cut, changed or has the name of another");
    }
    let (previous, stood) = (sum_after(info, PREVIOUS), sum_after(info, BEFORE));
    Ok(CommitSum { whole: stood.unwrap_or(whole), previous, is_signed: true })
}

/// The commit as it was before it got checksums.
fn without_sums(commit: &[u8]) -> Vec<u8> {
    let Some(at) = info_at(commit) else { return commit.to_vec() };
    let (before, mut after) = commit.split_at(at + INFO.len());
    for key in [SUM, PREVIOUS, BEFORE] {
        let value = after.strip_prefix(key.as_bytes()).and_then(|rest| rest.get(UNKNOWN.len() + 2..));
        after = value.map_or(after, |rest| rest.strip_prefix(b",").unwrap_or(rest));
    }
    [before, after].concat()
}

/// A commit without a checksum is one of another program, or of an earlier version: whole lines of JSON, and no
/// trace of a checksum that is not where it was.
fn unsigned(commit: &[u8]) -> Result<(), &'static str> {
    if find(commit, SUM.as_bytes()).is_some() {
        return Err("its checksum is not where it was: it was changed");
    }
    let mut lines = commit.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    match lines
        .all(|line| matches!(serde_json::from_slice(line), Ok(Value::Object(action)) if !action.is_empty()))
    {
        true => Ok(()),
        false => Err("it is cut, or not lines of JSON"),
    }
}

/// The checksum under a key among those that stand first in what a commit says of itself.
fn sum_after(info: &[u8], key: &str) -> Option<u32> {
    const LENGTH: usize = UNKNOWN.len() + 3;
    let mut rest = info.get(SUM.len() + LENGTH..)?;
    for other in [PREVIOUS, BEFORE] {
        let Some(value) = rest.strip_prefix(other.as_bytes()) else { continue };
        if other == key {
            let text = value.get(1..=UNKNOWN.len())?;
            return u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok();
        }
        rest = value.get(LENGTH..).unwrap_or_default();
    }
    None
}

/// Where the line begins in which a commit says something of itself.
fn info_at(commit: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in commit.split(|byte| *byte == b'\n') {
        if line.starts_with(INFO.as_bytes()) {
            return Some(at);
        }
        at += line.len() + 1;
    }
    None
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn sum(name: &str, bytes: &[u8]) -> u32 {
    let mut hash = Hasher::new();
    hash.update(name.as_bytes());
    hash.update(bytes);
    hash.finalize()
}

/// The checksums of the commits that were read or written last.
#[derive(Debug, Default)]
pub(crate) struct Chain(Mutex<BTreeMap<u64, CommitSum>>);

impl Chain {
    /// Remembers a commit; gives the version of one that was replaced: this one, or the one before.
    pub(crate) fn add(&self, version: u64, sum: CommitSum) -> Option<u64> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = version.checked_sub(1).filter(|before| {
            let whole = known.get(before).map(|sum| sum.whole);
            sum.previous.zip(whole).is_some_and(|(previous, whole)| previous != whole)
        });
        let next = known.get(&(version + 1)).and_then(|next| next.previous);
        let this = next.filter(|previous| *previous != sum.whole).map(|_| version);
        known.insert(version, sum);
        if known.len() > REMEMBERED {
            known.pop_first();
        }
        before.or(this)
    }

    /// The checksum of all bytes of a commit.
    pub(crate) fn whole(&self, version: u64) -> Option<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&version).map(|sum| sum.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "00000000000000000007.json";
    const COMMIT: &str =
        "{\"commitInfo\":{\"operation\":\"WRITE\"}}\n{\"txn\":{\"appId\":\"a\",\"version\":1}}";

    #[test]
    fn every_flipped_bit_of_a_commit_is_seen_or_leaves_what_it_says() {
        let commit = signed(NAME, COMMIT.as_bytes(), Some(0xdead_beef));
        let sum = checked(NAME, &commit).unwrap();
        assert_eq!((sum.previous, sum.is_signed), (Some(0xdead_beef), true));
        let said = |bytes: &[u8]| -> Option<Vec<Value>> {
            let lines = bytes.split(|byte| *byte == b'\n').map(serde_json::from_slice::<Value>);
            let mut lines: Vec<Value> = lines.collect::<Result<_, _>>().ok()?;
            lines.iter_mut().filter_map(|line| line.get_mut("commitInfo")?.as_object_mut()).for_each(
                |info| {
                    info.retain(|key, _| !key.starts_with("twinstor"));
                },
            );
            Some(lines)
        };
        let before = said(&commit).unwrap();
        let mut seen = 0;
        for bit in 0..commit.len() * 8 {
            let mut flipped = commit.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match checked(NAME, &flipped) {
                Err(_) => seen += 1,
                Ok(_) => {
                    let after = said(&flipped).unwrap();
                    assert_eq!(
                        after.get(1..),
                        before.get(1..),
                        "bit {bit}: {}",
                        String::from_utf8_lossy(&flipped)
                    );
                }
            }
        }
        assert!(seen > commit.len() * 6, "{seen} of {}", commit.len() * 8);
    }

    #[test]
    fn a_commit_that_was_written_again_stands_for_the_one_before_however_often() {
        for (commit, previous) in [(COMMIT, Some(0xdead_beef)), (COMMIT, None), ("{\"txn\":{}}\n", None)] {
            let before = signed(NAME, commit.as_bytes(), previous);
            let sum = checked(NAME, &before).unwrap();
            let lines = String::from_utf8(before.clone()).unwrap().replace("\"txn\"", "\"add\"");
            let after = rewritten(NAME, lines.as_bytes(), sum);
            let again = rewritten(NAME, &after, checked(NAME, &after).unwrap());
            assert_ne!(after, before);
            assert_eq!(again, after);
            let found = checked(NAME, &after).unwrap();
            assert_eq!((found.whole, found.previous), (sum.whole, previous));
            for line in after.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                assert!(serde_json::from_slice::<Value>(line).is_ok(), "{}", String::from_utf8_lossy(&after));
            }
            let edited = String::from_utf8(after).unwrap().replace("\"add\"", "\"abb\"");
            assert!(checked(NAME, edited.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_commit_that_was_cut_emptied_renamed_or_edited_is_refused() {
        let commit = signed(NAME, COMMIT.as_bytes(), None);
        for length in 0..commit.len() {
            assert!(checked(NAME, &commit[..length]).is_err(), "cut to {length} bytes");
        }
        assert!(checked("00000000000000000008.json", &commit).is_err());
        let text = String::from_utf8(commit).unwrap();
        assert!(checked(NAME, text.replace("\"a\"", "\"b\"").as_bytes()).is_err());
        assert!(checked(NAME, text.replace("{\"commitInfo\":{", "{\"commitInfo\": {").as_bytes()).is_err());
        assert!(checked(NAME, b"{}").is_err());
        assert!(!checked(NAME, COMMIT.as_bytes()).unwrap().is_signed, "another program's is taken as it is");
    }

    #[test]
    fn a_commit_that_was_replaced_is_seen_by_the_next_in_whatever_order_they_are_read() {
        let one = CommitSum { whole: 1, previous: None, is_signed: true };
        let two = CommitSum { whole: 2, previous: Some(1), is_signed: true };
        let other = CommitSum { whole: 9, previous: None, is_signed: false };
        let chain = Chain::default();
        assert_eq!((chain.add(4, one), chain.add(5, two)), (None, None));
        let chain = Chain::default();
        assert_eq!((chain.add(4, other), chain.add(5, two)), (None, Some(4)));
        let chain = Chain::default();
        assert_eq!((chain.add(5, two), chain.add(4, other)), (None, Some(4)));
    }
}
