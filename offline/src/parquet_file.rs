//! Parquet files of other programs, opened so that every time in them is the moment that its writer meant, and every
//! dictionary is read whatever its writer's codes were.
//!
//! A file's Arrow schema says with which codes its writer held a dictionary in memory. The file itself has a dictionary
//! for each row group, and all of them together can have more values than those codes can number.

use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, TimeUnit};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::Type;

/// A reader of a file. Times of 96 bits, as older writers have them, are read in microseconds: in nanoseconds, which
/// is their reader's default, those beyond 2262 become other moments.
pub fn open_parquet(file: File) -> Result<ParquetRecordBatchReaderBuilder<WholeFile>, ParquetError> {
    let length = file.metadata()?.len();
    let file = WholeFile { file, length };
    let metadata = parquet_metadata(&file)?;
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata))
}

/// A file that gives no bytes beyond its end: a length that a crafted file claims takes no memory.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    length: u64,
}

impl Length for WholeFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for WholeFile {
    type T = <File as ChunkReader>::T;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} lie beyond its end")));
        }
        self.file.get_bytes(start, length)
    }
}

/// The metadata of a file, with the types in which [`open_parquet`] reads its columns.
pub(crate) fn parquet_metadata(file: &impl ChunkReader) -> Result<ArrowReaderMetadata, ParquetError> {
    let found = ArrowReaderMetadata::load(file, ArrowReaderOptions::new())?;
    let columns = found.metadata().file_metadata().schema_descr().root_schema().get_fields().to_vec();
    let is_wide = |column: &Type| column.is_primitive() && column.get_physical_type() == PhysicalType::INT96;
    let fields = found.schema().fields().iter().zip(&columns).map(|(field, column)| match is_wide(column) {
        true => retyped(field, DataType::Timestamp(TimeUnit::Microsecond, None)),
        false => read_field(field),
    });
    let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), found.schema().metadata().clone());
    if schema == **found.schema() {
        return Ok(found);
    }
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), options)
}

/// Whether readers of Parquet give dictionaries of these values: those of text and bytes, and no others.
pub(crate) fn has_dictionaries(values: &DataType) -> bool {
    matches!(values, DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary)
}

fn retyped(field: &FieldRef, data_type: DataType) -> FieldRef {
    match *field.data_type() == data_type {
        true => Arc::clone(field),
        false => Arc::new(field.as_ref().clone().with_data_type(data_type)),
    }
}

fn read_field(field: &FieldRef) -> FieldRef {
    retyped(field, read_type(field.data_type()))
}

/// The type in which a column is read: a dictionary of text or bytes has codes of 32 bits at least, and any other is
/// its values.
fn read_type(stored: &DataType) -> DataType {
    use DataType as D;
    match stored {
        D::Dictionary(codes, values) => {
            let values = read_type(values);
            let codes = match codes.as_ref() {
                D::Int8 | D::Int16 | D::UInt8 | D::UInt16 => D::Int32,
                wide => wide.clone(),
            };
            match has_dictionaries(&values) {
                true => D::Dictionary(Box::new(codes), Box::new(values)),
                false => values,
            }
        }
        D::List(item) => D::List(read_field(item)),
        D::LargeList(item) => D::LargeList(read_field(item)),
        D::ListView(item) => D::ListView(read_field(item)),
        D::LargeListView(item) => D::LargeListView(read_field(item)),
        D::FixedSizeList(item, length) => D::FixedSizeList(read_field(item), *length),
        D::Struct(fields) => D::Struct(fields.iter().map(read_field).collect()),
        D::Map(entries, sorted) => D::Map(read_field(entries), *sorted),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::TimestampMicrosecondType;
    use parquet::data_type::{Int96, Int96Type};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    #[test]
    fn a_time_of_96_bits_beyond_2262_is_the_moment_that_was_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let schema = parse_message_type("message m { required int96 at; }").unwrap();
        let mut writer =
            SerializedFileWriter::new(file.reopen().unwrap(), Arc::new(schema), Default::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        // Julian days of 1969-12-31, 2500-01-01 and 9999-12-31, and nanoseconds of the day.
        let times = [(2_440_587, 86_399_999_999_999), (2_634_167, 0), (5_373_484, 1_999)];
        let times = times.map(|(day, nanos): (u32, u64)| {
            let mut time = Int96::new();
            time.set_data(nanos as u32, (nanos >> 32) as u32, day);
            time
        });
        column.typed::<Int96Type>().write_batch(&times, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let mut reader = open_parquet(file.reopen().unwrap()).unwrap().build().unwrap();
        let batch = reader.next().unwrap().unwrap();
        let read: Vec<String> = batch
            .column(0)
            .as_primitive::<TimestampMicrosecondType>()
            .values()
            .iter()
            .map(|micros| feature::Micros::new(*micros).unwrap().to_string())
            .collect();
        assert_eq!(
            read,
            ["1969-12-31T23:59:59.999999Z", "2500-01-01T00:00:00Z", "9999-12-31T00:00:00.000001Z"]
        );
    }

    #[test]
    fn bytes_beyond_the_end_of_a_file_are_refused_before_memory_is_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789").unwrap();
        let whole = WholeFile { file: file.reopen().unwrap(), length: 10 };
        assert_eq!(whole.get_bytes(4, 6).unwrap(), "456789");
        for (start, length) in [(4, 7), (0, usize::MAX), (u64::MAX, 1)] {
            let refused = whole.get_bytes(start, length).unwrap_err().to_string();
            assert!(refused.contains("beyond its end"), "{refused}");
        }
    }
}
