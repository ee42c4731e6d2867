//! What every batch source has to do, as tests that any source can be given to: the same rows, written in its own
//! format, are read alike. The rows of another view lie in no file of their own: what of the contract holds for them too
//! is in `derived_contract.rs`. Sources of other crates turn on the feature `contract` in their tests:
//!
//! ```
//! # #[allow(unused_imports)]
//! mod my_source {
//!     # use twinstore_materializer as materializer;
//!     use materializer::contract::{Kind, Row};
//!     # fn write(_: &std::path::Path, _: &[Row]) {}
//!     # fn open(path: &std::path::Path, _: &feature::Source, _: &feature::VersionId)
//!     #     -> materializer::contract::OpenedSource {
//!     #     let path = path.display().to_string();
//!     #     Err(materializer::MaterializerError::File { path, problems: Vec::new() })
//!     # }
//!     materializer::contract_tests!(Kind {
//!         path: "data/day=3/a.tsv",
//!         write,
//!         open,
//!         is_damaged_when_cut: false,
//!         rows_name_columns: false,
//!     });
//! }
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a suite of tests: what is wrong ends the test"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use feature::{Batch, BatchFiles, Field, Name, Source, Value, VersionId};

use super::batch_source::BatchSource;
use super::source_file::{SourceFile, TableVersions};
use super::source_rows::SourceRows;
use crate::error::MaterializerError;

/// A row of the suite: an id, a name and an amount, each of which may be null.
pub type Row = (Option<i64>, Option<&'static str>, Option<f64>);

/// A source that was opened.
pub type OpenedSource = Result<Arc<dyn BatchSource>, MaterializerError>;

/// A kind of source, as the suite uses it.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What the source's `path` names, in the project's folder; its file lies in a folder `day=3`.
    pub path: &'static str,
    /// Writes one file with these rows at a path; the columns are `id`, `name` and `value`.
    pub write: fn(&Path, &[Row]),
    /// Opens the source of a definition in a project's folder. Blocks.
    pub open: fn(&Path, &Source, &VersionId) -> OpenedSource,
    /// Whether a file without its last bytes shows that it is not whole.
    pub is_damaged_when_cut: bool,
    /// Whether each row names its own columns, so that one that is missing is null in that row alone.
    pub rows_name_columns: bool,
}

/// Makes a test of each promise of a batch source.
#[macro_export]
macro_rules! contract_tests {
    ($kind:expr; $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::contract::$name(&$kind);
            }
        )*
    };
    ($kind:expr) => {
        $crate::contract_tests! { $kind;
            rows_are_read_as_they_were_written
            batches_have_at_most_the_requested_rows_and_are_numbered_from_zero
            columns_are_read_in_the_requested_order
            a_value_that_does_not_fit_makes_its_row_unreadable_and_no_other
            a_folder_that_gives_what_its_column_cannot_hold_makes_every_row_unreadable
            a_column_that_a_file_lacks_is_null_if_it_may_and_refused_by_name_if_not
            an_empty_file_has_no_rows
            a_damaged_or_missing_file_is_refused_by_name
        }
    };
}

pub(super) const ROWS: [Row; 5] = [
    (Some(1), Some("a"), Some(0.5)),
    (Some(2), None, Some(-1.0)),
    (Some(3), Some("c, \"d\"\ne"), None),
    (Some(4), Some("é"), Some(1e300)),
    (Some(5), Some("x"), Some(2.0)),
];

