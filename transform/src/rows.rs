//! The rows of a view from a batch of its source: which are taken, which are bad, and why.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::filter;
use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use feature::{
    DataType, EntityKey, Expectation, ExpectationStage, Field, Micros, Name, OnFailure, Scalar, Source,
    SourceTime, View,
};

use crate::arrow_types::{arrow_field, arrow_type};
use crate::bad_row::{BadReason, BadRow};
use crate::error::{ExpressionError, TransformError};
use crate::expression::{Evaluated, Expression, column};
use crate::verdict::{Kept, Verdict, Verdicts};

/// The column of a transformed batch that holds when each row happened.
pub const EVENT_TIME: &str = "_event_time";
/// The column of a transformed batch that holds when each row is declared to have been available.
pub const DECLARED_AT: &str = "_declared_at";

/// A view's expressions, compiled.
#[derive(Clone, Debug)]
pub struct ViewTransform {
    input: Vec<Field>,
    schema: SchemaRef,
    filter: Option<Expression>,
    rejecting: Vec<Rejecting>,
    warning: Vec<(String, Expression)>,
    keys: Vec<(Field, Expression)>,
    event_time: Option<Time>,
    declared_at: Option<Time>,
    columns: Vec<(String, Expression)>,
    of_rows: Vec<OfRow>,
}

/// An expectation of transformed rows, compiled over the view's keys and columns.
#[derive(Clone, Debug)]
struct OfRow {
    name: String,
    expression: Expression,
    on_failure: OnFailure,
}

/// An expectation of source rows that rejects, compiled.
#[derive(Clone, Debug)]
struct Rejecting {
    name: String,
    expression: Expression,
    /// Whether failing rows count against their batch.
    quarantines: bool,
}

/// A time of the source's rows, compiled.
#[derive(Clone, Debug)]
struct Time {
    /// As messages name it: the column, or the expression.
    name: String,
    expression: Expression,
    /// The column, where it is one: its values are taken as they are, beyond the years of a row too.
    column: Option<Field>,
}

impl Time {
    fn evaluate(&self, batch: &RecordBatch) -> Result<Evaluated, TransformError> {
        match &self.column {
            Some(field) => Ok(Evaluated { values: column(batch, field)?, failures: Vec::new() }),
            None => self.expression.evaluate(batch),
        }
    }
}

/// What a view makes of a batch.
#[derive(Clone, Debug)]
pub struct Transformed {
    /// The good rows: the view's keys by name, then [`EVENT_TIME`] (not for a static source), then
    /// [`DECLARED_AT`] (where the source declares it), then the view's columns by name.
    pub rows: RecordBatch,
    /// For each of the rows its index in the input.
    pub origins: Vec<u32>,
    /// How many did not pass `where`.
    pub filtered: u64,
    /// How many passed `where` with a null in their key, and were left out.
    pub null_keys: u64,
    /// The indices of these in the input, in their order.
    pub null_key_rows: Vec<u32>,
    /// The bad rows, in their order.
    pub bad: Vec<BadRow>,
    /// For each expectation that only warns, how many of the rows fail it.
    pub warned: Vec<(String, u64)>,
    /// The rows that count against their batch.
    pub against_batch: AgainstBatch,
}

/// The rows that fail expectations which quarantine: also those that are bad for another reason too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgainstBatch {
    /// The indices in the input of those that fail at least one, ascending.
    pub rows: Vec<u32>,
    /// How many rows fail each.
    pub by_expectation: Vec<(String, u64)>,
}

/// How many rows fail each expectation that only warns, and which fail each that quarantines.
type RowChecks = (Vec<(String, u64)>, Vec<(String, Vec<usize>)>);

impl AgainstBatch {
    /// Adds rows that fail expectations of transformed rows, by their indices among those that were left.
    fn add(&mut self, against: Vec<(String, Vec<usize>)>, origins: &[u32]) {
        for (name, rows) in against {
            self.by_expectation.push((name, rows.len() as u64));
            self.rows.extend(rows.into_iter().filter_map(|row| origins.get(row)));
        }
        self.rows.sort_unstable();
        self.rows.dedup();
    }
}

