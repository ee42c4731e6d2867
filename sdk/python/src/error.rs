//! What is raised: an exception of `twinstore._errors`, by what the caller does next, with the one sentence of the library
//! and what helps, in the words of Python.

use feature::{Advice, VersionId};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use twinstore::{Gate, HelpTopic, ProjectError};

use crate::help::in_python;

/// The exception for an error of the library.
pub fn raised(py: Python<'_>, error: &ProjectError) -> PyErr {
    match error {
        ProjectError::GatesFailed { to, failed } => raise(py, error.advice(), &gates(to, failed), None),
        _ => raise(py, error.advice(), &error.to_string(), error.help().as_ref()),
    }
}

/// Everything that holds up a cutover, a line each with what helps, and what can be done about all of it.
fn gates(to: &VersionId, failed: &[Gate]) -> String {
    let lines: Vec<String> = failed.iter().map(|gate| sentence(&gate.said, gate.help.as_ref())).collect();
    let rest = in_python(&HelpTopic::OverrideGates);
    format!("{to} cannot replace the live version yet:\n{}\n{rest}", lines.join("\n"))
}

/// The exception for what a caller has to correct.
pub fn wrong(py: Python<'_>, message: &str) -> PyErr {
    raise(py, Advice::Correct, message, None)
}

/// The exception for what cannot happen.
pub fn fault(py: Python<'_>, what: &str) -> PyErr {
    raise(
        py,
        Advice::Stop,
        &format!("twinstore itself failed ({what}): report this, with what you called"),
        None,
    )
}

/// The name of the exception for an advice.
pub fn class(advice: Advice) -> &'static str {
    match advice {
        Advice::Correct => "InputError",
        Advice::Retry => "TransientError",
        Advice::Stop => "FatalError",
    }
}

/// A message, and what helps.
pub fn sentence(message: &str, topic: Option<&HelpTopic>) -> String {
    match topic {
        Some(topic) => format!("{message}: {}", in_python(topic)),
        None => message.to_owned(),
    }
}

fn raise(py: Python<'_>, advice: Advice, message: &str, topic: Option<&HelpTopic>) -> PyErr {
    let made = || py.import("twinstore._errors")?.getattr(class(advice))?.call1((sentence(message, topic),));
    match made() {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => PyRuntimeError::new_err(format!("{message} ({error})")),
    }
}
