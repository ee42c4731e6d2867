//! The allow list: the functions that an expression may call.

/// One function of the allow list, as the documentation shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionDoc {
    /// What expressions call it.
    pub name: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// How it is called, as in `lower(str)`.
    pub syntax: String,
    /// What it gives, in a sentence.
    pub description: String,
}

/// Every function that an expression may call, by name.
pub fn functions() -> Vec<FunctionDoc> {
    Vec::new()
}
