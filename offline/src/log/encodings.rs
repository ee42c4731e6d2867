//! How the columns of a log's files are encoded and compressed.
//!
//! What every join reads of every row (times and whole keys) is the fastest to decode: differences,
//! packed to their bits, which a compressor would not make smaller. Values have a dictionary
//! while they are few; beyond that the bytes of floats are split into streams, where zstd finds what
//! repeats. The measurements are in docs/decisions/0017-layout-of-a-log.md.

use arrow::datatypes::{DataType, Field, Schema};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::log::columns::{
    AVAILABLE_AT, DELETED, EVENT_TIME, LATE, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR,
};

/// Bytes of a dictionary of numbers beyond which a column goes on without one: about two thousand
/// different values.
const NUMBERS_BYTES: usize = 16 * 1024;
/// Whole numbers that rise slowly or hardly ever change.
const PACKED: [&str; 5] = [EVENT_TIME, AVAILABLE_AT, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR];
/// Columns that are nearly always false: a bit a row.
const FLAGS: [&str; 2] = [DELETED, LATE];

/// The properties of a file with these columns.
pub(crate) fn writer_properties(schema: &Schema) -> WriterProperties {
    let level = ZstdLevel::try_new(1).unwrap_or_default();
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level));
    schema.fields().iter().fold(properties, |properties, field| column(properties, field)).build()
}

fn column(properties: WriterPropertiesBuilder, field: &Field) -> WriterPropertiesBuilder {
    let name = field.name().as_str();
    let path = ColumnPath::from(name);
    let whole = matches!(
        field.data_type(),
        DataType::Int8 | DataType::Int32 | DataType::Int64 | DataType::Date32 | DataType::Timestamp(..)
    );
    if FLAGS.contains(&name) {
        properties.set_column_compression(path, Compression::UNCOMPRESSED)
    } else if PACKED.contains(&name) {
        properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED)
            .set_column_compression(path, Compression::UNCOMPRESSED)
    } else if whole {
        properties
            .set_column_dictionary_page_size_limit(path.clone(), NUMBERS_BYTES)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED)
    } else if matches!(field.data_type(), DataType::Float32 | DataType::Float64) {
        properties
            .set_column_dictionary_page_size_limit(path.clone(), NUMBERS_BYTES)
            .set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT)
    } else {
        properties
    }
}
