//! A batch source that does not belong to `materializer` passes the suite that is exported for such sources: a file of
//! values between tabs, whose first line names its columns.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use feature::{DataType, Field, Scalar, Source, Value, VersionId};
use futures::future::BoxFuture;
use materializer::contract::{Kind, OpenedSource, Row};
use materializer::{
    BatchSource, MaterializerError, RowProblem, RowReader, SourceFile, SourceFiles, SourceRows,
    TableVersions, UnreadableRow,
};

struct TabSource {
    source: Source,
    file: SourceFile,
}

/// The rows of a file that were not given yet.
struct TabReader {
    columns: Vec<(Field, Origin)>,
    lines: Vec<String>,
    next: usize,
    max_rows: usize,
}

/// Where the values of a column come from.
enum Origin {
    Cell(usize),
    Folder(String, String),
    Nothing,
}

fn open(project: &Path, source: &Source, _: &VersionId) -> OpenedSource {
    let path = project.join(source.batch.as_ref().unwrap().location());
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let given = folder.split_once('=').map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
    let file = SourceFile {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        path,
        partition: given.into_iter().collect(),
        table_columns: Default::default(),
        replaces: Default::default(),
    };
    Ok(Arc::new(TabSource { source: source.clone(), file }))
}

fn refused(path: &Path, problem: impl ToString) -> MaterializerError {
    MaterializerError::File { path: path.display().to_string(), problems: vec![problem.to_string()] }
}

impl TabSource {
    fn origin(&self, field: &Field, file: &SourceFile, header: &[&str]) -> Result<Origin, MaterializerError> {
        let stored = self.source.stored.get(&field.name);
        let name = stored.and_then(|stored| stored.column.as_deref()).unwrap_or(field.name.as_str());
        if let Some(index) = header.iter().position(|column| *column == name) {
            return Ok(Origin::Cell(index));
        }
        if let Some((name, Some(value))) = file.partition.iter().find(|(column, _)| column == name) {
            return Ok(Origin::Folder(name.clone(), value.clone()));
        }
        match stored.is_some_and(|stored| stored.optional) {
            true => Ok(Origin::Nothing),
            false => Err(refused(&file.path, format!("it has no column `{name}`: add it"))),
        }
    }
}

impl BatchSource for TabSource {
    fn files<'a>(
        &'a self,
        _: &'a VersionId,
        _: TableVersions,
    ) -> BoxFuture<'a, Result<SourceFiles, MaterializerError>> {
        let files = vec![self.file.clone()];
        Box::pin(std::future::ready(Ok(SourceFiles { files, ..SourceFiles::default() })))
    }

    fn open(
        &self,
        columns: &[Field],
        file: &SourceFile,
        max_rows: Option<usize>,
    ) -> Result<Box<dyn RowReader>, MaterializerError> {
        let text = fs::read_to_string(&file.path).map_err(|error| refused(&file.path, error))?;
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
        let columns = columns.iter().map(|field| Ok((field.clone(), self.origin(field, file, &header)?)));
        Ok(Box::new(TabReader {
            columns: columns.collect::<Result<_, MaterializerError>>()?,
            lines: lines.map(str::to_owned).collect(),
            next: 0,
            max_rows: max_rows.unwrap_or(usize::MAX),
        }))
    }
}

impl RowReader for TabReader {
    fn next_rows(&mut self) -> Result<Option<SourceRows>, MaterializerError> {
        let first = self.next;
        let last = self.lines.len().min(first.saturating_add(self.max_rows));
        if first == last {
            return Ok(None);
        }
        self.next = last;
        let mut values: Vec<Vec<Value>> = vec![Vec::new(); self.columns.len()];
        let mut unreadable = Vec::new();
        for (row, line) in self.lines[first..last].iter().enumerate() {
            let cells: Vec<&str> = line.split('\t').collect();
            let mut problems = Vec::new();
            for ((field, origin), values) in self.columns.iter().zip(&mut values) {
                let read = match origin {
                    Origin::Cell(index) => value(cells[*index], field.data_type).map_err(|text| {
                        format!("`{}` is {text}, which is no {}", field.name, field.data_type)
                    }),
                    Origin::Folder(name, text) => value(text, field.data_type)
                        .map_err(|text| format!("the folder `{name}={text}` gives no {}", field.data_type)),
                    Origin::Nothing => Ok(Value::Null),
                };
                values.push(read.unwrap_or_else(|what| {
                    problems.push(RowProblem { column: Some(field.name.clone()), what });
                    Value::Null
                }));
            }
            if !problems.is_empty() {
                unreadable.push(UnreadableRow { row, problems, shown: line.clone() });
            }
        }
        let arrays = self.columns.iter().zip(&values).map(|((field, _), values)| {
            (field.name.as_str(), transform::array_of(values, field.data_type), true)
        });
        let batch = RecordBatch::try_from_iter_with_nullable(arrays).unwrap();
        Ok(Some(SourceRows { first_row: first as u64, batch, positions: None, unreadable }))
    }
}

/// A cell as a value; the error is its text.
fn value(cell: &str, data_type: DataType) -> Result<Value, String> {
    let text = cell.replace("\\n", "\n");
    let read = match data_type.scalar() {
        _ if cell == "\\N" => Some(Value::Null),
        Some(Scalar::Bool) => text.parse().ok().map(Value::Bool),
        Some(Scalar::Int32) => text.parse().ok().map(Value::Int32),
        Some(Scalar::Int64) => text.parse().ok().map(Value::Int64),
        Some(Scalar::Float64) => text.parse().ok().map(Value::Float64),
        Some(Scalar::String) => Some(Value::String(text.as_str().into())),
        _ => None,
    };
    read.ok_or(text)
}

fn write(path: &Path, rows: &[Row]) {
    let cell = |text: Option<String>| text.map_or("\\N".to_owned(), |text| text.replace('\n', "\\n"));
    let line = |(id, name, value): &Row| {
        let cells = [id.map(|id| id.to_string()), name.map(str::to_owned), value.map(|x| x.to_string())];
        format!("{}\n", cells.map(cell).join("\t"))
    };
    let lines: String = rows.iter().map(line).collect();
    fs::write(PathBuf::from(path), format!("id\tname\tvalue\n{lines}")).unwrap();
}

materializer::contract_tests!(Kind {
    path: "data/day=3/a.tsv",
    write,
    open,
    is_damaged_when_cut: false,
    rows_name_columns: false,
});
