//! The operations that end an error, in the words of the command line.

use twinstore::HelpTopic;

/// What to run, as the end of a message.
pub fn in_commands(topic: &HelpTopic) -> String {
    match topic {
        HelpTopic::OpenProject => "name the project's folder with --project".to_owned(),
        HelpTopic::RegisterDefinitions => "run `twinstore apply` first".to_owned(),
        HelpTopic::RegisterAgain => {
            "then run `twinstore apply --new-registry`, which registers what the definitions say".to_owned()
        }
        HelpTopic::PlanAgain => "run `twinstore plan` again".to_owned(),
        HelpTopic::NewProject => "`twinstore init` writes one".to_owned(),
        HelpTopic::NameFiles => "name some with --from".to_owned(),
        HelpTopic::NameKey => "name one with --key, or add one".to_owned(),
        HelpTopic::NameKind => "or say which with --kind".to_owned(),
        HelpTopic::RemoveRegistered(name) => format!("`twinstore registry remove {name}` removes it"),
        HelpTopic::WholeSource => "leave out --from and --to".to_owned(),
        HelpTopic::Backfill(view) => format!("run `twinstore backfill {view}` first"),
        HelpTopic::LoadNew(view) => format!("run `twinstore materialize {view}`"),
        HelpTopic::Objectives => "`twinstore slo` shows them".to_owned(),
        HelpTopic::Diagnose => "`twinstore doctor` looks for the cause".to_owned(),
        HelpTopic::StartBackfill(view) => format!("`twinstore backfill start {view}` begins one"),
        HelpTopic::ResumeBackfill(view) => format!(
            "`twinstore backfill status {view}` shows it, `resume` goes on with one that stopped, and `cancel` ends it"
        ),
        HelpTopic::Rebuild(view) => format!("run `twinstore online rebuild {view}` first"),
        HelpTopic::DeadLetters(view) => format!("`twinstore dead-letter list {view}` has them"),
        HelpTopic::ColumnStatistics(view) => format!("`twinstore quality statistics {view}` shows them"),
        HelpTopic::Breakers(view) => format!("`twinstore breaker list {view}` has them"),
        HelpTopic::Quarantine(view) => format!("`twinstore quality quarantine list {view}` has them"),
        HelpTopic::Compare { old, new } => format!("run `twinstore parity {old} {new}`"),
        HelpTopic::StreamMetrics => {
            "the metric twinstore_stream_seconds of `twinstore stream` or `serve` has them".to_owned()
        }
        HelpTopic::OverrideGates => {
            "mend that, or cut over all the same with `--override REASON`, which the audit log keeps"
                .to_owned()
        }
        HelpTopic::Serve => "start it with `twinstore serve`".to_owned(),
        HelpTopic::ServeAgain => "restart `twinstore serve`".to_owned(),
        HelpTopic::OtherOutput => "name another file with --out".to_owned(),
        HelpTopic::ListRegistered => "`twinstore registry list` names them".to_owned(),
        HelpTopic::ShowRegistered(name) => format!("`twinstore registry show {name}` shows it"),
        HelpTopic::TrainingSet => "`twinstore training-set` does so".to_owned(),
        HelpTopic::RebuildAll => "run `twinstore online rebuild`".to_owned(),
        HelpTopic::CatchUp(view) => {
            format!("run `twinstore stream {view} --until-caught-up` or the server, then this again")
        }
        HelpTopic::FollowStreams => "start `twinstore stream`".to_owned(),
        HelpTopic::BadRows(view) => {
            format!("`twinstore dead-letter list {view}` shows them, and --max-bad-share allows more")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_said_as_the_command_to_run() {
        let view = "arrivals@1".parse().unwrap();
        assert_eq!(in_commands(&HelpTopic::Backfill(view)), "run `twinstore backfill arrivals@1` first");
    }
}
