//! One SQL scalar expression: checked and compiled once, run on any batch.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::Expr as SqlExpr;
use feature::{DataType, Field, Micros, Name, Scalar, Value, excerpt};

use crate::arrow_types::{array_of, arrow_schema, arrow_type, value_at};
use crate::error::{ExpressionError, TransformError, in_our_types, plain};
use crate::isolate::{self, Attempt};
use crate::settle::settle;
use crate::strict::Compiled;
use crate::widen;
use crate::{strict, syntax};

/// A compiled expression over named columns.
#[derive(Clone, Debug)]
pub struct Expression {
    physical: Arc<dyn PhysicalExpr>,
    fields: Vec<Field>,
    columns: Vec<Name>,
    /// How often it reads a column.
    reads: usize,
    schema: SchemaRef,
    data_type: DataType,
    /// Whether it computes integers beside singles as doubles.
    has_mixed_numbers: bool,
}

/// The most bytes of texts that an expression makes of a batch, as far as its columns say: those of the batch, as often
/// as columns are read.
const MOST_TEXT_BYTES: usize = 256 << 20;

/// What an expression gives for a batch.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// One value per row, of the expression's type; null where the row failed.
    pub values: ArrayRef,
    /// The rows that failed, in their order, and why.
    pub failures: Vec<(usize, String)>,
}

impl Expression {
    /// Parses and checks an expression over these columns. One that is only the name of a column is that column.
    pub fn compile(schema: &[Field], sql: &str) -> Result<Self, ExpressionError> {
        Self::compiled(schema, sql).map_err(|error| match syntax::keyword_column(sql, schema) {
            Some(column) => ExpressionError::Keyword { column: column.to_string(), source: Box::new(error) },
            None => error,
        })
    }

    fn compiled(schema: &[Field], sql: &str) -> Result<Self, ExpressionError> {
        let parsed = syntax::parse(sql, schema)?;
        let reads = parsed.reads;
        let fields: Vec<Field> = parsed.columns.into_iter().cloned().collect();
        let schema = arrow_schema(&fields);
        let type_error = |error| blame(sql, &fields, &schema, error);
        let Compiled { physical, has_mixed_numbers, never_works } =
            strict::compile(parsed.expr, &schema).map_err(type_error)?;
        let found = physical.data_type(&schema).map_err(type_error)?;
        let data_type = widen::natural(&found).ok_or(ExpressionError::NoSuchType { found })?;
        let columns = fields.iter().map(|field| field.name.clone()).collect();
        let expression = Self { physical, fields, columns, reads, schema, data_type, has_mixed_numbers };
        if let Some(reason) = expression.always_fails() {
            return Err(ExpressionError::AlwaysFails(reason));
        }
        match never_works {
            Some(reason) => Err(expression.never_works(sql, reason)),
            None => Ok(expression),
        }
    }

    /// That some part of it, which is named, gives nothing whatever a row holds.
    fn never_works(&self, sql: &str, reason: String) -> ExpressionError {
        let never_works = |part: &SqlExpr| strict::compile(part.clone(), &self.schema).ok()?.never_works;
        let (part, reason) = match first_wrong(sql, &self.fields, never_works) {
            Some(Wrong { part, why, .. }) => (part, why),
            None => (sql.to_owned(), reason),
        };
        ExpressionError::NeverWorks { part: excerpt(&part, LONGEST_PART_CHARS).into_owned(), reason }
    }

    /// Why two rows that have nothing in common fail, where it is for the same reason: one of
    /// nulls, one of values that nobody would single out. Where a part may be meant to fail the
    /// rows that reach it, nothing is said.
    fn always_fails(&self) -> Option<String> {
        if strict::is_lazy(&self.physical) {
            return None;
        }
        let try_out = |value: fn(Scalar) -> Value| {
            let column = |field: &Field| array_of([&sample(field.data_type, value)], field.data_type);
            let columns = self.fields.iter().map(column).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(1));
            let row = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
            row.ok().and_then(|row| self.attempt(&row).err())
        };
        let reason = try_out(|_| Value::Null)?;
        (try_out(ordinary)? == reason).then_some(reason)
    }

    /// The same expression as a value of `declared`, where nothing can be lost; `what` says where
    /// it stands in an error, as in ``the key `airport` ``.
    pub fn widened(self, declared: DataType, what: &str) -> Result<Self, ExpressionError> {
        // A version whose type was found by an earlier release keeps it: it is rounded at the end.
        let is_earlier = self.has_mixed_numbers
            && (self.data_type, declared) == (Scalar::Float64.into(), Scalar::Float32.into());
        if is_earlier || widen::is_lossless(&arrow_type(self.data_type), declared) {
            return Ok(Self { data_type: declared, ..self });
        }
        Err(ExpressionError::WrongType { what: what.to_owned(), declared, found: self.data_type })
    }

    /// The type of its values.
    pub fn data_type(&self) -> DataType {
        self.data_type
    }

    /// The columns that it reads, in the schema's order.
    pub fn columns(&self) -> &[Name] {
        &self.columns
    }

    /// The values for the rows of a batch that holds, by name, the columns that it reads.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<Evaluated, TransformError> {
        let columns = self.fields.iter().map(|field| column(batch, field)).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let attempt = |first, length| self.attempt(&batch.slice(first, length));
        let (values, failures) = isolate::rows(batch.num_rows(), &arrow_type(self.data_type), attempt)?;
        Ok(Evaluated { values, failures })
    }

    /// The values for rows whose columns have these values, each as long as the others; null where a row fails.
    pub fn values(&self, columns: &[(&Field, Vec<&Value>)]) -> Result<Vec<Value>, TransformError> {
        let rows = columns.first().map_or(0, |(_, values)| values.len());
        let fields: Vec<Field> = columns.iter().map(|(field, _)| (*field).clone()).collect();
        let arrays = columns.iter().map(|(field, values)| array_of(values.iter().copied(), field.data_type));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(arrow_schema(&fields), arrays.collect(), &options)?;
        let given = self.evaluate(&batch)?.values;
        Ok((0..rows).map(|row| value_at(&given, row, self.data_type)).collect())
    }

    /// The values of a whole batch, or why some row of it fails. A kernel that panics fails the
    /// row that it panics on, and not its process.
    fn attempt(&self, batch: &RecordBatch) -> Attempt {
        let length = batch.num_rows();
        let bytes: usize = batch.columns().iter().map(text_bytes).sum();
        if bytes.saturating_mul(self.reads) > MOST_TEXT_BYTES {
            return Err(format!(
                "its texts have {bytes} bytes, and the expression reads columns {} times",
                self.reads
            ));
        }
        let evaluate = || self.physical.evaluate(batch).and_then(|values| values.into_array(length));
        let values = catch_unwind(AssertUnwindSafe(evaluate))
            .map_err(|panic| said(&*panic))?
            .map_err(|error| plain(&error))?;
        if values.len() != length {
            return Err(format!("{} values were given for {length} rows", values.len()));
        }
        let values = widen::widen(&values, self.data_type).map_err(|error| plain(&error.into()))?;
        settle(values, self.data_type)
    }
}

