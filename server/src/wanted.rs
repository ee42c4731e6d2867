//! Which rows of the store a question needs: every entity of every view once, however often and in
//! however many roles it is asked for.

use std::collections::HashMap;

use arrow::array::ArrayRef;
use feature::{EntityKey, Field, KeyError, Lookup, ServicePlan, Value};

use crate::error::ServeError;
use crate::question::Question;

/// The entities of one view.
#[derive(Debug, Default)]
pub(crate) struct Entities {
    /// Their keys, each once.
    pub keys: Vec<EntityKey>,
    places: HashMap<EntityKey, u32>,
}

impl Entities {
    /// The places among [`Entities::keys`] of the entities that a lookup asks for, one for each row;
    /// none for a key that can have no row: one with a null, and one longer than a store takes.
    pub fn add(
        &mut self,
        plan: &ServicePlan,
        lookup: &Lookup,
        question: &Question,
    ) -> Result<Vec<Option<u32>>, ServeError> {
        let misfit =
            |problem: String| ServeError::Misfit { service: plan.id.clone(), problems: vec![problem] };
        let columns: Option<Vec<(&Field, &ArrayRef)>> = lookup
            .keys
            .iter()
            .map(|place| Some((plan.keys.get(*place)?, question.keys.get(*place)?.as_ref()?)))
            .collect();
        let columns = columns.ok_or_else(|| misfit(format!("{} lacks a join key", lookup.view.id)))?;
        let mut values = Vec::with_capacity(columns.len());
        (0..question.rows)
            .map(|row| {
                values.clear();
                values.extend(columns.iter().map(|(key, array)| value(key, array, row)));
                match EntityKey::encode(&lookup.view.keys, &values) {
                    Ok(key) => Ok(Some(self.place(key))),
                    Err(KeyError::Null(_) | KeyError::TooLong(_)) => Ok(None),
                    Err(error) => Err(misfit(error.to_string())),
                }
            })
            .collect()
    }

    fn place(&mut self, key: EntityKey) -> u32 {
        let next = self.keys.len() as u32;
        *self.places.entry(key).or_insert_with_key(|key| {
            self.keys.push(key.clone());
            next
        })
    }
}

fn value(key: &Field, array: &ArrayRef, row: usize) -> Value {
    transform::value_at(array, row, key.data_type)
}
