//! The entities that were forgotten: no load, stream or push brings rows of them back that happened before.
//!
//! The list lies beside the logs, since they depend on it, and holds no keys: of each entity a hash of its encoded key with
//! a salt that nothing else has. It is replaced as a whole, and numbered. Every log that was ever freed of an entity has a
//! counter with the number of the list by which that was done ([`FORGOTTEN`]), so that a list that was lost is noticed, and
//! a commit that was decided with an older list is a conflict.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use feature::{Micros, Name, hexadecimal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::damage::Damaged;
use crate::error::OfflineError;
use crate::log::storage::durable;

/// The counter of a log: the number of the list whose entities it is being freed of.
pub const FORGOTTEN: &str = "forgotten";
/// The counter of a log: the number of the list whose entities it has no more.
pub const FORGOTTEN_WHOLE: &str = "forgotten-whole";

/// The format of the list.
const FORMAT: u32 = 1;

/// The entities that were forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How often the list was replaced.
    number: u64,
    salt: String,
    /// By entity and hash, the moment up to which its rows are forgotten.
    until: BTreeMap<(Name, String), Micros>,
}

/// The list as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    number: u64,
    salt: String,
    forgotten: Vec<StoredEntity>,
    /// The checksum of all of the above, as JSON.
    check: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredEntity {
    entity: Name,
    hash: String,
    until: Micros,
}

impl Forgotten {
    /// How often the list was replaced; 0 without a list.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The same list with one more key, which is not stored.
    #[must_use]
    pub fn with(&self, entity: &Name, key: &[u8], until: Micros) -> Self {
        let mut list = self.clone();
        list.until.insert((entity.clone(), self.hash(entity, key)), until);
        list
    }

    /// The list with a key more, or with a later moment of one that it has; numbered as the next.
    pub(super) fn noting(mut self, entity: &Name, key: &[u8], until: Micros) -> io::Result<Self> {
        if self.salt.is_empty() {
            self.salt = salt()?;
        }
        let known = self.until(entity, key);
        self.until
            .insert((entity.clone(), self.hash(entity, key)), known.map_or(until, |known| known.max(until)));
        self.number += 1;
        Ok(self)
    }

    /// Whether no key of an entity was ever forgotten, so that nobody has to look further.
    pub fn has_none_of(&self, entity: &Name) -> bool {
        self.until.keys().all(|(forgotten, _)| forgotten != entity)
    }

    /// Whether another list has the same keys of an entity.
    pub fn is_same_of(&self, entity: &Name, other: &Self) -> bool {
        let theirs = other.until.iter().filter(|((of, _), _)| of == entity);
        self.until.iter().filter(|((of, _), _)| of == entity).eq(theirs)
    }

    /// Up to which moment the rows of an encoded key are forgotten; `None` if they are not.
    pub fn until(&self, entity: &Name, key: &[u8]) -> Option<Micros> {
        self.until.get(&(entity.clone(), self.hash(entity, key))).copied()
    }

    /// Whether a row of an encoded key is forgotten that happened then; one without a time always is.
    pub fn covers(&self, entity: &Name, key: &[u8], event_time: Option<i64>) -> bool {
        self.until(entity, key).is_some_and(|until| event_time.is_none_or(|time| time <= until.get()))
    }

    /// What stands for an encoded key in the list and in the audit log.
    pub fn hash(&self, entity: &Name, key: &[u8]) -> String {
        let mut digest = Sha256::new();
        for part in [self.salt.as_bytes(), entity.as_str().as_bytes()] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.update(key);
        // 128 bits.
        let mut hash = hexadecimal(&digest.finalize());
        hash.truncate(32);
        hash
    }

    pub(super) fn read(path: &Path) -> Result<Self, OfflineError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(OfflineError::file("read", path, error)),
        };
        let damaged = || Damaged::new(path, "it is not the list that was written");
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        if stored.format > FORMAT {
            return Err(
                Damaged::new(path, format!("it has format {}, of a later release", stored.format)).into()
            );
        }
        if stored.check != stored.checksum() {
            return Err(damaged().into());
        }
        let entries = stored.forgotten.into_iter().map(|one| ((one.entity, one.hash), one.until));
        Ok(Self { number: stored.number, salt: stored.salt, until: entries.collect() })
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let forgotten = self.until.iter().map(|((entity, hash), until)| StoredEntity {
            entity: entity.clone(),
            hash: hash.clone(),
            until: *until,
        });
        let mut stored = Stored {
            format: FORMAT,
            number: self.number,
            salt: self.salt.clone(),
            forgotten: forgotten.collect(),
            check: 0,
        };
        stored.check = stored.checksum();
        let staged = path.with_extension("json.new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
        file.write_all(&serde_json::to_vec_pretty(&stored)?)?;
        file.sync_all()?;
        fs::rename(&staged, path)?;
        path.parent().map_or(Ok(()), durable::sync_folder)
    }
}

impl Stored {
    fn checksum(&self) -> u32 {
        let mut hash = crc32fast::Hasher::new();
        hash.update(&self.number.to_le_bytes());
        hash.update(self.salt.as_bytes());
        for one in &self.forgotten {
            hash.update(one.entity.as_str().as_bytes());
            hash.update(one.hash.as_bytes());
            hash.update(&one.until.get().to_le_bytes());
        }
        hash.finalize()
    }
}

/// 32 bytes that nobody can guess.
fn salt() -> io::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hexadecimal(&bytes))
}
