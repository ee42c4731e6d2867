//! What error messages share: the name that was probably meant, as much of a text as fits into a message,
//! and numbers as people write them.

use std::borrow::Cow;

use crate::shown::visible_line;

/// A longer text is not a misspelled name, and comparing it would take long.
const LONGEST_NAME_CHARS: usize = 80;
/// Only so many candidates are compared.
const MOST_CANDIDATES: usize = 1_000;

/// The candidate nearest to `given`; `None` if nothing is near. It takes bounded time: of longer texts nothing is
/// near, they are near to nothing, and beyond the first thousand candidates none is compared.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let is_too_long = |text: &str| text.chars().nth(LONGEST_NAME_CHARS).is_some();
    if is_too_long(given) {
        return None;
    }
    let given = given.to_lowercase();
    let mut best = None;
    for candidate in candidates.into_iter().take(MOST_CANDIDATES).filter(|candidate| !is_too_long(candidate))
    {
        let folded = candidate.to_lowercase();
        let mut likeness = strsim::normalized_damerau_levenshtein(&given, &folded);
        let prefixed = given.starts_with(&folded) || folded.starts_with(given.as_str());
        if prefixed && given.len().min(folded.len()) >= 3 {
            likeness = likeness.max(0.6);
        }
        if likeness >= 0.5 && best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The text, or its first characters and an ellipsis, as it can be shown: on one line, and nothing in it unseen.
pub fn excerpt(text: &str, longest_chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest_chars) {
        Some((end, _)) => Cow::Owned(format!("{}…", visible_line(text.get(..end).unwrap_or_default()))),
        None => visible_line(text),
    }
}

/// A count with its thousands apart: `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and what it counts, in the plural where it is not one.
pub fn counted(n: u64, what: &str) -> String {
    let plural = match what.strip_suffix('y') {
        Some(stem) if n != 1 => format!("{stem}ies"),
        _ if n != 1 => format!("{what}s"),
        _ => what.to_owned(),
    };
    format!("{} {plural}", thousands(n))
}

/// A durable name as people read it: `too_late` is "too late". What is quoted in it keeps its underscores.
pub fn in_words(name: &str) -> String {
    let quoted = |index: usize| index % 2 == 1;
    let parts = name.split('`').enumerate();
    let parts =
        parts.map(|(index, part)| if quoted(index) { part.to_owned() } else { part.replace('_', " ") });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_in_words_and_what_it_quotes_keeps_its_name() {
        assert_eq!(in_words("too_far_ahead"), "too far ahead");
        let quoted = "the expectation `arr_delay BETWEEN 0 AND 10` is_false, as `a_b`";
        assert_eq!(in_words(quoted), "the expectation `arr_delay BETWEEN 0 AND 10` is false, as `a_b`");
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(327_346), "327,346");
        assert_eq!(counted(1, "entity"), "1 entity");
        assert_eq!(counted(2_000, "entity"), "2,000 entities");
    }

    #[test]
    fn a_slip_of_the_finger_finds_the_name_that_was_meant() {
        let names = ["ttl", "where", "window", "description", "int32", "float64", "mean_delay"];
        for (given, meant) in [
            ("tll", "ttl"),
            ("wher", "where"),
            ("window_size", "window"),
            ("desc", "description"),
            ("Int32", "int32"),
            ("mean_deley", "mean_delay"),
        ] {
            assert_eq!(nearest(given, names), Some(meant), "{given}");
        }
        assert_eq!(nearest("colour", names), None);
        for given in ["origin", "ORIGINN", "orgin"] {
            assert_eq!(nearest(given, ["TAILNUM", "ORIGIN"]), Some("ORIGIN"), "{given}");
        }
        assert_eq!(nearest("x", []), None);
        assert_eq!(nearest(&"window".repeat(20), names), None);
        let long = "window".repeat(20);
        assert_eq!(nearest("window", [long.as_str()]), None);
        let many = std::iter::repeat_n("other", 1_000).chain(["window"]);
        assert_eq!(nearest("windo", many), None);
    }

    #[test]
    fn an_excerpt_is_cut_between_characters() {
        assert_eq!(excerpt("äöü", 3), "äöü");
        assert_eq!(excerpt("äöü", 2), "äö…");
    }
}
