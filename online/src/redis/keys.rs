//! How rows lie in Redis: what their keys look like, and which of a cluster's slots they are in.
//!
//! | key | value |
//! |---|---|
//! | `tw:1:PROJECT:{ENTITY}VIEW@VERSION` | a packed row |
//! | `tw:1:PROJECT:applied:VIEW@VERSION` | the view's applied time: 20 digits, microseconds from year 1 |
//! | `tw:1:PROJECT:stats:VIEW@VERSION` | a hash: how many `rows`, how many `bytes` of rows and keys, and the commit of the log up to which they are `folded` |
//! | `tw:format:PROJECT` | the version of all this |
//! | `tw:owner:PROJECT` | where the logs lie whose rows these are, as their writer names it |
//!
//! The 1 is the packed row's layout version. So projects and releases share one Redis. Redis Cluster
//! puts keys with the same text in braces into one slot, so all views of an entity lie together. The
//! entity's key is any bytes: in them `~` is written `~~` and `}` is written `~-`, and an empty one, in
//! which a cluster would see no braces, is `~0`. So no two entities share a key, and no entity's key ends
//! the braces early.

use feature::{EntityKey, Micros, VersionId};

use crate::packed::LAYOUT_VERSION;

/// The version of this layout.
pub(super) const FORMAT: u32 = 1;

/// How many slots a cluster has.
pub(super) const SLOTS: u16 = 16384;

/// The keys of one project.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    project: String,
    prefix: String,
}

/// What a key is of.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum KeyOwner {
    Row(VersionId, EntityKey),
    Applied(VersionId),
    /// Something that nobody holds copies of.
    Other,
}

impl Keys {
    /// None where the project's name cannot be part of a key.
    pub(super) fn new(project: &str) -> Option<Keys> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let named = !project.is_empty() && project.bytes().all(plain);
        named.then(|| Keys { project: project.to_owned(), prefix: format!("tw:{LAYOUT_VERSION}:{project}:") })
    }

    /// What all keys of the project begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn row(&self, view: &str, key: &EntityKey) -> Vec<u8> {
        let bytes = key.as_bytes();
        let mut out = Vec::with_capacity(self.prefix.len() + bytes.len() + view.len() + 4);
        out.extend_from_slice(self.prefix.as_bytes());
        out.push(b'{');
        for byte in bytes {
            match byte {
                b'~' => out.extend_from_slice(b"~~"),
                b'}' => out.extend_from_slice(b"~-"),
                byte => out.push(*byte),
            }
        }
        if bytes.is_empty() {
            out.extend_from_slice(b"~0");
        }
        out.push(b'}');
        out.extend_from_slice(view.as_bytes());
        out
    }

    pub(super) fn applied(&self, view: &str) -> Vec<u8> {
        format!("{}applied:{view}", self.prefix).into_bytes()
    }

    pub(super) fn stats(&self, view: &str) -> Vec<u8> {
        format!("{}stats:{view}", self.prefix).into_bytes()
    }

    pub(super) fn format(&self) -> Vec<u8> {
        format!("tw:format:{}", self.project).into_bytes()
    }

    pub(super) fn owner(&self) -> Vec<u8> {
        format!("tw:owner:{}", self.project).into_bytes()
    }

    /// A pattern, as of `SCAN`, of the keys of a view's rows.
    pub(super) fn rows_pattern(&self, view: &str) -> String {
        format!("{}{{*}}{view}", self.prefix)
    }

    /// The view version of whose rows, or of what is noted of them, this is a key.
    pub(super) fn version_of(&self, key: &[u8]) -> Option<VersionId> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?;
        match rest.strip_prefix(b"stats:") {
            Some(view) => std::str::from_utf8(view).ok()?.parse().ok(),
            None => match self.owner_of(key)? {
                KeyOwner::Row(view, _) | KeyOwner::Applied(view) => Some(view),
                KeyOwner::Other => None,
            },
        }
    }

    /// Whose row this is the key of; none where the project has no such key.
    pub(super) fn owner_of(&self, key: &[u8]) -> Option<KeyOwner> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?;
        let view = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse().ok();
        if let Some(applied) = rest.strip_prefix(b"applied:") {
            return view(applied).map(KeyOwner::Applied);
        }
        let Some(tagged) = rest.strip_prefix(b"{") else { return Some(KeyOwner::Other) };
        let end = tagged.iter().position(|byte| *byte == b'}')?;
        let (tag, rest) = tagged.split_at_checked(end)?;
        let key = EntityKey::from_bytes(unescaped(tag)?.into_boxed_slice()).ok()?;
        Some(KeyOwner::Row(view(rest.strip_prefix(b"}")?)?, key))
    }
}

