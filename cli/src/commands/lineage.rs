//! `lineage`: what a name comes from and what comes from it, as trees, a flowchart or JSON.

use std::collections::BTreeSet;

use twinstore::{
    Lineage, LineageKind, LineageNode, LineageReport, Project, RunRecord, SchemaField, ViewLineage,
};

use super::offline::loads_table;
use crate::arguments::{LineageArgs, LineageFormat};
use crate::failure::Failure;
use crate::output;

pub async fn lineage(project: &Project, args: &LineageArgs) -> Result<(), Failure> {
    if args.format == LineageFormat::Openlineage {
        for event in project.lineage_events(&args.name).await? {
            println!("{event}");
        }
        return Ok(());
    }
    let report = project.lineage(&args.name).await?;
    match args.format {
        LineageFormat::Json => output::json(&report),
        LineageFormat::Mermaid => {
            print!("{}", report.lineage.mermaid());
            Ok(())
        }
        LineageFormat::Tree | LineageFormat::Openlineage => {
            print_trees(&report);
            Ok(())
        }
    }
}

fn print_trees(report: &LineageReport) {
    let lineage = &report.lineage;
    for (i, node) in lineage.of.iter().filter_map(|id| lineage.node(id)).enumerate() {
        if i > 0 {
            println!();
        }
        println!("{}", said(node));
        for (heading, is_upstream) in [("comes from", true), ("goes to", false)] {
            let mut tree = Tree { lineage, is_upstream, lines: Vec::new(), shown: BTreeSet::new() };
            tree.add(&node.id, "  ");
            if !tree.lines.is_empty() {
                println!("  {heading}");
                tree.lines.iter().for_each(|line| println!("{line}"));
            }
        }
    }
    for view in &report.views {
        print_view(view);
    }
}

/// A tree of nodes. What was shown once is not followed again.
struct Tree<'a> {
    lineage: &'a Lineage,
    is_upstream: bool,
    lines: Vec<String>,
    shown: BTreeSet<&'a str>,
}

impl<'a> Tree<'a> {
    fn add(&mut self, id: &'a str, indent: &str) {
        let next: Vec<(&LineageNode, bool)> = match self.is_upstream {
            true => self.lineage.inputs(id).map(|(node, edge)| (node, edge.direct)).collect(),
            false => self.lineage.outputs(id).map(|(node, edge)| (node, edge.direct)).collect(),
        };
        for (i, (node, direct)) in next.iter().enumerate() {
            let is_last = i + 1 == next.len();
            let branch = if is_last { "└─" } else { "├─" };
            let is_new = self.shown.insert(&node.id);
            let how = if *direct { "" } else { ", which decides which rows count" };
            let again = if is_new || self.is_end(node) { "" } else { " …" };
            self.lines.push(format!("{indent}{branch} {}{how}{again}", said(node)));
            if is_new {
                self.add(&node.id, &format!("{indent}{}", if is_last { "   " } else { "│  " }));
            }
        }
    }

    fn is_end(&self, node: &LineageNode) -> bool {
        match self.is_upstream {
            true => self.lineage.inputs(&node.id).next().is_none(),
            false => self.lineage.outputs(&node.id).next().is_none(),
        }
    }
}

/// A node in a line: its name, what it is, and what is worth knowing of it.
fn said(node: &LineageNode) -> String {
    let fact = |what: &str| node.facts.get(what).map(String::as_str);
    let mut line = format!("{}  {}", node.name, node.kind.name());
    let add = |line: &mut String, text: String| {
        line.push_str(", ");
        line.push_str(&text);
    };
    if fact("live").is_some() {
        add(&mut line, "live".to_owned());
    }
    if let Some(retired) = fact("retired") {
        add(&mut line, retired.to_owned());
    }
    if let Some(data_type) = fact("type") {
        let unit = fact("unit").map(|unit| format!(" in {unit}")).unwrap_or_default();
        add(&mut line, format!("{data_type}{unit}"));
    }
    if let Some(expression) = fact("expression") {
        add(&mut line, format!("`{expression}`"));
    }
    if let Some(rows) = fact("rows") {
        add(&mut line, format!("{rows} rows"));
    }
    if let Some(built) = fact("built") {
        add(&mut line, format!("built {built}"));
    }
    if let Some(owner) = fact("owner") {
        add(&mut line, format!("of {owner}"));
    }
    if matches!(node.kind, LineageKind::FeatureView | LineageKind::OnDemandView | LineageKind::FeatureService)
        && let (Some(hash), Some(revision)) = (fact("hash"), fact("revision"))
    {
        let short: String = hash.chars().take(12).collect();
        add(&mut line, format!("hash {short}, revision {revision}"));
    }
    line
}

fn print_view(view: &ViewLineage) {
    println!();
    let fields: Vec<String> = view.schema.iter().map(field).collect();
    println!("{}, schema {}: {}", view.view, view.schema_version, fields.join(", "));
    let loads: Vec<RunRecord> =
        view.runs.iter().filter(|run| run.job != twinstore::Job::TrainingSet).cloned().collect();
    match loads.as_slice() {
        [] => println!("nothing was loaded into it since loads are recorded"),
        loads => println!("{}", loads_table(loads)),
    }
}

fn field(SchemaField { name, data_type, unit, .. }: &SchemaField) -> String {
    match unit {
        Some(unit) => format!("{name} {data_type} in {unit}"),
        None => format!("{name} {data_type}"),
    }
}
