//! A report goes into the registry, where a gate finds it: in full if it is short enough, else without the rows that
//! differ, and at last without what can be drawn of it.

use registry::{KeptParity, SideBySide};

use super::report::ParityReport;
use crate::error::ProjectError;
use crate::project::Project;

/// Bytes of a report that are kept.
const MOST_BYTES: usize = 1 << 20;

pub(super) async fn keep(
    project: &Project,
    versions: &SideBySide,
    report: &ParityReport,
) -> Result<(), ProjectError> {
    let kept = KeptParity {
        kind: report.kind,
        old: report.old.clone(),
        new: report.new.clone(),
        at: report.at,
        passed: report.passed(),
        old_hash: versions.old_hash.clone(),
        new_hash: versions.new_hash.clone(),
        expected: versions.expected_text(),
        logs: report.logs.clone(),
        report: bounded(report),
    };
    Ok(project.registry().await?.keep_parity(&kept).await?)
}

/// The report as JSON of a bounded length.
fn bounded(report: &ParityReport) -> String {
    let whole = report.json().to_string();
    if whole.len() <= MOST_BYTES {
        return whole;
    }
    let mut shorter = report.clone();
    shorter.features.iter_mut().for_each(|feature| feature.differences.clear());
    let text = shorter.json().to_string();
    if text.len() <= MOST_BYTES {
        return text;
    }
    for feature in &mut shorter.features {
        feature.figures.bars.clear();
        feature.figures.quantiles.clear();
    }
    shorter.features.retain(|feature| feature.judgement.verdict == monitor::Verdict::Outside);
    let text = shorter.json().to_string();
    match text.len() <= MOST_BYTES {
        true => text,
        false => ParityReport { features: Vec::new(), ..shorter }.json().to_string(),
    }
}
