//! What files may be called, how they begin and how long they may get.

use super::tree::{File, Tree, Violation};
use super::{hold, in_sample};

/// Names under which anything could lie, so that everything does.
const SAY_NOTHING: [&str; 10] =
    ["utils", "util", "common", "helpers", "helper", "types", "core", "manager", "managers", "misc"];

/// More lines of code than this are more than one idea.
const MOST_LINES: usize = 500;

fn names_say_something(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".rs")) {
        for part in file.parts() {
            let stem = part.strip_suffix(".rs").unwrap_or(part);
            // `arrow_types` says whose; `string_utils` says nothing more than `string`.
            let last = stem.rsplit('_').next().unwrap_or(stem);
            if SAY_NOTHING.contains(&stem) || SAY_NOTHING.contains(&last) && last != "types" {
                found.push(file.at(1, format!("`{part}` says nothing: name the idea that it holds")));
            }
        }
    }
    found
}

/// A module is the file of its name, and its children lie in the folder beside it.
fn modules_are_files_of_their_name(tree: &Tree) -> Vec<Violation> {
    let is_other = |file: &&File| file.path.contains("/src/") && file.path.ends_with("/mod.rs");
    let message = "name the file after its module, beside the folder of its children";
    tree.files.iter().filter(is_other).map(|file| file.at(1, message)).collect()
}

fn files_say_what_they_decide(tree: &Tree) -> Vec<Violation> {
    let silent = tree.rust().filter(|file| !file.text.starts_with("//! "));
    silent.map(|file| file.at(1, "begin with a `//!` line that says what this file decides")).collect()
}

fn files_are_one_idea(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust() {
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let before_tests = file.text.lines().take_while(|line| *line != "#[cfg(test)]");
        let lines = before_tests.filter(is_code).count();
        if lines > MOST_LINES {
            let message =
                format!("{lines} lines of code are more than one idea: divide it (at most {MOST_LINES})");
            found.push(file.at(MOST_LINES, message));
        }
    }
    found
}

fn lib_is_a_table_of_contents(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|file| file.path.ends_with("/lib.rs")) {
        let mut statement = String::new();
        for (index, line) in file.text.lines().enumerate() {
            let line = line.trim();
            if statement.is_empty() && (line.is_empty() || line.starts_with("//")) {
                continue;
            }
            statement.push_str(line);
            let is_complete = match statement.as_str() {
                attribute if attribute.starts_with('#') => attribute.ends_with(']'),
                import if import.starts_with("use ") || import.contains(" use ") => import.ends_with(';'),
                other => other.ends_with([';', '{', '}']),
            };
            if is_complete && !belongs_in_lib(&statement) {
                found
                    .push(file.at(index + 1, "lib.rs only says what the crate is and re-exports: move this"));
                // Below it, statements cannot be distinguished.
                break;
            }
            if is_complete {
                statement.clear();
            }
        }
    }
    found
}

/// Attributes, modules, re-exports, and bytes that a generator wrote.
fn belongs_in_lib(statement: &str) -> bool {
    let public = statement.strip_prefix("pub(crate) ").or_else(|| statement.strip_prefix("pub "));
    let rest = public.unwrap_or(statement);
    let is_module = rest.starts_with("mod ") && rest.ends_with(';');
    let is_generated = rest.starts_with("const ") && rest.contains("include_bytes!(\"generated/");
    rest.starts_with('#') || rest.starts_with("use ") || is_module || is_generated
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    hold(names_say_something);
}

#[test]
fn every_module_is_the_file_of_its_name() {
    hold(modules_are_files_of_their_name);
}

#[test]
fn a_module_in_a_file_called_mod_is_found() {
    assert_eq!(in_sample(modules_are_files_of_their_name, "online/src/redis/mod.rs", "").len(), 1);
    assert!(in_sample(modules_are_files_of_their_name, "online/src/redis.rs", "").is_empty());
}

#[test]
fn every_file_says_what_it_decides() {
    hold(files_say_what_they_decide);
}

#[test]
fn no_file_holds_more_than_one_idea() {
    hold(files_are_one_idea);
}

#[test]
fn every_lib_is_a_table_of_contents() {
    hold(lib_is_a_table_of_contents);
}

#[test]
fn a_name_that_says_nothing_is_found_in_files_and_folders() {
    for path in ["online/src/utils.rs", "offline/src/core/join.rs", "cli/src/string_helpers.rs"] {
        assert_eq!(in_sample(names_say_something, path, "").len(), 1, "{path}");
    }
    for path in ["transform/src/arrow_types.rs", "feature/src/common_key.rs", "docs/core.md"] {
        assert!(in_sample(names_say_something, path, "").is_empty(), "{path}");
    }
}

#[test]
fn a_file_without_a_head_is_found_unless_it_is_generated() {
    assert_eq!(in_sample(files_say_what_they_decide, "a/src/b.rs", "use x;\n").len(), 1);
    assert!(in_sample(files_say_what_they_decide, "a/src/b.rs", "//! Decides b.\n").is_empty());
    assert!(in_sample(files_say_what_they_decide, "a/src/b.rs", "// This file is @generated.\n").is_empty());
}

#[test]
fn a_long_file_is_found_but_its_comments_and_tests_do_not_count() {
    let long = "let x = 1;\n".repeat(MOST_LINES + 1);
    assert_eq!(in_sample(files_are_one_idea, "a/src/b.rs", &long).len(), 1);
    let commented = "// why\n\nlet x = 1;\n".repeat(MOST_LINES);
    let tested = format!("{commented}#[cfg(test)]\n{long}");
    assert!(in_sample(files_are_one_idea, "a/src/b.rs", &tested).is_empty());
}

#[test]
fn anything_but_modules_and_uses_in_lib_is_found() {
    let lib = "//! What.\n\n#![cfg_attr(\n    x,\n    y\n)]\nmod a;\n#[cfg(test)]\nmod b;\npub use a::{\n    B,\n    C,\n};\n";
    assert_eq!(in_sample(lib_is_a_table_of_contents, "a/src/lib.rs", lib), Vec::<String>::new());
    for more in
        ["pub fn f() {\n}\n", "mod inline {\n    fn f() {}\n}\n", "pub const A: u8 = 1;\n", "struct A;\n"]
    {
        let found = in_sample(lib_is_a_table_of_contents, "a/src/lib.rs", &format!("{lib}{more}"));
        assert_eq!(found.len(), 1, "{more}");
        assert!(found[0].starts_with("a/src/lib.rs:14: "), "{found:?}");
    }
}
