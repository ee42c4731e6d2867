//! Keys and packed rows of some entities, on their way to a store.

use feature::EntityKey;
use online::OnlineError;

/// Entities with their packed rows, all in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    keys: Vec<EntityKey>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Packed {
    pub(super) fn with_capacity(entities: usize) -> Self {
        Self { keys: Vec::with_capacity(entities), bytes: Vec::new(), ends: Vec::with_capacity(entities) }
    }

    /// Adds an entity, whose packed row is appended to what is there.
    pub(super) fn push(
        &mut self,
        key: EntityKey,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), OnlineError>,
    ) -> Result<(), OnlineError> {
        encode(&mut self.bytes)?;
        self.keys.push(key);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// How many bytes the rows take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Each entity with its packed row.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&EntityKey, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let rows = starts.zip(&self.ends).filter_map(|(start, end)| self.bytes.get(start..*end));
        self.keys.iter().zip(rows)
    }
}
