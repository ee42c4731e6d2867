//! The walks through the code that `docs/walks.md` lists: every file is there, and the figures are those of the lists.

use std::collections::BTreeSet;

use super::tree::{File, Tree, Violation};
use super::{hold, in_samples};

const PAGE: &str = "docs/walks.md";

/// A walk as the page lists it.
#[derive(Default)]
struct Walk {
    crossings: usize,
    hops: usize,
    files: BTreeSet<String>,
}

fn walks_are_as_they_are_listed(tree: &Tree) -> Vec<Violation> {
    let Some(page) = tree.file(PAGE) else { return Vec::new() };
    let mut found = Vec::new();
    let (mut claimed, mut walks) = (Vec::new(), Vec::new());
    for (index, line) in page.text.lines().enumerate() {
        if line.starts_with("## ") {
            walks.push(Walk::default());
        }
        if let Some(figures) = figures(line) {
            claimed.push((index + 1, figures));
        }
        let (Some((from, to)), Some(walk)) = (hop(line), walks.last_mut()) else { continue };
        for path in [from, to] {
            if tree.file(path).is_none() {
                found.push(page.at(index + 1, format!("there is no file `{path}`: follow the code again")));
            }
            walk.files.insert(path.to_owned());
        }
        walk.hops += 1;
        walk.crossings += usize::from(from.split('/').next() != to.split('/').next());
    }
    found.extend(wrong_figures(page, &claimed, &walks));
    found
}

fn wrong_figures(page: &File, claimed: &[(usize, [usize; 3])], walks: &[Walk]) -> Vec<Violation> {
    if claimed.len() != walks.len() {
        let message = format!("{} rows of figures for {} walks", claimed.len(), walks.len());
        return vec![page.at(1, message)];
    }
    let pairs = claimed.iter().zip(walks).map(|((line, figures), walk)| {
        let counted = [walk.crossings, walk.hops, walk.files.len()];
        (line, figures, counted)
    });
    pairs
        .filter(|(_, figures, counted)| *figures != counted)
        .map(|(line, _, [crossings, hops, files])| {
            page.at(*line, format!("the list has {crossings} crossings, {hops} hops and {files} files"))
        })
        .collect()
}

/// The two files of a line of a list.
fn hop(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(". `")?;
    let (from, rest) = rest.split_once("` → `")?;
    Some((from, rest.split_once('`')?.0))
}

/// Crossings, hops and files of a row of the table.
fn figures(line: &str) -> Option<[usize; 3]> {
    let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
    let [_, crossings, hops, files, _] = cells.as_slice() else { return None };
    Some([crossings.parse().ok()?, hops.parse().ok()?, files.parse().ok()?])
}

#[test]
fn the_walks_are_those_of_the_page() {
    hold(walks_are_as_they_are_listed);
}

#[test]
fn a_file_that_is_gone_and_figures_of_another_list_are_found() {
    let table = "| walk | crossings | hops | files | before |\n|---|---|---|---|---|\n";
    let walk = "## One\n\n1. `a/x.rs` → `a/y.rs`: inside\n2. `a/y.rs` → `b/z.rs`: across\n";
    let page = |figures: &str| format!("{table}| one | {figures} | 9 / 9 / 9 |\n\n{walk}");
    let found = |figures: &str, files: &[&str]| {
        let page = page(figures);
        let mut all = vec![(PAGE, page.as_str())];
        all.extend(files.iter().map(|path| (*path, "")));
        in_samples(walks_are_as_they_are_listed, &all)
    };
    let files = ["a/x.rs", "a/y.rs", "b/z.rs"];
    assert!(found("1 | 2 | 3", &files).is_empty(), "{:?}", found("1 | 2 | 3", &files));
    assert_eq!(found("1 | 2 | 2", &files).len(), 1);
    assert_eq!(found("1 | 2 | 3", &files[..2]).len(), 1);
    assert_eq!(found("1 | 3 | 3", &files[1..]).len(), 2);
}
