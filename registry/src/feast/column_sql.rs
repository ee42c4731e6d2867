//! A SQL expression with its type, and how Python's operators on columns are written in SQL so that they give the same
//! values: a division of integers is one of doubles, and a comparison with a missing value is false.

use feature::{DataType, Name, Scalar};

/// How tightly an expression binds, the loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Binding {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Sign,
    Whole,
}

/// Whether comparisons with a missing value are false, as in pandas, or missing, as in SQL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Missing {
    IsFalse,
    IsNull,
}

/// A SQL expression.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ColumnSql {
    pub(crate) sql: String,
    pub(crate) data_type: DataType,
    binding: Binding,
    /// The text of a string, where this is one.
    pub(crate) text: Option<String>,
    /// A condition that is null where an operand is, though it stands for one that is false there.
    is_open: bool,
}

/// Why an expression has no translation, in words that follow "uses" or the text itself.
pub(crate) type Refusal = String;

impl ColumnSql {
    pub(crate) fn new(sql: impl Into<String>, data_type: impl Into<DataType>) -> Self {
        let (sql, data_type) = (sql.into(), data_type.into());
        Self { sql, data_type, binding: Binding::Whole, text: None, is_open: false }
    }

    fn bound(sql: String, data_type: Scalar, binding: Binding) -> Self {
        Self { binding, ..Self::new(sql, data_type) }
    }

    pub(crate) fn column(name: &Name, data_type: DataType) -> Self {
        Self::new(transform::column_in_sql(name), data_type)
    }

