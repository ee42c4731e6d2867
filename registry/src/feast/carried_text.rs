//! Carried definitions as YAML: for each file of the repository one of the same name, and for each line of it the
//! definition and the feature that it is of.

use std::collections::BTreeMap;

use crate::outline::yaml_text::{one_line, quoted, quoted_type, sql_value, yaml_key};

use super::carried::{
    CarriedBody, CarriedDefinition, CarriedFeature, CarriedSource, CarriedTime, Choice, FeatureValue,
};

/// Where a line of a file comes from: the index of a definition, and of one of its features.
pub(crate) type LineOf = (usize, Option<usize>);

/// A file of definitions.
#[derive(Default)]
pub(crate) struct CarriedFile {
    pub(crate) text: String,
    pub(crate) lines: Vec<Option<LineOf>>,
}

impl CarriedFile {
    fn line(&mut self, of: Option<LineOf>, text: &str) {
        // A text of several lines, which none is, would move all below it.
        self.text.push_str(&text.replace('\n', " "));
        self.text.push('\n');
        self.lines.push(of);
    }
}

const HEAD: &str =
    "# Written from a Feast repository. Until a view is loaded for the first time, everything may be edited.";
/// The file of what the repository's files do not say.
const OTHER: &str = "features/feast.yaml";

/// All definitions as text, by file.
pub(crate) fn files(definitions: &[CarriedDefinition]) -> BTreeMap<String, CarriedFile> {
    let mut files: BTreeMap<String, CarriedFile> = BTreeMap::new();
    let mut order: Vec<(usize, &CarriedDefinition)> = definitions.iter().enumerate().collect();
    order.sort_by_key(|(_, definition)| (definition.kind(), definition.described.at.clone()));
    for (index, definition) in order {
        let file = files.entry(file_of(definition)).or_default();
        if file.text.is_empty() {
            file.line(None, HEAD);
        }
        write(index, definition, definitions, file);
    }
    files
}

fn file_of(definition: &CarriedDefinition) -> String {
    let file = definition.described.at.as_ref().and_then(|at| at.file.strip_suffix(".py"));
    file.map_or_else(|| OTHER.to_owned(), |file| format!("features/{file}.yaml"))
}

fn write(index: usize, definition: &CarriedDefinition, all: &[CarriedDefinition], file: &mut CarriedFile) {
    let of = Some((index, None));
    let mut line = |text: String| file.line(of, &text);
    line("---".to_owned());
    for note in &definition.notes {
        line(format!("# {}", one_line(note)));
    }
    line(format!("kind: {}", definition.kind().name()));
    line(format!("name: {}", yaml_key(definition.name.as_str())));
    if definition.kind().is_versioned() {
        line("version: 1".to_owned());
    }
    let described = &definition.described;
    for (key, value) in [("owner", &described.owner), ("description", &described.description)] {
        if !value.trim().is_empty() {
            line(format!("{key}: {}", quoted(&one_line(value))));
        }
    }
    if !described.tags.is_empty() {
        let tags: Vec<String> = described
            .tags
            .iter()
            .map(|(key, value)| format!("{}: {}", quoted(key), quoted(&one_line(value))))
            .collect();
        line(format!("tags: {{{}}}", tags.join(", ")));
    }
    match &definition.body {
        CarriedBody::Entity { keys } => {
            let keys: Vec<String> =
                keys.iter().map(|(name, t)| format!("{}: {t}", yaml_key(name.as_str()))).collect();
            line(format!("keys: {{{}}}", keys.join(", ")));
        }
        CarriedBody::Source(source) => source_lines(source).into_iter().for_each(line),
        CarriedBody::View(view) => {
            line(format!("entity: {}", yaml_key(view.entity.as_str())));
            line(format!("source: {}", yaml_key(view.source.as_str())));
            if !view.keys.is_empty() {
                let keys: Vec<String> = view
                    .keys
                    .iter()
                    .map(|(key, sql)| format!("{}: {}", yaml_key(key.as_str()), sql_value(sql)))
                    .collect();
                line(format!("keys: {{{}}}", keys.join(", ")));
            }
            if let Some(ttl) = &view.ttl {
                line(format!("ttl: {ttl}"));
            }
            features(index, &view.features, file);
        }
        CarriedBody::OnDemand { request, inputs, features: computed } => {
            if !request.is_empty() {
                let request: Vec<String> = request
                    .iter()
                    .map(|(name, t)| format!("{}: {}", yaml_key(name.as_str()), quoted_type(*t)))
                    .collect();
                line(format!("request: {{{}}}", request.join(", ")));
            }
            if !inputs.is_empty() {
                line("inputs:".to_owned());
                inputs.iter().for_each(|choice| line(choice_line(choice, all)));
            }
            features(index, computed, file);
        }
        CarriedBody::Service { choices } => {
            line("features:".to_owned());
            choices.iter().for_each(|choice| line(choice_line(choice, all)));
        }
    }
}

