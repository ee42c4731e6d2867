//! The style test: the mechanical part of how this code looks, held over every tracked file.
//!
//! A rule is a function from the files to its violations, so that it can be shown a sample that
//! breaks it. Each violation names a file, a line and what to change.

mod code;
mod crates;
mod cycles;
mod documents;
mod modules;
mod names;
mod tree;
mod words;

use tree::{File, Tree, Violation};

/// Checks the repository by one rule, and fails with all that it finds.
fn hold(rule: fn(&Tree) -> Vec<Violation>) {
    let violations = rule(&Tree::of_repository());
    let list: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(list.is_empty(), "{} found:\n{}", list.len(), list.join("\n"));
}

/// The violations of a rule in a tree of one file, as text.
fn in_sample(rule: fn(&Tree) -> Vec<Violation>, path: &str, text: &str) -> Vec<String> {
    in_samples(rule, &[(path, text)])
}

/// The violations of a rule in a tree of these files, as text.
fn in_samples(rule: fn(&Tree) -> Vec<Violation>, files: &[(&str, &str)]) -> Vec<String> {
    let files = files.iter().map(|(path, text)| File::new(path, text)).collect();
    rule(&Tree { files }).iter().map(Violation::to_string).collect()
}
