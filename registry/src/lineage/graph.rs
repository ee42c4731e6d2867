//! The graph of what comes from what, from files and topics over columns and features to models and training sets.
//!
//! It has two levels. Between definitions, a view comes from its source and a service from its views. Between columns
//! and features, a feature comes from the columns that its expression reads. A question about a definition is answered
//! on the first, one about a feature or a column on the second.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;

/// What a node of the graph is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineageKind {
    /// The path of a source's history.
    Batch,
    /// The topic of a source's stream.
    Topic,
    /// A column that a request or a spine brings.
    RequestColumn,
    /// A source.
    Source,
    /// A column of a source.
    Column,
    /// A feature view.
    FeatureView,
    /// An on-demand view.
    OnDemandView,
    /// A feature of a view or of an on-demand view.
    Feature,
    /// A feature service.
    FeatureService,
    /// A feature under the name that a service gives it.
    ServedFeature,
    /// The model that reads a service.
    Model,
    /// A training set of a service.
    TrainingSet,
}

impl LineageKind {
    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            LineageKind::Batch => "batch",
            LineageKind::Topic => "topic",
            LineageKind::RequestColumn => "request column",
            LineageKind::Source => "source",
            LineageKind::Column => "column",
            LineageKind::FeatureView => "feature view",
            LineageKind::OnDemandView => "on-demand view",
            LineageKind::Feature => "feature",
            LineageKind::FeatureService => "service",
            LineageKind::ServedFeature => "served feature",
            LineageKind::Model => "model",
            LineageKind::TrainingSet => "training set",
        }
    }

    fn is_definition(self) -> bool {
        matches!(
            self,
            LineageKind::Source
                | LineageKind::FeatureView
                | LineageKind::OnDemandView
                | LineageKind::FeatureService
        )
    }

    /// The identity of a node of this kind.
    pub(super) fn id(self, name: &str) -> String {
        format!("{}:{name}", self.name().replace([' ', '-'], "_"))
    }
}

/// One thing that comes from others, or that others come from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LineageNode {
    /// Unlike that of any other node: its kind and its name.
    pub id: String,
    /// What it is.
    pub kind: LineageKind,
    /// What it is called.
    pub name: String,
    /// The node that it is a part of; `None` if it is no part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
    /// What else is known of it, by what it is: `type`, `unit`, `expression`, `hash`, `owner`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<&'static str, String>,
}

/// One thing that comes from another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct LineageEdge {
    /// What it comes from.
    pub from: String,
    /// What comes from it.
    pub to: String,
    /// Whether values come from it, and not only which rows count: a key, a time, a filter.
    pub direct: bool,
}

/// What some nodes come from, and what comes from them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Lineage {
    /// The requested nodes.
    pub of: Vec<String>,
    /// All nodes, these included.
    pub nodes: Vec<LineageNode>,
    /// What comes from what.
    pub edges: Vec<LineageEdge>,
}

impl Lineage {
    /// The node with this identity; `None` if it is not in the graph.
    pub fn node(&self, id: &str) -> Option<&LineageNode> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// What a node comes from, in the order of the graph.
    pub fn inputs<'a>(&'a self, id: &'a str) -> impl Iterator<Item = (&'a LineageNode, &'a LineageEdge)> {
        let edges = self.edges.iter().filter(move |edge| edge.to == id);
        edges.filter_map(|edge| Some((self.node(&edge.from)?, edge)))
    }

    /// What comes from a node, in the order of the graph.
    pub fn outputs<'a>(&'a self, id: &'a str) -> impl Iterator<Item = (&'a LineageNode, &'a LineageEdge)> {
        let edges = self.edges.iter().filter(move |edge| edge.from == id);
        edges.filter_map(|edge| Some((self.node(&edge.to)?, edge)))
    }

    /// A flowchart in the language of Mermaid.
    pub fn mermaid(&self) -> String {
        let mut chart = "flowchart LR\n".to_owned();
        let index = |id: &str| self.nodes.iter().position(|node| node.id == id);
        for (i, node) in self.nodes.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = writeln!(chart, "    n{i}[\"{}<br/><i>{}</i>\"]", escaped(&node.name), node.kind.name());
        }
        for edge in &self.edges {
            let (Some(from), Some(to)) = (index(&edge.from), index(&edge.to)) else { continue };
            let _ = writeln!(chart, "    n{from} {} n{to}", if edge.direct { "-->" } else { "-.->" });
        }
        for (i, _) in self.nodes.iter().enumerate().filter(|(_, node)| self.of.contains(&node.id)) {
            let _ = writeln!(chart, "    style n{i} stroke-width:3px");
        }
        chart
    }
}

