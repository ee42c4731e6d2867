//! What an expression of Python stands for while a function is followed: a column, a frame of columns, a list, a module.

use feature::excerpt;

use super::column_sql::{ColumnSql, Refusal};
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

/// The value of an expression, or the code that stands in the way.
pub(crate) type Found<'a> = Result<Value<'a>, Refused>;

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

    /// The same columns as pandas has them.
    pub(crate) fn of_pandas(self) -> Self {
        let columns = self.columns.into_iter();
        Self { columns: columns.map(|(name, column)| (name, column.map(ColumnSql::of_pandas))).collect() }
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

/// A column, or why there is none.
pub(crate) fn made<'a>(node: &Node, made: Result<ColumnSql, Refusal>) -> Found<'a> {
    made.map(Value::Column).map_err(|why| Refused::because(node, &why))
}

/// The same of a call, whose function may not be known.
pub(crate) fn called<'a>(node: &Node, called: Option<Result<ColumnSql, Refusal>>) -> Found<'a> {
    called.map_or_else(|| Err(Refused::node(node)), |result| made(node, result))
}

/// A column of a frame.
pub(crate) fn column_of<'a>(node: &Node, frame: &Frame, name: &str) -> Found<'a> {
    frame.get(name).ok_or_else(|| unknown(node, frame, name))?.clone().map(Value::Column)
}

pub(crate) fn unknown(node: &Node, frame: &Frame, name: &str) -> Refused {
    let known: Vec<&str> = frame.names().collect();
    Refused::because(node, &format!("there is no column `{name}`, only {}", known.join(", ")))
}

/// The cases one within the other, from the last to the first.
pub(crate) fn chosen(
    cases: &[(ColumnSql, Option<ColumnSql>)],
    otherwise: Option<ColumnSql>,
) -> Result<ColumnSql, Refusal> {
    let mut rest = otherwise;
    for (test, then) in cases.iter().rev() {
        rest = Some(test.choose(then.as_ref(), rest.as_ref())?);
    }
    rest.ok_or_else(|| "a choice of nothing".to_owned())
}

/// A value as a column.
pub(crate) fn as_column(node: &Node, value: Value<'_>) -> Result<ColumnSql, Refused> {
    match value {
        Value::Column(column) | Value::Named(_, column) => Ok(column),
        // `[x]` of a function that is called with one row.
        Value::List(items) => match <[Value<'_>; 1]>::try_from(items) {
            Ok([item]) => as_column(node, item),
            Err(_) => Err(Refused::node(node)),
        },
        Value::Cases(cases) => chosen(&cases, None).map_err(|why| Refused::because(node, &why)),
        _ => Err(Refused::node(node)),
    }
}
