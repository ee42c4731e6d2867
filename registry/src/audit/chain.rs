//! The chain of the audit log: how an entry is encoded and hashed over the one before it, and how it shows that an entry
//! was changed, removed or moved.
//!
//! The hash of an entry is the SHA-256 of the hash before it (32 bytes, zeros before the first), the format (u32), the
//! number (i64), the time (i64), and each text as a byte 1, its length (u64) and its bytes, or a byte 0 where there is
//! none; all numbers little-endian. No two different entries have one encoding.

use feature::{Micros, hexadecimal};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::record::{AuditAction, Record};

/// The format of the encoding that entries are hashed in.
const FORMAT: u32 = 1;

/// An entry has the time at which its writer began; one that waited for another may be earlier by so much.
const MOST_OVERLAP_US: i64 = 1_000_000;

/// One entry of the audit log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AuditEntry {
    /// Its number, from 1, without gaps.
    pub number: i64,
    /// The format that it is hashed in.
    #[serde(skip)]
    pub format: u32,
    /// When, by the clock of whoever did it.
    #[serde(serialize_with = "crate::first_use::as_text")]
    pub at: Micros,
    /// Who.
    pub actor: String,
    /// What was done.
    pub action: AuditAction,
    /// To what: its kind, and its name or `name@version`.
    pub subject: String,
    /// What it was before.
    pub from: Option<String>,
    /// What it is now.
    pub to: Option<String>,
    /// Why, as the actor says.
    pub reason: Option<String>,
    /// What else belongs to it, as the gates that were overridden.
    pub detail: Option<String>,
    /// Its hash over the entry before, in hexadecimal.
    pub hash: String,
}

/// An entry before which the clock went back: its writer's was behind that of the writer before.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BackInTime {
    /// The entry.
    pub entry: i64,
    /// By how many seconds it is earlier than the entry before.
    pub seconds: f64,
}

impl AuditEntry {
    /// Whether it is about a definition or a service of this name or `name@version`.
    pub(super) fn is_about(&self, name: &str) -> bool {
        let subject = self.subject.split_once(' ').map_or(self.subject.as_str(), |(_, subject)| subject);
        let is_meant = |text: &str| text == name || text.split('@').next() == Some(name);
        is_meant(subject) || [&self.from, &self.to].into_iter().flatten().any(|state| is_meant(state))
    }

    fn hash_over(&self, before: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(raw(before));
        hash.update(self.format.to_le_bytes());
        hash.update(self.number.to_le_bytes());
        hash.update(self.at.get().to_le_bytes());
        let texts = [
            Some(self.actor.as_str()),
            Some(self.action.name()),
            Some(self.subject.as_str()),
            self.from.as_deref(),
            self.to.as_deref(),
            self.reason.as_deref(),
            self.detail.as_deref(),
        ];
        for text in texts {
            match text {
                None => hash.update([0]),
                Some(text) => {
                    hash.update([1]);
                    hash.update((text.len() as u64).to_le_bytes());
                    hash.update(text);
                }
            }
        }
        hexadecimal(&hash.finalize())
    }
}

/// The bytes of a hash in hexadecimal; what is no hash gives others than any.
fn raw(hash: &str) -> Vec<u8> {
    if hash.is_empty() {
        return vec![0; 32];
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = hash.as_bytes().chunks(2).map(byte).collect();
    bytes.unwrap_or_else(|| hash.as_bytes().to_vec())
}

/// The end of the log: what the next entry follows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Head {
    /// How many entries there are.
    pub(super) number: i64,
    /// The hash of the last; empty where there is none.
    pub(super) hash: String,
}

impl Head {
    pub(super) fn of(entry: &AuditEntry) -> Head {
        Head { number: entry.number, hash: entry.hash.clone() }
    }

    /// Whether this is the last entry that there is.
    pub(super) fn is_of(&self, last: Option<(i64, &str)>) -> bool {
        last.unwrap_or((0, "")) == (self.number, &self.hash)
    }

    /// The entry that follows.
    pub(super) fn next(&self, record: Record, actor: &str, at: Micros) -> AuditEntry {
        let Record { action, subject, from, to, reason, detail } = record;
        let mut entry = AuditEntry {
            number: self.number + 1,
            format: FORMAT,
            at,
            actor: actor.to_owned(),
            action,
            subject,
            from,
            to,
            reason: reason.map(String::from),
            detail,
            hash: String::new(),
        };
        entry.hash = entry.hash_over(&self.hash);
        entry
    }
}

