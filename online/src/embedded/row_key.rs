//! The key of a row in the store on disk: the view's number, big-endian, and the entity's key. So the rows of a view lie
//! together, and no two entities share a key.

use feature::EntityKey;

/// Bytes of a view's number.
const NUMBER: usize = size_of::<u32>();

/// Writes the key of an entity's row into `out`, instead of what is there, and returns it.
pub(super) fn row_key<'a>(out: &'a mut Vec<u8>, view: u32, entity: &EntityKey) -> &'a [u8] {
    out.clear();
    out.extend_from_slice(&view_prefix(view));
    out.extend_from_slice(entity.as_bytes());
    out
}

/// What the keys of all rows of a view begin with.
pub(super) const fn view_prefix(view: u32) -> [u8; NUMBER] {
    view.to_be_bytes()
}

/// The entity of a row's key; `None` if the bytes are not a valid key.
pub(super) fn entity_of(row_key: &[u8]) -> Option<EntityKey> {
    EntityKey::from_bytes(row_key.get(NUMBER..)?.into()).ok()
}
