//! What is known of the quality of a view's rows, from what is kept beside its log: nothing is counted for it, and no row is
//! read.

use std::sync::Arc;

use feature::{Micros, View};
use materializer::statistics;
use offline::OfflineStore;
use serde::Serialize;

use crate::error::ProjectError;
use crate::quality::drift::{self, DriftReport};
use crate::quality::kept_out::KeptOut;
use crate::slo::moment_text;

/// The quality of a view's rows.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ViewQuality {
    /// When it was measured.
    #[serde(serialize_with = "moment_text")]
    pub measured_at: Micros,
    /// Files that wait in quarantine.
    pub quarantined: u64,
    /// Rows that were refused and not loaded since.
    pub refused: u64,
    /// Columns of which the drift is known: both the last seven days and the 28 days before have
    /// enough values.
    pub columns: u64,
    /// Columns whose values of the last seven days have drifted from the 28 days before, the worst first.
    pub drifted: Vec<DriftedColumn>,
    /// Why it could not be measured.
    pub unknown: Option<String>,
}

/// A column whose values have drifted.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DriftedColumn {
    /// The column of the view's log.
    pub column: String,
    /// The population stability index; `None` of vectors.
    pub psi: Option<f64>,
    /// The maximum mean discrepancy of vectors.
    pub mmd: Option<f64>,
}

impl ViewQuality {
    /// Nothing bad, at a moment.
    pub fn at(measured_at: Micros) -> Self {
        Self { measured_at, quarantined: 0, refused: 0, columns: 0, drifted: Vec::new(), unknown: None }
    }
}

/// Measures it, and gives the drift of which it is made. What cannot be read is said in it.
pub(super) async fn measure(
    store: Result<OfflineStore, ProjectError>,
    view: &Arc<View>,
    now: Micros,
) -> (ViewQuality, Option<DriftReport>) {
    let measured = async { of(&store?, view, now).await };
    match measured.await {
        Ok(measured) => measured,
        Err(error) => (ViewQuality { unknown: Some(error.to_string()), ..ViewQuality::at(now) }, None),
    }
}

async fn of(
    store: &OfflineStore,
    view: &Arc<View>,
    now: Micros,
) -> Result<(ViewQuality, Option<DriftReport>), ProjectError> {
    let mut quality = ViewQuality::at(now);
    let kept_out = KeptOut::of(store, view).await?;
    (quality.quarantined, quality.refused) = (kept_out.waiting_files, kept_out.refused);
    let [days, _] = statistics(store, view, None).await?;
    let report = drift::of_last_days(view, &days);
    if let Some(report) = &report {
        quality.columns = report.compared() as u64;
        let drifted = report.drifted().map(|column| DriftedColumn {
            column: column.column.clone(),
            psi: column.drift.psi,
            mmd: column.drift.mmd.map(|mmd| mmd.distance),
        });
        quality.drifted = drifted.collect();
        let most = |column: &DriftedColumn| column.psi.or(column.mmd).unwrap_or_default();
        quality.drifted.sort_by(|a, b| most(b).total_cmp(&most(a)));
    }
    Ok((quality, report))
}
