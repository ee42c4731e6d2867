//! What becomes of each Arrow type in a file of each format: kept, stored as the type that the format has
//! for the same values, or refused by name. The table is in docs/training-sets.md.
//!
//! - **Arrow** keeps every type.
//! - **Parquet** has no whole-second times: those are stored in milliseconds, `Date64` as `Date32`. It has
//!   no run-end encoding: those columns are stored as their values. Unions, structs without fields, decimals of
//!   negative scale and intervals of months, days and nanoseconds are refused.
//! - **CSV** has text: nested values are JSON, bytes base64. Unions are refused.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};

use crate::error::OfflineError;
use crate::opened_file::has_dictionaries;
use crate::training_set::file_format::FileFormat;

/// The columns of a training set as a file of some format holds them.
#[derive(Clone, Debug)]
pub struct WrittenColumns {
    schema: SchemaRef,
    /// For each column whether it is stored as another type than it has.
    changes: Vec<bool>,
}

impl WrittenColumns {
    /// How these columns lie in a file of the format that its name says; names every column that cannot.
    pub fn of(path: &Path, schema: &SchemaRef) -> Result<Self, OfflineError> {
        let format = FileFormat::of(path)?;
        let mut problems = Vec::new();
        let fields = schema.fields().iter().map(|field| {
            stored_field(format, field).unwrap_or_else(|why| {
                problems.push(format!("the column `{}` {why}", field.name()));
                field.clone()
            })
        });
        let fields: Fields = fields.collect();
        if !problems.is_empty() {
            let why = format!(
                "{}: write the training set as another format, or leave the column out of the spine",
                problems.join("; ")
            );
            return Err(OfflineError::file("write", path, why));
        }
        let differs = |(stored, field): (&FieldRef, &FieldRef)| stored.data_type() != field.data_type();
        let changes = fields.iter().zip(schema.fields()).map(differs).collect();
        Ok(Self { schema: Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())), changes })
    }

    /// The columns as the file holds them.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows as the file holds them. A value that it cannot hold is refused with its column.
    pub fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, OfflineError> {
        if !self.changes.contains(&true) {
            return Ok(batch.clone());
        }
        let columns = self.schema.fields().iter().zip(batch.columns()).zip(&self.changes);
        let columns = columns.map(|((field, column), changes)| match changes {
            true => stored(column, field.data_type())
                .map_err(|why| OfflineError::Column { column: field.name().clone(), why }),
            false => Ok(column.clone()),
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

/// The array in the type in which it is stored.
fn stored(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, String> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast = |array: &ArrayRef, to: &DataType| {
        cast_with_options(array, to, &options).map_err(|error| error.to_string())
    };
    let stored = cast(column, to)?;
    // A day is cut to its beginning without a word.
    if holds_date64(column.data_type()) && cast(&stored, column.data_type())?.to_data() != column.to_data() {
        return Err("a Date64 in it is no whole day: make it a timestamp".to_owned());
    }
    Ok(stored)
}

fn holds_date64(data_type: &DataType) -> bool {
    match data_type {
        DataType::Date64 => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            holds_date64(item.data_type())
        }
        DataType::Map(entries, _) => holds_date64(entries.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_date64(field.data_type())),
        _ => false,
    }
}

fn stored_field(format: FileFormat, field: &FieldRef) -> Result<FieldRef, String> {
    let stored = stored_type(format, field.data_type())?;
    match stored == *field.data_type() {
        true => Ok(field.clone()),
        false => Ok(Arc::new(Field::clone(field).with_data_type(stored))),
    }
}

/// The type as which a file holds another, or why it does not.
fn stored_type(format: FileFormat, data_type: &DataType) -> Result<DataType, String> {
    use DataType as D;
    let is_parquet = match format {
        FileFormat::Arrow => return Ok(data_type.clone()),
        FileFormat::Parquet => true,
        FileFormat::Csv => false,
    };
    let refused = |what: &dyn fmt::Display| {
        let format = if is_parquet { "Parquet" } else { "CSV" };
        Err(format!("is {what}, which {format} cannot hold"))
    };
    let item = |field: &FieldRef| stored_field(format, field);
    Ok(match data_type {
        D::Union(..) => return refused(&"a union"),
        D::Struct(fields) if fields.is_empty() && is_parquet => return refused(&"a struct without fields"),
        D::Interval(IntervalUnit::MonthDayNano) if is_parquet => {
            return refused(&"an interval of months, days and nanoseconds");
        }
        D::Decimal32(_, scale)
        | D::Decimal64(_, scale)
        | D::Decimal128(_, scale)
        | D::Decimal256(_, scale)
            if *scale < 0 && is_parquet =>
        {
            return refused(&"a decimal of negative scale");
        }
        D::Timestamp(TimeUnit::Second, zone) if is_parquet => {
            D::Timestamp(TimeUnit::Millisecond, zone.clone())
        }
        D::Time32(TimeUnit::Second) if is_parquet => D::Time32(TimeUnit::Millisecond),
        D::Date64 if is_parquet => D::Date32,
        D::RunEndEncoded(_, values) => stored_type(format, values.data_type())?,
        D::Dictionary(keys, values) => {
            let values = stored_type(format, values)?;
            match is_parquet && has_dictionaries(&values) {
                true => D::Dictionary(keys.clone(), Box::new(values)),
                false => values,
            }
        }
        D::List(field) => D::List(item(field)?),
        D::LargeList(field) => D::LargeList(item(field)?),
        D::FixedSizeList(field, length) => D::FixedSizeList(item(field)?, *length),
        D::ListView(field) if !is_parquet => D::List(item(field)?),
        D::LargeListView(field) if !is_parquet => D::LargeList(item(field)?),
        D::ListView(field) => D::ListView(item(field)?),
        D::LargeListView(field) => D::LargeListView(item(field)?),
        D::Struct(fields) => D::Struct(fields.iter().map(item).collect::<Result<_, _>>()?),
        D::Map(entries, sorted) => D::Map(item(entries)?, *sorted),
        other => other.clone(),
    })
}
