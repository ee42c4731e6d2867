//! The name that was probably meant: the end of an error message.

use feature::nearest;

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
