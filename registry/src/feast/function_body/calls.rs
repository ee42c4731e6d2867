//! What a call in a function gives: of Python's own names, of modules, and of columns, texts, times and frames.

use super::{Body, Call};
use crate::feast::column_sql::{ColumnSql, Without};
use crate::feast::python_calls::{column_method, converted, function, text_method};
use crate::feast::python_literal::{last_name, text_of, texts_of};
use crate::feast::python_tree::{Argument, Expression, Keyword, Node};
use crate::feast::python_value::{
    Found, Frame, Refused, Value, as_column, called, chosen, column_of, made, unknown,
};

impl<'a> Body<'a> {
    pub(super) fn call(&self, func: &'a Node, call: Call<'a>) -> Found<'a> {
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
        made(node, column.bounded(&found, Without::Value))
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
