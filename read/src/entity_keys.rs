//! Which rows of the store a request needs: every entity of every view once, however often and in
//! however many roles it has.

use std::hash::BuildHasher;

use arrow::array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, PrimitiveArray, StringArray};
use feature::{EntityKey, Field, KeyError, Micros, Scalar, ServicePlan, Value};
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::error::RequestError;
use crate::request::ValidatedRequest;
use crate::request_column::RequestColumn;

/// A set of entities.
#[derive(Debug, Default)]
pub(crate) struct EntityKeys {
    /// Their keys, each once.
    pub keys: Vec<EntityKey>,
    /// The indices of the keys, by what they hash to.
    index_by_hash: HashTable<u32>,
    hashing: DefaultHashBuilder,
}

/// Where the entity of each row of a request lies among those of a set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum KeyIndices {
    /// Row by row, each with the entity at its own index.
    InOrder,
    /// At these indices; `None` for a key that can have no row.
    Picked(Vec<Option<u32>>),
}

impl KeyIndices {
    /// Where the entity of a row of the request lies; `None` for a key that can have no row.
    pub fn at(&self, row: usize) -> Option<usize> {
        match self {
            KeyIndices::InOrder => Some(row),
            KeyIndices::Picked(indices) => (*indices.get(row)?).map(|index| index as usize),
        }
    }
}

impl EntityKeys {
    /// The indices among [`EntityKeys::keys`] of the entities that these key columns name, by their indices
    /// in the plan; none for a key that can have no row: one with a null, and one longer than a store
    /// takes.
    pub fn add(
        &mut self,
        plan: &ServicePlan,
        keys: &[usize],
        request: &ValidatedRequest,
    ) -> Result<KeyIndices, RequestError> {
        let columns: Option<Vec<KeyColumn<'_>>> =
            keys.iter().map(|index| KeyColumn::of(plan.keys.get(*index)?, request.key(*index)?)).collect();
        let Some(columns) = columns else {
            let problems = vec!["it lacks a join key".to_owned()];
            return Err(RequestError::Misfit { service: plan.id.clone(), problems });
        };
        let is_first = self.keys.is_empty();
        self.reserve(request.rows());
        let mut picked = Vec::with_capacity(request.rows());
        let mut bytes = Vec::with_capacity(64);
        for row in 0..request.rows() {
            bytes.clear();
            let is_whole = columns.iter().all(|column| column.write(row, &mut bytes));
            picked.push(match EntityKey::from_bytes(bytes.as_slice().into()) {
                Ok(key) if is_whole => Some(self.index_of(key)),
                Ok(_) | Err(KeyError::TooLong(_)) => None,
                Err(error) => {
                    let problems = vec![error.to_string()];
                    return Err(RequestError::Misfit { service: plan.id.clone(), problems });
                }
            });
        }
        let is_in_order = is_first && self.keys.len() == picked.len();
        Ok(if is_in_order { KeyIndices::InOrder } else { KeyIndices::Picked(picked) })
    }

    /// Reserves capacity for so many more.
    fn reserve(&mut self, entities: usize) {
        let Self { keys, index_by_hash, hashing } = self;
        keys.reserve(entities);
        let hash_of = |index: &u32| keys.get(*index as usize).map_or(0, |key| hashing.hash_one(key));
        index_by_hash.reserve(entities, hash_of);
    }

    fn index_of(&mut self, key: EntityKey) -> u32 {
        let Self { keys, index_by_hash, hashing } = self;
        let next = keys.len() as u32;
        let hash = hashing.hash_one(&key);
        let is_same = |index: &u32| keys.get(*index as usize) == Some(&key);
        if let Some(index) = index_by_hash.find(hash, is_same) {
            return *index;
        }
        keys.push(key);
        let hash_of = |index: &u32| keys.get(*index as usize).map_or(0, |key| hashing.hash_one(key));
        index_by_hash.insert_unique(hash, next, hash_of);
        next
    }
}

