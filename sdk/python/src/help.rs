//! The operations that end an error, in the words of the Python package.

use twinstore::HelpTopic;

/// What to call, as the end of a message.
pub fn in_python(topic: &HelpTopic) -> String {
    match topic {
        HelpTopic::OpenProject => "name the project's folder: `Store(\"path/of/the/project\")`".to_owned(),
        HelpTopic::RegisterDefinitions => "call `store.apply()` first".to_owned(),
        HelpTopic::RegisterAgain => {
            "then call `store.apply(new_registry=True)`, which registers what the definitions say".to_owned()
        }
        HelpTopic::PlanAgain => "call `store.plan()` again".to_owned(),
        HelpTopic::NewProject => "`twinstore init` in a shell writes one".to_owned(),
        HelpTopic::NameFiles => "name some files".to_owned(),
        HelpTopic::NameKey => "name the column of the key, or add one".to_owned(),
        HelpTopic::NameKind => "or say of which kind it is".to_owned(),
        HelpTopic::RemoveRegistered(name) => {
            format!("`twinstore registry remove {name}` in a shell removes it")
        }
        HelpTopic::WholeSource => "leave out `start` and `end`".to_owned(),
        HelpTopic::Backfill(view) => format!("call `store.backfill(\"{view}\")` first"),
        HelpTopic::LoadNew(view) => format!("call `store.materialize(\"{view}\")`"),
        HelpTopic::Diagnose => "`store.doctor()` looks for the cause".to_owned(),
        HelpTopic::Objectives => "`store.slo()` shows them".to_owned(),
        HelpTopic::ColumnStatistics(view) => format!("`store.quality(\"{view}\")` shows them"),
        HelpTopic::Quarantine(view) => format!("`store.quarantined(\"{view}\")` has them"),
        HelpTopic::Breakers(view) => format!("`twinstore breaker list {view}` in a shell has them"),
        HelpTopic::StartBackfill(view) => format!("`twinstore backfill start {view}` in a shell begins one"),
        HelpTopic::ResumeBackfill(view) => format!(
            "`twinstore backfill status {view}` in a shell shows it, `resume` goes on with one that stopped, and `cancel` ends it"
        ),
        HelpTopic::Rebuild(view) => format!("run `twinstore online rebuild {view}` in a shell first"),
        HelpTopic::DeadLetters(view) => format!("`twinstore dead-letter list {view}` in a shell has them"),
        HelpTopic::Compare { old, new } => format!("call `store.parity(\"{old}\", \"{new}\")`"),
        HelpTopic::StreamMetrics => {
            "the metric twinstore_stream_seconds of `twinstore stream` or `serve` has them".to_owned()
        }
        HelpTopic::OverrideGates => {
            "mend that, or cut over all the same with `override=\"why\"`, which the audit log keeps"
                .to_owned()
        }
        HelpTopic::Serve => "start it with `twinstore serve` in a shell".to_owned(),
        HelpTopic::ServeAgain => "restart `twinstore serve`".to_owned(),
        HelpTopic::OtherOutput => "name another file with `out`".to_owned(),
        HelpTopic::ListRegistered => "`store.views()` and `store.services()` name them".to_owned(),
        HelpTopic::ShowRegistered(name) => format!("`store.service(\"{name}\")` or `store.view(…)` shows it"),
        HelpTopic::TrainingSet => "`store.training_set(…)` does so".to_owned(),
        HelpTopic::RebuildAll => "run `twinstore online rebuild` in a shell".to_owned(),
        HelpTopic::CatchUp(view) => format!("call `store.stream(\"{view}\")`, then this again"),
        HelpTopic::FollowStreams => {
            "call `store.stream()`, or start `twinstore stream` in a shell".to_owned()
        }
        HelpTopic::BadRows(view) => format!(
            "`twinstore dead-letter list {view}` in a shell shows them, and --max-bad-share of `twinstore stream` allows more"
        ),
    }
}
