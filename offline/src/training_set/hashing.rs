//! What hashes of columns share: values as bytes.

use arrow::array::{Array, ArrayRef};
use sha2::{Digest, Sha256};

pub(crate) fn add_bytes(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// The values of fixed width, zeros where they are null.
pub(crate) fn add_primitives(hash: &mut Sha256, array: &ArrayRef) {
    let data = array.to_data();
    let width = array.data_type().primitive_width().expect("invariant: the type has a fixed width");
    let bytes = data.buffers().first().expect("invariant: an array of fixed width has a buffer of values");
    let start = data.offset() * width;
    let values = bytes.as_slice().get(start..start + data.len() * width);
    let values = values.expect("invariant: the buffer of an array holds all of its values");
    if data.null_count() == 0 {
        hash.update(values);
        return;
    }
    let mut zeroed = values.to_vec();
    for (_, value) in zeroed.chunks_exact_mut(width).enumerate().filter(|(row, _)| data.is_null(*row)) {
        value.fill(0);
    }
    hash.update(zeroed);
}
