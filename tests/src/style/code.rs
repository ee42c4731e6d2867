//! What code may not say: lints silenced without a reason, work left undone, clocks read below the
//! command line, `unsafe` outside of its few files.

use super::modules::Modules;
use super::tree::{File, Tree, Violation};
use super::{hold, in_sample, in_samples};

/// Where `unsafe` may be, and why.
const UNSAFE: [&str; 3] = [
    // The hot core: intrinsics and prefetches.
    "online/src/hot/",
    // Opening a memory map: the file could be changed by another program.
    "online/src/embedded/",
    // An allocator that counts what a test takes: its trait is unsafe.
    "tests/src/fuzzing/allocations.rs",
];

/// Where a clock may be read: everywhere else, time is an argument.
const CLOCKED: [&str; 5] = ["cli/", "project/tests/", "tests/", "benches/", "examples/"];

const CLOCKS: [&str; 5] = ["SystemTime::now", "Timestamp::now", "Zoned::now", "Utc::now", "Local::now"];

/// Programs of tests and measurements, which may end with any message.
const UNCHECKED: [&str; 4] = ["tests", "benches", "examples", "test-support"];

/// Macros that leave work undone.
const UNDONE: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

fn lints_are_silenced_with_a_reason(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (index, bare) in bare_lines(&file.text).iter().enumerate() {
            if bare.contains("[allow(") {
                found.push(
                    file.at(index + 1, "use `#[expect(lint, reason = \"…\")]`: an allow outlives its cause"),
                );
            }
            // The reason stands within the attribute, which may go over a few lines.
            let attribute: Vec<&str> = lines.iter().skip(index).take(8).copied().collect();
            let attribute = attribute.join(" ");
            let attribute = attribute.split(")]").next().unwrap_or_default();
            if bare.contains("[expect(") && !attribute.contains("reason = ") {
                found.push(file.at(index + 1, "say why this lint is wrong here: `reason = \"…\"`"));
            }
        }
    }
    found
}

/// The crates whose code is the product's.
pub(super) fn product_crates(tree: &Tree) -> impl Iterator<Item = &str> {
    let is_of_product = |krate: &&str| !UNCHECKED.iter().any(|folder| krate.starts_with(folder));
    tree.manifests().map(|(krate, _)| krate).filter(is_of_product)
}

/// A value that cannot be absent is taken with `expect`, which says why it cannot: never a literal instead.
fn invariants_are_named(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for krate in product_crates(tree) {
        for module in Modules::of(tree, krate).all.values() {
            let code = bare(&module.file.text);
            let end = code.find("#[cfg(test)]\nmod tests").unwrap_or(code.len());
            let lines: Vec<&str> = module.file.text.lines().collect();
            for (index, line) in code[..end].lines().enumerate() {
                let is_named = |line: &str| line.trim_start().starts_with("\"invariant: ");
                let whole = lines.get(index).copied().unwrap_or_default();
                let next = lines.get(index + 1).copied().unwrap_or_default();
                let argument = whole.split(".expect(").nth(1).unwrap_or_default();
                let is_named = is_named(argument) || argument.is_empty() && is_named(next);
                if line.contains(".expect(") && !is_named {
                    let message = "say what cannot fail: `.expect(\"invariant: …\")`, or return an error";
                    found.push(module.file.at(index + 1, message));
                }
            }
        }
    }
    found
}

fn no_work_is_left_undone(tree: &Tree) -> Vec<Violation> {
    each_word(
        tree,
        |_, line| UNDONE.into_iter().find(|word| holds(line, word)),
        |word| format!("`{word}` leaves work undone: finish it or delete it"),
    )
}

fn time_is_an_argument(tree: &Tree) -> Vec<Violation> {
    let is_below = |file: &File| !CLOCKED.iter().any(|path| file.path.starts_with(path));
    each_word(
        tree,
        |file, line| CLOCKS.into_iter().find(|clock| is_below(file) && holds(line, clock)),
        |clock| format!("`{clock}` below the command line: take the time as an argument"),
    )
}

