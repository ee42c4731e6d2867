//! Files of other programs, opened once: every read of one, and its hash, goes through the same handle, so that all of
//! them see the same bytes even if another file takes its name meanwhile.
//!
//! A Parquet file is read so that every time in it is the moment that its writer meant, and every dictionary is read
//! whatever its writer's codes were. A file's Arrow schema says with which codes its writer held a dictionary in memory.
//! The file itself has a dictionary for each row group, and all of them together can have more values than those codes can
//! number.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use arrow::ipc::convert::try_schema_from_ipc_buffer;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use feature::hexadecimal;
use parquet::arrow::ARROW_SCHEMA_META_KEY;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::Type;
use sha2::{Digest, Sha256};

use crate::error::OfflineError;

/// Bytes that are hashed at a time.
const READ_BYTES: usize = 1 << 20;

/// An open file, which gives no bytes beyond the end that it had. Clones share the handle, and each reader has an offset of
/// its own.
#[derive(Clone, Debug)]
pub struct OpenedFile {
    path: Arc<PathBuf>,
    file: Arc<File>,
    length: u64,
}

impl OpenedFile {
    pub(crate) fn open(path: &Path) -> Result<Self, OfflineError> {
        let failed = |error: io::Error| OfflineError::file("read", path, error);
        let file = files::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self { path: Arc::new(path.to_owned()), file: Arc::new(file), length: about.len() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes it had when it was opened.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// A reader from an offset on.
    pub(crate) fn reader(&self, offset: u64) -> OpenedReader {
        OpenedReader { file: self.clone(), offset }
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, OfflineError> {
        let mut bytes = Vec::new();
        let read = self.reader(0).read_to_end(&mut bytes);
        read.map_err(|error| OfflineError::file("read", &self.path, error))?;
        Ok(bytes)
    }

    /// The SHA-256 of the file's bytes, in hexadecimal.
    pub(crate) fn sha256(&self) -> Result<String, OfflineError> {
        let digest = digest_of(self.reader(0));
        digest
            .map(|digest| hexadecimal(&digest))
            .map_err(|error| OfflineError::file("read", &self.path, error))
    }
}

/// The SHA-256 of a file's bytes, in hexadecimal. Blocks while the file is read.
pub fn file_sha256(path: &Path) -> Result<String, OfflineError> {
    OpenedFile::open(path)?.sha256()
}

/// Reads an [`OpenedFile`] from its own offset on.
#[derive(Debug)]
pub struct OpenedReader {
    file: OpenedFile,
    offset: u64,
}

impl Read for OpenedReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.file.read_at(into, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Seek for OpenedReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let offset = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(by) => self.file.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.offset.checked_add_signed(by),
        };
        self.offset = offset.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.offset)
    }
}

