//! What an expression of Python stands for while a function is followed: a column, a frame of columns, a list, a module.

use feature::excerpt;

use super::column_sql::ColumnSql;
use super::python_tree::Node;

/// As much of the code as a message shows.
const LONGEST_SHOWN_CHARS: usize = 100;

/// Code without a translation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) line: u32,
    /// What it is, as in "`round(x)`: numpy rounds halves to even".
    pub(crate) what: String,
}

impl Refused {
    pub(crate) fn node(node: &Node) -> Refused {
        Refused { line: node.line, what: shown(&node.text) }
    }

    pub(crate) fn because(node: &Node, why: &str) -> Refused {
        Refused { line: node.line, what: format!("{}: {why}", shown(&node.text)) }
    }

    pub(crate) fn text(line: u32, text: &str) -> Refused {
        Refused { line, what: shown(text) }
    }
}

fn shown(text: &str) -> String {
    format!("`{}`", excerpt(text, LONGEST_SHOWN_CHARS))
}

/// The value of an expression.
#[derive(Clone)]
pub(crate) enum Value<'a> {
    Column(ColumnSql),
    /// A column with a name of its own, as `alias` gives it.
    Named(String, ColumnSql),
    /// `None` or NaN.
    Missing,
    Frame(Frame),
    List(Vec<Value<'a>>),
    /// Rows of these columns, as `zip` gives them.
    Rows(Vec<ColumnSql>),
    /// A module, a function or a class by its path.
    Path(String),
    /// `x.str` or `x.dt` of a column.
    Accessor(ColumnSql, String),
    /// `when(…)` of Spark without its `otherwise`: conditions and values.
    Cases(Vec<(ColumnSql, Option<ColumnSql>)>),
    Lambda(&'a [super::python_tree::Argument], &'a Node),
}

/// Columns by their names, in order. A column whose code has no translation is there with the reason.
#[derive(Clone, Default)]
pub(crate) struct Frame {
    columns: Vec<(String, Result<ColumnSql, Refused>)>,
}

impl Frame {
    pub(crate) fn set(&mut self, name: &str, column: Result<ColumnSql, Refused>) {
        match self.columns.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = column,
            None => self.columns.push((name.to_owned(), column)),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Result<ColumnSql, Refused>> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, column)| column)
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.columns.retain(|(known, _)| known != name);
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        if let Some(column) = self.get(from).cloned() {
            self.remove(from);
            self.set(to, column);
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }
}
