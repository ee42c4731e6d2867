//! YAML as a tree that keeps every line: what the reader of definitions walks.
//!
//! Scalars stay text, as it is written: what a value means is for the key that it stands under.

use std::collections::HashMap;
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use crate::problem::{Mark, Report};

/// One document of a file.
pub(crate) struct Document {
    pub(crate) file: Arc<str>,
    /// The document as it is written, comments included.
    pub(crate) text: String,
    pub(crate) root: Node,
}

/// One value, and where it begins.
pub(crate) struct Node {
    pub(crate) at: Mark,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Null,
    /// A scalar, and whether it stands in quotes.
    Text(String, bool),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

pub(crate) struct Entry {
    pub(crate) at: Mark,
    pub(crate) key: String,
    pub(crate) value: Node,
}

impl Node {
    /// The value under a key; `None` if it is missing or null, or where this is no map.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let entry = self.entries().iter().find(|entry| entry.key == key)?;
        (!matches!(entry.value.content, Content::Null)).then_some(&entry.value)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text, _) => Some(text),
            _ => None,
        }
    }

    /// The value under a key as what its text says; `None` if it is missing or says nothing.
    pub(crate) fn parse<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.get(key)?.text()?.parse().ok()
    }

    /// The value under a key as text.
    pub(crate) fn string(&self, key: &str) -> Option<String> {
        self.get(key)?.text().map(str::to_owned)
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// What kind of value it is, for messages.
    pub(crate) fn is_a(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Text(..) => "text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }
}

/// The documents of a file. Malformed YAML is reported with its line, and ends the reading: the
/// documents before it are kept. The second answer is whether the file was read to its end.
pub(crate) fn documents(file: &Arc<str>, text: &str, report: &mut Report<'_>) -> (Vec<Document>, bool) {
    let mut reader = TreeReader { report, open: Vec::new(), root: None };
    let mut documents = Vec::new();
    let mut start = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let at = Mark { line: line(error.marker().line()), column: line(error.marker().col() + 1) };
                let what = error.info();
                reader
                    .report
                    .at(at, format!("this is not YAML: {}", what.lines().next().unwrap_or_default()));
                return (documents, false);
            }
        };
        match event {
            Event::DocumentStart(true, _) => start = span.end.byte_offset().unwrap_or(start),
            Event::DocumentEnd => {
                let end = span.start.byte_offset().unwrap_or(text.len());
                let written = text.get(start..end).unwrap_or_default().trim();
                start = end;
                if let Some(root) = reader.root.take()
                    && !matches!(root.content, Content::Null)
                {
                    documents.push(Document { file: file.clone(), text: format!("{written}\n"), root });
                }
            }
            event => reader.take(event, span),
        }
    }
    (documents, true)
}

/// Builds one document's tree from the parser's events.
struct TreeReader<'a, 'b> {
    report: &'a mut Report<'b>,
    open: Vec<Open>,
    root: Option<Node>,
}

/// A list or a map whose end was not seen yet.
struct Open {
    at: Mark,
    what: OpenContent,
}

enum OpenContent {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, lines: HashMap<String, u32>, key: Option<Key> },
}

/// A key that waits for its value; a second one of the same name is dropped with its value.
struct Key {
    at: Mark,
    name: String,
    kept: bool,
}

impl TreeReader<'_, '_> {
    fn take(&mut self, event: Event<'_>, span: Span) {
        let at = Mark { line: line(span.start.line()), column: line(span.start.col() + 1) };
        match event {
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                let content = match text.as_ref() {
                    "" | "~" | "null" if plain => Content::Null,
                    text => Content::Text(text.to_owned(), !plain),
                };
                self.attach(Node { at, content });
            }
            Event::SequenceStart(..) => self.open.push(Open { at, what: OpenContent::List(Vec::new()) }),
            Event::MappingStart(..) => {
                let what = OpenContent::Map { entries: Vec::new(), lines: HashMap::new(), key: None };
                self.open.push(Open { at, what });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let content = match open.what {
                        OpenContent::List(items) => Content::List(items),
                        OpenContent::Map { entries, .. } => Content::Map(entries),
                    };
                    self.attach(Node { at: open.at, content });
                }
            }
            Event::Alias(_) => {
                self.report.at(at, "an alias is not read here: write the value out");
                self.attach(Node { at, content: Content::Null });
            }
            _ => {}
        }
    }

    fn attach(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.what {
            OpenContent::List(items) => items.push(node),
            OpenContent::Map { entries, lines, key } => match key.take() {
                Some(Key { at, name, kept: true }) => entries.push(Entry { at, key: name, value: node }),
                Some(_) => {}
                None => {
                    let name = match node.content {
                        Content::Text(text, _) => text,
                        Content::Null => "null".to_owned(),
                        _ => {
                            self.report.at(node.at, "a key is a name, and not a list or a map");
                            String::new()
                        }
                    };
                    let first = lines.get(&name).copied();
                    if let Some(first) = first.filter(|_| !name.is_empty()) {
                        let what =
                            format!("`{name}` stands twice in one map, first on line {first}: remove one");
                        self.report.at(node.at, what);
                    } else {
                        lines.insert(name.clone(), node.at.line);
                    }
                    let kept = first.is_none() && !name.is_empty();
                    *key = Some(Key { at: node.at, name, kept });
                }
            },
        }
    }
}

fn line(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Document>, Vec<String>) {
        let file: Arc<str> = "a.yaml".into();
        let mut problems = Vec::new();
        let (documents, _) = documents(&file, text, &mut Report::new(&file, &mut problems));
        (documents, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_value_keeps_its_line() {
        let (documents, problems) =
            read("# first\nname: a\n---\n# second\nname: b\nkeys: {x: 'int32', y: [1, ~]}\n");
        assert!(problems.is_empty());
        assert_eq!(documents[0].text, "# first\nname: a\n");
        assert_eq!(documents[1].text, "# second\nname: b\nkeys: {x: 'int32', y: [1, ~]}\n");
        let keys = documents[1].root.get("keys").unwrap();
        assert_eq!(keys.get("x").unwrap().at, Mark { line: 6, column: 11 });
        assert_eq!(keys.get("y").unwrap().items().len(), 2);
        assert_eq!(documents[0].root.string("name").as_deref(), Some("a"));
    }

    #[test]
    fn malformed_yaml_names_its_line_and_keeps_the_documents_before_it() {
        let (documents, problems) = read("name: a\n---\nname: [b\nother: c\n");
        assert_eq!(documents.len(), 1);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("a.yaml:"), "{problems:?}");
        assert!(problems[0].contains(": this is not YAML: "), "{problems:?}");
    }

    #[test]
    fn a_key_that_stands_twice_is_reported_and_the_first_is_kept() {
        let (documents, problems) = read("name: a\nttl: 1d\nname: {b: c}\n");
        assert_eq!(problems, ["a.yaml:3: `name` stands twice in one map, first on line 1: remove one"]);
        assert_eq!(documents[0].root.string("name").as_deref(), Some("a"));
    }
}
