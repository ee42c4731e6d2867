//! Follows a Python function from its inputs to the columns that it returns, and writes each as a SQL expression. Code
//! without a translation spoils the columns that depend on it, and no others.

mod calls;

use std::collections::BTreeMap;

use super::column_sql::{ColumnSql, Missing, Refusal};
use super::python_calls::time_part;
use super::python_literal::{constant, is_without_effect, module_attribute, text_of};
use super::python_tree::{
    Alias, Expression, Generator, Keyword, Node, Operator, PythonFunction, Statement, StatementNode,
};
use super::python_value::{Found, Frame, Refused, Value, as_column, called, column_of, made, unknown};

/// Python's own names that are known here.
const BUILT_IN: [&str; 12] =
    ["float", "int", "str", "bool", "abs", "len", "min", "max", "pow", "zip", "list", "round"];

/// Why a number of pandas is not compared with `None`.
const NEVER_NONE: &str = "a number that is missing is NaN in pandas and never None";

/// The columns that a function returns for these inputs.
pub(crate) fn returned(python: &PythonFunction, inputs: Frame) -> Result<Frame, Refused> {
    let line = python.at.as_ref().map_or(0, |at| at.line);
    let Some(tree) = &python.tree else {
        return Err(Refused { line, what: "a function whose text is not to be had".to_owned() });
    };
    let [parameter] = tree.args.args.as_slice() else {
        return Err(Refused { line, what: "a function of several parameters".to_owned() });
    };
    let missing = match python.mode.as_str() {
        "pandas" | "python" => Missing::IsFalse,
        "spark" => Missing::IsNull,
        mode => return Err(Refused { line, what: format!("a function of the mode `{mode}`") }),
    };
    let mut body = Body { python, names: BTreeMap::new(), missing, current: None };
    let inputs = if missing == Missing::IsFalse { inputs.of_pandas() } else { inputs };
    body.names.insert(parameter.arg.clone(), Ok(Value::Frame(inputs)));
    for statement in &tree.body {
        if let Some(answer) = body.run(statement)? {
            return match answer {
                Value::Frame(frame) => Ok(frame),
                _ => Err(Refused::text(statement.line, &statement.text)),
            };
        }
    }
    Err(Refused { line, what: "a function that returns nothing".to_owned() })
}

/// A call, and what it is called with.
#[derive(Clone, Copy)]
struct Call<'a> {
    node: &'a Node,
    args: &'a [Node],
    keywords: &'a [Keyword],
}

impl<'a> Call<'a> {
    fn keyword(&self, name: &str) -> Option<&'a Node> {
        let named = |keyword: &&Keyword| keyword.arg.as_deref() == Some(name);
        self.keywords.iter().find(named).map(|keyword| &keyword.value)
    }
}

#[derive(Clone)]
struct Body<'a> {
    python: &'a PythonFunction,
    names: BTreeMap<String, Found<'a>>,
    missing: Missing,
    /// The frame whose columns `col(…)` of Spark names.
    current: Option<Frame>,
}

