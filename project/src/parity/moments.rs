//! Entities and moments at which two versions are compared, drawn from the logs of the old one: each as a row of a log
//! happened, as a request for its entity would have come; of a row that was measured to be loaded much later it is now.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema, TimestampMicrosecondType};
use feature::{Lookup, Micros, Provenance, ServicePlan, Span};
use offline::{AVAILABLE_AT, EVENT_TIME, OfflineError, OfflineStore, PROVENANCE, Spine};

use super::report::Moments;
use crate::error::ProjectError;

/// What decides which rows are drawn.
const SEED: u64 = 1;
/// The column of moments: no join key can have its name.
const MOMENT: &str = "_moment";
/// A row of which it was measured that it could be read only so long after it happened was loaded later, as by
/// `materialize`: at the moment of its event nobody could have read anything of its load. Of history it is declared or
/// assumed how long rows take, so those before could be read, however long that is.
const LOADED_LATER: Span = Span::HOUR;
/// Rows of one batch of the spine.
const BATCH_ROWS: usize = 65_536;

/// A spine of at most so many rows. The moments and the keys of one lookup are those of rows of its log; keys that it
/// does not have are drawn from the logs of the others, each apart. Of a static view the moment is now.
pub(super) async fn drawn(
    store: &OfflineStore,
    plan: &ServicePlan,
    rows: u64,
    now: Micros,
) -> Result<(Spine, Moments), ProjectError> {
    let mut order: Vec<&Lookup> = plan.lookups.iter().collect();
    // The old version's come first, and of them the one with most keys.
    order.sort_by_key(|lookup| (lookup.view.is_static, std::cmp::Reverse(lookup.keys.len())));
    let mut columns: Vec<Option<ArrayRef>> = vec![None; plan.keys.len()];
    let mut moments: Option<ArrayRef> = None;
    let mut views = Vec::new();
    for lookup in order {
        let is_open = |key: &usize| columns.get(*key).is_some_and(Option::is_none);
        if !lookup.keys.iter().any(is_open) {
            continue;
        }
        let log = store.log(&lookup.view).await?;
        if log.version().is_none() {
            return Err(OfflineError::NoLog { view: lookup.view.id.clone() }.into());
        }
        let sample = log.sample(rows, SEED).await?;
        if sample.num_rows() == 0 {
            return Err(ProjectError::NoRowsToDraw { view: lookup.view.id.clone() });
        }
        let length = moments.as_ref().map_or(sample.num_rows(), |moments| moments.len());
        let repeated: UInt32Array = (0..length).map(|row| (row % sample.num_rows()) as u32).collect();
        for (key, field) in lookup.keys.iter().zip(&lookup.view.keys) {
            let values = sample.column_by_name(field.name.as_str());
            let values = values.expect("invariant: a sample has the join keys of its view");
            if let Some(open) = columns.get_mut(*key).filter(|column| column.is_none()) {
                *open = Some(take(&conformed_key(values, field)?, &repeated, None)?);
            }
        }
        if moments.is_none() {
            moments = Some(moments_of(&sample, lookup.view.is_static, now));
        }
        views.push(lookup.view.id.clone());
    }
    let moments = no_earlier(moments, first_kept(store, plan).await?);
    let spine = spine(plan, columns, moments)?;
    Ok((spine, Moments::Drawn { views, seed: SEED }))
}

/// The first moment at which no log lacks rows that its view's retention dropped.
async fn first_kept(store: &OfflineStore, plan: &ServicePlan) -> Result<Option<Micros>, ProjectError> {
    let mut first = None;
    for lookup in &plan.lookups {
        first = first.max(store.log(&lookup.view).await?.labels_from().await?);
    }
    Ok(first)
}

/// A row that happened too early is read as of the first moment that can be: its entity is as good as another.
fn no_earlier(moments: Option<ArrayRef>, first: Option<Micros>) -> Option<ArrayRef> {
    let Some(first) = first else { return moments };
    let later = |moments: ArrayRef| {
        let times = moments.as_primitive::<TimestampMicrosecondType>().values().iter();
        let later = TimestampMicrosecondArray::from_iter_values(times.map(|at| first.get().max(*at)));
        Arc::new(later.with_timezone("UTC")) as ArrayRef
    };
    moments.map(later)
}

/// The moments of drawn rows.
fn moments_of(sample: &RecordBatch, is_static: bool, now: Micros) -> ArrayRef {
    let times = |name: &str| {
        let column = sample.column_by_name(name).and_then(|column| column.as_primitive_opt());
        let times: &TimestampMicrosecondArray =
            column.expect("invariant: a sample has the times of its rows");
        times.values().iter().copied()
    };
    let provenance = sample.column_by_name(PROVENANCE).map(|column| column.as_string::<i32>());
    let provenance = provenance.expect("invariant: a sample has the provenance of its rows");
    let is_measured = provenance.iter().map(|name| name == Some(Provenance::Measured.name()));
    let moment = |((event, available), is_measured): ((i64, i64), bool)| {
        let is_later = is_measured && available - event > LOADED_LATER.micros();
        if is_static || is_later { now.get() } else { event }
    };
    let moments = times(EVENT_TIME).zip(times(AVAILABLE_AT)).zip(is_measured).map(moment);
    Arc::new(TimestampMicrosecondArray::from_iter_values(moments).with_timezone("UTC"))
}

/// A join key in its declared type.
pub(super) fn conformed_key(column: &ArrayRef, key: &feature::Field) -> Result<ArrayRef, ProjectError> {
    transform::conformed(column, key)
        .map_err(|error| OfflineError::Spine(vec![format!("the join key `{}`: {error}", key.name)]).into())
}

fn spine(
    plan: &ServicePlan,
    columns: Vec<Option<ArrayRef>>,
    moments: Option<ArrayRef>,
) -> Result<Spine, ProjectError> {
    let fields =
        plan.keys.iter().map(|key| Field::new(key.name.as_str(), transform::arrow_type(key.data_type), true));
    let mut fields: Vec<Field> = fields.collect();
    let mut arrays: Vec<ArrayRef> = columns.into_iter().flatten().collect();
    let moments = moments.expect("invariant: a plan that gives features reads a view");
    fields.push(Field::new(MOMENT, moments.data_type().clone(), false));
    arrays.push(moments);
    let all = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    let starts = (0..all.num_rows()).step_by(BATCH_ROWS);
    let batches = starts.map(|start| all.slice(start, BATCH_ROWS.min(all.num_rows() - start))).collect();
    Ok(Spine::of_rows("the moments drawn from the logs", batches, Vec::new(), MOMENT, plan)?)
}
