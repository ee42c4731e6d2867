//! Rows that came and that no reader sees: refused one by one, or in files that wait in quarantine. A cutover, an overview
//! and a search for causes look at the same counts.

use std::sync::Arc;

use feature::{HelpTopic, View, counted};
use materializer::{Decision, MaterializerError, check_quarantine, count_unsettled, quarantined};
use monitor::{Area, Condition, Finding};
use offline::OfflineStore;

/// Rows that are kept out explain missing ones where they are at least this share of them.
const LEAST_SHARE_OF_MISSED: f64 = 0.5;

/// The rows of a view that no load has taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct KeptOut {
    /// Rows that were refused and not loaded since.
    pub(crate) refused: u64,
    /// Files that wait in quarantine: nothing is decided of them, or their release is not done.
    pub(crate) waiting_files: u64,
    /// The rows of these files.
    pub(crate) waiting_rows: u64,
}

impl KeptOut {
    /// Of a view that loads: positions and descriptions are read, and no row.
    pub(crate) async fn of(store: &OfflineStore, view: &Arc<View>) -> Result<Self, MaterializerError> {
        let log = store.log(view).await?;
        let refused = count_unsettled(&log, &store.dead_letters(&view.id).await?).await?;
        let mut kept_out = Self { refused, ..Self::default() };
        if view.checks_batches() {
            check_quarantine(store, &log).await?;
            let files = quarantined(store, view).await?;
            let is_waiting = |decision| matches!(decision, Decision::Waiting | Decision::Releasing);
            for file in files.iter().filter(|file| is_waiting(file.decision)) {
                kept_out.waiting_files += 1;
                kept_out.waiting_rows += file.batch.rows;
            }
        }
        Ok(kept_out)
    }

    /// What is said of it, each with the operation that helps. It is wrong where so many rows are missed that it may be why,
    /// else worth knowing.
    pub(crate) fn findings(self, view: &View, missed: Option<u64>) -> Vec<Finding> {
        let finding = |rows: u64, said: String, help| {
            let explains = missed.is_some_and(|missed| rows as f64 >= LEAST_SHARE_OF_MISSED * missed as f64);
            let condition = if explains { Condition::Wrong } else { Condition::Noted };
            Finding { condition, ..Finding::noted(Area::KeptOut, said).helped_by(Some(help)) }
        };
        let id = &view.id;
        let mut findings = Vec::new();
        if self.waiting_files > 0 {
            let (files, rows) = (counted(self.waiting_files, "file"), counted(self.waiting_rows, "row"));
            let said = format!("{files} of {id} in quarantine with {rows}: release or drop them");
            findings.push(finding(self.waiting_rows, said, HelpTopic::Quarantine(id.clone())));
        }
        if self.refused > 0 {
            let said = format!("{} of {id} refused and not loaded since", counted(self.refused, "row"));
            findings.push(finding(self.refused, said, HelpTopic::DeadLetters(id.clone())));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_wait_are_noted_and_are_wrong_where_rows_are_missed() {
        let id: feature::VersionId = "visits@1".parse().unwrap();
        let view = View::bare(id.clone(), id.name.clone(), Vec::new(), id.name.clone());
        let kept_out = KeptOut { refused: 39, waiting_files: 3, waiting_rows: 1_800 };
        let noted = kept_out.findings(&view, None);
        let said: Vec<&str> = noted.iter().map(|finding| finding.said.as_str()).collect();
        assert_eq!(
            said,
            [
                "3 files of visits@1 in quarantine with 1,800 rows: release or drop them",
                "39 rows of visits@1 refused and not loaded since"
            ]
        );
        assert_eq!(noted[0].help, Some(HelpTopic::Quarantine(id)));
        assert!(noted.iter().all(|finding| finding.condition == Condition::Noted), "{noted:?}");
        let wrong = kept_out.findings(&view, Some(70));
        assert!(wrong.iter().all(|finding| finding.condition == Condition::Wrong), "{wrong:?}");
        assert!(KeptOut::default().findings(&view, Some(70)).is_empty());
        // A few refused rows are not why many are missed.
        let conditions = |missed| {
            kept_out.findings(&view, Some(missed)).iter().map(|one| one.condition).collect::<Vec<_>>()
        };
        assert_eq!(conditions(3_600), [Condition::Wrong, Condition::Noted]);
        assert_eq!(conditions(3_601), [Condition::Noted; 2]);
    }
}
