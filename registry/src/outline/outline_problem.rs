//! What has to be done before definitions can be made of files.

use feature::HelpTopic;

/// One thing that is missing or wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutlineProblem {
    /// One lower-case sentence: what, and what to do.
    pub what: String,
    /// The operation that ends it, where the sentence does not say so.
    pub help: Option<HelpTopic>,
}

impl From<String> for OutlineProblem {
    fn from(what: String) -> Self {
        Self { what, help: None }
    }
}
