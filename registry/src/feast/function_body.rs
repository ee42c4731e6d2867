//! Follows a Python function from its inputs to the columns that it returns, and writes each as a SQL expression. Code
//! without a translation spoils the columns that depend on it, and no others.

use std::collections::BTreeMap;

use super::column_sql::{ColumnSql, Missing, Refusal};
use super::python_calls::{column_method, converted, function, text_method, time_part};
use super::python_literal::{constant, is_without_effect, last_name, module_attribute, text_of, texts_of};
use super::python_tree::{
    Alias, Argument, Expression, Generator, Keyword, Node, Operator, PythonFunction, Statement, StatementNode,
};
use super::python_value::{
    Found, Frame, Refused, Value, as_column, called, chosen, column_of, made, unknown,
};

/// Python's own names that are known here.
const BUILT_IN: [&str; 12] =
    ["float", "int", "str", "bool", "abs", "len", "min", "max", "pow", "zip", "list", "round"];

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

    fn call(&self, func: &'a Node, call: Call<'a>) -> Found<'a> {
        let Call { node, args, keywords } = call;
        if let Expression::Attribute { value: owner, attr } = &func.expression {
            match self.value(owner)? {
                Value::Path(_) => {}
                Value::Frame(frame) => return self.frame_method(frame, attr, call),
                Value::Column(column) | Value::Named(_, column) => {
                    return self.method(&column, attr, call);
                }
                Value::Accessor(column, accessor) if accessor == "str" => {
                    let arguments: Vec<ColumnSql> = self.columns(args)?;
                    return called(node, text_method(&column, attr, &arguments));
                }
                Value::Cases(cases) => return self.case(node, cases, attr, args),
                _ => return Err(Refused::node(node)),
            }
        }
        let Value::Path(path) = self.value(func)? else { return Err(Refused::node(node)) };
        match (path.as_str(), args) {
            ("zip", _) => self.columns(args).map(Value::Rows),
            ("list", [of]) => self.value(of),
            ("pandas.DataFrame", []) if keywords.is_empty() => Ok(Value::Frame(Frame::default())),
            ("pandas.DataFrame" | "dict", [of]) => match self.value(of)? {
                Value::Frame(frame) => Ok(Value::Frame(frame)),
                _ => Err(Refused::node(node)),
            },
            ("pandas.Series" | "numpy.array" | "numpy.asarray", [of]) => self.column(of).map(Value::Column),
            ("numpy.where", [test, then, otherwise]) => {
                let test = self.column(test)?;
                let (then, otherwise) = (self.optional(then)?, self.optional(otherwise)?);
                made(node, test.choose(then.as_ref(), otherwise.as_ref()))
            }
            (path, args) => match path.strip_prefix("pyspark.sql.functions.") {
                Some("col" | "column") => match (&self.current, args.first().and_then(text_of)) {
                    (Some(frame), Some(name)) => column_of(node, frame, &name),
                    _ => Err(Refused::node(node)),
                },
                Some("lit") => args.first().map_or_else(|| Err(Refused::node(node)), |of| self.value(of)),
                Some("when") => self.case(node, Vec::new(), "when", args),
                _ => called(node, function(path, &self.columns(args)?)),
            },
        }
    }

    fn columns(&self, nodes: &'a [Node]) -> Result<Vec<ColumnSql>, Refused> {
        nodes.iter().map(|node| self.column(node)).collect()
    }

    fn method(&self, column: &ColumnSql, method: &str, call: Call<'a>) -> Found<'a> {
        let Call { node, args, .. } = call;
        match (method, args) {
            ("alias", [name]) => {
                let name = text_of(name).ok_or_else(|| Refused::node(node))?;
                Ok(Value::Named(name, column.clone()))
            }
            ("astype" | "cast", [to]) => {
                let name = match self.value(to)? {
                    Value::Column(ColumnSql { text: Some(name), .. }) => name,
                    Value::Path(path) => path,
                    _ => return Err(Refused::node(node)),
                };
                made(node, converted(column, &name))
            }
            ("apply" | "map", [of]) => match self.value(of)? {
                Value::Lambda(arguments, body) => {
                    self.applied(node, arguments, Value::Column(column.clone()), body)
                }
                Value::Path(path) => called(node, function(&path, std::slice::from_ref(column))),
                _ => Err(Refused::node(node)),
            },
            ("isin", [of]) => match self.value(of)? {
                Value::List(items) => {
                    let items = items.into_iter().map(|item| as_column(node, item));
                    made(node, column.among(&items.collect::<Result<Vec<_>, _>>()?, self.missing))
                }
                _ => Err(Refused::node(node)),
            },
            ("clip", _) => {
                let lower = args.first().or_else(|| call.keyword("lower"));
                let upper = args.get(1).or_else(|| call.keyword("upper"));
                self.clipped(node, column, [lower, upper])
            }
            ("where" | "mask", [test, other]) => {
                let (test, other) = (self.column(test)?, self.optional(other)?);
                made(
                    node,
                    match method {
                        "where" => test.choose(Some(column), other.as_ref()),
                        _ => test.choose(other.as_ref(), Some(column)),
                    },
                )
            }
            _ => called(node, column_method(column, method, &self.columns(args)?, self.missing)),
        }
    }

    fn clipped(&self, node: &Node, column: &ColumnSql, bounds: [Option<&'a Node>; 2]) -> Found<'a> {
        let mut found = Vec::new();
        for (bound, function) in bounds.into_iter().zip(["greatest", "least"]) {
            if let Some(bound) = bound.map(|bound| self.optional(bound)).transpose()?.flatten() {
                found.push((function, bound));
            }
        }
        made(node, column.bounded(&found))
    }

    fn applied(
        &self,
        node: &'a Node,
        arguments: &'a [Argument],
        value: Value<'a>,
        body: &'a Node,
    ) -> Found<'a> {
        let [argument] = arguments else { return Err(Refused::node(node)) };
        let mut inner = self.clone();
        inner.names.insert(argument.arg.clone(), Ok(value));
        inner.value(body)
    }

    fn case(
        &self,
        node: &'a Node,
        mut cases: Vec<(ColumnSql, Option<ColumnSql>)>,
        method: &str,
        args: &'a [Node],
    ) -> Found<'a> {
        match (method, args) {
            ("when", [test, then]) => {
                cases.push((self.column(test)?, self.optional(then)?));
                Ok(Value::Cases(cases))
            }
            ("otherwise", [otherwise]) => made(node, chosen(&cases, self.optional(otherwise)?)),
            _ => Err(Refused::node(node)),
        }
    }

    fn frame_method(&self, mut frame: Frame, method: &str, call: Call<'a>) -> Found<'a> {
        let Call { node, args, keywords } = call;
        let inner = Body { current: Some(frame.clone()), ..self.clone() };
        match (method, args) {
            ("copy" | "reset_index" | "toDF", []) => {}
            // A row of `apply` is a frame of which each column is one value.
            ("apply", [of]) if call.keyword("axis").is_some_and(|axis| axis.text == "1") => {
                let Value::Lambda(arguments, body) = self.value(of)? else { return Err(Refused::node(node)) };
                return self.applied(node, arguments, Value::Frame(frame), body);
            }
            ("get", [name] | [name, _]) => {
                let name = text_of(name).ok_or_else(|| Refused::node(node))?;
                return column_of(node, &frame, &name);
            }
            ("withColumn", [name, value]) => {
                let name = text_of(name).ok_or_else(|| Refused::node(node))?;
                let column = inner.column(value);
                frame.set(&name, column);
            }
            ("withColumnRenamed", [from, to]) => match (text_of(from), text_of(to)) {
                (Some(from), Some(to)) => frame.rename(&from, &to),
                _ => return Err(Refused::node(node)),
            },
            ("drop", _) => {
                let listed = keywords.iter().filter(|keyword| keyword.arg.as_deref() == Some("columns"));
                for name in args.iter().chain(listed.map(|keyword| &keyword.value)).flat_map(texts_of) {
                    frame.remove(&name);
                }
            }
            ("assign", []) => {
                for Keyword { arg, value } in keywords {
                    let name = arg.as_deref().ok_or_else(|| Refused::node(node))?;
                    let column = match self.value(value) {
                        Ok(Value::Lambda(arguments, body)) => self
                            .applied(node, arguments, Value::Frame(frame.clone()), body)
                            .and_then(|value| as_column(node, value)),
                        found => found.and_then(|value| as_column(node, value)),
                    };
                    frame.set(name, column);
                }
            }
            ("select", _) => {
                let mut chosen = Frame::default();
                for arg in args {
                    match (text_of(arg), inner.value(arg)) {
                        (Some(name), _) => {
                            chosen.set(
                                &name,
                                frame.get(&name).cloned().ok_or_else(|| unknown(node, &frame, &name))?,
                            );
                        }
                        (None, Ok(Value::Named(name, column))) => chosen.set(&name, Ok(column)),
                        (None, Ok(Value::Column(column))) => match last_name(arg) {
                            Some(name) => chosen.set(&name, Ok(column)),
                            None => return Err(Refused::node(node)),
                        },
                        (None, Err(refused)) => return Err(refused),
                        _ => return Err(Refused::node(node)),
                    }
                }
                frame = chosen;
            }
            _ => return Err(Refused::node(node)),
        }
        Ok(Value::Frame(frame))
    }
}