impl ViewTransform {
    /// Compiles a view's expressions over its source.
    pub fn compile(source: &Source, view: &View) -> Result<Self, ExpressionError> {
        let compile = |sql: &str, data_type: DataType, what: &str| {
            let expression = Expression::compile(&source.schema, sql);
            expression.map_err(|error| error.within(what))?.widened(data_type, what)
        };
        let condition = |sql: &str, what: &str| compile(sql, Scalar::Bool.into(), what);
        let filter = view.filter.as_deref().map(|sql| condition(sql, "`where`")).transpose()?;
        let (mut rejecting, mut warning) = (Vec::new(), Vec::new());
        let of_source = |one: &&Expectation| one.stage == ExpectationStage::Source;
        for expectation in view.expectations.iter().filter(of_source) {
            let what = format!("the expectation `{}`", expectation.name);
            let compiled = condition(&expectation.condition, &what)?;
            let compiled = (expectation.name.clone(), compiled);
            match expectation.on_failure {
                OnFailure::Warn => warning.push(compiled),
                on_failure => rejecting.push(Rejecting {
                    name: compiled.0,
                    expression: compiled.1,
                    quarantines: on_failure == OnFailure::Quarantine,
                }),
            }
        }
        let keys = view.keys.iter().zip(&view.key_expressions).map(|(key, sql)| {
            let expression = compile(sql, key.data_type, &format!("the key `{}`", key.name))?;
            Ok((key.clone(), expression))
        });
        let columns = view.columns.iter().map(|column| {
            let what = format!("the column `{}`", column.name);
            Ok((column.name.to_string(), compile(&column.expression, column.data_type, &what)?))
        });
        let transform = Self {
            input: Vec::new(),
            schema: Arc::new(Schema::empty()),
            filter,
            rejecting,
            warning,
            keys: keys.collect::<Result<_, _>>()?,
            event_time: time(source, source.event_time.as_ref(), "event_time")?,
            declared_at: time(source, source.available_at.as_ref(), "available_at")?,
            columns: columns.collect::<Result<_, _>>()?,
            of_rows: of_rows(view)?,
        };
        Ok(Self { input: transform.reads(&source.schema), schema: transform.gives(), ..transform })
    }

    /// The columns of the source that it reads, in the source's order.
    pub fn input(&self) -> &[Field] {
        &self.input
    }

    /// The schema of the rows that it gives.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// When each row of such a batch happened, null where it does not say it; none of a static source.
    pub fn event_times(&self, batch: &RecordBatch) -> Result<Option<ArrayRef>, TransformError> {
        let times = self.event_time.as_ref().map(|time| time.evaluate(batch)).transpose()?;
        Ok(times.map(|evaluated| evaluated.values))
    }