fn field(name: &str, data_type: &str) -> Field {
    Field { name: name.parse().unwrap(), data_type: data_type.parse().unwrap() }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn view() -> VersionId {
    "view@1".parse().unwrap()
}

/// The columns of the suite: `amount` is called `value` in files, `day` comes from the folder.
pub(super) fn columns() -> Vec<Field> {
    vec![field("id", "int64"), field("name", "string"), field("amount", "float64"), field("day", "int32")]
}

/// A source at a path, with `amount` stored as `value`.
fn source(path: &str) -> Source {
    Source {
        name: name("events"),
        schema: columns(),
        stored: [(
            name("amount"),
            feature::StoredColumn { column: Some("value".to_owned()), optional: false },
        )]
        .into(),
        event_time: None,
        available_at: None,
        assumed_delay: None,
        allowed_lateness: None,
        max_ahead: Source::DEFAULT_MAX_AHEAD,
        batch: Some(Batch::Files(BatchFiles { path: path.to_owned(), format: None })),
        stream: None,
    }
}

/// A project with one file of a kind, and its source.
struct Opened {
    _folder: tempfile::TempDir,
    source: Arc<dyn BatchSource>,
    file: SourceFile,
}

fn opened(kind: &Kind, rows: &[Row], defined: &Source) -> Opened {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("data/day=3")).unwrap();
    (kind.write)(&folder.path().join(kind.path), rows);
    let source = (kind.open)(folder.path(), defined, &view()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let files = runtime.block_on(source.files(&view(), TableVersions::default())).unwrap().files;
    assert_eq!(files.len(), 1);
    Opened { _folder: folder, source, file: files.into_iter().next().unwrap() }
}

impl Opened {
    fn read(&self, columns: &[Field], max_rows: Option<usize>) -> Result<Vec<SourceRows>, MaterializerError> {
        let mut reader = self.source.open(columns, &self.file, max_rows)?;
        let mut read = Vec::new();
        while let Some(rows) = reader.next_rows()? {
            read.push(rows);
        }
        Ok(read)
    }
}

/// The values of all rows, in their order.
pub(super) fn values(read: &[SourceRows], columns: &[Field]) -> Vec<Vec<Value>> {
    let row = |rows: &SourceRows, row: usize| {
        let column = |(index, field): (usize, &Field)| {
            transform::value_at(rows.batch.column(index).as_ref(), row, field.data_type)
        };
        columns.iter().enumerate().map(column).collect()
    };
    read.iter().flat_map(|rows| (0..rows.batch.num_rows()).map(move |index| row(rows, index))).collect()
}

pub(super) fn expected(rows: &[Row]) -> Vec<Vec<Value>> {
    let row = |(id, name, value): &Row| {
        vec![
            id.map_or(Value::Null, Value::Int64),
            name.map_or(Value::Null, |name| Value::String(name.into())),
            value.map_or(Value::Null, Value::Float64),
            Value::Int32(3),
        ]
    };
    rows.iter().map(row).collect()
}

/// Rows are read as they were written.
pub fn rows_are_read_as_they_were_written(kind: &Kind) {
    let opened = opened(kind, &ROWS, &source(kind.path));
    let read = opened.read(&columns(), None).unwrap();
    assert!(read.iter().all(|rows| rows.unreadable.is_empty()));
    assert_eq!(values(&read, &columns()), expected(&ROWS));
}

/// Batches have at most the requested rows and are numbered from zero.
pub fn batches_have_at_most_the_requested_rows_and_are_numbered_from_zero(kind: &Kind) {
    let opened = opened(kind, &ROWS, &source(kind.path));
    let read = opened.read(&columns(), Some(2)).unwrap();
    let sizes: Vec<_> = read.iter().map(|rows| (rows.first_row, rows.batch.num_rows())).collect();
    assert_eq!(sizes, [(0, 2), (2, 2), (4, 1)]);
    assert_eq!(values(&read, &columns()), expected(&ROWS));
}

/// Columns are read in the requested order.
pub fn columns_are_read_in_the_requested_order(kind: &Kind) {
    let reversed: Vec<Field> = columns().into_iter().rev().collect();
    let opened = opened(kind, &ROWS, &source(kind.path));
    let read = opened.read(&reversed, None).unwrap();
    let expected: Vec<Vec<Value>> =
        expected(&ROWS).into_iter().map(|row| row.into_iter().rev().collect()).collect();
    assert_eq!(values(&read, &reversed), expected);
}

/// A value that does not fit makes its row unreadable and no other.
pub fn a_value_that_does_not_fit_makes_its_row_unreadable_and_no_other(kind: &Kind) {
    // The id of the fourth row is beyond int32.
    let wide = [ROWS[0], ROWS[1], ROWS[2], (Some(1 << 40), Some("wide"), None), ROWS[4]];
    let narrow = [field("id", "int32"), field("name", "string")];
    let opened = opened(kind, &wide, &source(kind.path));
    let read = opened.read(&narrow, Some(3)).unwrap();
    assert!(read[0].unreadable.is_empty());
    let [bad] = read[1].unreadable.as_slice() else { panic!("one row is unreadable") };
    assert_eq!(bad.row, 0);
    assert!(bad.detail().contains("`id`") && bad.detail().contains("int32"), "{}", bad.detail());
    assert!(bad.shown.contains("wide") && bad.shown.contains("1099511627776"), "{}", bad.shown);
    let all = values(&read, &narrow);
    assert_eq!(all[3][0], Value::Null);
    assert_eq!(all[4], [Value::Int32(5), Value::String("x".into())]);
}

/// A folder that gives what its column cannot hold makes every row unreadable.
pub fn a_folder_that_gives_what_its_column_cannot_hold_makes_every_row_unreadable(kind: &Kind) {
    let columns = [field("id", "int64"), field("day", "bool")];
    let opened = opened(kind, &ROWS, &source(kind.path));
    let read = opened.read(&columns, None).unwrap();
    let unreadable: Vec<_> = read.iter().flat_map(|rows| &rows.unreadable).collect();
    assert_eq!(unreadable.len(), ROWS.len());
    assert!(unreadable[0].detail().contains("`day=3`"), "{}", unreadable[0].detail());
}

/// A column that a file lacks is null if it may and refused by name if not.
pub fn a_column_that_a_file_lacks_is_null_if_it_may_and_refused_by_name_if_not(kind: &Kind) {
    let columns = [field("id", "int64"), field("missing", "string")];
    let mut defined = source(kind.path);
    defined.schema.push(field("missing", "string"));
    let stored = feature::StoredColumn { column: None, optional: true };
    defined.stored.insert(name("missing"), stored);
    let optional = opened(kind, &ROWS, &defined);
    let read = optional.read(&columns, None).unwrap();
    assert!(values(&read, &columns).iter().all(|row| row[1] == Value::Null));
    if kind.rows_name_columns {
        return;
    }
    let mut defined = source(kind.path);
    defined.schema.push(field("missing", "string"));
    let required = opened(kind, &ROWS, &defined);
    let refused = required.read(&columns, None).map(drop).unwrap_err().to_string();
    assert!(refused.contains("`missing`"), "{refused}");
}

/// An empty file has no rows.
pub fn an_empty_file_has_no_rows(kind: &Kind) {
    let opened = opened(kind, &[], &source(kind.path));
    let read = opened.read(&columns(), None).unwrap();
    assert_eq!(values(&read, &columns()).len(), 0);
}

/// A damaged or missing file is refused by name.
pub fn a_damaged_or_missing_file_is_refused_by_name(kind: &Kind) {
    let opened = opened(kind, &ROWS, &source(kind.path));
    let bytes = fs::read(&opened.file.path).unwrap();
    let name = opened.file.path.file_name().unwrap().to_string_lossy();
    if kind.is_damaged_when_cut {
        fs::write(&opened.file.path, &bytes[..bytes.len() - 9]).unwrap();
        let refused = opened.read(&columns(), None).map(drop).unwrap_err().to_string();
        assert!(refused.contains(&*name) && refused.contains("again"), "{refused}");
    }
    fs::remove_file(&opened.file.path).unwrap();
    let refused = opened.read(&columns(), None).map(drop).unwrap_err().to_string();
    assert!(refused.contains(&*name), "{refused}");
}