/// Bytes of the texts of a column; of other columns none.
fn text_bytes(column: &ArrayRef) -> usize {
    let bytes = |offsets: &[i32]| match offsets {
        [first, .., last] => usize::try_from(last - first).unwrap_or(0),
        _ => 0,
    };
    let texts = column.as_string_opt::<i32>().map(|texts| bytes(texts.value_offsets()));
    texts.or_else(|| column.as_binary_opt::<i32>().map(|texts| bytes(texts.value_offsets()))).unwrap_or(0)
}

/// Characters of a part of an expression that a message shows.
const LONGEST_PART_CHARS: usize = 100;

/// The error of the smallest part of an expression that does not compile by itself.
fn blame(sql: &str, fields: &[Field], schema: &SchemaRef, error: DataFusionError) -> ExpressionError {
    let compile = |part: &SqlExpr| strict::compile(part.clone(), schema).err();
    let (part, columns, error) = match first_wrong(sql, fields, compile) {
        Some(Wrong { part, columns, why }) => (part, columns, why),
        None => (sql.to_owned(), Vec::new(), error),
    };
    let message = in_our_types(&plain(&error));
    ExpressionError::Type { part: excerpt(&part, LONGEST_PART_CHARS).into_owned(), message, columns }
}

/// A part of an expression with which something is wrong.
struct Wrong<T> {
    part: String,
    /// The columns that it reads, and their types.
    columns: Vec<(String, DataType)>,
    why: T,
}

/// The smallest part of an expression of which `wrong` says something.
fn first_wrong<T: Send>(
    sql: &str,
    fields: &[Field],
    wrong: impl Fn(&SqlExpr) -> Option<T> + Send,
) -> Option<Wrong<T>> {
    // Parts are copied, and a copy of a deep expression needs more stack than a caller may have.
    const STACK_BYTES: usize = 64 << 20;
    let find = || {
        let whole = syntax::parse(sql, fields).ok()?.expr;
        let (part, why) = syntax::first_part(&whole, wrong)?;
        let columns = syntax::columns_of(&part, fields);
        let columns = columns.map(|field| (field.name.to_string(), field.data_type)).collect();
        Some(Wrong { part: part.to_string(), columns, why })
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, find).ok()?.join().ok()?
    })
}

fn sample(data_type: DataType, value: fn(Scalar) -> Value) -> Value {
    match data_type {
        DataType::Scalar(scalar) => value(scalar),
        DataType::List(item, length) => Value::List((0..length.unwrap_or(1)).map(|_| value(item)).collect()),
    }
}

fn ordinary(scalar: Scalar) -> Value {
    match scalar {
        Scalar::Bool => Value::Bool(true),
        Scalar::Int32 => Value::Int32(7_919),
        Scalar::Int64 => Value::Int64(7_919),
        Scalar::Float32 => Value::Float32(79.19),
        Scalar::Float64 => Value::Float64(79.19),
        Scalar::String => Value::String("ordinary".into()),
        Scalar::Bytes => Value::Bytes(b"ordinary".as_slice().into()),
        Scalar::Timestamp => Micros::new(1_370_090_096_789_012).map_or(Value::Null, Value::Timestamp),
    }
}

/// A column of a batch, of the type that was compiled for.
pub(crate) fn column(batch: &RecordBatch, field: &Field) -> Result<ArrayRef, TransformError> {
    let column = batch
        .column_by_name(field.name.as_str())
        .ok_or_else(|| TransformError::MissingColumn { column: field.name.to_string() })?;
    if *column.data_type() != arrow_type(field.data_type) {
        return Err(TransformError::WrongType {
            column: field.name.to_string(),
            declared: field.data_type,
            found: column.data_type().clone(),
        });
    }
    Ok(Arc::clone(column))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("it cannot be computed ({})", text.unwrap_or("no reason was given"))
}

#[cfg(test)]
mod number_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod time_tests;

#[cfg(test)]
mod zone_tests;