    /// The join keys of each row of such a batch, in the order of the entity's; null where a row does not say one.
    pub fn keys(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, TransformError> {
        self.keys.iter().map(|(_, expression)| Ok(expression.evaluate(batch)?.values)).collect()
    }

    /// The rows of a batch that holds, by name, the columns of [`ViewTransform::input`].
    pub fn apply(&self, batch: &RecordBatch) -> Result<Transformed, TransformError> {
        let mut kept = Kept::all(batch);
        let filtered = self.pass_filter(&mut kept)?;
        let mut against_batch = self.pass_expectations(&mut kept)?;

        let mut verdicts = Verdicts::default();
        let mut arrays = Vec::with_capacity(self.schema.fields().len());
        for (key, expression) in &self.keys {
            let what = || format!("the key `{}`", key.name);
            let values = verdicts.values_or_fail(expression.evaluate(&kept.batch)?, what);
            nulls(&values, |row| verdicts.say(row, Verdict::NullKey));
            arrays.push(values);
        }
        long_keys(&arrays, |row, bytes| verdicts.bad(row, BadReason::KeyTooLong { bytes }));
        for (field, null) in [
            (&self.event_time, BadReason::null_event_time as fn(String) -> BadReason),
            (&self.declared_at, BadReason::null_declared_time),
        ] {
            if let Some(time @ Time { name, .. }) = field {
                let values =
                    verdicts.values_or_fail(time.evaluate(&kept.batch)?, || format!("the time `{name}`"));
                check_times(&values, name, null, &mut verdicts);
                arrays.push(values);
            }
        }
        for (name, expression) in &self.columns {
            let what = || format!("the column `{name}`");
            arrays.push(verdicts.values_or_fail(expression.evaluate(&kept.batch)?, what));
        }
        let (warned_of_rows, against) = self.check_rows(&arrays, &mut verdicts)?;
        against_batch.add(against, &kept.origins);
        let mut warned = self.warnings(&kept, &verdicts)?;
        warned.extend(warned_of_rows);

        let null_key_rows: Vec<u32> =
            verdicts.null_keys().filter_map(|row| kept.origins.get(row).copied()).collect();
        if let Some(mask) = kept.reject(verdicts) {
            for array in &mut arrays {
                *array = filter(array, &mask)?;
            }
        }
        kept.bad.sort_by_key(|bad| bad.row);
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), arrays)?;
        Ok(Transformed {
            rows,
            origins: kept.origins,
            filtered,
            null_keys: null_key_rows.len() as u64,
            null_key_rows,
            bad: kept.bad,
            warned,
            against_batch,
        })
    }

    /// Leaves the rows for which `where` is true; gives how many it is not, of those that it
    /// does not fail on.
    fn pass_filter(&self, kept: &mut Kept) -> Result<u64, TransformError> {
        let Some(expression) = &self.filter else {
            return Ok(0);
        };
        let mut verdicts = Verdicts::default();
        let values = verdicts.values_or_fail(expression.evaluate(&kept.batch)?, || "`where`".to_owned());
        let passes = values.as_boolean();
        let filtered = passes.len() - passes.true_count() - verdicts.len();
        kept.keep(&trues(passes))?;
        kept.bad.extend(verdicts.into_bad(|row| row as u32));
        Ok(filtered as u64)
    }

    /// Takes the rows away that fail an expectation; gives those that count against their batch.
    fn pass_expectations(&self, kept: &mut Kept) -> Result<AgainstBatch, TransformError> {
        let mut verdicts = Verdicts::default();
        let (mut against, mut by_expectation) = (BTreeSet::new(), Vec::new());
        for Rejecting { name, expression, quarantines } in &self.rejecting {
            let evaluated = expression.evaluate(&kept.batch)?;
            let mut failing: Vec<usize> = evaluated.failures.iter().map(|(row, _)| *row).collect();
            let values = verdicts.values_or_fail(evaluated, || format!("the expectation `{name}`"));
            falses(&values, |row| {
                verdicts.bad(row, BadReason::Expectation { name: name.clone() });
                failing.push(row);
            });
            if *quarantines {
                by_expectation.push((name.clone(), failing.len() as u64));
                against.extend(failing);
            }
        }
        let rows = against.into_iter().filter_map(|row| kept.origins.get(row).copied()).collect();
        if let Some(mask) = kept.reject(verdicts) {
            kept.select(&mask)?;
        }
        Ok(AgainstBatch { rows, by_expectation })
    }

    /// Gives the transformed rows that fail an expectation of such rows their verdict. Rows that have one already are not
    /// looked at: they have no values. Gives the counts of expectations that only warn, and the rows that fail those which
    /// quarantine.
    fn check_rows(&self, arrays: &[ArrayRef], verdicts: &mut Verdicts) -> Result<RowChecks, TransformError> {
        if self.of_rows.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let fields = self.schema.fields().iter().zip(arrays);
        let is_value = |name: &str| name != EVENT_TIME && name != DECLARED_AT;
        let (fields, arrays): (Vec<_>, Vec<_>) = fields
            .filter(|(field, _)| is_value(field.name()))
            .map(|(field, array)| (field.clone(), array.clone()))
            .unzip();
        let nullable = fields.iter().map(|field| field.as_ref().clone().with_nullable(true));
        let rows = RecordBatch::try_new(Arc::new(Schema::new(nullable.collect::<Vec<_>>())), arrays)?;
        let (mut warned, mut against, mut failing) = (Vec::new(), Vec::new(), Vec::new());
        for OfRow { name, expression, on_failure } in &self.of_rows {
            let evaluated = expression.evaluate(&rows)?;
            let mut unmet: Vec<usize> = evaluated.failures.iter().map(|(row, _)| *row).collect();
            falses(&evaluated.values, |row| unmet.push(row));
            unmet.retain(|row| !verdicts.names(*row));
            match on_failure {
                OnFailure::Warn => warned.push((name.clone(), unmet)),
                OnFailure::Reject => failing.push((name, unmet)),
                OnFailure::Quarantine => {
                    against.push((name.clone(), unmet.clone()));
                    failing.push((name, unmet));
                }
            }
        }
        for (name, rows) in failing {
            rows.iter().for_each(|row| verdicts.bad(*row, BadReason::Expectation { name: name.clone() }));
        }
        let of_good_rows = |(name, unmet): (String, Vec<usize>)| {
            (name, unmet.iter().filter(|row| !verdicts.names(**row)).count() as u64)
        };
        Ok((warned.into_iter().map(of_good_rows).collect(), against))
    }

    /// An expectation that only warns takes no row away, also where it cannot be computed: a row
    /// on which it fails counts as one that does not meet it.
    fn warnings(&self, kept: &Kept, verdicts: &Verdicts) -> Result<Vec<(String, u64)>, TransformError> {
        let count = |(name, expression): &(String, Expression)| {
            let evaluated = expression.evaluate(&kept.batch)?;
            let mut unmet: Vec<usize> = evaluated.failures.into_iter().map(|(row, _)| row).collect();
            falses(&evaluated.values, |row| unmet.push(row));
            let of_good_rows = unmet.iter().filter(|row| !verdicts.names(**row)).count();
            Ok((name.clone(), of_good_rows as u64))
        };
        self.warning.iter().map(count).collect()
    }

    fn reads(&self, schema: &[Field]) -> Vec<Field> {
        let named = self.warning.iter().chain(&self.columns);
        let expressions = named.map(|(_, expression)| expression).chain(&self.filter);
        let expressions = expressions.chain(self.rejecting.iter().map(|one| &one.expression));
        let expressions = expressions.chain(self.keys.iter().map(|(_, expression)| expression));
        let times = self.event_time.iter().chain(&self.declared_at).map(|time| &time.expression);
        let names: Vec<&Name> = expressions.chain(times).flat_map(Expression::columns).collect();
        schema.iter().filter(|field| names.contains(&&field.name)).cloned().collect()
    }

    fn gives(&self) -> SchemaRef {
        let keys = self.keys.iter().map(|(key, _)| arrow_field(key.name.as_str(), key.data_type));
        let time =
            |name, is_nullable| ArrowField::new(name, arrow_type(Scalar::Timestamp.into()), is_nullable);
        let event_time = self.event_time.iter().map(|_| time(EVENT_TIME, false));
        let declared_at = self.declared_at.iter().map(|_| time(DECLARED_AT, true));
        let columns = self.columns.iter().map(|(name, expression)| arrow_field(name, expression.data_type()));
        Arc::new(Schema::new(keys.chain(event_time).chain(declared_at).chain(columns).collect::<Vec<_>>()))
    }
}

