//! Words that stood for ideas for which the field, or plain English, has its own: they do not come back.

use super::tree::{File, Tree, Violation};
use super::{hold, in_sample};

/// Each retired word, or words in a row, with those that are used.
const RETIRED: [(&[&str], &str); 23] = [
    (&["anew"], "again"),
    (&["asked"], "requested, read or called"),
    (&["became", "of"], "the outcome for"),
    (&["board"], "status"),
    (&["boards"], "statuses"),
    (&["face"], "protocol"),
    (&["faces"], "protocols"),
    (&["in", "place", "of"], "instead of"),
    (&["judge"], "validate"),
    (&["judged"], "validated"),
    (&["judges"], "validates"),
    (&["judging"], "validating"),
    (&["letter"], "dead letter, or character"),
    (&["letters"], "dead letters, or characters"),
    (&["place"], "index, slot, offset or position"),
    (&["placed"], "stored or listed"),
    (&["places"], "indices, slots, offsets or positions"),
    (&["room"], "crate, space or capacity"),
    (&["rooms"], "crates"),
    (&["seam"], "stream start"),
    (&["seams"], "stream starts"),
    (&["told"], "reported, notified or distinguished"),
    (&["unasked"], "without a request"),
];

/// Ordinary English, and terms of the field, that hold such a word.
const ORDINARY: [&[&str]; 8] = [
    &["in", "place"],
    &["one", "place"],
    &["decimal", "places"],
    &["dead", "letter"],
    &["dead", "letters"],
    &["case", "letter"],
    &["case", "letters"],
    &["letters", "digits"],
];

/// A column of stored registries keeps its name.
const DURABLE: [(&str, &str); 3] = [
    ("registry/src/digest.rs", "place"),
    ("registry/src/rollout/kept.rs", "place"),
    ("registry/src/schema.rs", "place"),
];

/// This list itself, and what says how things were called.
const OF_OLD_WORDS: [&str; 2] = ["tests/src/style/words.rs", "CHANGELOG.md"];

fn retired_words_do_not_come_back(tree: &Tree) -> Vec<Violation> {
    let is_prose = |file: &&File| {
        let is_text = [".rs", ".md", ".py", ".toml", ".proto", ".slt"];
        is_text.iter().any(|end| file.path.ends_with(end)) && !OF_OLD_WORDS.contains(&file.path.as_str())
    };
    let mut found = Vec::new();
    for file in tree.files.iter().filter(is_prose) {
        for (index, line) in file.text.lines().enumerate() {
            for (words, instead) in retired(&words(line)) {
                let words = words.join(" ");
                if !DURABLE.contains(&(file.path.as_str(), words.as_str())) {
                    found.push(file.at(index + 1, format!("`{words}` is retired: write {instead}")));
                }
            }
        }
    }
    found
}

/// The words of a line; those of `a_name` and `AName` are words too.
fn words(line: &str) -> Vec<String> {
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
    words.retain(|word| !word.is_empty());
    words
}

/// What is retired among these words, each with what is written instead.
fn retired(words: &[String]) -> Vec<(&'static [&'static str], &'static str)> {
    let stands_at = |phrase: &[&str], start: usize| {
        words.get(start..start + phrase.len()).is_some_and(|words| words == phrase)
    };
    let is_ordinary = |index: usize| {
        ORDINARY.iter().any(|phrase| {
            (0..phrase.len()).any(|before| index >= before && stands_at(phrase, index - before))
        })
    };
    let mut found = Vec::new();
    for index in 0..words.len() {
        let here = RETIRED.iter().filter(|(phrase, _)| stands_at(phrase, index));
        found.extend(here.filter(|(phrase, _)| phrase.len() > 1 || !is_ordinary(index)).copied());
    }
    found
}

#[test]
fn no_retired_word_is_used() {
    hold(retired_words_do_not_come_back);
}

#[test]
fn a_retired_word_is_found_in_prose_and_in_names() {
    for line in [
        "// Begun anew.",
        "fn is_told() {}",
        "struct HttpFace;",
        "Judge the rows",
        "for (place, key) in keys {",
        "/// The place of a column.",
        "a default in place of null",
        "let letters = read();",
        "struct Asked;",
        "mod board;",
        "what became of a row",
        "which room may know which",
    ] {
        assert_eq!(in_sample(retired_words_do_not_come_back, "a/src/b.rs", line).len(), 1, "{line}");
    }
    for line in [
        "let interface = surface;",
        "// a newcomer",
        "judgement",
        "rows are written in place, in one place",
        "let in_place = replaced.placeholder();",
        "struct DeadLetter { dead_letters: u64 }",
        "use lower-case letters, or letters, digits and underscores",
        "a masked keyboard in a classroom",
    ] {
        assert!(in_sample(retired_words_do_not_come_back, "a/src/b.rs", line).is_empty(), "{line}");
    }
}

#[test]
fn a_column_of_stored_registries_keeps_its_name() {
    let line = "place BIGINT NOT NULL,";
    assert!(in_sample(retired_words_do_not_come_back, "registry/src/schema.rs", line).is_empty());
    assert_eq!(in_sample(retired_words_do_not_come_back, "registry/src/store.rs", line).len(), 1);
}
