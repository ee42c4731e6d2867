//! Whether a view or a service is as it should be, and why not, from what is known of it.

use feature::{VersionId, counted, thousands};
use monitor::Condition;
use registry::RunState;

use super::summary::{Overview, ParitySummary, ServiceSummary, ViewSummary};
use super::view_quality::ViewQuality;
use crate::slo::ObjectiveStanding;

/// Drifted columns that a sentence names.
const MOST_NAMED: usize = 3;

impl Overview {
    /// Adds what is known of the quality of a view's rows.
    pub fn note_quality(&mut self, view: &VersionId, quality: ViewQuality) {
        if let Some(summary) = self.views.iter_mut().find(|summary| summary.id == *view) {
            summary.quality = Some(quality);
            (summary.condition, summary.reasons) = of_view(summary);
        }
    }
}

impl ViewSummary {
    /// The same with the quality of its rows.
    pub(super) fn with_quality(mut self, quality: ViewQuality) -> Self {
        self.quality = Some(quality);
        (self.condition, self.reasons) = of_view(&self);
        self
    }
}

/// What was found, worst first.
#[derive(Default)]
struct Found(Vec<(Condition, String)>);

impl Found {
    fn add(&mut self, condition: Condition, said: String) {
        self.0.push((condition, said));
    }

    fn ended(mut self) -> (Condition, Vec<String>) {
        self.0.sort_by_key(|(condition, _)| std::cmp::Reverse(*condition));
        let worst = self.0.first().map_or(Condition::Fine, |(condition, _)| *condition);
        (worst, self.0.into_iter().map(|(_, said)| said).collect())
    }
}

/// The condition of a view.
pub(super) fn of_view(view: &ViewSummary) -> (Condition, Vec<String>) {
    let mut found = Found::default();
    if let Some(objective) = &view.objective {
        of_objective(&mut found, objective);
    }
    for objective in &view.feature_objectives {
        of_feature(&mut found, objective);
    }
    if let Some(breaker) = &view.breaker {
        found.add(Condition::Wrong, breaker.clone());
    }
    if let Some(held_up) = &view.held_up {
        found.add(Condition::Wrong, held_up.clone());
    }
    if let Some(load) = &view.newest_load {
        let job = load.job.name();
        match load.state {
            RunState::Failed => {
                let why = load.error.as_deref().unwrap_or("its error is not recorded");
                found.add(Condition::Wrong, format!("the newest run failed ({job}): {why}"));
            }
            RunState::Interrupted => {
                found
                    .add(Condition::Noted, format!("the newest run was interrupted ({job}): start it again"));
            }
            RunState::Running | RunState::Complete | RunState::Cancelled => {}
        }
    }
    if let Some(quality) = &view.quality {
        if let Some(why) = &quality.unknown {
            found.add(Condition::Noted, format!("its quality is not known: {why}"));
        }
        if quality.quarantined > 0 {
            let files = counted(quality.quarantined, "file");
            found.add(Condition::Noted, format!("{files} of it in quarantine: release or drop them"));
        }
        if quality.refused > 0 {
            let rows = counted(quality.refused, "row");
            found.add(Condition::Noted, format!("{rows} of it refused and not loaded since"));
        }
        if !quality.drifted.is_empty() {
            let named: Vec<String> = quality
                .drifted
                .iter()
                .take(MOST_NAMED)
                .map(|column| match (column.psi, column.mmd) {
                    (None, Some(mmd)) => format!("{} (MMD {mmd:.2})", column.column),
                    (psi, _) => format!("{} (PSI {:.2})", column.column, psi.unwrap_or_default()),
                })
                .collect();
            let more = match quality.drifted.len().saturating_sub(MOST_NAMED) {
                0 => String::new(),
                more => format!(" and {} more", thousands(more as u64)),
            };
            found.add(Condition::Noted, format!("values have drifted: {}{more}", named.join(", ")));
        }
    }
    of_version(&mut found, view.parity.as_ref(), view.deprecated.as_ref());
    found.ended()
}

