//! From what a push brings to rows as they lie in a topic: a JSON object each, without its nulls. A row
//! fails alone, with everything that is wrong with it.

use std::collections::BTreeMap;
use std::fmt;

use feature::{Field, Value, excerpt, nearest};
use read::{
    MOST_COLUMNS, RequestColumn, RequestError,
    json::{AsJson, from_json, needed},
};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::refused_row::RefusedRow;
use super::sink::PushSource;
use crate::error::ServeError;
use crate::request_fault::RequestFault;

/// What is said of a row at most: of so many of its columns, and of each so many characters.
const MOST_COLUMNS_NAMED: usize = 20;
const LONGEST_CHARS: usize = 240;

/// Rows by the columns of their source, in its order, or what is wrong with each.
pub(crate) struct Table(Vec<Result<Vec<Value>, Vec<String>>>);

/// Rows that can be read, with the index of each, and those that cannot.
pub(crate) struct Checked {
    pub rows: Vec<Vec<u8>>,
    pub indexes: Vec<usize>,
    pub refused: Vec<RefusedRow>,
}

impl Table {
    /// Rows as JSON objects. A column that is not there is null.
    pub fn of_objects(source: &PushSource, rows: &[Box<RawValue>]) -> Self {
        Self(rows.iter().map(|row| object(source, row)).collect())
    }

    /// The same of rows that are a text each.
    pub fn of_texts(source: &PushSource, rows: Vec<String>) -> Self {
        let read = |row: String| match RawValue::from_string(row) {
            Ok(row) => object(source, &row),
            Err(error) => Err(vec![format!("it is no JSON object ({error})")]),
        };
        Self(rows.into_iter().map(read).collect())
    }

    /// Rows in columns. What is wrong with a column is wrong with the whole request.
    pub fn of_columns<C: RequestColumn>(
        source: &PushSource,
        columns: Vec<(String, C)>,
    ) -> Result<Self, ServeError> {
        if columns.len() > MOST_COLUMNS {
            let (given, limit) = (columns.len(), MOST_COLUMNS);
            return Err(RequestError::TooManyNames { given, limit, what: "columns" }.into());
        }
        let mut problems = Vec::new();
        let rows = columns.first().map_or(0, |(_, column)| column.rows());
        let mut arrays = vec![None; source.schema.len()];
        let mut misfits: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (name, column) in columns {
            if column.rows() != rows {
                let name = excerpt(&name, LONGEST_CHARS);
                problems
                    .push(format!("`{name}` has {} rows, and the first column has {rows}", column.rows()));
                continue;
            }
            let index = source.index_of(&name);
            match index.and_then(|index| Some((source.schema.get(index)?, arrays.get_mut(index)?))) {
                None if problems.len() < MOST_COLUMNS_NAMED => problems.push(unknown(source, &name)),
                None => problems.push(format!("the column `{}` is unknown", excerpt(&name, LONGEST_CHARS))),
                Some((field, Some(_))) => problems.push(twice(field)),
                Some((field, slot)) => match column.read_rows(field.data_type) {
                    Ok(given) => {
                        *slot = Some(given.array);
                        for (row, misfit) in given.misfits {
                            misfits.entry(row).or_default().push(format!("the column `{name}` {misfit}"));
                        }
                    }
                    Err(problem) => problems.push(format!("the column `{name}` {problem}")),
                },
            }
        }
        if !problems.is_empty() {
            return Err(RequestFault::misfit_rows(&source.name, problems).into());
        }
        let cell = |row, field: &Field, array: &Option<arrow::array::ArrayRef>| {
            array.as_ref().map_or(Value::Null, |array| transform::value_at(array, row, field.data_type))
        };
        let values =
            |row| source.schema.iter().zip(&arrays).map(|(field, array)| cell(row, field, array)).collect();
        Ok(Self((0..rows).map(|row| misfits.remove(&row).map_or_else(|| Ok(values(row)), Err)).collect()))
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.0.len()
    }

    /// Parts the rows that can be taken from those that cannot.
    pub fn check(self, source: &PushSource) -> Checked {
        let rows = self.0.len();
        let mut checked = Checked {
            rows: Vec::with_capacity(rows),
            indexes: Vec::with_capacity(rows),
            refused: Vec::new(),
        };
        for (index, row) in self.0.into_iter().enumerate() {
            match row.and_then(|values| encode(source, &values)) {
                Ok(row) => {
                    checked.rows.push(row);
                    checked.indexes.push(index);
                }
                Err(problems) => {
                    checked.refused.push(RefusedRow { index, view: None, reason: reason(&problems) });
                }
            }
        }
        checked
    }
}

