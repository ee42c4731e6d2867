//! Rows as CSV: a header, and a line for each row. A null is an empty field, the empty string is `""`;
//! bytes are base64; lists, structs and maps are JSON; everything else is the text that Arrow shows.
//! A [`crate::training_set::written_columns::WrittenColumns`] has made dictionaries and the like plain before.

use std::fmt::Write as _;
use std::io::{self, Write};

use arrow::array::{Array, AsArray, MapArray, RecordBatch, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A CSV file while it is written.
pub(crate) struct CsvWriter<W> {
    file: W,
}

impl<W: Write> CsvWriter<W> {
    /// Begins with the header, so that a file without rows has one.
    pub(crate) fn begin(mut file: W, schema: &Schema) -> io::Result<Self> {
        let names = schema.fields().iter().map(|field| in_field(field.name())).collect::<Vec<_>>();
        file.write_all((names.join(",") + "\n").as_bytes())?;
        Ok(Self { file })
    }

    /// Writes a line for each row. The error names the column.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let mut cells = Vec::with_capacity(batch.num_columns());
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let named = |error: ArrowError| format!("the column `{}`: {error}", field.name());
            cells.push(Cells::of(column.as_ref()).map_err(named)?);
        }
        let (mut lines, mut text) = (String::new(), String::new());
        for row in 0..batch.num_rows() {
            for (index, cells) in cells.iter().enumerate() {
                if index > 0 {
                    lines.push(',');
                }
                if cells.is_null(row) {
                    continue;
                }
                text.clear();
                cells.write(row, &mut text).map_err(|error| {
                    let name = batch.schema_ref().field(index).name().clone();
                    format!("row {} of a batch: the column `{name}`: {error}", row + 1)
                })?;
                lines.push_str(&in_field(&text));
            }
            lines.push('\n');
        }
        self.file.write_all(lines.as_bytes()).map_err(|error| error.to_string())
    }

    /// The file behind it.
    pub(crate) fn into_inner(self) -> W {
        self.file
    }
}

/// A text as a field, within quotes where it needs them.
fn in_field(text: &str) -> std::borrow::Cow<'_, str> {
    match text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text.into(),
    }
}

