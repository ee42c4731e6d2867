//! Which SQL an expression may be: one scalar expression over the columns of one row.
//!
//! What is not named here is refused, so that a new version of the parser adds nothing unseen.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType as SqlType, ExactNumberInfo, Expr, Function, FunctionArguments, Ident, Value,
    Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, TokenizerError};
use feature::{Field, Name};

use crate::error::{ExpressionError, nearest};
use crate::functions;

/// An expression is no longer than this, in characters.
const MAX_CHARACTERS: usize = 16_384;
/// Operators and calls are nested no deeper than this.
const MAX_DEPTH: usize = 128;
/// An expression calls functions that take long on long texts no more often than this.
const MAX_COSTLY_CALLS: usize = 16;

/// The text of an expression by its tokens: two texts that differ only in layout, comments and the
/// case of keywords and unquoted names have the same.
pub fn canonical(sql: &str) -> Result<String, ExpressionError> {
    let tokens = Tokenizer::new(&GenericDialect, sql).with_unescape(false).tokenize().map_err(not_tokens)?;
    let words = tokens.into_iter().filter_map(|token| match token {
        Token::Whitespace(_) | Token::EOF => None,
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_lowercase()),
        token => Some(token.to_string()),
    });
    Ok(words.collect::<Vec<_>>().join(" "))
}

/// An expression that holds only what is allowed, and the columns that it reads.
pub(crate) struct Parsed<'a> {
    pub(crate) expr: Expr,
    pub(crate) columns: Vec<&'a Field>,
    /// How often it reads a column.
    pub(crate) reads: usize,
}

/// Parses an expression over these columns.
pub(crate) fn parse<'a>(sql: &str, schema: &'a [Field]) -> Result<Parsed<'a>, ExpressionError> {
    let characters = sql.chars().count();
    if characters > MAX_CHARACTERS {
        return Err(ExpressionError::TooLong { characters, max: MAX_CHARACTERS });
    }
    let mut expr = match only_a_column(sql, schema) {
        Some(name) => Expr::Identifier(Ident::with_quote('"', name)),
        None => whole(sql)?,
    };
    let mut check = Check { schema, reads: vec![false; schema.len()], depth: 0, column_reads: 0, costly: 0 };
    if let ControlFlow::Break(error) = VisitMut::visit(&mut expr, &mut check) {
        return Err(*error);
    }
    let columns = schema.iter().zip(check.reads).filter_map(|(field, read)| read.then_some(field));
    Ok(Parsed { expr, columns: columns.collect(), reads: check.column_reads })
}

/// A text that is one expression.
fn whole(sql: &str) -> Result<Expr, ExpressionError> {
    let parser = Parser::new(&GenericDialect).with_recursion_limit(MAX_DEPTH);
    let mut parser = parser.try_with_sql(sql).map_err(not_sql)?;
    let expr = parser.parse_expr().map_err(not_sql)?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let at = Some((next.span.start.line, next.span.start.column));
        let message = format!("expected the end of the expression, found: {}", next.token);
        return Err(ExpressionError::Syntax { at, message });
    }
    Ok(expr)
}

/// The column whose bare name is all of an expression. It is that column, also if its name is a keyword of SQL.
fn only_a_column<'a>(sql: &str, schema: &'a [Field]) -> Option<&'a str> {
    let name = sql.trim().to_ascii_lowercase();
    schema.iter().map(|field| field.name.as_str()).find(|column| *column == name)
}

/// A column as a part of an expression: its bare name, in quotes if it is a keyword of SQL, as `user` or `interval`.
pub fn column_in_sql(name: &Name) -> String {
    // `not` is a name by itself, and an operator before an operand.
    let operand = whole(&format!("{name} BETWEEN 0 AND 1"));
    let is_operand =
        matches!(operand, Ok(Expr::Between { expr, .. }) if matches!(*expr, Expr::Identifier(_)));
    let is_name = matches!(whole(name.as_str()), Ok(Expr::Identifier(_)));
    // They are names only where what they begin does not follow.
    let begins_more = ["case", "exists"].contains(&name.as_str());
    if is_name && is_operand && !begins_more { name.to_string() } else { format!("\"{name}\"") }
}

/// The first word of an expression that names a column of this schema, without quotes, and is a keyword of SQL.
pub(crate) fn keyword_column<'a>(sql: &str, schema: &'a [Field]) -> Option<&'a Name> {
    let tokens = Tokenizer::new(&GenericDialect, sql).tokenize().ok()?;
    let words = tokens.into_iter().filter_map(|token| match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_lowercase()),
        _ => None,
    });
    let columns = words.filter_map(|word| schema.iter().find(|field| field.name.as_str() == word));
    columns.map(|field| &field.name).find(|name| column_in_sql(name) != name.as_str())
}