/// The expectations of a view's transformed rows, compiled.
fn of_rows(view: &View) -> Result<Vec<OfRow>, ExpressionError> {
    let fields = view.row_fields();
    let of_rows = view.expectations.iter().filter(|one| one.stage == ExpectationStage::Row);
    let compiled = of_rows.map(|one| {
        let what = format!("the expectation `{}`", one.name);
        let expression = Expression::compile(&fields, &one.condition).map_err(|error| error.within(&what))?;
        let expression = expression.widened(Scalar::Bool.into(), &what)?;
        Ok(OfRow { name: one.name.clone(), expression, on_failure: one.on_failure })
    });
    compiled.collect()
}

/// A time of a source: a timestamp column of its schema, or an expression that gives a timestamp.
fn time(source: &Source, time: Option<&SourceTime>, key: &str) -> Result<Option<Time>, ExpressionError> {
    let Some(time) = time else {
        return Ok(None);
    };
    let what = format!("the time `{time}`");
    if let SourceTime::Column(name) = time {
        let Some(found) = source.column(name.as_str()) else {
            return Err(ExpressionError::unknown_column(name.to_string(), &source.schema));
        };
        if found != Scalar::Timestamp.into() {
            return Err(ExpressionError::WrongType { what, declared: Scalar::Timestamp.into(), found });
        }
    }
    let expression = Expression::compile(&source.schema, &time.sql())
        .map_err(|error| error.within(format!("`{key}` of the source")))?
        .widened(Scalar::Timestamp.into(), &what)?;
    let data_type = Scalar::Timestamp.into();
    let column = match time {
        SourceTime::Column(name) => Some(Field { name: name.clone(), data_type }),
        SourceTime::Sql { .. } => None,
    };
    Ok(Some(Time { name: time.to_string(), expression, column }))
}

