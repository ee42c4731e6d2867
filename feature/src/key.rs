//! The key of an entity as bytes, such that no two different keys collide.

use std::borrow::Borrow;
use std::fmt;

use thiserror::Error;

use crate::value::{Field, Scalar, Value};

/// The encoded join keys of one entity: for each key in the entity's order its fixed-width
/// little-endian bytes, or its length (u32) and its bytes. Keys of one entity have the same
/// types, so different keys have different bytes, whatever delimiters they hold.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey(Box<[u8]>);

/// Values that are not a key of the entity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Law 3: a key with a null is the key of nothing.
    #[error("the join key `{0}` is null")]
    Null(String),
    /// A value of another type than its join key.
    #[error("the join key `{key}` is {expected}, and `{value}` is not")]
    WrongType {
        /// Which join key.
        key: String,
        /// Its type.
        expected: String,
        /// The value that is not of it.
        value: String,
    },
    /// More or fewer values than join keys.
    #[error("{given} values were given for {expected} join keys")]
    WrongCount {
        /// How many values there were.
        given: usize,
        /// How many join keys the entity has.
        expected: usize,
    },
    /// The encoded key is longer than a store takes.
    #[error("the key takes {0} bytes, more than the {max} that a key may have", max = EntityKey::MAX_BYTES)]
    TooLong(usize),
}

impl EntityKey {
    /// The longest encoded key, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// Encodes one value for each of the entity's join keys.
    pub fn encode(keys: &[Field], values: &[Value]) -> Result<Self, KeyError> {
        if keys.len() != values.len() {
            return Err(KeyError::WrongCount { given: values.len(), expected: keys.len() });
        }
        let mut bytes = Vec::with_capacity(16 * keys.len());
        for (key, value) in keys.iter().zip(values) {
            if value.is_null() {
                return Err(KeyError::Null(key.name.to_string()));
            }
            if !value.is_of(key.data_type) {
                return Err(KeyError::WrongType {
                    key: key.name.to_string(),
                    expected: key.data_type.to_string(),
                    value: value.to_string(),
                });
            }
            match value {
                Value::String(text) => bytes.extend_from_slice(&(text.len() as u32).to_le_bytes()),
                Value::Bytes(raw) => bytes.extend_from_slice(&(raw.len() as u32).to_le_bytes()),
                _ => {}
            }
            value.write(&mut bytes);
        }
        Self::from_bytes(bytes.into())
    }

    /// A key that was encoded before.
    pub fn from_bytes(bytes: Box<[u8]>) -> Result<Self, KeyError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(KeyError::TooLong(bytes.len()));
        }
        Ok(Self(bytes))
    }

    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The values that were encoded; `None` if the bytes are not a valid key of these types.
    pub fn decode(&self, keys: &[Field]) -> Option<Vec<Value>> {
        let mut bytes = self.as_bytes();
        let values: Option<Vec<Value>> = keys
            .iter()
            .map(|key| {
                let width = match key.data_type.scalar().and_then(Scalar::width) {
                    Some(width) => width,
                    None => {
                        let (length, rest) = bytes.split_first_chunk::<4>()?;
                        bytes = rest;
                        u32::from_le_bytes(*length) as usize
                    }
                };
                Value::read(key.data_type, bytes.split_off(..width)?)
            })
            .collect();
        values.filter(|_| bytes.is_empty())
    }
}

impl AsRef<[u8]> for EntityKey {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Sets and maps of keys are searched for encoded bytes.
impl Borrow<[u8]> for EntityKey {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntityKey({})", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn two_strings() -> Vec<Field> {
        ["a", "b"]
            .map(|name| Field { name: name.parse().unwrap(), data_type: Scalar::String.into() })
            .to_vec()
    }

    fn strings(a: &str, b: &str) -> [Value; 2] {
        [Value::String(a.into()), Value::String(b.into())]
    }

    proptest! {
        #[test]
        fn different_keys_never_collide(a in "[a|]{0,4}", b in "[a|]{0,4}", c in "[a|]{0,4}", d in "[a|]{0,4}") {
            let left = EntityKey::encode(&two_strings(), &strings(&a, &b)).unwrap();
            let right = EntityKey::encode(&two_strings(), &strings(&c, &d)).unwrap();
            prop_assert_eq!(left == right, (&a, &b) == (&c, &d));
            prop_assert_eq!(left.decode(&two_strings()), Some(strings(&a, &b).to_vec()));
        }
    }

    #[test]
    fn a_null_a_wrong_type_and_an_endless_key_are_refused() {
        let keys = two_strings();
        let encode = |values: &[Value]| EntityKey::encode(&keys, values).unwrap_err();
        assert_eq!(encode(&[Value::Null, Value::Null]), KeyError::Null("a".into()));
        assert!(encode(&[Value::Int32(1), Value::Null]).to_string().contains("is string"));
        assert_eq!(encode(&[]), KeyError::WrongCount { given: 0, expected: 2 });
        assert_eq!(encode(&strings(&"x".repeat(1020), "")), KeyError::TooLong(1028));
    }
}