fn unescaped(tag: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(tag.len());
    let mut bytes = tag.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'~' => match bytes.next()? {
                b'~' => out.push(b'~'),
                b'-' => out.push(b'}'),
                b'0' => (),
                _ => return None,
            },
            byte => out.push(*byte),
        }
    }
    Some(out)
}

/// The slot of a key (the specification of Redis Cluster): CRC-16/XMODEM of what the first braces
/// enclose, or of the whole key where they enclose nothing.
pub(super) fn slot(key: &[u8]) -> u16 {
    let tag = || {
        let start = key.iter().position(|byte| *byte == b'{')? + 1;
        let length = key.get(start..)?.iter().position(|byte| *byte == b'}')?;
        key.get(start..start + length).filter(|tag| !tag.is_empty())
    };
    let crc = tag().unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

/// The applied time as it lies in Redis: texts order as times do, whatever the server's locale.
pub(super) fn applied_text(at: Micros) -> String {
    format!("{:020}", at.since(Micros::MIN))
}

/// Reads what [`applied_text`] wrote.
pub(super) fn applied_at(text: &[u8]) -> Option<Micros> {
    let since: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Micros::new(Micros::MIN.get().checked_add(since)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> Keys {
        Keys::new("flights").unwrap()
    }

    fn entity(bytes: &[u8]) -> EntityKey {
        EntityKey::from_bytes(bytes.into()).unwrap()
    }

    #[test]
    fn slots_are_those_of_a_cluster() {
        // From the specification, and by `redis-cli CLUSTER KEYSLOT`.
        assert_eq!(slot(b"123456789"), 0x31C3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        assert_eq!(slot(b"foo{}{bar}"), 8363);
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
    }

    #[test]
    fn times_read_back_and_order_as_text() {
        let times = [Micros::MIN, Micros::new(-1).unwrap(), Micros::new(0).unwrap(), Micros::MAX];
        for time in times {
            assert_eq!(applied_at(applied_text(time).as_bytes()), Some(time));
        }
        assert!(times.map(applied_text).is_sorted());
    }

    #[test]
    fn only_a_plain_name_names_a_project() {
        for bad in ["", "a:b", "a{", "a*", "ü"] {
            assert!(Keys::new(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_key_tells_its_entity_and_lies_with_its_other_views(
            bytes in prop::collection::vec(prop::sample::select(b"~}{-0a:\0\xff".to_vec()), 0..12),
        ) {
            let entity = entity(&bytes);
            let (one, two) = (keys().row("one@1", &entity), keys().row("two@12", &entity));
            prop_assert_eq!(slot(&one), slot(&two));
            prop_assert_eq!(keys().owner_of(&one), Some(KeyOwner::Row("one@1".parse().unwrap(), entity.clone())));
            prop_assert_eq!(keys().owner_of(&two), Some(KeyOwner::Row("two@12".parse().unwrap(), entity)));
            for key in [two, keys().applied("two@12"), keys().stats("two@12")] {
                prop_assert_eq!(keys().version_of(&key), "two@12".parse().ok());
            }
            prop_assert_eq!(keys().version_of(&keys().owner()), None);
        }
    }
}
