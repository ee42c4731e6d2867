//! Column names that occur more than once. A reader that looks a column up by name takes one of them
//! and never says which, so files that have them are refused when they are opened.

/// The names that occur more than once, each named once, in the order of their second occurrence.
pub fn repeated_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let mut repeated: Vec<String> = Vec::new();
    for name in names {
        if !seen.insert(name) && !repeated.iter().any(|known| known == name) {
            repeated.push(name.to_owned());
        }
    }
    repeated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_that_occurs_more_than_once_is_given_once() {
        assert_eq!(repeated_names(["a", "b", "A"]), Vec::<String>::new());
        assert_eq!(repeated_names(["a", "b", "a", "", "b", "a", ""]), ["a", "b", ""]);
    }
}