fn not_sql(error: ParserError) -> ExpressionError {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => return ExpressionError::TooDeep { max: MAX_DEPTH },
    };
    let (message, at) = match text.rsplit_once(" at Line: ") {
        Some((message, at)) => (message, at.split_once(", Column: ")),
        None => (text.as_str(), None),
    };
    let at = at.and_then(|(line, column)| Some((line.parse().ok()?, column.trim().parse().ok()?)));
    ExpressionError::Syntax { at, message: sentence(message) }
}

fn not_tokens(error: TokenizerError) -> ExpressionError {
    let at = Some((error.location.line, error.location.column));
    ExpressionError::Syntax { at, message: sentence(&error.message) }
}

fn sentence(message: &str) -> String {
    let message = message.replace("found: EOF", "found its end");
    let mut characters = message.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

struct Check<'a> {
    schema: &'a [Field],
    reads: Vec<bool>,
    depth: usize,
    /// How often a column is read.
    column_reads: usize,
    /// Calls that take long on long texts.
    costly: usize,
}

type Flow = ControlFlow<Box<ExpressionError>>;

fn refuse(error: ExpressionError) -> Flow {
    ControlFlow::Break(Box::new(error))
}

fn not_allowed(what: impl Into<String>) -> Flow {
    refuse(ExpressionError::NotAllowed { what: what.into() })
}

impl VisitorMut for Check<'_> {
    type Break = Box<ExpressionError>;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return refuse(ExpressionError::TooDeep { max: MAX_DEPTH });
        }
        match expr {
            Expr::Identifier(name) => self.column(name),
            Expr::Function(function) => {
                let name = function.name.to_string().to_ascii_lowercase();
                self.costly += usize::from(functions::COSTLY.contains(&name.as_str()));
                if self.costly > MAX_COSTLY_CALLS {
                    return refuse(ExpressionError::TooCostly { max: MAX_COSTLY_CALLS });
                }
                call(function)
            }
            Expr::BinaryOp { op, .. } => operator(op),
            Expr::Cast { data_type, array: false, format: None, .. } => {
                *data_type = sql_type(data_type);
                ControlFlow::Continue(())
            }
            Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
                not_allowed(format!("the placeholder `{value}`"))
            }
            Expr::Value(value) => number(&value.value),
            Expr::AtTimeZone { time_zone, .. } if !is_text(time_zone) => {
                refuse(ExpressionError::ZoneNotConstant { zone: time_zone.to_string() })
            }
            Expr::Like { any: false, .. } | Expr::ILike { any: false, .. } => ControlFlow::Continue(()),
            Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::InList { .. }
            | Expr::Between { .. }
            | Expr::UnaryOp { .. }
            | Expr::AtTimeZone { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Nested(_)
            | Expr::TypedString(_)
            | Expr::Case { .. }
            | Expr::Interval(_) => ControlFlow::Continue(()),
            Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => not_allowed("a subquery"),
            Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. } => {
                not_allowed(format!("the qualified name or field access `{expr}`"))
            }
            _ => not_allowed(format!("`{expr}`")),
        }
    }

    fn post_visit_expr(&mut self, _expr: &mut Expr) -> Flow {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

impl Check<'_> {
    fn column(&mut self, ident: &Ident) -> Flow {
        let name = name_of(ident);
        let index = self.schema.iter().position(|field| field.name.as_str() == name);
        match index.and_then(|index| self.reads.get_mut(index)) {
            Some(read) => {
                *read = true;
                self.column_reads += 1;
                ControlFlow::Continue(())
            }
            None => refuse(match ExpressionError::unknown_column(name, self.schema) {
                ExpressionError::UnknownColumn { name, nearest: None, .. }
                    if ident.quote_style == Some('"') =>
                {
                    ExpressionError::QuotedText { name }
                }
                unknown => unknown,
            }),
        }
    }
}

/// The column that an identifier names.
fn name_of(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// The first part of an expression that `wrong` says something of, the smallest ones first.
pub(crate) fn first_part<T>(expr: &Expr, wrong: impl FnMut(&Expr) -> Option<T>) -> Option<(Expr, T)> {
    struct Parts<F>(F);

    impl<T, F: FnMut(&Expr) -> Option<T>> Visitor for Parts<F> {
        type Break = (Expr, T);

        fn post_visit_expr(&mut self, part: &Expr) -> ControlFlow<(Expr, T)> {
            match (self.0)(part) {
                Some(found) => ControlFlow::Break((part.clone(), found)),
                None => ControlFlow::Continue(()),
            }
        }
    }

    match Visit::visit(expr, &mut Parts(wrong)) {
        ControlFlow::Break(found) => Some(found),
        ControlFlow::Continue(()) => None,
    }
}

/// The columns that a part of an expression reads, in the schema's order.
pub(crate) fn columns_of<'a>(part: &Expr, schema: &'a [Field]) -> impl Iterator<Item = &'a Field> {
    let mut names = Vec::new();
    // Nothing is looked for, so that every part is visited.
    let _: Option<(Expr, ())> = first_part(part, |part| {
        if let Expr::Identifier(ident) = part {
            names.push(name_of(ident));
        }
        None
    });
    schema.iter().filter(move |field| names.iter().any(|name| name == field.name.as_str()))
}

