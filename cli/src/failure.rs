//! Why a command failed, as one sentence that says what, where and what to do.

use std::fmt;

use feature::VersionId;
use twinstore::{Gate, HelpTopic, OutlineProblem, ProjectError, RegistryError};

use crate::help;

/// The text of a failure.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A failure whose sentences were said when they came.
    pub fn said() -> Self {
        Self(String::new())
    }

    /// Whether there is nothing to say any more.
    pub fn is_said(&self) -> bool {
        self.0.is_empty()
    }

    /// What the library says, with the command or the flag that helps.
    pub fn of(error: &ProjectError) -> Self {
        let on_a_command_line = match error {
            ProjectError::EmptyRange { from, to } => {
                Some(format!("--from {from} does not lie before --to {to}"))
            }
            ProjectError::Registry(RegistryError::Outline(problems)) => Some(outline(problems)),
            ProjectError::GatesFailed { to, failed } => Some(gates(to, failed)),
            ProjectError::NoFeastPython { .. } => Some(format!("{error} with --python")),
            ProjectError::BadShare => Some("--max-bad-share is a share: a number from 0 to 1".to_owned()),
            ProjectError::Metrics { address, source } => {
                Some(format!("--metrics {address}: {source}: name a free HOST:PORT"))
            }
            _ => None,
        };
        if let Some(text) = on_a_command_line {
            return Self(text);
        }
        Self(helped(error, error.help()))
    }
}

/// Everything that holds up a cutover, a line each, and what can be done about it.
fn gates(to: &VersionId, failed: &[Gate]) -> String {
    let lines: Vec<String> = failed.iter().map(|gate| helped(&gate.said, gate.help.clone())).collect();
    let rest = help::in_commands(&HelpTopic::OverrideGates);
    format!("{to} cannot replace the live version yet:\n{}\n{rest}", lines.join("\n"))
}

/// What has to be done before definitions can be made of files, a line each.
fn outline(problems: &[OutlineProblem]) -> String {
    let lines = problems.iter().map(|problem| helped(&problem.what, problem.help.clone()));
    lines.collect::<Vec<_>>().join("\n")
}

/// A message, and the command or the flag that helps.
pub fn helped(message: &impl fmt::Display, topic: Option<HelpTopic>) -> String {
    match topic {
        Some(topic) => format!("{message}: {}", help::in_commands(&topic)),
        None => message.to_string(),
    }
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Self {
        Self::of(&error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! say_as_it_is {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        })*
    };
}

say_as_it_is!(arrow::error::ArrowError, serde_json::Error);