impl<'a> Body<'a> {
    /// Follows a statement; the value that it returns, if it does.
    fn run(&mut self, node: &'a StatementNode) -> Result<Option<Value<'a>>, Refused> {
        let refused = || Refused::text(node.line, &node.text);
        match &node.statement {
            Statement::Assign { targets, value } => {
                let value = self.value(value);
                targets.iter().try_for_each(|target| self.assign(target, value.clone()))?;
            }
            Statement::AnnAssign { target, value: Some(value) } => {
                let value = self.value(value);
                self.assign(target, value)?;
            }
            Statement::AnnAssign { value: None, .. } | Statement::Pass => {}
            Statement::AugAssign { target, op, value } => {
                let result = self.value(target).and_then(|left| {
                    let right = self.value(value)?;
                    self.binary(target, left, &op.node, right)
                });
                self.assign(target, result)?;
            }
            Statement::Expr { value } if is_without_effect(value) => {}
            Statement::Return { value: Some(value) } => return self.value(value).map(Some),
            Statement::Import { names } => names.iter().for_each(|alias| self.import(alias, None)),
            Statement::ImportFrom { module: Some(module), names } => {
                names.iter().for_each(|alias| self.import(alias, Some(module)));
            }
            _ => return Err(refused()),
        }
        Ok(None)
    }

    fn import(&mut self, alias: &Alias, module: Option<&String>) {
        let path = match module {
            Some(module) => format!("{module}.{}", alias.name),
            None => alias.name.clone(),
        };
        let name = alias.asname.as_ref().unwrap_or(&alias.name);
        self.names.insert(name.clone(), Ok(Value::Path(path)));
    }

    fn assign(&mut self, target: &'a Node, value: Found<'a>) -> Result<(), Refused> {
        match &target.expression {
            Expression::Name { id } => {
                self.names.insert(id.clone(), value);
                Ok(())
            }
            Expression::Subscript { value: owner, slice } => {
                let Expression::Name { id } = &owner.expression else { return Err(Refused::node(target)) };
                let Some(column) = text_of(slice) else { return Err(Refused::node(target)) };
                let value = value.and_then(|value| as_column(target, value));
                match self.names.get_mut(id) {
                    Some(Ok(Value::Frame(frame))) => frame.set(&column, value),
                    Some(Err(refused)) => return Err(refused.clone()),
                    _ => return Err(Refused::node(target)),
                }
                Ok(())
            }
            _ => Err(Refused::node(target)),
        }
    }

    fn column(&self, node: &'a Node) -> Result<ColumnSql, Refused> {
        as_column(node, self.value(node)?)
    }

    /// A column, or nothing where it is missing.
    fn optional(&self, node: &'a Node) -> Result<Option<ColumnSql>, Refused> {
        match self.value(node)? {
            Value::Missing => Ok(None),
            value => as_column(node, value).map(Some),
        }
    }

    fn value(&self, node: &'a Node) -> Found<'a> {
        match &node.expression {
            Expression::Name { id } => self.name(node, id),
            Expression::Constant { value } => constant(value).ok_or_else(|| Refused::node(node)),
            Expression::Attribute { value, attr } => self.attribute(node, value, attr),
            Expression::Subscript { value, slice } => self.subscript(node, value, slice),
            Expression::Call { func, args, keywords } => self.call(func, Call { node, args, keywords }),
            Expression::BinOp { left, op, right } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.binary(node, left, &op.node, right)
            }
            Expression::UnaryOp { op, operand } => {
                let operand = self.column(operand)?;
                match op.node.as_str() {
                    "USub" => made(node, operand.negate()),
                    "UAdd" => made(node, operand.number()),
                    "Not" | "Invert" => made(node, operand.not()),
                    _ => Err(Refused::node(node)),
                }
            }
            Expression::BoolOp { op, values } => {
                let mut all = values.iter().map(|value| self.column(value));
                let first = all.next().unwrap_or_else(|| Err(Refused::node(node)))?;
                let joined = all.try_fold(first, |left, right| {
                    let right = right?;
                    let joined = if op.node == "And" { left.and(&right) } else { left.or(&right) };
                    joined.map_err(|why| Refused::because(node, &why))
                });
                joined.map(Value::Column)
            }
            Expression::Compare { left, ops, comparators } => self.compare(node, left, ops, comparators),
            Expression::IfExp { test, body, orelse } => {
                let test = self.column(test)?;
                let (then, otherwise) = (self.optional(body)?, self.optional(orelse)?);
                made(node, test.choose(then.as_ref(), otherwise.as_ref()))
            }
            Expression::List { elts } | Expression::Tuple { elts } => {
                elts.iter().map(|item| self.value(item)).collect::<Result<_, _>>().map(Value::List)
            }
            Expression::Dict { keys, values } => self.dictionary(node, keys, values),
            Expression::ListComp { elt, generators } => self.list(node, elt, generators),
            Expression::Lambda { args, body } => Ok(Value::Lambda(&args.args, body)),
            Expression::Other => Err(Refused::node(node)),
        }
    }

    fn name(&self, node: &Node, id: &str) -> Found<'a> {
        if let Some(value) = self.names.get(id) {
            return value.clone();
        }
        if let Some(path) = self.python.names.get(id).and_then(|meaning| meaning.path.as_ref()) {
            return Ok(Value::Path(path.clone()));
        }
        match BUILT_IN.contains(&id) {
            true => Ok(Value::Path(id.to_owned())),
            false => Err(Refused::node(node)),
        }
    }

