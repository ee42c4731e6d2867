//! Reading less of a row group: pages in which no row can matter, by their statistics.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection, RowSelector};
use parquet::errors::Result;

use crate::join::skip::{Range, Skip};

/// The rows of a row group in whose pages some row can matter; `None` if that is all of them, or where
/// the index of pages was not read or the file has none.
pub(crate) fn that_matter(
    skip: &Skip,
    metadata: &ArrowReaderMetadata,
    group: usize,
) -> Result<Option<RowSelection>> {
    let file = metadata.metadata();
    let (Some(columns), Some(offsets)) = (file.column_index(), file.offset_index()) else { return Ok(None) };
    let mut matter: Option<RowSelection> = None;
    for (name, range) in skip.ranges() {
        let schema = metadata.parquet_schema();
        let converter = StatisticsConverter::try_new(name, metadata.schema(), schema)?;
        let mins = converter.data_page_mins(columns, offsets, [&group])?;
        let maxs = converter.data_page_maxes(columns, offsets, [&group])?;
        let Some(rows) = converter.data_page_row_counts(offsets, file.row_groups(), [&group])? else {
            continue;
        };
        let pages: RowSelection = (0..rows.len())
            .map(|page| {
                let rows = usize::try_from(rows.value(page)).unwrap_or(usize::MAX);
                let misses = stored_range(&mins, &maxs, page).is_some_and(|stored| range.misses(&stored));
                if misses { RowSelector::skip(rows) } else { RowSelector::select(rows) }
            })
            .collect::<Vec<_>>()
            .into();
        matter = Some(match matter {
            Some(others) => others.intersection(&pages),
            None => pages,
        });
    }
    Ok(matter.filter(|matter| matter.iter().any(|run| run.skip)))
}

