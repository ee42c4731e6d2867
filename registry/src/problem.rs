//! What is wrong with a definition, where it stands, and what to change.

use std::fmt;
use std::sync::Arc;

use feature::excerpt;
use serde::Serialize;

/// The longest message.
const LONGEST_CHARS: usize = 2_000;
/// Problems that are shown at once.
const MOST_SHOWN: usize = 500;

/// A position in a definition file, both counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Mark {
    /// The line; 0 where the whole file is meant.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// One thing that is wrong with the definitions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Problem {
    /// The file, relative to the project's folder.
    pub file: Arc<str>,
    /// Where in the file.
    pub at: Mark,
    /// One lower-case sentence: what, and what to change.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// Everything that is wrong with the definitions, in the order of files and lines.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Problems in the order of files and lines, each once.
    pub(crate) fn sorted(mut problems: Vec<Problem>) -> Problems {
        problems.sort_by(|a, b| (&a.file, a.at, &a.message).cmp(&(&b.file, b.at, &b.message)));
        problems.dedup();
        Problems(problems)
    }

    /// Each problem.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Problems {
    /// One problem a line, and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().take(MOST_SHOWN).enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        match self.0.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more problems"),
        }
    }
}

impl std::error::Error for Problems {}

/// Collects the problems of one file.
pub(crate) struct Report<'a> {
    file: &'a Arc<str>,
    problems: &'a mut Vec<Problem>,
    found: usize,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a Arc<str>, problems: &'a mut Vec<Problem>) -> Report<'a> {
        Report { file, problems, found: 0 }
    }

    pub(crate) fn at(&mut self, at: Mark, message: impl Into<String>) {
        self.found += 1;
        // What the author wrote may have line breaks, or no end; a problem is one line.
        let message = message.into().replace(['\n', '\r'], " ");
        let message = excerpt(&message, LONGEST_CHARS).into_owned();
        self.problems.push(Problem { file: self.file.clone(), at, message });
    }

    /// Whether anything was reported through this report.
    pub(crate) fn has_problems(&self) -> bool {
        self.found > 0
    }
}