/// The fields of an object, each as it is written, as many as a row may have and one more.
struct Written<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Written<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Written<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the source's columns")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    if fields.len() <= MOST_COLUMNS {
                        fields.push(field);
                    }
                }
                Ok(Written(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

fn object(source: &PushSource, row: &RawValue) -> Result<Vec<Value>, Vec<String>> {
    let Written(fields) = serde_json::from_str(row.get()).map_err(|_| {
        vec![format!("it is {}, where an object with the source's columns is needed", shown(row))]
    })?;
    if fields.len() > MOST_COLUMNS {
        return Err(vec![format!("it has more than the {MOST_COLUMNS} columns that a row may have")]);
    }
    let mut problems = Vec::new();
    let mut unknowns = 0;
    let mut given: Vec<Option<&RawValue>> = vec![None; source.schema.len()];
    for (name, value) in fields {
        let index = source.index_of(&name);
        match index.and_then(|index| Some((source.schema.get(index)?, given.get_mut(index)?))) {
            None => {
                // What follows those that are named is counted alone.
                unknowns += 1;
                problems.push(if unknowns > MOST_COLUMNS_NAMED {
                    String::new()
                } else {
                    unknown(source, &name)
                });
            }
            Some((field, Some(_))) => problems.push(twice(field)),
            Some((_, slot)) => *slot = Some(value),
        }
    }
    let mut values = Vec::with_capacity(source.schema.len());
    for (field, given) in source.schema.iter().zip(given) {
        match given.map_or(Ok(Value::Null), |value| read(value, field)) {
            Ok(value) => values.push(value.canonical()),
            Err(problem) => problems.push(format!("the column `{}` holds {problem}", field.name)),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

/// Everything that is wrong with a row, column by column.
fn reason(problems: &[String]) -> String {
    let named = problems.iter().take(MOST_COLUMNS_NAMED).map(|problem| excerpt(problem, LONGEST_CHARS));
    let more = problems.len().saturating_sub(MOST_COLUMNS_NAMED);
    named.chain((more > 0).then(|| format!("and {more} more").into())).collect::<Vec<_>>().join("; ")
}

/// That a row has a column under both of its names, or one of them twice.
fn twice(field: &Field) -> String {
    format!("the column `{}` is given twice", field.name)
}

/// A value as its column's type. A number that no double holds is JSON, and no value.
fn read(value: &RawValue, field: &Field) -> Result<Value, String> {
    match serde_json::from_str::<Json>(value.get()) {
        Ok(json) => from_json(&json, field.data_type),
        Err(_) => Err(format!("{}, where {} is needed", shown(value), needed(field.data_type))),
    }
}

fn shown(value: &RawValue) -> std::borrow::Cow<'_, str> {
    const LONGEST_CHARS: usize = 40;
    excerpt(value.get(), LONGEST_CHARS)
}

/// That a source has no such column.
fn unknown(source: &PushSource, name: &str) -> String {
    const LONGEST_CHARS: usize = 80;
    let name = excerpt(name, LONGEST_CHARS);
    let names = source.stored_names.iter().map(String::as_str);
    match nearest(&name, names.chain(source.schema.iter().map(|field| field.name.as_str()))) {
        Some(meant) => format!("the column `{name}` is unknown, did you mean `{meant}`?"),
        None => format!("the column `{name}` is unknown"),
    }
}

/// A row as it lies in the topic. Its event time has to be there.
fn encode(source: &PushSource, values: &[Value]) -> Result<Vec<u8>, Vec<String>> {
    let given = source.schema.iter().zip(values).filter(|(_, value)| !matches!(value, Value::Null));
    if let Some(event_time) = &source.event_time
        && !given.clone().any(|(field, _)| field.name == *event_time)
    {
        return Err(vec![format!("the column `{event_time}`, when it happened, is null")]);
    }
    // Under the names of records, as which a reader takes a name first.
    let stored = source.stored_names.iter().zip(values).filter(|(_, value)| !matches!(value, Value::Null));
    serde_json::to_vec(&Row(stored)).map_err(|error| vec![error.to_string()])
}

struct Row<I>(I);

impl<'a, I: Iterator<Item = (&'a String, &'a Value)> + Clone> Serialize for Row<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(None)?;
        for (name, value) in self.0.clone() {
            row.serialize_entry(name, &AsJson(value))?;
        }
        row.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn clicks() -> PushSource {
        let field = |name: &str, data_type: &str| Field {
            name: name.parse().unwrap(),
            data_type: data_type.parse().unwrap(),
        };
        PushSource {
            name: "clicks".parse().unwrap(),
            schema: vec![field("visitor", "int64"), field("at", "timestamp"), field("x", "float64")],
            stored_names: vec!["visitor".to_owned(), "at".to_owned(), "x".to_owned()],
            event_time: Some("at".parse().unwrap()),
            topic: "clicks".to_owned(),
            refusal: None,
            views: Vec::new(),
        }
    }

    fn checked(rows: Json) -> (Vec<String>, Vec<(usize, String)>) {
        checked_text(&rows.to_string())
    }

    fn checked_text(rows: &str) -> (Vec<String>, Vec<(usize, String)>) {
        let rows: Vec<Box<RawValue>> = serde_json::from_str(rows).unwrap();
        let Checked { rows, refused, .. } = Table::of_objects(&clicks(), &rows).check(&clicks());
        let refused = refused.into_iter().map(|row| (row.index, row.reason)).collect();
        (rows.into_iter().map(|row| String::from_utf8(row).unwrap()).collect(), refused)
    }

    #[test]
    fn all_that_is_wrong_with_a_row_is_said_up_to_twenty_columns() {
        let problems = |count: usize| (0..count).map(|n| format!("{n} is wrong")).collect::<Vec<_>>();
        assert_eq!(reason(&problems(2)), "0 is wrong; 1 is wrong");
        assert!(reason(&problems(20)).ends_with("; 19 is wrong"));
        assert!(reason(&problems(22)).ends_with("; 19 is wrong; and 2 more"));
        let long = reason(&["x".repeat(1000), "the next".to_owned()]);
        assert!(long.chars().count() < 300 && long.ends_with("; the next"), "{long}");
    }

    #[test]
    fn a_row_that_is_wrong_is_refused_alone_with_everything_that_is_wrong_with_it() {
        let (rows, refused) = checked(json!([
            {"visitor": 1, "at": "2026-01-01", "x": "NaN"},
            {"visitor": "one", "att": 7, "x": true},
            {"visitor": 2},
            {"at": "2026-01-01T00:00:00.000001+01:00", "x": null},
        ]));
        assert_eq!(
            rows,
            [
                r#"{"visitor":1,"at":"2026-01-01T00:00:00Z","x":"NaN"}"#,
                r#"{"at":"2025-12-31T23:00:00.000001Z"}"#
            ]
        );
        let indices: Vec<usize> = refused.iter().map(|(index, _)| *index).collect();
        assert_eq!(indices, [1, 2]);
        for part in ["`att` is unknown, did you mean `at`?", "`visitor` holds \"one\"", "`x` holds true"] {
            assert!(refused[0].1.contains(part), "{part}: {}", refused[0].1);
        }
        assert!(refused[1].1.contains("`at`, when it happened, is null"), "{}", refused[1].1);
    }

    #[test]
    fn a_column_is_taken_under_either_of_its_names_and_written_under_that_of_records() {
        // Two columns that are each called in records as the other is declared.
        let mut source = clicks();
        source.schema[0].data_type = "float64".parse().unwrap();
        source.stored_names = vec!["x".to_owned(), "When".to_owned(), "visitor".to_owned()];
        let check = |rows: Json| {
            let rows: Vec<Box<RawValue>> = serde_json::from_str(&rows.to_string()).unwrap();
            let checked = Table::of_objects(&source, &rows).check(&source);
            let text = |row: Vec<u8>| String::from_utf8(row).unwrap();
            (checked.rows.into_iter().map(text).collect::<Vec<_>>(), checked.refused)
        };
        let row = r#"{"x":1.0,"When":"2026-01-01T00:00:00Z","visitor":2.0}"#;
        let (rows, refused) = check(json!([
            {"x": 1, "at": "2026-01-01", "visitor": 2},
            {"x": 1, "When": "2026-01-01", "visitor": 2},
            {"at": "2026-01-01", "When": "2026-01-01"},
        ]));
        assert_eq!(rows, [row, row]);
        assert!(refused[0].reason.contains("`at` is given twice"), "{refused:?}");
        let columns = vec![
            ("When".to_owned(), vec![json!("2026-01-01")]),
            ("at".to_owned(), vec![json!("2026-01-01")]),
        ];
        let error = Table::of_columns(&source, columns).err().unwrap().to_string();
        assert!(error.contains("`at` is given twice"), "{error}");
    }

    #[test]
    fn a_number_that_no_double_holds_a_name_twice_and_no_object_refuse_their_row_alone() {
        let (rows, refused) = checked_text(
            r#"[{"at": "2026-01-01", "x": 1e400}, {"at": "2026-01-01", "visitor": 1, "visitor": 2},
                {"at": "2026-01-01", "visitor": 3.0, "x": 9007199254740993}, 7]"#,
        );
        assert_eq!(rows, [r#"{"visitor":3,"at":"2026-01-01T00:00:00Z","x":9007199254740992.0}"#]);
        let indices: Vec<usize> = refused.iter().map(|(index, _)| *index).collect();
        assert_eq!(indices, [0, 1, 3]);
        for ((_, reason), part) in refused.iter().zip([
            "the column `x` holds 1e400, where a number up to 1.7976931348623157e308",
            "the column `visitor` is given twice",
            "it is 7, where an object",
        ]) {
            assert!(reason.contains(part), "{part}: {reason}");
        }
    }

    #[test]
    fn all_that_is_wrong_with_columns_is_said_at_once() {
        let columns = vec![
            ("visitor".to_owned(), vec![json!(1), json!(2)]),
            ("at".to_owned(), vec![json!("2026-01-01")]),
            ("y".to_owned(), vec![json!(1), json!(2)]),
            ("x".to_owned(), vec![json!(1), json!("a")]),
            ("visitor".to_owned(), vec![json!(1), json!(3)]),
        ];
        let error = Table::of_columns(&clicks(), columns).err().unwrap().to_string();
        for part in ["`at` has 1 rows", "`y` is unknown", "`x` holds \"a\"", "`visitor` is given twice"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