fn source_lines(source: &CarriedSource) -> Vec<String> {
    let mut lines = vec!["schema:".to_owned()];
    for column in &source.columns {
        let name = yaml_key(column.name.as_str());
        lines.push(match column.stored == column.name.as_str() {
            true => format!("  {name}: {}", quoted_type(column.data_type)),
            false => {
                format!(
                    "  {name}: {{type: {}, column: {}}}",
                    quoted_type(column.data_type),
                    quoted(&column.stored)
                )
            }
        });
    }
    lines.push(match &source.event_time {
        CarriedTime::Column(column) => format!("event_time: {}", yaml_key(column.as_str())),
        CarriedTime::Sql(sql) => format!("event_time: {{sql: {}}}", quoted(sql)),
    });
    if let Some(created) = &source.created {
        lines.push(format!(
            "# Feast orders rows of one event time by `{created}`. If it says when a row could first be read, no label before that"
        ));
        lines.push("# is to see the row:".to_owned());
        lines.push(format!("# available_at: {}", yaml_key(created.as_str())));
    }
    if let Some(lateness) = &source.lateness {
        lines.push(format!("allowed_lateness: {lateness}"));
    }
    if let Some((path, format)) = &source.batch {
        let format = format.map(|format| format!(", format: {format}")).unwrap_or_default();
        lines.push(format!("batch: {{path: {}{format}}}", quoted(path)));
    }
    if let Some(stream) = &source.stream {
        let schema =
            stream.schema.as_ref().map(|(file, _)| format!(", schema: {}", quoted(file))).unwrap_or_default();
        lines.push(format!(
            "stream: {{topic: {}, format: {}{schema}}}",
            quoted(&stream.topic),
            stream.format
        ));
    }
    lines
}

fn features(index: usize, features: &[CarriedFeature], file: &mut CarriedFile) {
    file.line(Some((index, None)), "features:");
    for (at, feature) in features.iter().enumerate() {
        let mut parts = match &feature.value {
            FeatureValue::Latest(sql) => vec![format!("latest: {}", sql_value(sql))],
            FeatureValue::Expression(sql) => vec![format!("expression: {}", sql_value(sql))],
            FeatureValue::Aggregate { aggregate, window, hop } => {
                let mut parts = vec![format!("aggregate: {}", sql_value(aggregate))];
                parts.extend(window.as_ref().map(|window| format!("window: {window}")));
                parts.extend(hop.as_ref().map(|hop| format!("hop: {hop}")));
                parts
            }
        };
        if !feature.description.trim().is_empty() {
            parts.push(format!("description: {}", quoted(&one_line(&feature.description))));
        }
        let text = format!("  {}: {{{}}}", yaml_key(feature.name.as_str()), parts.join(", "));
        file.line(Some((index, Some(at))), &text);
    }
}

fn choice_line(choice: &Choice, all: &[CarriedDefinition]) -> String {
    let mut parts = vec![format!("from: {}@1", choice.from)];
    if !choice.on.is_empty() {
        let on: Vec<String> = choice
            .on
            .iter()
            .map(|(key, column)| format!("{}: {}", yaml_key(key.as_str()), yaml_key(column.as_str())))
            .collect();
        parts.push(format!("on: {{{}}}", on.join(", ")));
    }
    let view = all.iter().find(|definition| definition.is_view() && definition.name == choice.from);
    let is_all = view.is_some_and(|view| view.features().iter().map(|f| &f.name).eq(&choice.take));
    if !is_all {
        let take: Vec<String> = choice.take.iter().map(|name| yaml_key(name.as_str())).collect();
        parts.push(format!("take: [{}]", take.join(", ")));
    }
    if !choice.prefix.is_empty() {
        parts.push(format!("prefix: {}", choice.prefix));
    }
    format!("  - {{{}}}", parts.join(", "))
}
