//! What goes between Python and the library as text: arguments that are parsed, and results as JSON.

use feature::ServicePlan;
use pyo3::prelude::*;
use serde::Serialize;
use serde_json::{Value as Json, json};
use twinstore::{Deprecated, FollowedView, Loads, Pushed, StreamFailure, StreamOutcome};

use crate::error::{class, fault, sentence, wrong};

/// A text as what it is to be; the error says what it is not.
pub fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(py: Python<'_>, text: &str) -> PyResult<T> {
    text.parse().map_err(|error: T::Err| wrong(py, &error.to_string()))
}

/// The same of a text that may be absent.
pub fn parsed_if<T: std::str::FromStr<Err: std::fmt::Display>>(
    py: Python<'_>,
    text: Option<&str>,
) -> PyResult<Option<T>> {
    text.map(|text| parsed(py, text)).transpose()
}

/// A result as JSON.
pub fn text(py: Python<'_>, result: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(result).map_err(|error| fault(py, &error.to_string()))
}

/// What a load did: the views that were loaded, and those that failed with the exception that each would raise.
pub fn loads(py: Python<'_>, loads: &Loads) -> PyResult<String> {
    let loaded: Vec<Json> = loads
        .loaded
        .iter()
        .map(|one| {
            let report = serde_json::to_value(&one.report);
            let report = report.map_err(|error| fault(py, &error.to_string()))?;
            Ok(json!({
                "report": report, "seconds": one.took.as_secs_f64(), "refused_rows": one.report.refused_rows(),
                "left_out": one.report.left_out(),
            }))
        })
        .collect::<PyResult<_>>()?;
    let failed: Vec<Json> = loads
        .failed
        .iter()
        .map(|failed| {
            let said = sentence(&failed.to_string(), failed.error.help().as_ref());
            json!({"view": failed.view, "raises": class(failed.error.advice()), "message": said})
        })
        .collect();
    let seconds = loads.took.as_secs_f64();
    text(py, &json!({"loaded": loaded, "failed": failed, "extracts": loads.extracts, "seconds": seconds}))
}

/// The outcome for rows that were pushed.
pub fn pushed(py: Python<'_>, pushed: &Pushed) -> PyResult<String> {
    let refused: Vec<Json> =
        pushed.refused.iter().map(|row| json!({"row": row.line, "reason": row.reason})).collect();
    text(
        py,
        &json!({
            "source": pushed.source, "topic": pushed.topic, "first_offset": pushed.first_offset,
            "rows": pushed.taken, "refused": refused, "filtered": pushed.filtered,
        }),
    )
}

/// What streams did: the views that were followed, and those that stopped with the exception that each would raise.
pub fn streamed(py: Python<'_>, outcome: &StreamOutcome) -> PyResult<String> {
    let followed = |one: &FollowedView| {
        let report = serde_json::to_value(&one.report).map_err(|error| fault(py, &error.to_string()))?;
        Ok(json!({
            "report": report, "refused_rows": one.report.refused_rows(), "left_out": one.report.left_out(),
            "readable_p50_us": one.readable_p50_us, "readable_p99_us": one.readable_p99_us,
        }))
    };
    let followed: Vec<Json> = outcome.followed.iter().map(followed).collect::<PyResult<_>>()?;
    let failed = |StreamFailure { view, error }: &StreamFailure| {
        let said = sentence(&format!("{view}: {error}"), error.help().as_ref());
        json!({"view": view, "raises": class(error.advice()), "message": said})
    };
    let failed: Vec<Json> = outcome.failed.iter().map(failed).collect();
    let derived = outcome.derived.iter();
    let derived: Vec<Json> =
        derived.map(|one| json!({"view": one.view, "rows_loaded": one.rows_loaded})).collect();
    text(py, &json!({"followed": followed, "derived": derived, "failed": failed}))
}

/// What a service takes and gives.
pub fn service(plan: &ServicePlan) -> Json {
    let fields = |fields: &[feature::Field]| -> Vec<Json> {
        fields
            .iter()
            .map(|field| json!({"name": field.name.as_str(), "type": field.data_type.to_string()}))
            .collect()
    };
    let outputs: Vec<Json> = plan
        .outputs
        .iter()
        .map(|output| json!({"name": output.name, "type": output.data_type.to_string()}))
        .collect();
    let key = |key: &usize| plan.keys.get(*key).map(|key| key.name.as_str());
    let lookup = |lookup: &feature::Lookup| {
        let keys: Vec<&str> = lookup.keys.iter().filter_map(key).collect();
        json!({"view": lookup.view.id, "keys": keys})
    };
    let lookups: Vec<Json> = plan.lookups.iter().map(lookup).collect();
    json!({
        "service": plan.id, "hash": plan.hash, "keys": fields(&plan.keys), "request": fields(&plan.request),
        "features": outputs, "lookups": lookups,
    })
}

/// What there is to say of a training set, with the deprecated versions that it was built by.
pub fn with_notices(py: Python<'_>, summary: &Json, deprecated: &[Deprecated]) -> PyResult<String> {
    let deprecated: Vec<String> = deprecated.iter().map(ToString::to_string).collect();
    text(py, &json!({"summary": summary, "deprecated": deprecated}))
}