/// The least and the greatest value of a page, as far as its statistics say.
fn stored_range(mins: &ArrayRef, maxs: &ArrayRef, page: usize) -> Option<Range> {
    if mins.is_null(page) || maxs.is_null(page) {
        return None;
    }
    let (min, max) = (mins.slice(page, 1), maxs.slice(page, 1));
    match mins.data_type() {
        DataType::Int32 | DataType::Int64 | DataType::Timestamp(..) => {
            let number = |value: ArrayRef| {
                let value = cast(&value, &DataType::Int64).ok()?;
                Some(value.as_primitive::<Int64Type>().value(0))
            };
            Some(Range::Int(number(min)?, number(max)?))
        }
        DataType::Utf8 | DataType::Binary => {
            let bytes = |value: ArrayRef| {
                let value = cast(&value, &DataType::Binary).ok()?;
                Some(value.as_binary::<i32>().value(0).to_vec())
            };
            Some(Range::Bytes(bytes(min)?, bytes(max)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch, StringArray};
    use feature::{AsOf, Fold, Provenance, Span, View};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;
    use crate::join::labels::Labels;
    use crate::join::latest::Best;
    use crate::join::log_reader::Queue;
    use crate::join::measured::Reading;
    use crate::join::view_fold::{Ask, ViewFold};
    use crate::log::columns::{DATE, Facts, log_batch};
    use crate::log::snapshot::LogFile;
    use crate::log::storage::TableLocation;

    const ROWS: i64 = 1000;
    const PAGE_ROWS: usize = 50;
    const SECOND: i64 = 1_000_000;

    /// A view of one latest value by one key, alive for a hundred seconds.
    fn view(key: &str) -> View {
        let mut view = feature::oracle::History::generate(0, 0).view;
        view.keys.truncate(1);
        view.keys[0].data_type = key.parse().unwrap();
        view.columns.truncate(1);
        view.columns[0].data_type = "int64".parse().unwrap();
        view.features.truncate(1);
        view.features[0].fold = Fold::Latest { column: 0 };
        view.features[0].data_type = "int64".parse().unwrap();
        view.ttl = Some("100s".parse().unwrap());
        (view.is_static, view.retention) = (false, None);
        view
    }

    fn keys(view: &View, numbers: &[i64]) -> ArrayRef {
        match view.keys[0].data_type.to_string().as_str() {
            "int64" => Arc::new(Int64Array::from(numbers.to_vec())),
            _ => Arc::new(StringArray::from_iter_values(numbers.iter().map(|n| format!("key {n:04}")))),
        }
    }

    /// A log of one row a second, in small pages.
    fn write(view: &View, folder: &std::path::Path, key_of: impl Fn(i64) -> i64) -> LogFile {
        let numbers: Vec<i64> = (0..ROWS).map(&key_of).collect();
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS));
        let names = [view.keys[0].name.to_string(), view.columns[0].name.to_string()];
        let rows = RecordBatch::try_from_iter(names.into_iter().zip([keys(view, &numbers), values])).unwrap();
        let times =
            arrow::array::TimestampMicrosecondArray::from_iter_values((0..ROWS).map(|row| row * SECOND));
        let facts = Facts {
            event_times: times.clone(),
            available_at: times,
            provenance: Provenance::Simulated,
            assumed_delay: Some(Span::SECOND),
            positions: (0..ROWS as u64).map(|row| feature::Position::History { file: 0, row }).collect(),
            late: vec![false; ROWS as usize].into(),
            deleted: vec![false; ROWS as usize].into(),
        };
        let mut batch = log_batch(view, &rows, facts).unwrap();
        batch.remove_column(batch.schema().index_of(DATE).unwrap());
        let properties = WriterProperties::builder()
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_write_batch_size(PAGE_ROWS)
            .build();
        let file = File::create(folder.join("log.parquet")).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let bytes = folder.join("log.parquet").metadata().unwrap().len();
        LogFile { path: "log.parquet".to_owned(), bytes, rows: Some(ROWS as u64), date: None }
    }

    /// The values at labels, and how many rows of the log were read.
    fn joined(
        view: &View,
        folder: &std::path::Path,
        file: &LogFile,
        skip: Skip,
        spine: &SpineColumns,
    ) -> (RecordBatch, u64) {
        let labels = Arc::new(Labels::new(&[keys(view, &spine.keys)], &spine.times).unwrap());
        let best = Arc::new(Best::new(&labels));
        let ask = Ask { as_of: AsOf::Available, leaks: true };
        let new = || ViewFold::new(Arc::new(view.clone()), labels.clone(), best.clone(), ask);
        let reading = Reading::default();
        let mut fold = None;
        let location = TableLocation::of_folder(folder).unwrap();
        let queue = Queue::new(location.open().unwrap(), vec![file.clone()], skip);
        queue.fold(&mut fold, new, &reading).unwrap();
        let columns = fold.unwrap().finish().unwrap().columns(&labels.slot_of_row, &spine.times).unwrap();
        let batch = RecordBatch::try_from_iter([("value", columns.features[0].clone())]).unwrap();
        (batch, reading.rows())
    }

    struct SpineColumns {
        keys: Vec<i64>,
        /// In microseconds.
        times: Vec<i64>,
    }

    fn spine_columns(keys: &[i64], seconds: &[i64]) -> SpineColumns {
        SpineColumns { keys: keys.to_vec(), times: seconds.iter().map(|at| at * SECOND).collect() }
    }

    fn check(view: &View, key_of: impl Fn(i64) -> i64, spine: &SpineColumns, pages: usize) {
        let folder = tempfile::tempdir().unwrap();
        let file = write(view, folder.path(), key_of);
        let skip = Skip::new(view, &spine.times, &[keys(view, &spine.keys)], false);
        let (all, read) = joined(view, folder.path(), &file, Skip::default(), spine);
        assert_eq!(read, ROWS as u64);
        let (some, read) = joined(view, folder.path(), &file, skip, spine);
        assert_eq!(some, all);
        assert!(all.column(0).null_count() < spine.keys.len(), "some labels have a value");
        assert_eq!(read, (pages * PAGE_ROWS) as u64);
    }

    #[test]
    fn pages_outside_the_labels_and_their_ttl_are_left_out_and_change_nothing() {
        // Labels from 430 to 480 see rows from 330 to 480: pages 6 to 9.
        let spine = spine_columns(&[0, 1, 2, 3], &[430, 440, 450, 480]);
        check(&view("int64"), |row| row % 7, &spine, 4);
        check(&view("string"), |row| row % 7, &spine, 4);
    }

    #[test]
    fn pages_without_a_key_of_the_spine_are_left_out_and_change_nothing() {
        // Keys by page; those of pages 8 and 9 are in the spine, of the pages 6 to 9 that lie in time.
        let spine = spine_columns(&[8, 9, 8], &[430, 470, 480]);
        check(&view("int64"), |row| row / PAGE_ROWS as i64, &spine, 2);
        check(&view("string"), |row| row / PAGE_ROWS as i64, &spine, 2);
    }

    #[test]
    fn a_file_of_which_every_page_can_matter_is_read_whole() {
        let spine = spine_columns(&[0, 6], &[100, 1000]);
        let view = View { ttl: None, ..view("int64") };
        check(&view, |row| row % 7, &spine, ROWS as usize / PAGE_ROWS);
    }
}
