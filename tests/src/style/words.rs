//! Words that stood for ideas for which the field, or plain English, has its own: they do not come back.

use super::tree::{File, Tree, Violation};
use super::{hold, in_sample};

/// Each retired word with those that are used.
const RETIRED: [(&str, &str); 10] = [
    ("anew", "again"),
    ("face", "protocol"),
    ("faces", "protocols"),
    ("judge", "validate"),
    ("judged", "validated"),
    ("judges", "validates"),
    ("judging", "validating"),
    ("seam", "stream start"),
    ("seams", "stream starts"),
    ("told", "reported, notified or distinguished"),
];

/// This list itself, and what says how things were called.
const OF_OLD_WORDS: [&str; 2] = ["tests/src/style/words.rs", "CHANGELOG.md"];

fn retired_words_do_not_come_back(tree: &Tree) -> Vec<Violation> {
    let is_prose = |file: &&File| {
        let is_text = [".rs", ".md", ".py", ".toml"].iter().any(|end| file.path.ends_with(end));
        is_text && !OF_OLD_WORDS.contains(&file.path.as_str())
    };
    let mut found = Vec::new();
    for file in tree.files.iter().filter(is_prose) {
        for (index, line) in file.text.lines().enumerate() {
            for (word, instead) in words(line).filter_map(retired) {
                found.push(file.at(index + 1, format!("`{word}` is a retired word: write {instead}")));
            }
        }
    }
    found
}

/// The words of a line; those of `a_name` and `AName` are words too.
fn words(line: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for sign in line.chars() {
        if !sign.is_alphabetic() || sign.is_uppercase() && was_lower {
            words.push(String::new());
        }
        if sign.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(sign.to_lowercase());
        }
        was_lower = sign.is_lowercase();
    }
    words.into_iter()
}

fn retired(word: String) -> Option<(String, &'static str)> {
    let (_, instead) = RETIRED.iter().find(|(retired, _)| *retired == word)?;
    Some((word, instead))
}

#[test]
fn no_retired_word_is_used() {
    hold(retired_words_do_not_come_back);
}

#[test]
fn a_retired_word_is_found_in_prose_and_in_names() {
    for line in ["// Begun anew.", "fn is_told() {}", "struct HttpFace;", "Judge the rows"] {
        assert_eq!(in_sample(retired_words_do_not_come_back, "a/src/b.rs", line).len(), 1, "{line}");
    }
    for line in ["let interface = surface;", "// a newcomer", "judgement"] {
        assert!(in_sample(retired_words_do_not_come_back, "a/src/b.rs", line).is_empty(), "{line}");
    }
}
