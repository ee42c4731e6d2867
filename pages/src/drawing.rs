//! The lineage of something as a drawing, and the same as a table for those who cannot see it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use feature::{VersionId, thousands};
use maud::{Markup, html};
use twinstore::{Lineage, LineageEdge, LineageKind, LineageNode};

use crate::address::{feature_link, service_link, view_link};
use crate::layers::{Slot, lay_out};
use crate::shown::wide;

/// Nodes that are drawn: those that are nearest to what the drawing is of.
const MOST_DRAWN: usize = 60;
/// Lines of the table.
const MOST_LINES: usize = 500;
/// Characters of a name that fit.
const NAME_CHARS: usize = 23;
/// Characters of what it is that fit.
const KIND_CHARS: usize = 27;

const NODE_WIDTH: f64 = 176.0;
const NODE_HEIGHT: f64 = 42.0;
const ACROSS: f64 = 220.0;
const DOWN: f64 = 56.0;
const MARGIN: f64 = 12.0;

/// The drawing and its table.
pub fn lineage(lineage: &Lineage, of: &str) -> Markup {
    let drawn = nearest(lineage);
    let left_out = lineage.nodes.len() - drawn.len();
    html! {
        (drawing(&drawn, lineage, of))
        p.about {
            "From what it comes, on the left, to what comes from it, on the right; dashed where only which rows count comes from there."
            @if left_out > 0 { " " (thousands(left_out as u64)) " that are farther away are not drawn." }
        }
        details {
            summary { "The same as a table" }
            (table(lineage))
        }
    }
}

/// The nodes nearest to what the lineage is of, in their order.
fn nearest(lineage: &Lineage) -> Vec<&LineageNode> {
    let mut neighbours: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for LineageEdge { from, to, .. } in &lineage.edges {
        neighbours.entry(from).or_default().push(to);
        neighbours.entry(to).or_default().push(from);
    }
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    let mut open: VecDeque<&str> = lineage.of.iter().map(String::as_str).collect();
    while let Some(id) = open.pop_front() {
        if kept.len() == MOST_DRAWN || !kept.insert(id) {
            continue;
        }
        open.extend(neighbours.get(id).into_iter().flatten());
    }
    lineage.nodes.iter().filter(|node| kept.contains(node.id.as_str())).collect()
}

fn drawing(drawn: &[&LineageNode], lineage: &Lineage, of: &str) -> Markup {
    let index = |id: &str| drawn.iter().position(|node| node.id == id);
    let edges: Vec<(usize, usize, bool)> = lineage
        .edges
        .iter()
        .filter_map(|edge| Some((index(&edge.from)?, index(&edge.to)?, edge.direct)))
        .collect();
    let ends: Vec<(usize, usize)> = edges.iter().map(|(from, to, _)| (*from, *to)).collect();
    let layout = lay_out(drawn.len(), &ends);
    let width = MARGIN * 2.0 + ACROSS * layout.layers.saturating_sub(1) as f64 + NODE_WIDTH;
    let height = MARGIN * 2.0 + DOWN * layout.tallest.saturating_sub(1) as f64 + NODE_HEIGHT;
    let label = format!("Lineage of {of}");
    html! {
        div.drawing role="group" aria-label=(label) tabindex="0" {
            svg width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) role="group" aria-label=(label) {
                @for ((.., direct), way) in edges.iter().zip(&layout.edges) {
                    path.indirect[!direct] d=(curve(way)) {}
                }
                @for (node, slot) in drawn.iter().zip(&layout.nodes) {
                    (drawn_node(node, *slot, lineage.of.contains(&node.id)))
                }
            }
        }
    }
}

fn corner(slot: Slot) -> (f64, f64) {
    (MARGIN + ACROSS * slot.layer as f64, MARGIN + DOWN * slot.row)
}

/// A line from node to node that is level where it passes a layer.
fn curve(way: &[Slot]) -> String {
    let mut path = String::new();
    let middle = NODE_HEIGHT / 2.0;
    let last = way.len().saturating_sub(2);
    for (step, pair) in way.windows(2).enumerate() {
        let &[from, to] = pair else { continue };
        let ((x, y), (end, below)) = (corner(from), corner(to));
        let (x, y, below) = (x + NODE_WIDTH, y + middle, below + middle);
        let half = (x + end) / 2.0;
        if step == 0 {
            path.push_str(&format!("M{x:.1} {y:.1}"));
        }
        path.push_str(&format!("C{half:.1} {y:.1} {half:.1} {below:.1} {end:.1} {below:.1}"));
        if step < last {
            path.push_str(&format!("H{:.1}", end + NODE_WIDTH));
        }
    }
    path
}