fn trues(array: &BooleanArray) -> BooleanArray {
    match array.nulls() {
        Some(nulls) => BooleanArray::new(array.values() & nulls.inner(), None),
        None => array.clone(),
    }
}

fn falses(array: &ArrayRef, mut say: impl FnMut(usize)) {
    let array = array.as_boolean();
    if array.true_count() < array.len() {
        (0..array.len()).filter(|row| array.is_valid(*row) && !array.value(*row)).for_each(&mut say);
    }
}

fn nulls(array: &ArrayRef, mut say: impl FnMut(usize)) {
    if array.null_count() > 0 {
        (0..array.len()).filter(|row| array.is_null(*row)).for_each(&mut say);
    }
}

/// The rows whose encoded key is longer than a store takes, and how long it is.
fn long_keys(keys: &[ArrayRef], mut say: impl FnMut(usize, usize)) {
    let (mut fixed, mut offsets) = (0, Vec::new());
    for key in keys {
        let text = key.as_string_opt::<i32>().map(|text| text.value_offsets());
        match text.or_else(|| key.as_binary_opt::<i32>().map(|bytes| bytes.value_offsets())) {
            Some(ends) => offsets.push(ends.windows(2)),
            None => fixed += key.data_type().primitive_width().unwrap_or(1),
        }
    }
    fixed += LENGTH_BYTES * offsets.len();
    let rows = if offsets.is_empty() { 0 } else { keys.first().map_or(0, |key| key.len()) };
    for row in 0..rows {
        let length = |ends: &[i32]| ends.last().zip(ends.first()).map_or(0, |(end, start)| end - start);
        let lengths = offsets.iter_mut().filter_map(|offsets| offsets.next());
        let bytes = fixed + lengths.map(|ends| length(ends) as usize).sum::<usize>();
        if bytes > EntityKey::MAX_BYTES {
            say(row, bytes);
        }
    }
}

/// Bytes before each string or bytes of an encoded key: its length.
const LENGTH_BYTES: usize = 4;

fn check_times(times: &ArrayRef, name: &str, null: fn(String) -> BadReason, verdicts: &mut Verdicts) {
    nulls(times, |row| verdicts.bad(row, null(name.to_string())));
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let all = Micros::MIN.get()..=Micros::MAX.get();
    if times.values().iter().all(|micros| all.contains(micros)) {
        return;
    }
    for (row, micros) in times.values().iter().enumerate() {
        if !all.contains(micros) && times.is_valid(row) {
            verdicts.bad(row, BadReason::TimeOutOfRange { column: name.to_string(), micros: *micros });
        }
    }
}

#[cfg(test)]
mod tests;
