//! Columns of a file beside those in its bytes: values that its folders or its table give, and names that occur
//! twice.

use feature::{Field, Source, Value};

use super::source_file::SourceFile;
use super::source_rows::RowProblem;
use crate::error::MaterializerError;

/// The one value that a column has in a whole file.
pub(crate) enum Constant {
    Value(Value),
    /// The folder or the table gives what the column's type cannot hold: every row is refused for it.
    Problem(RowProblem),
}

/// The value that the names of a file's folders, or its table, give a column in the whole file.
pub(crate) fn of_folder(source: &Source, field: &Field, file: &SourceFile) -> Option<Constant> {
    let stored = source.stored_name(&field.name);
    let (_, text) = file.partition.iter().find(|(name, _)| name == stored)?;
    let Some(text) = text else { return Some(Constant::Value(Value::Null)) };
    Some(match feature::field(text, field.data_type) {
        Some(value) => Constant::Value(value),
        None => Constant::Problem(RowProblem {
            column: Some(field.name.clone()),
            what: format!(
                "the column `{}` is {}, and `{stored}={text}`, the folder of the file, is not",
                field.name, field.data_type
            ),
        }),
    })
}

/// Refuses two columns of one name: which of them is meant cannot be known.
pub(crate) fn refuse_repeated<'a>(
    names: impl IntoIterator<Item = &'a str>,
    file: &SourceFile,
) -> Result<(), MaterializerError> {
    let repeated = transform::repeated_names(names);
    if repeated.is_empty() {
        return Ok(());
    }
    let problems = repeated.iter().map(|name| format!("it has two columns `{name}`: rename one")).collect();
    Err(MaterializerError::File { path: file.path.display().to_string(), problems })
}

/// Whether a column of a file is one of the source's.
pub(crate) fn is_taken(source: &Source, column: &str) -> bool {
    source.schema.iter().any(|field| source.stored_name(&field.name) == column)
}

/// That a file has a column whose name differs from this one by case alone, and how it is declared; `None` if it has none that
/// is not another one's.
pub(crate) fn named_otherwise<'a>(
    field: &Field,
    stored: &str,
    names: impl IntoIterator<Item = &'a String>,
    is_taken: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let is_same = |column: &&String| column.to_lowercase() == stored.to_lowercase() && !is_taken(column);
    let column = names.into_iter().filter(|column| *column != stored).find(is_same)?;
    let Field { name, data_type } = field;
    Some(format!(
        "a column `{column}`: name it in the schema, as in `{name}: {{type: {data_type}, column: \"{column}\"}}`"
    ))
}
