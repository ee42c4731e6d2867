//! The contract of batch sources for the rows of another view: the same rows, as features of an input, are read as from
//! every other source, under the positions that they have in its log.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, TimestampMicrosecondArray};
use feature::{Column, Feature, Field, Fold, Micros, Position, Provenance, Scalar, Value, View, ViewSource};
use offline::{Facts, Marker, OfflineStore, log_batch};
use tempfile::TempDir;

use super::batch_source::BatchSource;
use super::contract::{ROWS, columns, expected, values};
use super::derived::DerivedSource;
use super::source_file::TableVersions;
use super::source_rows::SourceRows;
use crate::error::MaterializerError;
use crate::markers::{DERIVED_NEWEST, DERIVING, TABLE_VERSION, marker};
use crate::materializer::Input;

const NUMBER: &str = "number";

fn at(micros: i64) -> Micros {
    Micros::new(micros).unwrap()
}

fn later() -> Micros {
    at(1_000_000)
}

/// A view whose latest features are the columns of the suite, each row of an entity of its own.
fn input() -> View {
    let key = Field { name: NUMBER.parse().unwrap(), data_type: Scalar::Int64.into() };
    let stored = columns().into_iter().map(|Field { name, data_type }| Column {
        expression: name.to_string(),
        name,
        data_type,
    });
    let stored: Vec<Column> = stored.collect();
    let latest = |(column, of): (usize, &Column)| Feature {
        name: of.name.clone(),
        data_type: of.data_type,
        fold: Fold::Latest { column },
        unit: None,
        description: None,
        default: None,
    };
    let features = stored.iter().enumerate().map(latest).collect();
    let bare = View::bare("input@1".parse().unwrap(), key.name.clone(), vec![key], "rows".parse().unwrap());
    View { columns: stored, features, hash: "ab".repeat(32), ..bare }
}

/// Some rows of the suite as the log of a view has them: row n at its n-th microsecond.
fn rows_of_log(view: &View, rows: &[usize], provenance: Provenance) -> RecordBatch {
    let numbers: Vec<Value> = rows.iter().map(|row| Value::Int64(*row as i64)).collect();
    let mut fields = vec![(NUMBER.to_owned(), transform::array_of(&numbers, Scalar::Int64.into()))];
    let all = expected(&ROWS);
    for (index, column) in view.columns.iter().enumerate() {
        let column_values: Vec<Value> = rows.iter().map(|row| all[row % all.len()][index].clone()).collect();
        fields.push((column.name.to_string(), transform::array_of(&column_values, column.data_type)));
    }
    let batch = fields.iter().map(|(name, array)| (name.as_str(), array.clone(), true));
    let times = || TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| *row as i64));
    let facts = Facts {
        event_times: times(),
        available_at: times(),
        provenance,
        assumed_delay: None,
        positions: rows.iter().copied().map(position).collect(),
        late: BooleanArray::from(vec![false; rows.len()]),
        deleted: BooleanArray::from(vec![false; rows.len()]),
    };
    log_batch(view, &RecordBatch::try_from_iter_with_nullable(batch).unwrap(), facts).unwrap()
}

fn position(row: usize) -> Position {
    Position::Stream { partition: 3, offset: 7 * row as u64 }
}

/// An input whose log has the rows of the suite, and a view that is derived from it.
struct Derived {
    _folder: TempDir,
    offline: OfflineStore,
    input: Arc<View>,
    view: Arc<View>,
}

impl Derived {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let offline = OfflineStore::open("offline", folder.path()).unwrap();
        let input = Arc::new(input());
        let id = input.id.clone();
        let view = View {
            source: ViewSource::View { view: id.clone() },
            hash: "cd".repeat(32),
            ..View::bare("derived@1".parse().unwrap(), input.entity.clone(), input.keys.clone(), id.name)
        };
        let derived = Self { _folder: folder, offline, input, view: Arc::new(view) };
        let rows: Vec<usize> = (0..ROWS.len()).collect();
        derived.commit(&derived.input, &rows, Provenance::Measured, &[]).await;
        derived
    }

    /// Commits some rows to the log of either view. Gives its version.
    async fn commit(
        &self,
        view: &Arc<View>,
        rows: &[usize],
        provenance: Provenance,
        markers: &[Marker],
    ) -> u64 {
        let mut log = self.offline.log(view).await.unwrap();
        let mut appender = log.appender().await.unwrap();
        appender.write(rows_of_log(view, rows, provenance));
        appender.commit(markers, &[]).await.unwrap();
        self.offline.log(view).await.unwrap().version().unwrap()
    }

    async fn source(&self) -> Result<DerivedSource, MaterializerError> {
        let own = self.offline.log(&self.view).await.unwrap();
        let input = Input { view: self.input.clone(), has_history: false };
        DerivedSource::find(&self.offline, &own, &input, later).await
    }

    /// Reads the rows to take, in these columns, on a thread that may block.
    async fn read(&self, columns: Vec<Field>, max_rows: Option<usize>) -> Vec<SourceRows> {
        let source = self.source().await.unwrap();
        let files = source.files(&self.view.id, TableVersions::default()).await.unwrap().files;
        let [file] = files.as_slice() else { panic!("{files:?}") };
        let file = file.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let mut reader = source.open(&columns, &file, max_rows).unwrap();
            let mut read = Vec::new();
            while let Some(rows) = reader.next_rows().unwrap() {
                read.push(rows);
            }
            read
        });
        reading.await.unwrap()
    }
}

