//! `drift`: how far what a view's columns hold lies from a reference.

use pages::three;
use serde_json::{Value, json};
use twinstore::{
    AsJson, ColumnDrift, DriftReference, DriftReport, DriftVerdict, LEAST_ROWS, MeasureDrift, Project,
    QuantilePair, TopValue,
};

use crate::arguments::{DriftArgs, Format, days};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted};

pub async fn drift(project: &Project, args: &DriftArgs) -> Result<(), Failure> {
    let reference =
        reference(&args.reference).map_err(|error| Failure::new(format!("--reference {error}")))?;
    let measure = MeasureDrift { view: args.view.clone(), reference, live: args.live };
    let report = project.drift(&measure).await?;
    match args.format.format {
        Format::Json => output::json(&drift_json(&report))?,
        Format::Table => show(&report),
    }
    let drifted: Vec<&str> = report.drifted().map(|column| column.column.as_str()).collect();
    match drifted.as_slice() {
        [] if report.compared() == 0 => {
            Err(Failure::new(format!("{}: {}", report.view, not_compared(&report))))
        }
        [] => Ok(()),
        drifted => Err(Failure::new(format!(
            "{}: {} drifted: the values are no longer those of the reference; `quality statistics` shows them by date",
            report.view,
            drifted.join(", ")
        ))),
    }
}

/// Why no column could be compared.
fn not_compared(report: &DriftReport) -> String {
    let few = report.columns.iter().find(|column| column.drift.verdict() == DriftVerdict::TooFew);
    let Some(few) = few else {
        return "no column has values on both sides, so nothing is compared: name other dates".to_owned();
    };
    format!(
        "too few rows to say whether values drifted: the reference has {} and {} measured, and {LEAST_ROWS} are needed on each side: name more dates",
        counted(few.reference_rows, "row"),
        count(few.live_rows),
    )
}

/// What a text names as a reference: days, as in `2026-01-01..2026-01-31`, one day, or a training set's file.
pub fn reference(text: &str) -> Result<DriftReference, String> {
    // The path of a training set may have two dots as well.
    let first = text.split_once("..").map_or(text, |(from, _)| from);
    if !is_written_as_a_date(first) {
        return Ok(DriftReference::TrainingSet(text.into()));
    }
    days(text).map(|(from, to)| DriftReference::Days(from, to)).map_err(|error| {
        format!("{text}: {error}, as in 2013-06-01..2013-06-07; of a training set, the path of its file")
    })
}

/// Whether a text is a date, or would be one of another calendar, as `2026-13-01`.
fn is_written_as_a_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts.as_slice(), [year, month, day] if year.len() == 4 && month.len() <= 2 && day.len() <= 2)
        && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A drift, as JSON.
pub fn drift_json(report: &DriftReport) -> Value {
    json!({"view": report.view, "columns": report.columns.iter().map(as_json).collect::<Vec<_>>()})
}

fn show(report: &DriftReport) {
    let rows = report.columns.iter().map(|column| {
        let drift = &column.drift;
        let features: Vec<String> = column.features.iter().map(ToString::to_string).collect();
        vec![
            column.column.clone(),
            features.join(", "),
            drift.verdict().name().to_owned(),
            three(drift.psi),
            three(drift.ks),
            three(drift.chi_square),
            three(drift.jensen_shannon),
            drift
                .mmd
                .map_or_else(|| "-".to_owned(), |mmd| format!("{:.3} of {:.3}", mmd.distance, mmd.bound)),
            drift.means.map_or_else(|| "-".to_owned(), |[old, new]| format!("{old:.3} → {new:.3}")),
            format!("{:.1}% → {:.1}%", 100.0 * drift.nulls[0], 100.0 * drift.nulls[1]),
            count(column.reference_rows),
            count(column.live_rows),
        ]
    });
    println!("{}", output::table(&headings::DRIFT, &[3, 4, 5, 6, 7, 8, 9, 10, 11], rows));
}

fn as_json(column: &ColumnDrift) -> Value {
    let drift = &column.drift;
    json!({
        "column": column.column,
        "features": column.features,
        "verdict": drift.verdict().name(),
        "psi": drift.psi,
        "ks": drift.ks,
        "ks_error": drift.ks_error,
        "chi_square": drift.chi_square,
        "degrees_of_freedom": drift.degrees,
        "jensen_shannon": drift.jensen_shannon,
        "mmd": drift.mmd.map(|mmd| json!({"distance": mmd.distance, "bound": mmd.bound, "vectors": mmd.vectors})),
        "means": drift.means,
        "null_shares": drift.nulls,
        "reference_rows": column.reference_rows,
        "live_rows": column.live_rows,
        "quantiles": column.quantiles.iter().map(quantile).collect::<Vec<_>>(),
        "reference_top": column.top[0].iter().map(frequent).collect::<Vec<_>>(),
        "live_top": column.top[1].iter().map(frequent).collect::<Vec<_>>(),
    })
}

fn quantile(pair: &QuantilePair) -> Value {
    json!({"q": pair.per_mille as f64 / 1000.0, "reference": AsJson(&pair.old), "live": AsJson(&pair.new)})
}

fn frequent(top: &TopValue) -> Value {
    json!({"value": AsJson(&top.value), "rows": top.rows})
}