/// Whether an expression is a text in single quotes.
fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}

/// A number that neither an int64 nor a finite float64 is would become another one.
fn number(value: &Value) -> Flow {
    // Of the least int64 the minus is an operator of its own.
    const LARGEST: i128 = i64::MIN.unsigned_abs() as i128;
    let Value::Number(number, _) = value else { return ControlFlow::Continue(()) };
    let is_whole = number.bytes().all(|byte| byte.is_ascii_digit());
    let fits = match is_whole {
        true => number.parse().is_ok_and(|number: i128| number <= LARGEST),
        false => number.parse().is_ok_and(f64::is_finite),
    };
    if fits {
        return ControlFlow::Continue(());
    }
    let most = if is_whole { "an int64: 9223372036854775807" } else { "a float64: 1.7976931348623157e308" };
    refuse(ExpressionError::NumberTooLarge { number: number.clone(), most })
}

fn call(function: &Function) -> Flow {
    let name = function.name.to_string().to_ascii_lowercase();
    if let Some(refusal) = functions::refusal(&name) {
        return not_allowed(refusal);
    }
    let has_clauses = match &function.args {
        FunctionArguments::None => false,
        FunctionArguments::Subquery(_) => return not_allowed("a subquery"),
        FunctionArguments::List(list) => list.duplicate_treatment.is_some() || !list.clauses.is_empty(),
    };
    let is_windowed = function.over.is_some() || function.filter.is_some();
    if is_windowed || function.null_treatment.is_some() || !function.within_group.is_empty() || has_clauses {
        return not_allowed(format!("the window or aggregate `{function}`"));
    }
    let allowed = functions::allowed();
    let names = || {
        allowed
            .iter()
            .flat_map(|function| function.aliases().iter().map(String::as_str).chain([function.name()]))
    };
    if names().any(|allowed| allowed == name) {
        return ControlFlow::Continue(());
    }
    let nearest = nearest(&name, names());
    refuse(ExpressionError::UnknownFunction { name, nearest })
}

fn operator(op: &BinaryOperator) -> Flow {
    match op {
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo
        | BinaryOperator::StringConcat
        | BinaryOperator::Gt
        | BinaryOperator::Lt
        | BinaryOperator::GtEq
        | BinaryOperator::LtEq
        | BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::And
        | BinaryOperator::Or
        | BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGRegexNotMatch
        | BinaryOperator::PGRegexNotIMatch => ControlFlow::Continue(()),
        other => not_allowed(format!("the operator `{other}`")),
    }
}

/// The names that definitions use for types mean the same in a cast.
fn sql_type(data_type: &SqlType) -> SqlType {
    match data_type {
        SqlType::Int32 => SqlType::Integer(None),
        SqlType::Int64 => SqlType::BigInt(None),
        SqlType::Float32 => SqlType::Real,
        SqlType::Float64 => SqlType::Double(ExactNumberInfo::None),
        SqlType::Bytes(None) => SqlType::Bytea,
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_comments_and_case_change_nothing_in_the_canonical_text() {
        let text = canonical("CASE WHEN a>1 THEN Upper(b) END").unwrap();
        assert_eq!(text, "case when a > 1 then upper ( b ) end");
        assert_eq!(canonical("case when A > 1 -- why\n then UPPER (b) /* so */ End").unwrap(), text);
    }

    #[test]
    fn quoted_names_and_strings_are_kept_as_they_are_written() {
        assert_eq!(canonical(r#""End" = 'It''s  A'"#).unwrap(), r#""End" = 'It''s  A'"#);
        assert_ne!(canonical("'a'").unwrap(), canonical("'A'").unwrap());
        assert_ne!(canonical("'a'' || ''b'").unwrap(), canonical("'a' || 'b'").unwrap());
    }

    #[test]
    fn only_keywords_are_quoted_as_a_part_of_an_expression() {
        for word in ["user", "interval", "current_date", "localtime", "not", "true", "case", "null", "exists"]
        {
            assert_eq!(column_in_sql(&word.parse().unwrap()), format!("\"{word}\""));
        }
        for word in ["amount", "date", "timestamp", "floor", "value", "year", "first", "position", "a_1"] {
            assert_eq!(column_in_sql(&word.parse().unwrap()), word);
        }
    }

    #[test]
    fn an_open_string_is_a_syntax_error_with_its_position() {
        let error = canonical("a = 'x").unwrap_err().to_string();
        assert!(error.starts_with("syntax error at line 1, column 5: "), "{error}");
    }
}