impl Length for OpenedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for OpenedFile {
    type T = io::BufReader<OpenedReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(io::BufReader::new(self.reader(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // A crafted length would take memory before it fails.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} lie beyond its end")));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

impl fmt::Display for OpenedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// The SHA-256 of all bytes that a reader gives, such as a file. Blocks while they are read.
pub fn digest_of(mut reader: impl Read) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(read) => hash.update(buffer.get(..read).expect("invariant: a read fills the buffer at most")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A reader of a file. Times of 96 bits, as older writers have them, are read in microseconds: in nanoseconds, which
/// is their reader's default, those beyond 2262 become other moments.
pub fn open_parquet(file: File) -> Result<ParquetRecordBatchReaderBuilder<OpenedFile>, ParquetError> {
    let length = file.metadata()?.len();
    let file = OpenedFile { path: Arc::default(), file: Arc::new(file), length };
    let metadata = parquet_metadata(&file)?;
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata))
}

/// The metadata of a file, with the types in which [`open_parquet`] reads its columns.
pub(crate) fn parquet_metadata(file: &impl ChunkReader) -> Result<ArrowReaderMetadata, ParquetError> {
    let found = ArrowReaderMetadata::load(file, ArrowReaderOptions::new())?;
    let columns = found.metadata().file_metadata().schema_descr().root_schema().get_fields().to_vec();
    let written = written_schema(&found);
    let is_wide = |column: &Type| column.is_primitive() && column.get_physical_type() == PhysicalType::INT96;
    let fields = found.schema().fields().iter().zip(&columns).map(|(field, column)| match is_wide(column) {
        true => retyped(field, DataType::Timestamp(TimeUnit::Microsecond, None)),
        false => read_field(field, written.as_ref().and_then(|schema| written_type(schema.fields(), field))),
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

/// The schema that a file's writer had in memory, where it is there.
fn written_schema(found: &ArrowReaderMetadata) -> Option<Schema> {
    let entries = found.metadata().file_metadata().key_value_metadata()?;
    let entry = entries.iter().find(|entry| entry.key == ARROW_SCHEMA_META_KEY)?;
    let bytes = BASE64_STANDARD.decode(entry.value.as_ref()?).ok()?;
    try_schema_from_ipc_buffer(&bytes).ok()
}

fn written_type<'a>(written: &'a Fields, field: &Field) -> Option<&'a DataType> {
    let found = written.iter().find(|written| written.name() == field.name());
    found.map(|written| written.data_type())
}

fn read_field(field: &FieldRef, written: Option<&DataType>) -> FieldRef {
    retyped(field, read_type(field.data_type(), written))
}

/// The type in which a column is read: a dictionary of text or bytes has codes of 32 bits at least, and any other is
/// its values. A moment has the zone that its writer gave it, whatever the unit: Parquet has no whole seconds, and their
/// reader leaves the zone of such a column out.
fn read_type(stored: &DataType, written: Option<&DataType>) -> DataType {
    use DataType as D;
    // Both have the same shape, but for names inside lists and maps.
    let item = |field: &FieldRef, written: Option<&FieldRef>| {
        read_field(field, written.map(|written| written.data_type()))
    };
    let of_list = match written {
        Some(
            D::List(item)
            | D::LargeList(item)
            | D::ListView(item)
            | D::LargeListView(item)
            | D::FixedSizeList(item, _)
            | D::Map(item, _),
        ) => Some(item),
        _ => None,
    };
    match stored {
        D::Dictionary(codes, values) => {
            let values = read_type(values, None);
            let codes = match codes.as_ref() {
                D::Int8 | D::Int16 | D::UInt8 | D::UInt16 => D::Int32,
                wide => wide.clone(),
            };
            match has_dictionaries(&values) {
                true => D::Dictionary(Box::new(codes), Box::new(values)),
                false => values,
            }
        }
        D::Timestamp(unit, Some(_)) => match written {
            Some(D::Timestamp(_, Some(zone))) => D::Timestamp(*unit, Some(Arc::clone(zone))),
            _ => stored.clone(),
        },
        D::List(field) => D::List(item(field, of_list)),
        D::LargeList(field) => D::LargeList(item(field, of_list)),
        D::ListView(field) => D::ListView(item(field, of_list)),
        D::LargeListView(field) => D::LargeListView(item(field, of_list)),
        D::FixedSizeList(field, length) => D::FixedSizeList(item(field, of_list), *length),
        D::Struct(fields) => {
            let written = match written {
                Some(D::Struct(written)) if written.len() == fields.len() => Some(written),
                _ => None,
            };
            let fields = fields.iter().enumerate();
            let fields =
                fields.map(|(index, field)| item(field, written.and_then(|written| written.get(index))));
            D::Struct(fields.collect())
        }
        D::Map(entries, sorted) => D::Map(item(entries, of_list), *sorted),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, RecordBatch, new_null_array};
    use arrow::datatypes::TimestampMicrosecondType;
    use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
    use parquet::arrow::encode_arrow_schema;
    use parquet::data_type::{Int96, Int96Type};
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    #[test]
    fn what_was_opened_stays_the_same_when_another_file_takes_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spine.csv");
        std::fs::write(&path, "a\n1\n").unwrap();
        let opened = OpenedFile::open(&path).unwrap();
        let before = file_sha256(&path).unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "b\n2\n").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(opened.bytes().unwrap(), b"a\n1\n");
        assert_eq!(opened.sha256().unwrap(), before);
        assert_ne!(file_sha256(&path).unwrap(), before);
    }

    #[test]
    fn readers_of_one_file_have_an_offset_each() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789").unwrap();
        let opened = OpenedFile::open(file.path()).unwrap();
        let (mut first, mut second) = (opened.reader(0), opened.reader(0));
        second.seek(SeekFrom::End(-2)).unwrap();
        let read = |reader: &mut OpenedReader| {
            let mut two = [0; 2];
            reader.read_exact(&mut two).unwrap();
            two
        };
        assert_eq!((read(&mut first), read(&mut second)), (*b"01", *b"89"));
        assert_eq!(read(&mut first), *b"23");
        assert_eq!(opened.get_bytes(4, 3).unwrap(), "456");
    }

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
    fn whole_seconds_are_read_in_the_zone_that_their_writer_gave_them() {
        let moments = |unit| DataType::Timestamp(unit, Some("America/New_York".into()));
        let columns = |unit| {
            let item = Arc::new(Field::new_list_field(moments(unit), true));
            let nested = Fields::from(vec![Field::new("at", moments(unit), true)]);
            Arc::new(Schema::new(vec![
                Field::new("at", moments(unit), true),
                Field::new("list", DataType::List(item), true),
                Field::new("nested", DataType::Struct(nested), true),
            ]))
        };
        let stored = columns(TimeUnit::Millisecond);
        let file = tempfile::NamedTempFile::new().unwrap();
        let written = encode_arrow_schema(&columns(TimeUnit::Second));
        let entry = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), written);
        let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![entry])).build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let mut writer =
            ArrowWriter::try_new_with_options(file.reopen().unwrap(), Arc::clone(&stored), options).unwrap();
        writer.write(&row_of_nulls(&stored)).unwrap();
        writer.close().unwrap();
        let mut reader = open_parquet(file.reopen().unwrap()).unwrap().build().unwrap();
        assert_eq!(reader.next().unwrap().unwrap().schema().fields(), stored.fields());
    }

    fn row_of_nulls(schema: &Arc<Schema>) -> RecordBatch {
        let columns = schema.fields().iter().map(|field| new_null_array(field.data_type(), 1));
        RecordBatch::try_new(Arc::clone(schema), columns.collect()).unwrap()
    }

    #[test]
    fn bytes_beyond_the_end_of_a_file_are_refused_before_memory_is_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789").unwrap();
        let whole = OpenedFile::open(file.path()).unwrap();
        assert_eq!(whole.get_bytes(4, 6).unwrap(), "456789");
        for (start, length) in [(4, 7), (0, usize::MAX), (u64::MAX, 1)] {
            let refused = whole.get_bytes(start, length).unwrap_err().to_string();
            assert!(refused.contains("beyond its end"), "{refused}");
        }
    }
}