fn unsafe_is_where_it_belongs(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (index, bare) in bare_lines(&file.text).iter().enumerate() {
            if !holds(bare, "unsafe") {
                continue;
            }
            let is_reasoned =
                lines[index.saturating_sub(6)..=index].iter().any(|line| line.contains("SAFETY:"));
            if !UNSAFE.iter().any(|path| file.path.starts_with(path)) {
                found.push(file.at(index + 1, "`unsafe` lives in online/'s hot core only"));
            } else if !is_reasoned {
                found.push(file.at(index + 1, "say above it in a `// SAFETY:` comment why this is sound"));
            }
        }
    }
    found
}

/// A violation for each line of code in which `find` finds a word.
fn each_word(
    tree: &Tree,
    find: impl Fn(&File, &str) -> Option<&'static str>,
    message: impl Fn(&str) -> String,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust() {
        for (index, line) in bare_lines(&file.text).iter().enumerate() {
            if let Some(word) = find(file, line) {
                found.push(file.at(index + 1, message(word)));
            }
        }
    }
    found
}

/// Whether a line holds this word, and not only as a part of a longer one.
fn holds(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// The lines of a file with the insides of strings and comments blanked out.
fn bare_lines(text: &str) -> Vec<String> {
    bare(text).lines().map(str::to_owned).collect()
}

/// A file with the insides of strings and comments blanked out.
pub(super) fn bare(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut bare = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let (end, keep) = token(&characters, at);
        let end = end.min(characters.len());
        for &character in &characters[at..end] {
            bare.push(if keep || character == '\n' { character } else { ' ' });
        }
        at = end;
    }
    bare
}

