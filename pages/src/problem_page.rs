//! Pages that say that there is no page, or why it cannot be made.

use maud::{Markup, html};

use crate::address::search_link;
use crate::frame::Frame;

/// Characters of a path that are shown.
const MOST_CHARS: usize = 200;

/// There is nothing at this path.
pub fn missing(project: &str, path: &str) -> String {
    let path = feature::excerpt(path, MOST_CHARS);
    // What was looked for is probably the name in its last part, whatever its version.
    let last = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let name = last.split('@').next().unwrap_or_default();
    let said = format!("Nothing is registered at {path}. Its version may have been retired.");
    let search = html! { a href=(search_link(name)) { "Search for " (name) } };
    problem(project, "There is no such page", &said, &search)
}

/// The page cannot be made.
pub fn failed(project: &str, why: &str) -> String {
    problem(
        project,
        "This page cannot be made",
        &format!("{why}. Reads are not affected by this."),
        &html! {},
    )
}

/// Too many look at once.
pub fn busy(project: &str) -> String {
    problem(
        project,
        "Too many look at once",
        "Pages are made one after the other, so that they slow down no read. Reload in a few seconds.",
        &html! {},
    )
}

fn problem(project: &str, title: &str, said: &str, more: &Markup) -> String {
    let content = html! {
        h1 { (title) }
        p.verdict.noted { (said) }
        p { a href="/" { "Overview" } " " (more) }
    };
    Frame { project, title, current: None, searched: "", at: None }.around(&content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_path_is_text() {
        let page = missing("flights", "/<script>alert(1)</script>");
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "{page}");
        assert!(page.contains("role=\"search\""), "{page}");
    }
}