fn positions(read: &[SourceRows]) -> Vec<Position> {
    let of =
        |rows: &SourceRows| (0..rows.batch.num_rows()).map(|row| rows.position(99, row)).collect::<Vec<_>>();
    read.iter().flat_map(of).collect()
}

#[tokio::test]
async fn the_features_of_a_view_are_read_as_the_columns_of_any_source() {
    let derived = Derived::new().await;
    let read_rows = derived.read(columns(), None).await;
    assert_eq!(values(&read_rows, &columns()), expected(&ROWS));
    let reversed: Vec<Field> = columns().into_iter().rev().collect();
    let backwards: Vec<Vec<Value>> =
        expected(&ROWS).into_iter().map(|row| row.into_iter().rev().collect()).collect();
    assert_eq!(values(&derived.read(reversed.clone(), None).await, &reversed), backwards);
}

#[tokio::test]
async fn rows_keep_the_positions_of_the_input_and_batches_have_at_most_the_requested_rows() {
    let read_rows = Derived::new().await.read(columns(), Some(2)).await;
    let sizes: Vec<_> = read_rows.iter().map(|rows| (rows.first_row, rows.batch.num_rows())).collect();
    assert_eq!(sizes, [(0, 2), (2, 2), (4, 1)]);
    assert_eq!(values(&read_rows, &columns()), expected(&ROWS));
    assert_eq!(positions(&read_rows), (0..ROWS.len()).map(position).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_times_and_keys_of_rows_are_read_without_their_features() {
    let [event_time, available_at] = View::row_times();
    let timestamp = |name| Field { name, data_type: Scalar::Timestamp.into() };
    let number = Field { name: NUMBER.parse().unwrap(), data_type: Scalar::Int64.into() };
    let fields = vec![timestamp(available_at), number, timestamp(event_time)];
    let time = |row: i64| Value::Timestamp(at(row));
    let rows = (0..ROWS.len() as i64).map(|row| vec![time(row), Value::Int64(row), time(row)]);
    assert_eq!(
        values(&Derived::new().await.read(fields.clone(), None).await, &fields),
        rows.collect::<Vec<_>>()
    );
}

/// What a load that was interrupted has recorded: the version of the input that it was taking, and its newest row.
fn interrupted(version: u64, newest: usize) -> [Marker; 2] {
    [marker(DERIVING, version as i64 + 1), marker(DERIVED_NEWEST, newest as i64)]
}

#[tokio::test]
async fn rows_that_an_interrupted_load_committed_are_passed_over() {
    let derived = Derived::new().await;
    let version = derived.offline.log(&derived.input).await.unwrap().version().unwrap();
    let markers = interrupted(version, ROWS.len() - 1);
    derived.commit(&derived.view, &[1, 3], Provenance::Declared, &markers).await;
    // What was added since is taken too.
    derived.commit(&derived.input, &[5], Provenance::Measured, &[]).await;
    let read = derived.read(columns(), None).await;
    assert_eq!(positions(&read), [0, 2, 4, 5].map(position));
}

#[tokio::test]
async fn history_that_would_change_what_is_derived_is_refused_also_while_a_load_is_interrupted() {
    for is_whole in [true, false] {
        let derived = Derived::new().await;
        let version = derived.offline.log(&derived.input).await.unwrap().version().unwrap();
        let whole = [marker(TABLE_VERSION, version as i64), marker(DERIVED_NEWEST, 7)];
        let markers = if is_whole { whole } else { interrupted(version, 7) };
        derived.commit(&derived.view, &[0], Provenance::Declared, &markers).await;
        derived.source().await.unwrap();
        // Live rows are visible later than all before, whatever their clock says; so is history after the newest row.
        derived.commit(&derived.input, &[6], Provenance::Measured, &[]).await;
        derived.commit(&derived.input, &[8], Provenance::Simulated, &[]).await;
        derived.source().await.unwrap();
        derived.commit(&derived.input, &[7, 9], Provenance::Simulated, &[]).await;
        let refused = derived.source().await.map(drop).unwrap_err();
        assert!(
            matches!(refused, MaterializerError::HistoryOfInput { rows: 1, first, .. } if first == at(7)),
            "{refused}"
        );
    }
}