/// The values of a column as text.
struct Cells<'a> {
    nulls: Option<NullBuffer>,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// A value that JSON has as it is shown.
    Bare(ArrayFormatter<'a>),
    /// A value that is text in JSON.
    Text(ArrayFormatter<'a>),
    Bytes(&'a dyn Array),
    List(Offsets<'a>, Box<Cells<'a>>),
    /// Each field with its name and a colon.
    Struct(Vec<(String, Cells<'a>)>),
    Map(&'a MapArray, Box<Cells<'a>>, Box<Cells<'a>>),
}

/// Where the items of each list lie.
enum Offsets<'a> {
    Narrow(&'a [i32]),
    Wide(&'a [i64]),
    Fixed(usize),
}

impl Offsets<'_> {
    fn of(&self, row: usize) -> std::ops::Range<usize> {
        match self {
            Offsets::Narrow(ends) => between(ends, row, |end| end as usize),
            Offsets::Wide(ends) => between(ends, row, |end| end as usize),
            Offsets::Fixed(length) => row * length..(row + 1) * length,
        }
    }
}

fn between<T: Copy>(ends: &[T], row: usize, index: fn(T) -> usize) -> std::ops::Range<usize> {
    match ends.get(row..).and_then(|rest| rest.first_chunk::<2>()) {
        Some([start, end]) => index(*start)..index(*end),
        None => 0..0,
    }
}

impl<'a> Cells<'a> {
    fn of(array: &'a dyn Array) -> Result<Self, ArrowError> {
        const OPTIONS: FormatOptions<'static> = FormatOptions::new();
        let shown = || ArrayFormatter::try_new(array, &OPTIONS);
        let list = |offsets, items: &'a dyn Array| {
            Ok::<_, ArrowError>(Kind::List(offsets, Box::new(Cells::of(items)?)))
        };
        let kind = match array.data_type() {
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Kind::Bytes(array),
            DataType::List(_) => {
                let lists = array.as_list::<i32>();
                list(Offsets::Narrow(lists.value_offsets()), lists.values().as_ref())?
            }
            DataType::LargeList(_) => {
                let lists = array.as_list::<i64>();
                list(Offsets::Wide(lists.value_offsets()), lists.values().as_ref())?
            }
            DataType::FixedSizeList(_, length) => {
                let lists = array.as_fixed_size_list();
                list(
                    Offsets::Fixed(
                        usize::try_from(*length).expect("invariant: the length of lists is not negative"),
                    ),
                    lists.values().as_ref(),
                )?
            }
            DataType::Struct(_) => Kind::Struct(fields_of(array.as_struct())?),
            DataType::Map(..) => {
                let map = array.as_map();
                let [keys, values] = [map.keys(), map.values()].map(|items| Cells::of(items.as_ref()));
                Kind::Map(map, Box::new(keys?), Box::new(values?))
            }
            DataType::Boolean => Kind::Bare(shown()?),
            numeric if numeric.is_numeric() => Kind::Bare(shown()?),
            _ => Kind::Text(shown()?),
        };
        Ok(Self { nulls: array.logical_nulls(), kind })
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The value of a row as a field holds it.
    fn write(&self, row: usize, text: &mut String) -> Result<(), ArrowError> {
        match &self.kind {
            Kind::Bare(shown) | Kind::Text(shown) => shown.value(row).write(text),
            Kind::Bytes(array) => {
                STANDARD.encode_string(bytes_at(*array, row), text);
                Ok(())
            }
            _ => self.write_json(row, text),
        }
    }

    /// The value of a row, or null, in JSON.
    fn write_json(&self, row: usize, text: &mut String) -> Result<(), ArrowError> {
        if self.is_null(row) {
            text.push_str("null");
            return Ok(());
        }
        match &self.kind {
            Kind::Bare(shown) => {
                let shown = shown.value(row).try_to_string()?;
                // JSON has no such numbers.
                match shown.as_str() {
                    "NaN" => text.push_str("\"NaN\""),
                    "inf" => text.push_str("\"Infinity\""),
                    "-inf" => text.push_str("\"-Infinity\""),
                    number => text.push_str(number),
                }
            }
            Kind::Text(shown) => push_json_text(&shown.value(row).try_to_string()?, text),
            Kind::Bytes(array) => push_json_text(&STANDARD.encode(bytes_at(*array, row)), text),
            Kind::List(offsets, items) => {
                text.push('[');
                for (index, item) in offsets.of(row).enumerate() {
                    text.push_str(if index > 0 { "," } else { "" });
                    items.write_json(item, text)?;
                }
                text.push(']');
            }
            Kind::Struct(fields) => {
                text.push('{');
                for (index, (name, values)) in fields.iter().enumerate() {
                    text.push_str(if index > 0 { "," } else { "" });
                    text.push_str(name);
                    values.write_json(row, text)?;
                }
                text.push('}');
            }
            Kind::Map(map, keys, values) => {
                text.push('{');
                for (index, item) in between(map.value_offsets(), row, |end| end as usize).enumerate() {
                    text.push_str(if index > 0 { "," } else { "" });
                    let mut key = String::new();
                    keys.write(item, &mut key)?;
                    push_json_text(&key, text);
                    text.push(':');
                    values.write_json(item, text)?;
                }
                text.push('}');
            }
        }
        Ok(())
    }
}

fn fields_of(array: &StructArray) -> Result<Vec<(String, Cells<'_>)>, ArrowError> {
    let named = array.fields().iter().zip(array.columns());
    named
        .map(|(field, column)| {
            let mut name = String::new();
            push_json_text(field.name(), &mut name);
            name.push(':');
            Ok((name, Cells::of(column.as_ref())?))
        })
        .collect()
}

fn bytes_at(array: &dyn Array, row: usize) -> &[u8] {
    match array.data_type() {
        DataType::Binary => array.as_binary::<i32>().value(row),
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        DataType::BinaryView => array.as_binary_view().value(row),
        _ => array.as_fixed_size_binary().value(row),
    }
}

fn push_json_text(value: &str, text: &mut String) {
    // Writing to a string does not fail.
    let _ = write!(text, "{}", serde_json::Value::from(value));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BinaryArray, Float64Array, ListArray, StringArray};
    use arrow::datatypes::Float64Type;

    use super::*;

    fn csv(columns: Vec<(&str, ArrayRef)>) -> String {
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        );
        let batch = batch.unwrap();
        let mut writer = CsvWriter::begin(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        String::from_utf8(writer.into_inner()).unwrap()
    }

    #[test]
    fn a_null_and_the_empty_string_differ_and_text_is_quoted_where_it_must_be() {
        let texts = StringArray::from(vec![Some(""), None, Some("a,\"b\"\nc"), Some("01234")]);
        let numbers = Float64Array::from(vec![Some(1.0), None, Some(f64::NAN), Some(-0.0)]);
        assert_eq!(
            csv(vec![("s,", Arc::new(texts)), ("x", Arc::new(numbers))]),
            "\"s,\",x\n\"\",1.0\n,\n\"a,\"\"b\"\"\nc\",NaN\n01234,-0.0\n"
        );
    }

    #[test]
    fn bytes_are_base64_and_lists_json() {
        let lists = ListArray::from_iter_primitive::<Float64Type, _, _>(vec![
            Some(vec![Some(1.5), None, Some(f64::INFINITY)]),
            Some(vec![]),
            None,
        ]);
        let bytes = BinaryArray::from_opt_vec(vec![Some(b"\xff\x00".as_slice()), Some(b""), None]);
        assert_eq!(
            csv(vec![("l", Arc::new(lists)), ("b", Arc::new(bytes))]),
            "l,b\n\"[1.5,null,\"\"Infinity\"\"]\",/wA=\n[],\"\"\n,\n"
        );
    }
}