fn drawn_node(node: &LineageNode, slot: Slot, is_of: bool) -> Markup {
    let (x, y) = corner(slot);
    // A part is written below what it is a part of.
    let (whole, name) = match node.part_of.as_ref().and_then(|_| node.name.split_once(':')) {
        Some((whole, name)) => (format!(" of {whole}"), name),
        None => (String::new(), node.name.as_str()),
    };
    let kind = format!("{}{whole}", node.kind.name());
    let kind = if is_of { format!("this {kind}") } else { kind };
    let inside = html! {
        title { (node.kind.name()) " " (node.name) }
        rect.of[is_of] x=(x) y=(y) width=(NODE_WIDTH) height=(NODE_HEIGHT) rx="6" {}
        text.kind x=(x + 10.0) y=(y + 16.0) { (feature::excerpt(&kind, KIND_CHARS)) }
        text.name x=(x + 10.0) y=(y + 33.0) { (feature::excerpt(name, NAME_CHARS)) }
    };
    html! {
        @match link(node).filter(|_| !is_of) {
            Some(link) => { a href=(link) { (inside) } }
            None => { g { (inside) } }
        }
    }
}

/// The page of a node; `None` if it has none.
fn link(node: &LineageNode) -> Option<String> {
    let version = |name: &str| name.parse::<VersionId>().ok();
    match node.kind {
        LineageKind::FeatureView | LineageKind::OnDemandView => version(&node.name).map(|id| view_link(&id)),
        LineageKind::FeatureService => version(&node.name).map(|id| service_link(&id)),
        LineageKind::Feature => {
            let (view, name) = node.name.split_once(':')?;
            Some(feature_link(&version(view)?, name))
        }
        LineageKind::ServedFeature => {
            let (service, _) = node.name.split_once(':')?;
            Some(service_link(&version(service)?))
        }
        _ => None,
    }
}

fn table(lineage: &Lineage) -> Markup {
    let named = |id: &str| {
        let node = lineage.node(id);
        html! {
            @match node {
                Some(node) => {
                    (node.kind.name()) " "
                    @match link(node) { Some(link) => { a href=(link) { (node.name) } } None => { (node.name) } }
                }
                None => { (id) }
            }
        }
    };
    let rows = html! {
        table {
            caption { "What comes from what" }
            thead { tr { th scope="col" { "What" } th.left scope="col" { "Comes from" } th.left scope="col" { "By" } } }
            tbody {
                @for edge in lineage.edges.iter().take(MOST_LINES) {
                    tr {
                        th scope="row" { (named(&edge.to)) }
                        td.left { (named(&edge.from)) }
                        td.left { @if edge.direct { "its values" } @else { "which rows count" } }
                    }
                }
            }
        }
    };
    html! {
        @if lineage.edges.is_empty() { p { "Nothing comes from anything." } } @else { (wide("Lineage as a table", &rows)) }
        @if lineage.edges.len() > MOST_LINES { p { "The first " (thousands(MOST_LINES as u64)) " of " (thousands(lineage.edges.len() as u64)) "." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: LineageKind, name: &str) -> LineageNode {
        LineageNode {
            id: format!("{}:{name}", kind.name()),
            kind,
            name: name.to_owned(),
            part_of: None,
            facts: BTreeMap::new(),
        }
    }

    fn chain(views: usize) -> Lineage {
        let source = node(LineageKind::Source, "<script>alert(1)</script>");
        let mut edges = Vec::new();
        let mut nodes = vec![source];
        for n in 0..views {
            let view = node(LineageKind::FeatureView, &format!("v{n}@1"));
            edges.push(LineageEdge { from: nodes[0].id.clone(), to: view.id.clone(), direct: n % 2 == 0 });
            nodes.push(view);
        }
        Lineage { of: vec![nodes[1].id.clone()], nodes, edges }
    }

    #[test]
    fn nodes_are_links_that_are_named_and_edges_of_both_kinds_differ_in_more_than_colour() {
        let markup = lineage(&chain(2), "v0@1").into_string();
        assert!(
            markup.contains("<a href=\"/views/v1@1\">") && markup.contains("this feature view"),
            "{markup}"
        );
        assert!(
            markup.contains("<path class=\"indirect\"") && markup.contains("<path class=\"\" d="),
            "{markup}"
        );
        assert!(markup.contains("which rows count") && markup.contains("its values"), "{markup}");
        assert!(!markup.contains("<script>"), "{markup}");
    }

    #[test]
    fn of_many_nodes_the_nearest_are_drawn_and_the_others_counted() {
        let markup = lineage(&chain(200), "v0@1").into_string();
        assert_eq!(markup.matches("<rect").count(), MOST_DRAWN);
        assert!(markup.contains("141 that are farther away are not drawn"), "{markup}");
        assert!(markup.contains(">v199@1</a>"), "the table has all");
    }
}