    fn attribute(&self, node: &'a Node, owner: &'a Node, attribute: &str) -> Found<'a> {
        match self.value(owner)? {
            Value::Path(path) => Ok(module_attribute(&path, attribute)),
            Value::Frame(frame) => column_of(node, &frame, attribute),
            Value::Column(column) if ["str", "dt"].contains(&attribute) => {
                Ok(Value::Accessor(column, attribute.to_owned()))
            }
            Value::Column(column) if ["values", "array"].contains(&attribute) => Ok(Value::Column(column)),
            Value::Accessor(column, accessor) if accessor == "dt" => {
                called(node, time_part(&column, attribute))
            }
            Value::Column(column) => called(node, time_part(&column, attribute)),
            _ => Err(Refused::node(node)),
        }
    }

    fn subscript(&self, node: &'a Node, owner: &'a Node, slice: &'a Node) -> Found<'a> {
        let owner = self.value(owner)?;
        match (owner, &slice.expression) {
            (Value::Frame(frame), Expression::List { elts }) => {
                let mut chosen = Frame::default();
                for item in elts {
                    let name = text_of(item).ok_or_else(|| Refused::node(node))?;
                    let column = frame.get(&name).cloned().ok_or_else(|| unknown(node, &frame, &name))?;
                    chosen.set(&name, column);
                }
                Ok(Value::Frame(chosen))
            }
            (Value::Frame(frame), _) => match text_of(slice) {
                Some(name) => column_of(node, &frame, &name),
                None => Err(Refused::node(node)),
            },
            // `inputs["x"][0]` of a function that is called with lists of one value.
            (Value::Column(column), Expression::Constant { value }) if value.text == "0" => {
                Ok(Value::Column(column))
            }
            _ => Err(Refused::node(node)),
        }
    }

    fn binary(&self, node: &Node, left: Value<'a>, operator: &str, right: Value<'a>) -> Found<'a> {
        let (left, right) = (as_column(node, left)?, as_column(node, right)?);
        let result = match operator {
            "Add" => left.add(&right),
            "Sub" => left.subtract(&right),
            "Mult" => left.multiply(&right),
            "Div" => left.divide(&right),
            "Mod" => left.remainder(&right),
            "FloorDiv" => left.floor_divide(&right),
            "Pow" => left.power(&right),
            "BitAnd" => left.and(&right),
            "BitOr" => left.or(&right),
            _ => return Err(Refused::node(node)),
        };
        result.map(Value::Column).map_err(|why| Refused::because(node, &why))
    }

    fn compare(
        &self,
        node: &'a Node,
        left: &'a Node,
        operators: &'a [Operator],
        others: &'a [Node],
    ) -> Found<'a> {
        let mut left = self.optional(left)?;
        let mut all: Option<ColumnSql> = None;
        for (operator, other) in operators.iter().zip(others) {
            let refused = |why: Refusal| Refused::because(node, &why);
            let a = left.as_ref().ok_or_else(|| Refused::node(node))?;
            let (found, next) = match (operator.node.as_str(), self.value(other)?) {
                (_, Value::Missing) if self.python.mode == "pandas" && a.is_number() => {
                    return Err(refused(NEVER_NONE.to_owned()));
                }
                ("Is" | "Eq", Value::Missing) => (Ok(a.is_null()), None),
                ("IsNot" | "NotEq", Value::Missing) => (Ok(a.is_not_null()), None),
                ("In" | "NotIn", Value::List(items)) => {
                    let items: Vec<ColumnSql> =
                        items.into_iter().map(|item| as_column(node, item)).collect::<Result<_, _>>()?;
                    let among = a.among(&items, self.missing);
                    (if operator.node == "NotIn" { among.and_then(|among| among.not()) } else { among }, None)
                }
                (operator, value) => {
                    let sql = match operator {
                        "Eq" => "=",
                        "NotEq" => "<>",
                        "Lt" => "<",
                        "LtE" => "<=",
                        "Gt" => ">",
                        "GtE" => ">=",
                        _ => return Err(Refused::node(node)),
                    };
                    let b = as_column(node, value)?;
                    (a.compare(sql, &b, self.missing), Some(b))
                }
            };
            let found = found.map_err(refused)?;
            all = Some(match all {
                Some(all) => all.and(&found).map_err(refused)?,
                None => found,
            });
            left = next;
        }
        all.map(Value::Column).ok_or_else(|| Refused::node(node))
    }

    fn dictionary(&self, node: &'a Node, keys: &'a [Option<Node>], values: &'a [Node]) -> Found<'a> {
        let mut frame = Frame::default();
        for (key, value) in keys.iter().zip(values) {
            let name = key.as_ref().and_then(text_of).ok_or_else(|| Refused::node(node))?;
            frame.set(&name, self.column(value));
        }
        Ok(Value::Frame(frame))
    }

    /// A list comprehension over the values of columns: the expression of each value is that of the column.
    fn list(&self, node: &'a Node, element: &'a Node, generators: &'a [Generator]) -> Found<'a> {
        let [Generator { target, iter, ifs }] = generators else { return Err(Refused::node(node)) };
        if !ifs.is_empty() {
            return Err(Refused::because(node, "it leaves rows out"));
        }
        let mut inner = self.clone();
        match (self.value(iter)?, &target.expression) {
            (Value::Rows(columns), Expression::Tuple { elts }) if columns.len() == elts.len() => {
                for (column, target) in columns.into_iter().zip(elts) {
                    inner.assign(target, Ok(Value::Column(column)))?;
                }
            }
            (Value::Column(column), Expression::Name { .. }) => {
                inner.assign(target, Ok(Value::Column(column)))?
            }
            _ => return Err(Refused::node(node)),
        }
        inner.column(element).map(Value::Column)
    }
}