/// Where the token at `at` ends, and whether it is code.
fn token(text: &[char], at: usize) -> (usize, bool) {
    let next = |offset: usize| text.get(at + offset).copied().unwrap_or(' ');
    match text[at] {
        '/' if next(1) == '/' => (until(text, at, |rest| rest[0] == '\n'), false),
        '/' if next(1) == '*' => (until(text, at + 2, |rest| rest.starts_with(&['*', '/'])) + 2, false),
        '"' => (end_of_string(text, at + 1), false),
        'r' if next(1) == '"' || next(1) == '#' => match end_of_raw_string(text, at + 1) {
            Some(end) => (end, false),
            None => (at + 1, true),
        },
        '\'' if next(1) == '\\' => (until(text, at + 3, |rest| rest[0] == '\'') + 1, false),
        '\'' if next(2) == '\'' => (at + 3, false),
        first if is_word(first) => (until(text, at, |rest| !is_word(rest[0])), true),
        _ => (at + 1, true),
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn until(text: &[char], from: usize, ends: impl Fn(&[char]) -> bool) -> usize {
    (from..text.len()).find(|&at| ends(&text[at..])).unwrap_or(text.len())
}

fn end_of_string(text: &[char], from: usize) -> usize {
    let mut at = from;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn end_of_raw_string(text: &[char], from: usize) -> Option<usize> {
    let open = until(text, from, |rest| rest[0] != '#');
    let hashes = open - from;
    (text.get(open) == Some(&'"')).then(|| {
        let closes = |rest: &[char]| {
            rest[0] == '"' && rest[1..].iter().take(hashes).filter(|hash| **hash == '#').count() == hashes
        };
        until(text, open + 1, closes) + 1 + hashes
    })
}

#[test]
fn every_silenced_lint_has_a_reason() {
    hold(lints_are_silenced_with_a_reason);
}

#[test]
fn every_expect_names_its_invariant() {
    hold(invariants_are_named);
}

#[test]
fn an_expect_without_an_invariant_is_found_outside_of_tests() {
    let found = |code: &str| {
        let files = [("a/Cargo.toml", ""), ("a/src/lib.rs", "mod b;\n"), ("a/src/b.rs", code)];
        in_samples(invariants_are_named, &files).len()
    };
    assert_eq!(found("fn f() {\n    x.expect(\"it is there\");\n}\n"), 1);
    assert_eq!(found("fn f() {\n    x.expect(\"invariant: f is called after g\");\n}\n"), 0);
    assert_eq!(found("fn f() {\n    x.expect(\n        \"invariant: f is called after g\",\n    );\n}\n"), 0);
    assert_eq!(found("#[cfg(test)]\nmod tests {\n    fn f() {\n        x.expect(\"why\");\n    }\n}\n"), 0);
}

#[test]
fn nothing_is_left_undone() {
    hold(no_work_is_left_undone);
}

#[test]
fn no_clock_is_read_below_the_command_line() {
    hold(time_is_an_argument);
}

#[test]
fn unsafe_is_only_where_it_may_be_and_says_why_it_is_sound() {
    hold(unsafe_is_where_it_belongs);
}

#[test]
fn an_allow_and_an_expect_without_a_reason_are_found() {
    let rule = lints_are_silenced_with_a_reason;
    for bad in ["#[allow(dead_code)]", "#![allow(dead_code)]", "#[expect(dead_code)]"] {
        assert_eq!(in_sample(rule, "a/src/b.rs", bad).len(), 1, "{bad}");
    }
    for good in
        ["#[expect(\n    dead_code,\n    reason = \"x\"\n)]", "// #[allow(x)]", "let x = \"#[allow(x)]\";"]
    {
        assert!(in_sample(rule, "a/src/b.rs", good).is_empty(), "{good}");
    }
}

#[test]
fn work_left_undone_is_found_in_code_only() {
    let rule = no_work_is_left_undone;
    let found = in_sample(rule, "a/src/b.rs", "fn f() {\n    todo!()\n}\n");
    assert_eq!(found, ["a/src/b.rs:2: `todo!` leaves work undone: finish it or delete it"]);
    for good in ["// todo!()", "/* dbg!\n todo! */", "let x = r#\"a \"todo!\" b\"#;", "mastodo!()"] {
        assert!(in_sample(rule, "a/src/b.rs", good).is_empty(), "{good}");
    }
    // What follows a string, a character or a lifetime is code again.
    for bad in [
        "f(\"\\\"\"); dbg!(x)",
        "f('\"'); dbg!(x)",
        "f('\\''); dbg!(x)",
        "f::<'a>(); dbg!(x)",
        "r#\"\"#; dbg!(x)",
    ] {
        assert_eq!(in_sample(rule, "a/src/b.rs", bad).len(), 1, "{bad}");
    }
}

#[test]
fn a_clock_below_the_command_line_is_found() {
    let code = "let now = std::time::SystemTime::now();";
    assert_eq!(in_sample(time_is_an_argument, "online/src/x.rs", code).len(), 1);
    assert!(in_sample(time_is_an_argument, "cli/src/x.rs", code).is_empty());
}

#[test]
fn unsafe_elsewhere_or_without_its_reason_is_found() {
    let bare = "fn f() {\n    unsafe { g() }\n}\n";
    let reasoned = "fn f() {\n    // SAFETY: g needs nothing.\n    unsafe { g() }\n}\n";
    assert_eq!(in_sample(unsafe_is_where_it_belongs, "cli/src/x.rs", reasoned).len(), 1);
    assert_eq!(in_sample(unsafe_is_where_it_belongs, "online/src/hot/x.rs", bare).len(), 1);
    assert!(in_sample(unsafe_is_where_it_belongs, "online/src/hot/x.rs", reasoned).is_empty());
    assert!(
        in_sample(unsafe_is_where_it_belongs, "cli/src/x.rs", "let x = \"unsafe\"; // unsafe").is_empty()
    );
    assert!(in_sample(unsafe_is_where_it_belongs, "cli/src/x.rs", "#![deny(unsafe_code)]").is_empty());
}
