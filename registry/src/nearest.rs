//! The name that was probably meant: what an error message proposes.

/// The candidate nearest to `given`; none where nothing is near.
pub(crate) fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let mut best = None;
    for candidate in candidates {
        let mut likeness = strsim::normalized_damerau_levenshtein(&given, candidate);
        let prefixed = given.starts_with(candidate) || candidate.starts_with(given.as_str());
        if prefixed && given.len().min(candidate.len()) >= 3 {
            likeness = likeness.max(0.6);
        }
        if likeness >= 0.5 && best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The end of a message: `, did you mean `x`?`, or nothing where nothing is near.
pub(crate) fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(given, candidates).map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

/// As [`did_you_mean`], and where nothing is near the few names that there are.
pub(crate) fn did_you_mean_or_list<'a>(
    given: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
) -> String {
    const MOST: usize = 12;
    let near = did_you_mean(given, candidates.clone());
    let all: Vec<&str> = candidates.take(MOST + 1).collect();
    match all.len() {
        _ if !near.is_empty() => near,
        0 => String::new(),
        n if n > MOST => String::new(),
        _ => format!(": there is {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_name_that_was_meant() {
        let names = ["ttl", "where", "window", "description", "int32", "float64"];
        for (given, meant) in [
            ("tll", "ttl"),
            ("wher", "where"),
            ("window_size", "window"),
            ("desc", "description"),
            ("Int32", "int32"),
        ] {
            assert_eq!(nearest(given, names), Some(meant), "{given}");
        }
        assert_eq!(nearest("colour", names), None);
    }
}
