//! What documents must keep true: links lead somewhere, every decision is on the map and answers the
//! same questions, and nothing tells of the machine that it was written on.

use super::tree::{File, Tree, Violation};
use super::{hold, in_sample, in_samples};

/// What each page of docs/decisions answers, in its headings.
const ANSWERS: [&str; 4] = ["## Question", "## Weighed", "## Choice", "## What would change it"];

fn documents(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| file.path.ends_with(".md"))
}

/// The targets of a document's links with their lines; code is passed over.
fn links(document: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in document.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every other piece between backticks is code.
        let prose: String = line.split('`').step_by(2).collect();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        found.extend(targets.map(|(target, _)| (index + 1, target.to_owned())));
    }
    found
}

/// A path relative to a document, from the repository's root.
fn resolve(document: &str, target: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn links_lead_somewhere(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for document in documents(tree) {
        for (line, target) in links(document) {
            let path = target.split('#').next().unwrap_or_default();
            let is_elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            if !is_elsewhere && !tree.has(&resolve(&document.path, path)) {
                found.push(document.at(line, format!("the link to `{target}` leads nowhere")));
            }
        }
    }
    found
}

fn decisions_are_on_the_map(tree: &Tree) -> Vec<Violation> {
    const MAP: &str = "docs/ARCHITECTURE.md";
    let linked: Vec<String> = tree
        .file(MAP)
        .map(|map| links(map).iter().map(|(_, target)| resolve(MAP, target)).collect())
        .unwrap_or_default();
    let mut found = Vec::new();
    let pages = documents(tree).filter(|document| document.path.starts_with("docs/decisions/"));
    for (number, page) in (1..).zip(pages) {
        let name = page.parts().last().unwrap_or_default();
        if !name.starts_with(&format!("{number:04}-")) {
            found.push(page.at(1, format!("decisions are numbered without gaps: this would be {number:04}")));
        }
        if !linked.contains(&page.path) {
            found.push(page.at(1, format!("{MAP} does not link this decision")));
        }
        let missing = ANSWERS.iter().filter(|heading| !page.text.lines().any(|line| line == **heading));
        found.extend(missing.map(|heading| page.at(1, format!("this decision has no `{heading}`"))));
    }
    found
}

fn nothing_names_a_machine(tree: &Tree) -> Vec<Violation> {
    // Written so that this file does not hold what it looks for.
    let homes = ["work", "root", "home", "Users"].map(|folder| format!("/{folder}/"));
    let mut found = Vec::new();
    for file in &tree.files {
        for (index, line) in file.text.lines().enumerate() {
            for home in &homes {
                // Within a longer path or an address it is no folder of a machine.
                let is_absolute = |at: usize| {
                    !line[..at].ends_with(|before: char| before.is_alphanumeric() || "/._-}".contains(before))
                };
                if line.match_indices(home.as_str()).any(|(at, _)| is_absolute(at)) {
                    found.push(file.at(index + 1, format!("`{home}…` is a path of one machine")));
                }
            }
        }
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    hold(links_lead_somewhere);
}

#[test]
fn every_decision_is_on_the_map_and_answers_its_questions() {
    hold(decisions_are_on_the_map);
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    hold(nothing_names_a_machine);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "See [a](missing.md) and [b](b.md#part), [web](https://x.y/z), [up](../README.md).\n";
    let files = [("docs/a.md", text), ("docs/b.md", ""), ("README.md", "")];
    let found = in_samples(links_lead_somewhere, &files);
    assert_eq!(found, ["docs/a.md:1: the link to `missing.md` leads nowhere"]);
    let code = "`[a](missing.md)` and\n\n```text\n[a](missing.md)\n```\n";
    assert!(in_sample(links_lead_somewhere, "docs/a.md", code).is_empty());
    let named_by_code = "[`a`](missing.md) and `code`";
    assert_eq!(in_sample(links_lead_somewhere, "docs/a.md", named_by_code).len(), 1);
}

#[test]
fn a_decision_off_the_map_out_of_order_or_unfinished_is_found() {
    let whole = ANSWERS.join("\n\n");
    let files = [("docs/ARCHITECTURE.md", "[x](decisions/0001-x.md)"), ("docs/decisions/0001-x.md", &whole)];
    assert!(in_samples(decisions_are_on_the_map, &files).is_empty());
    let files = [("docs/ARCHITECTURE.md", ""), ("docs/decisions/0002-x.md", ANSWERS[0])];
    let found = in_samples(decisions_are_on_the_map, &files);
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn a_path_of_one_machine_is_found() {
    let home = format!("{}/me/x", "/home");
    let found = in_sample(nothing_names_a_machine, "scripts/x", &format!("cd {home}\n"));
    assert_eq!(found.len(), 1);
    let address = format!("https://example.org{home}\n");
    assert!(in_sample(nothing_names_a_machine, "docs/x.md", &address).is_empty());
}