    pub(crate) fn string(text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..Self::new(transform::text_in_sql(text), Scalar::String) }
    }

    pub(crate) fn scalar(&self) -> Option<Scalar> {
        self.data_type.scalar()
    }

    /// The text, in parentheses where it binds less tightly than this.
    fn within(&self, binding: Binding) -> String {
        if self.binding < binding { format!("({})", self.sql) } else { self.sql.clone() }
    }

    pub(crate) fn is_whole_number(&self) -> bool {
        matches!(self.scalar(), Some(Scalar::Int32 | Scalar::Int64))
    }

    pub(crate) fn is_number(&self) -> bool {
        self.is_whole_number() || matches!(self.scalar(), Some(Scalar::Float32 | Scalar::Float64))
    }

    pub(crate) fn cast(&self, to: Scalar) -> Self {
        if self.scalar() == Some(to) {
            return self.clone();
        }
        let sql = self.settled();
        Self::new(format!("cast({} as {})", sql.sql, sql_type(to)), to)
    }

    /// As Python computes with it: integers of 64 bits, doubles.
    pub(crate) fn number(&self) -> Result<Self, Refusal> {
        match self.scalar() {
            Some(Scalar::Int64 | Scalar::Float64) => Ok(self.clone()),
            Some(Scalar::Int32 | Scalar::Bool) => Ok(self.cast(Scalar::Int64)),
            Some(Scalar::Float32) => Ok(self.cast(Scalar::Float64)),
            _ => Err(format!("{} where a number is needed", self.data_type)),
        }
    }

    pub(crate) fn double(&self) -> Result<Self, Refusal> {
        let number = self.number()?;
        let is_literal = number.sql.chars().all(|c| c.is_ascii_digit());
        Ok(match is_literal {
            true => Self::new(format!("{}.0", number.sql), Scalar::Float64),
            false => number.cast(Scalar::Float64),
        })
    }

    /// A condition whose value is looked at: false where Python's is, not null.
    pub(crate) fn settled(&self) -> Self {
        match self.is_open {
            true => Self::new(format!("coalesce({}, false)", self.sql), Scalar::Bool),
            false => self.clone(),
        }
    }

    fn condition(&self) -> Result<&Self, Refusal> {
        match self.scalar() {
            Some(Scalar::Bool) => Ok(self),
            _ => Err(format!("{} where a condition is needed", self.data_type)),
        }
    }

    pub(crate) fn add(&self, right: &Self) -> Result<Self, Refusal> {
        if self.scalar() == Some(Scalar::String) && right.scalar() == Some(Scalar::String) {
            let sql = format!("{} || {}", self.within(Binding::Sum), right.within(Binding::Product));
            return Ok(Self::bound(sql, Scalar::String, Binding::Sum));
        }
        self.arithmetic("+", right, Binding::Sum)
    }

    pub(crate) fn subtract(&self, right: &Self) -> Result<Self, Refusal> {
        self.arithmetic("-", right, Binding::Sum)
    }

    pub(crate) fn multiply(&self, right: &Self) -> Result<Self, Refusal> {
        self.arithmetic("*", right, Binding::Product)
    }

    fn arithmetic(&self, operator: &str, right: &Self, binding: Binding) -> Result<Self, Refusal> {
        let (left, right) = (self.number()?, right.number()?);
        let both_whole = left.is_whole_number() && right.is_whole_number();
        let (left, right, data_type) = match both_whole {
            true => (left, right, Scalar::Int64),
            false => (left.double()?, right.double()?, Scalar::Float64),
        };
        let tighter = if binding == Binding::Sum { Binding::Product } else { Binding::Sign };
        let sql = format!("{} {operator} {}", left.within(binding), right.within(tighter));
        Ok(Self::bound(sql, data_type, binding))
    }

    pub(crate) fn divide(&self, right: &Self) -> Result<Self, Refusal> {
        let (left, right) = (self.double()?, right.double()?);
        let sql = format!("{} / {}", left.within(Binding::Product), right.within(Binding::Sign));
        Ok(Self::bound(sql, Scalar::Float64, Binding::Product))
    }

    /// The remainder, which in Python has the sign of the divisor.
    pub(crate) fn remainder(&self, right: &Self) -> Result<Self, Refusal> {
        let (left, right) = (self.number()?, right.number()?);
        if !left.is_whole_number() || !right.is_whole_number() {
            return Err("a remainder of floats".to_owned());
        }
        let (left, right) = (left.within(Binding::Product), right.within(Binding::Sign));
        let sql = format!("({left} % {right} + {right}) % {right}");
        Ok(Self::bound(sql, Scalar::Int64, Binding::Product))
    }

    /// The quotient rounded down, exact for integers of 64 bits.
    pub(crate) fn floor_divide(&self, right: &Self) -> Result<Self, Refusal> {
        let rest = self.remainder(right).map_err(|_| "a floor division of floats".to_owned())?;
        let (left, right) = (self.number()?.within(Binding::Sum), right.number()?.within(Binding::Sign));
        Ok(Self::bound(
            format!("({left} - {}) / {right}", rest.within(Binding::Sign)),
            Scalar::Int64,
            Binding::Product,
        ))
    }

    pub(crate) fn power(&self, right: &Self) -> Result<Self, Refusal> {
        if self.is_whole_number() && right.is_whole_number() {
            return Err("a power of integers".to_owned());
        }
        Ok(call("power", &[self.double()?, right.double()?], Scalar::Float64))
    }

    pub(crate) fn negate(&self) -> Result<Self, Refusal> {
        let number = self.number()?;
        Ok(Self::bound(
            format!("-{}", number.within(Binding::Whole)),
            number.scalar().unwrap_or(Scalar::Float64),
            Binding::Sign,
        ))
    }

    /// `=`, `<>`, `<`, `<=`, `>` or `>=`.
    pub(crate) fn compare(&self, operator: &str, right: &Self, missing: Missing) -> Result<Self, Refusal> {
        let (left, right) = comparable(self, right)?;
        let (a, b) = (left.within(Binding::Sum), right.within(Binding::Sum));
        // What is missing is unlike everything, so this is never null.
        if operator == "<>" && missing == Missing::IsFalse {
            return Ok(Self::bound(format!("{a} IS DISTINCT FROM {b}"), Scalar::Bool, Binding::Comparison));
        }
        let sql = format!("{a} {operator} {b}");
        let is_open = missing == Missing::IsFalse;
        Ok(Self { is_open, ..Self::bound(sql, Scalar::Bool, Binding::Comparison) })
    }

    pub(crate) fn is_null(&self) -> Self {
        let sql = format!("{} IS NULL", self.within(Binding::Sum));
        Self::bound(sql, Scalar::Bool, Binding::Comparison)
    }

    pub(crate) fn is_not_null(&self) -> Self {
        let sql = format!("{} IS NOT NULL", self.within(Binding::Sum));
        Self::bound(sql, Scalar::Bool, Binding::Comparison)
    }

    pub(crate) fn among(&self, values: &[Self], missing: Missing) -> Result<Self, Refusal> {
        if values.is_empty() {
            return Err("an empty list of values".to_owned());
        }
        let (mut left, mut listed) = (self.clone(), Vec::new());
        for value in values {
            let value = comparable(self, value)?;
            left = value.0;
            listed.push(value.1.sql);
        }
        let sql = format!("{} IN ({})", left.within(Binding::Sum), listed.join(", "));
        let is_open = missing == Missing::IsFalse;
        Ok(Self { is_open, ..Self::bound(sql, Scalar::Bool, Binding::Comparison) })
    }

    pub(crate) fn not(&self) -> Result<Self, Refusal> {
        let condition = self.condition()?.settled();
        Ok(Self::bound(format!("NOT {}", condition.within(Binding::Comparison)), Scalar::Bool, Binding::Not))
    }

    pub(crate) fn and(&self, right: &Self) -> Result<Self, Refusal> {
        self.joined("AND", right, Binding::And, Binding::Not)
    }

    pub(crate) fn or(&self, right: &Self) -> Result<Self, Refusal> {
        self.joined("OR", right, Binding::Or, Binding::And)
    }

    /// Null is not false in the middle of a condition, but an `AND` or `OR` of conditions that are null instead of false
    /// is null or false exactly where theirs is false.
    fn joined(&self, word: &str, right: &Self, binding: Binding, tighter: Binding) -> Result<Self, Refusal> {
        let (left, right) = (self.condition()?, right.condition()?);
        let sql = format!("{} {word} {}", left.within(binding), right.within(tighter));
        Ok(Self { is_open: left.is_open || right.is_open, ..Self::bound(sql, Scalar::Bool, binding) })
    }

    /// `then` where this condition is true, else `otherwise`; `None` is null.
    pub(crate) fn choose(&self, then: Option<&Self>, otherwise: Option<&Self>) -> Result<Self, Refusal> {
        let condition = self.condition()?;
        let (then, otherwise) = match (then, otherwise) {
            (Some(then), Some(otherwise)) => {
                let (then, otherwise) = alike(then, otherwise)?;
                (Some(then), Some(otherwise))
            }
            (then, otherwise) => (then.map(Self::settled), otherwise.map(Self::settled)),
        };
        let Some(data_type) = then.as_ref().or(otherwise.as_ref()).map(|given| given.data_type) else {
            return Err("a choice between nothing and nothing".to_owned());
        };
        let text = |given: &Option<Self>| {
            given.as_ref().map_or_else(|| "NULL".to_owned(), |given| given.sql.clone())
        };
        let sql = format!("CASE WHEN {} THEN {} ELSE {} END", condition.sql, text(&then), text(&otherwise));
        Ok(Self::new(sql, data_type))
    }

    /// The value, or the other one where it is missing.
    pub(crate) fn or_else(&self, other: &Self) -> Result<Self, Refusal> {
        let (value, other) = alike(self, other)?;
        let data_type = value.data_type;
        Ok(Self::new(format!("coalesce({}, {})", value.sql, other.sql), data_type))
    }

    /// The greater or smaller one of it and each other, by the function `greatest` or `least`; null where one is.
    pub(crate) fn bounded(&self, bounds: &[(&str, Self)]) -> Result<Self, Refusal> {
        let mut all = vec![self.number()?];
        for (_, bound) in bounds {
            all.push(bound.number()?);
        }
        if !all.iter().all(Self::is_whole_number) {
            all = all.iter().map(Self::double).collect::<Result<_, _>>()?;
        }
        let data_type = all.first().map_or(Scalar::Int64.into(), |first| first.data_type);
        let is_null = |x: &&Self| !x.sql.chars().all(|c| c.is_ascii_digit() || c == '.');
        let nulls: Vec<String> = all.iter().filter(is_null).map(|x| x.is_null().sql).collect();
        let mut found = all.first().map(|first| first.sql.clone()).unwrap_or_default();
        for ((function, _), bound) in bounds.iter().zip(all.iter().skip(1)) {
            found = format!("{function}({found}, {})", bound.sql);
        }
        let sql = match nulls.is_empty() {
            true => found,
            false => format!("CASE WHEN {} THEN NULL ELSE {found} END", nulls.join(" OR ")),
        };
        Ok(Self::new(sql, data_type))
    }

    /// As a feature of a declared type.
    pub(crate) fn declared(&self, data_type: DataType) -> Result<Self, Refusal> {
        let value = self.settled();
        if value.data_type == data_type {
            return Ok(value);
        }
        let refused = || format!("{} where {data_type} is declared", value.data_type);
        let to = data_type.scalar().ok_or_else(refused)?;
        let is_number = |scalar| {
            matches!(scalar, Scalar::Bool | Scalar::Int32 | Scalar::Int64 | Scalar::Float32 | Scalar::Float64)
        };
        match value.scalar() {
            Some(from) if is_number(from) && is_number(to) => Ok(value.cast(to)),
            Some(Scalar::Int32 | Scalar::Int64) if to == Scalar::String => Ok(value.cast(to)),
            _ => Err(refused()),
        }
    }
}