/// The encoding of the first row's value of a join key, by which a canary is chosen: empty for a null. `None` if the
/// column has no rows or holds no values of the key's type.
pub fn first_key<C: RequestColumn>(key: &Field, column: C) -> Option<Vec<u8>> {
    let array = column.read(key.data_type).ok().filter(|array| !array.is_empty())?;
    let mut bytes = Vec::new();
    if !KeyColumn::of(key, &array)?.write(0, &mut bytes) {
        bytes.clear();
    }
    Some(bytes)
}

/// One join key of every row, ready to be encoded.
enum KeyColumn<'a> {
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Int32(&'a PrimitiveArray<Int32Type>),
    Int64(&'a PrimitiveArray<Int64Type>),
    Timestamp(&'a PrimitiveArray<TimestampMicrosecondType>),
    /// What is too rare to be quick.
    Other(&'a Field, &'a ArrayRef),
}

impl<'a> KeyColumn<'a> {
    fn of(field: &'a Field, array: &'a ArrayRef) -> Option<Self> {
        Some(match field.data_type.scalar() {
            Some(Scalar::String) => Self::Text(array.as_string_opt()?),
            Some(Scalar::Bytes) => Self::Bytes(array.as_binary_opt()?),
            Some(Scalar::Int32) => Self::Int32(array.as_primitive_opt()?),
            Some(Scalar::Int64) => Self::Int64(array.as_primitive_opt()?),
            Some(Scalar::Timestamp) => Self::Timestamp(array.as_primitive_opt()?),
            _ => Self::Other(field, array),
        })
    }

    /// Adds a row's key as [`EntityKey::encode`] does; false where it is null.
    fn write(&self, row: usize, into: &mut Vec<u8>) -> bool {
        let mut sized = |bytes: &[u8]| {
            into.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            into.extend_from_slice(bytes);
            true
        };
        match self {
            Self::Text(array) => !array.is_null(row) && sized(array.value(row).as_bytes()),
            Self::Bytes(array) => !array.is_null(row) && sized(array.value(row)),
            Self::Int32(array) => !array.is_null(row) && fixed(&Value::Int32(array.value(row)), into),
            Self::Int64(array) => !array.is_null(row) && fixed(&Value::Int64(array.value(row)), into),
            Self::Timestamp(array) => {
                let moment = (!array.is_null(row)).then(|| Micros::new(array.value(row)).ok()).flatten();
                moment.is_some_and(|moment| fixed(&Value::Timestamp(moment), into))
            }
            Self::Other(field, array) => fixed(&transform::value_at(array, row, field.data_type), into),
        }
    }
}

fn fixed(value: &Value, into: &mut Vec<u8>) -> bool {
    value.write(into);
    !value.is_null()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_encoded_as_the_law_says_whatever_its_type() {
        let text = |text: &str| Value::String(text.into());
        let moment = |micros| Value::Timestamp(Micros::new(micros).unwrap());
        let columns = [
            ("string", vec![text(""), text("BOS"), text("a|b"), Value::Null]),
            (
                "bytes",
                vec![
                    Value::Bytes([0, 255].as_slice().into()),
                    Value::Bytes([].as_slice().into()),
                    Value::Null,
                ],
            ),
            ("int32", vec![Value::Int32(i32::MIN), Value::Int32(7), Value::Null]),
            ("int64", vec![Value::Int64(i64::MAX), Value::Int64(-1), Value::Null]),
            ("timestamp", vec![moment(0), moment(-1), Value::Null]),
            ("bool", vec![Value::Bool(true), Value::Bool(false), Value::Null]),
        ];
        for (data_type, values) in &columns {
            let field = Field { name: "key".parse().unwrap(), data_type: data_type.parse().unwrap() };
            let array = transform::array_of(values, field.data_type);
            for (row, value) in values.iter().enumerate() {
                let mut bytes = Vec::new();
                let is_whole = KeyColumn::of(&field, &array).unwrap().write(row, &mut bytes);
                match EntityKey::encode(std::slice::from_ref(&field), std::slice::from_ref(value)) {
                    Ok(key) => assert_eq!(
                        (is_whole, bytes.as_slice()),
                        (true, key.as_bytes()),
                        "{data_type} {value}"
                    ),
                    Err(_) => assert!(!is_whole, "{data_type} {value}"),
                }
            }
        }
    }
}
