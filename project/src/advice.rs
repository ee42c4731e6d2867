//! What a caller does after an error: try again, correct something, or stop; and which operation helps.

use feature::{Advice, HelpTopic};
use registry::RegistryError;

use crate::error::ProjectError;
use crate::migration::BackfillRefused;

impl ProjectError {
    /// Whether the same call may succeed later, or once something is corrected, or must not be repeated.
    pub fn advice(&self) -> Advice {
        match self {
            Self::NotCompiled(_)
            | Self::Thread(_)
            | Self::Feed { .. }
            | Self::CutOff
            | Self::BackfillBusy { .. }
            | Self::Cancelled => Advice::Retry,
            Self::Columns(_) => Advice::Stop,
            Self::Topic { source, .. } => source.advice(),
            Self::PushedInPart { source, .. } => source.advice(),
            Self::Server(error) => error.advice(),
            Self::Registry(error) => error.advice(),
            Self::Offline(error) => error.advice(),
            Self::Expression(error) => error.advice(),
            Self::Online(error) => error.advice(),
            Self::Materializer(error) => error.advice(),
            Self::NotExtracted(error) => error.advice(),
            Self::Push(error) => error.advice(),
            Self::Serve(error) => error.advice(),
            _ => Advice::Correct,
        }
    }

    /// The operation that helps, where the message does not say it all.
    pub fn help(&self) -> Option<HelpTopic> {
        match self {
            Self::NoFolder { .. } => Some(HelpTopic::OpenProject),
            Self::NothingRegistered { .. } => Some(HelpTopic::RegisterDefinitions),
            Self::RegistryWouldBeNew { .. } => Some(HelpTopic::RegisterAgain),
            Self::Server(error) => error.help(),
            Self::GatesFailed { .. } => Some(HelpTopic::OverrideGates),
            Self::SpineIsOutput { .. } => Some(HelpTopic::OtherOutput),
            Self::NoRowsToDraw { view } => Some(HelpTopic::Backfill(view.clone())),
            Self::NotStreamed { view } => Some(HelpTopic::CatchUp(view.clone())),
            Self::Registry(RegistryError::BackfillOpen { view, .. }) => {
                Some(HelpTopic::ResumeBackfill(view.clone()))
            }
            Self::BackfillRefused(BackfillRefused::Cancelled { view, .. })
            | Self::Registry(RegistryError::NoBackfill { view }) => {
                Some(HelpTopic::StartBackfill(view.clone()))
            }
            Self::Offline(error) => error.help(),
            Self::Online(error) => error.help(),
            Self::Push(error) => error.help(),
            Self::Topic { source, .. } => source.help(),
            Self::Registry(error) => error.help(),
            Self::Definitions(problems) => problems.help(),
            Self::Serve(error) => error.help_topic(),
            Self::Materializer(error) => error.help(),
            Self::NotExtracted(error) => error.help(),
            Self::PushedInPart { source, .. } => source.help(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_its_caller_does_next_and_which_operation_helps() {
        let nothing = ProjectError::NothingRegistered { folder: ".".into() };
        assert_eq!(
            (nothing.advice(), nothing.help()),
            (Advice::Correct, Some(HelpTopic::RegisterDefinitions))
        );
        let moved = ProjectError::from(RegistryError::Stale);
        assert_eq!((moved.advice(), moved.help()), (Advice::Retry, Some(HelpTopic::PlanAgain)));
        let part = ProjectError::PushedInPart { taken: 3, source: Box::new(moved) };
        assert_eq!(part.advice(), Advice::Retry);
        assert!(part.to_string().ends_with("; 3 rows before were taken"), "{part}");
    }
}