/// A call of a SQL function.
pub(crate) fn call(function: &str, arguments: &[ColumnSql], data_type: Scalar) -> ColumnSql {
    let arguments: Vec<&str> = arguments.iter().map(|argument| argument.sql.as_str()).collect();
    ColumnSql::new(format!("{function}({})", arguments.join(", ")), data_type)
}

/// Two operands of a comparison.
fn comparable(left: &ColumnSql, right: &ColumnSql) -> Result<(ColumnSql, ColumnSql), Refusal> {
    let (left, right) = (left.settled(), right.settled());
    if left.data_type == right.data_type && !left.is_number() {
        return Ok((left, right));
    }
    alike(&left.number()?, &right.number()?)
}

/// Two values as one type.
fn alike(left: &ColumnSql, right: &ColumnSql) -> Result<(ColumnSql, ColumnSql), Refusal> {
    let (left, right) = (left.settled(), right.settled());
    if left.data_type == right.data_type {
        return Ok((left, right));
    }
    let both = |a: ColumnSql, b: ColumnSql| -> Result<_, Refusal> {
        let (a, b) = (a.number()?, b.number()?);
        match a.is_whole_number() && b.is_whole_number() {
            true => Ok((a, b)),
            false => Ok((a.double()?, b.double()?)),
        }
    };
    let (a, b) = (left.data_type, right.data_type);
    both(left, right).map_err(|_| format!("{a} and {b} where one type is needed"))
}

/// A type as SQL calls it.
pub(crate) const fn sql_type(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool => "boolean",
        Scalar::Int32 => "int",
        Scalar::Int64 => "bigint",
        Scalar::Float32 => "real",
        Scalar::Float64 => "double",
        Scalar::String => "varchar",
        Scalar::Bytes => "bytea",
        Scalar::Timestamp => "timestamp",
    }
}
