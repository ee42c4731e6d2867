//! Where the keys of a document stand, so that a change can be reported at its own line.

use crate::problem::Mark;
use crate::yaml::Node;

/// The positions of a document's keys, two maps deep, and of the document itself.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct KeyPositions {
    start: Mark,
    keys: Vec<(Vec<String>, Mark)>,
}

impl KeyPositions {
    pub(crate) fn of(root: &Node) -> KeyPositions {
        let mut keys = Vec::new();
        for outer in root.entries() {
            keys.push((vec![outer.key.clone()], outer.at));
            for inner in outer.value.entries() {
                keys.push((vec![outer.key.clone(), inner.key.clone()], inner.at));
            }
        }
        KeyPositions { start: root.at, keys }
    }

    /// Whether the document has this key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(path, _)| path.as_slice() == [key])
    }

    /// The index of the innermost key that holds what stands at this path of a canonical form.
    pub(crate) fn at(&self, path: &[String]) -> Mark {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let written = match path.as_slice() {
            ["outputs", ..] => vec!["features"],
            ["source", "columns", column] => vec!["schema", column],
            ["source", rest @ ..] => rest.to_vec(),
            ["entity", "keys", rest @ ..] => [&["keys"], rest].concat(),
            path => path.to_vec(),
        };
        let holds = |key: &&(Vec<String>, Mark)| {
            key.0.len() <= written.len() && key.0.iter().zip(&written).all(|(a, b)| a == b)
        };
        let innermost = self.keys.iter().filter(holds).max_by_key(|(key, _)| key.len());
        innermost.map_or(self.start, |(_, at)| *at)
    }
}
