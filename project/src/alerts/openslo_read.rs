//! What an OpenSLO document says besides its objective: all of it is what the product counts by, or the document is refused.
//! Nothing that would change what an objective means is passed over.

use feature::Span;
use serde_json::{Map, Value};

/// The window of every error budget.
pub(super) const WINDOW: &str = "30d";
/// How budgets are counted: by reads.
pub(super) const METHOD: &str = "Occurrences";
/// How the annotations that say what an objective is of begin.
const ANNOTATION: &str = "twinstore/";
/// What a `spec` may say; what is of the indicator is looked at apart.
const SPEC: [&str; 6] =
    ["description", "service", "indicator", "timeWindow", "budgetingMethod", "objectives"];
/// What an objective may say.
const OBJECTIVE: [&str; 3] = ["displayName", "target", "targetPercent"];
/// What a ratio may say.
const RATIO: [&str; 3] = ["counter", "good", "total"];

/// Refuses a document that says something else than what is counted of `reads`; an error says what is supported.
pub(super) fn check(value: &Value, annotations: &[&str], reads: &str) -> Result<(), String> {
    check_annotations(value, annotations)?;
    let empty = Map::new();
    let spec = value.pointer("/spec").and_then(Value::as_object).unwrap_or(&empty);
    only("spec", spec, &SPEC)?;
    check_window(spec.get("timeWindow"))?;
    if let Some(method) = spec.get("budgetingMethod").filter(|method| method.as_str() != Some(METHOD)) {
        return Err(format!(
            "its `budgetingMethod` is {method}, and budgets are counted by reads: `{METHOD}`"
        ));
    }
    if let Some(objective) = value.pointer("/spec/objectives/0").and_then(Value::as_object) {
        only("objective", objective, &OBJECTIVE)?;
        if objective.contains_key("target") && objective.contains_key("targetPercent") {
            return Err("its objective has a `target` and a `targetPercent`: leave one out".to_owned());
        }
    }
    match spec.get("indicator") {
        Some(indicator) => check_indicator(indicator, reads),
        None => Ok(()),
    }
}

/// Annotations of ours are texts, and those that are known; those of others are theirs.
fn check_annotations(value: &Value, known: &[&str]) -> Result<(), String> {
    let annotations = value.pointer("/metadata/annotations").and_then(Value::as_object);
    for (name, value) in annotations.into_iter().flatten().filter(|(name, _)| name.starts_with(ANNOTATION)) {
        if !known.contains(&name.as_str()) {
            return Err(format!("its annotation `{name}` is not known here, which are {}", listed(known)));
        }
        if !value.is_string() {
            return Err(format!(
                "its annotation `{name}` is {value}, and has to be a text: write it in quotes"
            ));
        }
    }
    Ok(())
}

fn check_window(windows: Option<&Value>) -> Result<(), String> {
    let Some(windows) = windows else { return Ok(()) };
    let is_supported = |window: &Map<String, Value>| {
        let duration =
            window.get("duration").and_then(Value::as_str).and_then(|text| text.parse::<Span>().ok());
        let is_rolling = window.get("isRolling").is_none_or(|rolling| *rolling == Value::Bool(true));
        let known = ["duration", "isRolling"];
        duration.is_some()
            && duration == WINDOW.parse().ok()
            && is_rolling
            && window.keys().all(|key| known.contains(&key.as_str()))
    };
    match windows.as_array().map(Vec::as_slice) {
        Some([window]) if window.as_object().is_some_and(is_supported) => Ok(()),
        _ => Err(format!(
            "its `timeWindow` is {windows}, and budgets are of one window, the last 30 days: `[{{duration: {WINDOW}, isRolling: true}}]`"
        )),
    }
}

/// What is counted is fixed: an indicator is one of these counts, or would say what is not so.
fn check_indicator(indicator: &Value, reads: &str) -> Result<(), String> {
    let ratio = indicator.pointer("/spec/ratioMetric").and_then(Value::as_object);
    let is_of_reads = |side: &str| {
        let query = ratio?.get(side)?.pointer("/metricSource/spec/query")?.as_str()?;
        query.contains(reads).then_some(())
    };
    if is_of_reads("good").is_none() || is_of_reads("total").is_none() {
        return Err(format!(
            "its `indicator` is not a `ratioMetric` of {reads}, the reads that are counted: leave the indicator out"
        ));
    }
    let spec = indicator.pointer("/spec").and_then(Value::as_object);
    spec.map_or(Ok(()), |spec| only("indicator", spec, &["description", "ratioMetric"]))?;
    ratio.map_or(Ok(()), |ratio| only("ratioMetric", ratio, &RATIO))
}

/// Refuses keys that are not read.
fn only(of: &str, found: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match found.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("its {of} has `{key}`, which is not supported: only {} are", listed(known))),
        None => Ok(()),
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
