//! What may have been meant by a name that does not exist.

/// The name most like `wanted`; none where all are too different to be a slip.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wanted, name), name))
        .min()
        .filter(|(edits, name)| *edits <= (name.len() / 3).max(1))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_another_word_finds_none() {
        assert_eq!(nearest("mean_deley", ["wind_speed", "mean_delay"]), Some("mean_delay"));
        assert_eq!(nearest("aircraft", ["wind_speed", "mean_delay"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