/// The condition of a service.
pub(super) fn of_service(service: &ServiceSummary) -> (Condition, Vec<String>) {
    let mut found = Found::default();
    if let Some(objective) = &service.objective {
        of_objective(&mut found, objective);
    }
    of_version(&mut found, service.parity.as_ref(), service.deprecated.as_ref());
    found.ended()
}

/// The objective of a feature says only what reads of it say; why is said by the view's.
fn of_feature(found: &mut Found, objective: &ObjectiveStanding) {
    let name = objective.feature.as_ref().map(ToString::to_string).unwrap_or_default();
    if let Some(alert) = objective.alert {
        let condition = if alert == "page" { Condition::Wrong } else { Condition::Noted };
        found.add(condition, format!("the error budget of {name} burns too fast ({alert})"));
    } else if objective.since.is_some() {
        found.add(Condition::Wrong, format!("reads of {name} are staler than promised"));
    }
}

/// Reads that are staler than promised are wrong; a pipeline that is, while reads are not yet, is worth knowing.
fn of_objective(found: &mut Found, objective: &ObjectiveStanding) {
    let is_wrong = objective.alert == Some("page") || objective.since.is_some();
    let condition = if is_wrong { Condition::Wrong } else { Condition::Noted };
    if let Some(cause) = &objective.cause {
        found.add(condition, cause.clone());
    }
    if let Some(alert) = objective.alert {
        found.add(condition, format!("its error budget burns too fast ({alert})"));
    } else if is_wrong && objective.cause.is_none() {
        found.add(condition, "reads are staler than promised".to_owned());
    }
    if objective.budget_left.is_some_and(|left| left < 0.0) && objective.alert.is_none() {
        found.add(Condition::Noted, "its error budget of 30 days is spent".to_owned());
    }
}

fn of_version(found: &mut Found, parity: Option<&ParitySummary>, deprecated: Option<&String>) {
    if let Some(parity) = parity.filter(|parity| !parity.passed) {
        found.add(Condition::Noted, format!("it is outside its bounds beside {}", parity.old));
    }
    if let Some(deprecated) = deprecated {
        found.add(Condition::Noted, deprecated.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::{NewestLoad, PipelineKind};
    use super::super::view_quality::DriftedColumn;
    use super::*;
    use feature::Micros;
    use registry::Job;

    fn view() -> ViewSummary {
        ViewSummary::bare("visits@1".parse().unwrap(), "clicks".to_owned(), PipelineKind::Stream)
    }

    fn load(state: RunState) -> Option<NewestLoad> {
        Some(NewestLoad {
            job: Job::Backfill,
            state,
            started_at: Micros::new(0).unwrap(),
            error: Some("no such file".to_owned()),
            loaded: 0,
            refused: 0,
        })
    }

    #[test]
    fn a_view_of_which_nothing_bad_is_known_is_fine() {
        assert_eq!(of_view(&view()), (Condition::Fine, Vec::new()));
        let loaded = ViewSummary { newest_load: load(RunState::Complete), ..view() };
        assert_eq!(of_view(&loaded).0, Condition::Fine);
    }

    #[test]
    fn a_failed_load_is_wrong_and_comes_before_what_is_only_worth_knowing() {
        let quality = ViewQuality {
            quarantined: 2,
            drifted: (0..5)
                .map(|n| DriftedColumn { column: format!("c{n}"), psi: Some(0.5), mmd: None })
                .collect(),
            ..ViewQuality::at(Micros::new(0).unwrap())
        };
        let view = ViewSummary { quality: Some(quality), newest_load: load(RunState::Failed), ..view() };
        let (condition, reasons) = of_view(&view);
        assert_eq!(condition, Condition::Wrong);
        assert_eq!(
            reasons,
            [
                "the newest run failed (backfill): no such file",
                "2 files of it in quarantine: release or drop them",
                "values have drifted: c0 (PSI 0.50), c1 (PSI 0.50), c2 (PSI 0.50) and 2 more",
            ]
        );
    }
}
