//! The part of Python's syntax that functions on columns are written in. All other nodes are read as
//! [`Expression::Other`] and [`Statement::Other`], which have a line and a text to report.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::code_line::CodeLine;

/// A function that transforms the rows of a view.
#[derive(Deserialize)]
pub(crate) struct PythonFunction {
    /// What runs it: `pandas`, `python`, `spark`, …
    pub(crate) mode: String,
    pub(crate) at: Option<CodeLine>,
    /// Absent where its text is not that of one function.
    pub(crate) tree: Option<Definition>,
    /// What the names outside of it mean.
    pub(crate) names: BTreeMap<String, Meaning>,
}

/// What a name outside of a function stands for.
#[derive(Clone, Deserialize)]
pub(crate) struct Meaning {
    /// A module or a function by its path, as `numpy` or `pyspark.sql.functions.col`.
    pub(crate) path: Option<String>,
}

/// A constant, as Python writes it.
#[derive(Clone, Deserialize)]
pub(crate) struct Constant {
    #[serde(rename = "type")]
    pub(crate) class: String,
    pub(crate) text: String,
}

#[derive(Deserialize)]
pub(crate) struct Definition {
    pub(crate) args: Arguments,
    pub(crate) body: Vec<StatementNode>,
}

#[derive(Deserialize)]
pub(crate) struct Arguments {
    pub(crate) args: Vec<Argument>,
}

#[derive(Deserialize)]
pub(crate) struct Argument {
    pub(crate) arg: String,
}

#[derive(Deserialize)]
pub(crate) struct StatementNode {
    pub(crate) line: u32,
    #[serde(default)]
    pub(crate) text: String,
    #[serde(flatten)]
    pub(crate) statement: Statement,
}

#[derive(Deserialize)]
#[serde(tag = "node")]
pub(crate) enum Statement {
    Assign {
        targets: Vec<Node>,
        value: Node,
    },
    AnnAssign {
        target: Node,
        value: Option<Node>,
    },
    AugAssign {
        target: Node,
        op: Operator,
        value: Node,
    },
    Expr {
        value: Node,
    },
    Return {
        value: Option<Node>,
    },
    Import {
        names: Vec<Alias>,
    },
    ImportFrom {
        module: Option<String>,
        names: Vec<Alias>,
    },
    Pass,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub(crate) struct Alias {
    pub(crate) name: String,
    pub(crate) asname: Option<String>,
}

/// An expression with where it stands.
#[derive(Deserialize)]
pub(crate) struct Node {
    pub(crate) line: u32,
    #[serde(default)]
    pub(crate) text: String,
    #[serde(flatten)]
    pub(crate) expression: Expression,
}

#[derive(Deserialize)]
#[serde(tag = "node")]
pub(crate) enum Expression {
    Name {
        id: String,
    },
    Constant {
        value: Constant,
    },
    Attribute {
        value: Box<Node>,
        attr: String,
    },
    Subscript {
        value: Box<Node>,
        slice: Box<Node>,
    },
    Call {
        func: Box<Node>,
        args: Vec<Node>,
        keywords: Vec<Keyword>,
    },
    BinOp {
        left: Box<Node>,
        op: Operator,
        right: Box<Node>,
    },
    UnaryOp {
        op: Operator,
        operand: Box<Node>,
    },
    BoolOp {
        op: Operator,
        values: Vec<Node>,
    },
    Compare {
        left: Box<Node>,
        ops: Vec<Operator>,
        comparators: Vec<Node>,
    },
    IfExp {
        test: Box<Node>,
        body: Box<Node>,
        orelse: Box<Node>,
    },
    List {
        elts: Vec<Node>,
    },
    Tuple {
        elts: Vec<Node>,
    },
    Dict {
        keys: Vec<Option<Node>>,
        values: Vec<Node>,
    },
    ListComp {
        elt: Box<Node>,
        generators: Vec<Generator>,
    },
    Lambda {
        args: Arguments,
        body: Box<Node>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub(crate) struct Keyword {
    pub(crate) arg: Option<String>,
    pub(crate) value: Node,
}

#[derive(Deserialize)]
pub(crate) struct Generator {
    pub(crate) target: Node,
    pub(crate) iter: Node,
    pub(crate) ifs: Vec<Node>,
}

#[derive(Deserialize)]
pub(crate) struct Operator {
    pub(crate) node: String,
}