/// Everything that is not as it was written, of entries in the order of their numbers; a sentence each.
pub(super) fn check(entries: &[AuditEntry], head: &Head) -> Vec<String> {
    let mut damaged = Vec::new();
    let (mut expected, mut before) = (1, Some(""));
    for entry in entries {
        if entry.number > expected {
            damaged.push(missing(expected, entry.number - 1));
            before = None;
        }
        if entry.format > FORMAT {
            damaged.push(format!(
                "entry {} of the audit log has format {}, and this version knows {FORMAT}",
                entry.number, entry.format
            ));
        } else if before.is_some_and(|before| entry.hash_over(before) != entry.hash) {
            damaged.push(format!(
                "entry {} of the audit log ({} by {} of {}) is not what was written: it or the entry before it was changed",
                entry.number,
                entry.action.name(),
                entry.actor,
                entry.at
            ));
        }
        expected = entry.number.saturating_add(1);
        before = Some(&entry.hash);
    }
    let last = entries.last();
    if expected <= head.number {
        damaged.push(missing(expected, head.number));
    } else if !head.is_of(last.map(|entry| (entry.number, entry.hash.as_str()))) {
        let number = last.map_or(0, |entry| entry.number);
        damaged.push(format!(
            "entry {number} of the audit log is not the last that was written, which is entry {}: it was changed or added beside the product",
            head.number
        ));
    }
    damaged
}

fn missing(from: i64, to: i64) -> String {
    match from == to {
        true => format!("entry {from} of the audit log is missing"),
        false => format!("entries {from} to {to} of the audit log are missing"),
    }
}

/// The entries before which the clock went back, by more than writers that ran at once may differ.
pub(super) fn back_in_time(entries: &[AuditEntry]) -> Vec<BackInTime> {
    let pairs = entries.iter().zip(entries.iter().skip(1));
    let pairs = pairs.filter(|(before, entry)| before.at.since(entry.at) > MOST_OVERLAP_US);
    pairs
        .map(|(before, entry)| BackInTime {
            entry: entry.number,
            seconds: before.at.since(entry.at) as f64 / 1e6,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{DefinitionId, Kind};

    fn chain(texts: &[(String, Option<String>)]) -> Vec<AuditEntry> {
        let mut head = Head::default();
        let mut entries = Vec::new();
        for (index, (subject, to)) in texts.iter().enumerate() {
            let id = DefinitionId { kind: Kind::Source, name: "s".parse().unwrap(), version: None };
            let record =
                Record { subject: subject.clone(), to: to.clone(), ..Record::of(AuditAction::Add, &id) };
            entries.push(head.next(record, "ana", Micros::new(index as i64).unwrap()));
            head = Head::of(&entries[index]);
        }
        entries
    }

    fn three() -> (Vec<AuditEntry>, Head) {
        let entries = chain(&["a", "b", "c"].map(|text| (text.to_owned(), None)));
        let head = Head::of(&entries[2]);
        (entries, head)
    }

    /// Hashes lie in registries: they must never change by accident.
    #[test]
    fn the_hashes_of_format_1_are_pinned() {
        let (entries, head) = three();
        assert!(check(&entries, &head).is_empty());
        insta::assert_snapshot!(head.hash, @"e072605d9320c4e70dbfd0547ce5b1d320ec960feef3b745cf3ca78ce946978e");
    }

    #[test]
    fn a_changed_entry_is_named() {
        let (mut entries, head) = three();
        entries[1].actor = "eve".to_owned();
        let damaged = check(&entries, &head);
        assert_eq!(damaged.len(), 1, "{damaged:?}");
        assert!(damaged[0].starts_with("entry 2 of the audit log (add by eve of "), "{damaged:?}");
        // Its hash written again, the next one no longer follows it.
        entries[1].hash = entries[1].hash_over(&entries[0].hash);
        let damaged = check(&entries, &head);
        assert!(damaged[0].starts_with("entry 3 of the audit log"), "{damaged:?}");
        // All of them written again, the last is not the one that was written.
        entries[2].hash = entries[2].hash_over(&entries[1].hash);
        let damaged = check(&entries, &head);
        assert!(damaged[0].contains("is not the last that was written"), "{damaged:?}");
    }

    #[test]
    fn a_removed_entry_is_named_also_the_first_and_the_last() {
        for (removed, sentence) in [(0, "entry 1 of"), (1, "entry 2 of"), (2, "entry 3 of")] {
            let (mut entries, head) = three();
            entries.remove(removed);
            let damaged = check(&entries, &head);
            assert_eq!(damaged, [format!("{sentence} the audit log is missing")]);
        }
        let (_, head) = three();
        assert_eq!(check(&[], &head), ["entries 1 to 3 of the audit log are missing"]);
    }

    #[test]
    fn entries_that_were_swapped_are_named() {
        let (mut entries, head) = three();
        entries.swap(0, 1);
        (entries[0].number, entries[1].number) = (1, 2);
        assert_eq!(check(&entries, &head).len(), 3);
    }

    #[test]
    fn a_clock_that_went_back_is_shown_and_is_no_damage() {
        let (mut entries, _) = three();
        entries[1].at = Micros::new(5_000_001).unwrap();
        assert_eq!(back_in_time(&entries), [BackInTime { entry: 3, seconds: 4.999999 }]);
    }

    proptest! {
        #[test]
        fn no_two_different_entries_have_one_hash(
            a in ("[ab]{0,3}", proptest::option::of("[ab]{0,3}")),
            b in ("[ab]{0,3}", proptest::option::of("[ab]{0,3}")),
        ) {
            let (one, two) = (chain(std::slice::from_ref(&a)), chain(std::slice::from_ref(&b)));
            prop_assert_eq!(one[0].hash == two[0].hash, a == b);
        }
    }
}
