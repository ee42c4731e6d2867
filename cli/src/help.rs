//! The operations that end an error, in the words of the command line.

use twinstore::HelpTopic;

/// What to run, as the end of a message.
pub fn in_commands(topic: &HelpTopic) -> String {
    match topic {
        HelpTopic::OpenProject => "name the project's folder with --project".to_owned(),
        HelpTopic::CheckDefinitions => "run `twinstore plan`, which checks the definitions".to_owned(),
        HelpTopic::RegisterDefinitions => "run `twinstore apply` first".to_owned(),
        HelpTopic::RemoveVersion(version) => format!("run `twinstore registry remove {version}`"),
        HelpTopic::ListDefinitions => "`twinstore registry list` names all definitions".to_owned(),
        HelpTopic::ShowDefinition(name) => format!("`twinstore registry show {name}` shows it"),
        HelpTopic::Backfill(view) => format!("run `twinstore backfill {view}` first"),
        HelpTopic::FollowStreams => "run `twinstore stream`".to_owned(),
        HelpTopic::ListDeadLetters(view) => format!("see `twinstore dead-letter list {view}`"),
        HelpTopic::RebuildOnline(Some(view)) => {
            format!(
                "run `twinstore online rebuild {view}`, which writes the view's online rows again from the log"
            )
        }
        HelpTopic::RebuildOnline(None) => {
            "run `twinstore online rebuild`, which writes all online rows again from the log".to_owned()
        }
        HelpTopic::Serve => "start it with `twinstore serve`".to_owned(),
        HelpTopic::ServeAgain => "restart `twinstore serve`".to_owned(),
        HelpTopic::OtherOutput => "name another file with --out".to_owned(),
        HelpTopic::BuildTrainingSet => "ask the offline store with `twinstore training-set`".to_owned(),
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