/// A text between quotes of a flowchart. Mermaid reads entities with `#`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '<' | '>' | '&' | '#' | '`' | '\\' | '[' | ']' | '{' | '}' | '|' => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// What everything comes from, on both levels.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) nodes: BTreeMap<String, LineageNode>,
    pub(super) definitions: BTreeSet<LineageEdge>,
    pub(super) features: BTreeSet<LineageEdge>,
}

impl Graph {
    /// Adds a node; gives its identity.
    pub(super) fn node(&mut self, kind: LineageKind, name: &str, part_of: Option<&str>) -> String {
        let id = kind.id(name);
        let node = || LineageNode {
            id: id.clone(),
            kind,
            name: name.to_owned(),
            part_of: part_of.map(str::to_owned),
            facts: BTreeMap::new(),
        };
        self.nodes.entry(id.clone()).or_insert_with(node);
        id
    }

    /// Adds what is known of a node.
    pub(super) fn fact(&mut self, id: &str, what: &'static str, value: Option<impl ToString>) {
        if let (Some(node), Some(value)) = (self.nodes.get_mut(id), value) {
            node.facts.insert(what, value.to_string());
        }
    }

    /// Adds an edge between definitions, or what lies at their ends.
    pub(super) fn between_definitions(&mut self, from: &str, to: &str) {
        self.definitions.insert(LineageEdge { from: from.to_owned(), to: to.to_owned(), direct: true });
    }

    /// Adds an edge between columns and features, or from and to what they are part of.
    pub(super) fn between_features(&mut self, from: &str, to: &str, direct: bool) {
        self.features.insert(LineageEdge { from: from.to_owned(), to: to.to_owned(), direct });
    }

    /// Adds an edge on both levels.
    pub(super) fn on_both(&mut self, from: &str, to: &str) {
        self.between_definitions(from, to);
        self.between_features(from, to, true);
    }

    /// The nodes that a name means, and whether they are parts: definitions first, as `name` or `name@version`, then
    /// models, topics and files, then features and columns by their own name, or behind the name of what they are part of and a colon.
    pub(super) fn named(&self, name: &str) -> (Vec<String>, bool) {
        let found = |is_meant: &dyn Fn(&LineageNode) -> bool| -> Vec<String> {
            self.nodes.values().filter(|node| is_meant(node)).map(|node| node.id.clone()).collect()
        };
        let is_named = |node: &LineageNode| node.name == name || node.name.split('@').next() == Some(name);
        let definitions = found(&|node| node.kind.is_definition() && is_named(node));
        if !definitions.is_empty() {
            return (definitions, false);
        }
        let whole = found(&|node| node.part_of.is_none() && is_named(node));
        if !whole.is_empty() {
            return (whole, false);
        }
        // The hash behind a training set's file tells those of one name apart.
        let built = found(&|node| {
            let file = node.name.rsplit_once(" (").map(|(file, _)| file);
            node.kind == LineageKind::TrainingSet && file == Some(name)
        });
        if built.len() == 1 {
            return (built, false);
        }
        let part = |node: &LineageNode| {
            node.part_of.is_some() && (node.name == name || node.name.rsplit(':').next() == Some(name))
        };
        (found(&part), true)
    }

    /// What these nodes come from and what comes from them, along these edges.
    pub(super) fn reach(&self, of: Vec<String>, edges: &BTreeSet<LineageEdge>) -> Lineage {
        let mut reached: BTreeSet<&str> = of.iter().map(String::as_str).collect();
        for is_upstream in [true, false] {
            let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for LineageEdge { from, to, .. } in edges {
                let (near, far) = if is_upstream { (to, from) } else { (from, to) };
                next.entry(near).or_default().push(far);
            }
            let mut open: Vec<&str> = of.iter().map(String::as_str).collect();
            let mut seen: BTreeSet<&str> = open.iter().copied().collect();
            while let Some(id) = open.pop() {
                open.extend(next.get(id).into_iter().flatten().filter(|far| seen.insert(far)));
            }
            reached.extend(seen);
        }
        let is_reached = |id: &str| reached.contains(id);
        let nodes = self.nodes.values().filter(|node| is_reached(&node.id)).cloned().collect();
        let edges = edges.iter().filter(|edge| is_reached(&edge.from) && is_reached(&edge.to)).cloned();
        Lineage { nodes, edges: edges.collect(), of }
    }
}
