//! A SQL expression with its type, and how Python's operators on columns are written in SQL so that they give the same
//! values: a division of integers is one of doubles, and a comparison with a missing value is false. In pandas NaN is what is
//! missing, and what makes NaN of a number makes it missing: a NaN is taken for null wherever it matters whether a value is
//! there.

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

/// Of what the greater or smaller value is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Without {
    /// Of any that is missing: `numpy.maximum`.
    Any,
    /// Of a missing value, and a missing bound is none: `clip`.
    Value,
    /// Where all are missing: `numpy.fmax`.
    All,
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
    /// Whether it is computed from columns of which NaN is what is missing.
    nan_is_missing: bool,
    /// Whether it may be a NaN that is what is missing.
    may_be_nan: bool,
}

/// Why an expression has no translation, in words that follow "uses" or the text itself.
pub(crate) type Refusal = String;

impl ColumnSql {
    pub(crate) fn new(sql: impl Into<String>, data_type: impl Into<DataType>) -> Self {
        let (sql, data_type) = (sql.into(), data_type.into());
        Self {
            sql,
            data_type,
            binding: Binding::Whole,
            text: None,
            is_open: false,
            nan_is_missing: false,
            may_be_nan: false,
        }
    }

    fn bound(sql: String, data_type: Scalar, binding: Binding) -> Self {
        Self { binding, ..Self::new(sql, data_type) }
    }

    pub(crate) fn column(name: &Name, data_type: DataType) -> Self {
        Self::new(transform::column_in_sql(name), data_type)
    }

    /// The same of a column of pandas.
    pub(crate) fn of_pandas(self) -> Self {
        Self { nan_is_missing: true, may_be_nan: self.is_float(), ..self }
    }

    /// What is computed from these: a NaN may be among the results, where it is a float.
    pub(crate) fn computed_from(self, operands: &[&Self]) -> Self {
        let nan_is_missing = operands.iter().any(|operand| operand.nan_is_missing);
        Self { nan_is_missing, may_be_nan: nan_is_missing && self.is_float(), ..self }
    }

    /// What is one of these.
    fn chosen_from(self, operands: &[&Self]) -> Self {
        let may_be_nan = operands.iter().any(|operand| operand.may_be_nan);
        Self { may_be_nan, ..self.computed_from(operands) }
    }

    /// Null where it is missing.
    pub(crate) fn known(&self) -> Self {
        if !self.may_be_nan {
            return self.clone();
        }
        let sql = format!("CASE WHEN isnan({0}) THEN NULL ELSE {0} END", self.sql);
        Self { nan_is_missing: true, ..Self::new(sql, self.data_type) }
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

    fn is_float(&self) -> bool {
        matches!(self.scalar(), Some(Scalar::Float32 | Scalar::Float64))
    }

    fn is_literal(&self) -> bool {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        self.text.is_some() || self.sql.trim_start_matches('-').chars().all(is_number)
    }

    pub(crate) fn cast(&self, to: Scalar) -> Self {
        if self.scalar() == Some(to) {
            return self.clone();
        }
        let is_to_float = matches!(to, Scalar::Float32 | Scalar::Float64);
        // No other type has a NaN.
        let from = if is_to_float { self.settled() } else { self.known().settled() };
        let cast = Self::new(format!("cast({} as {})", from.sql, sql_type(to)), to);
        if self.is_float() { cast.chosen_from(&[&from]) } else { cast.of_integer(&from) }
    }

    /// A float that was no float before has no NaN; one that was a text may.
    fn of_integer(self, from: &Self) -> Self {
        let is_text = from.scalar() == Some(Scalar::String);
        let cast = self.computed_from(&[from]);
        Self { may_be_nan: cast.may_be_nan && is_text, ..cast }
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

    /// The square root, of a negative number NaN: SQL's fails there.
    pub(crate) fn root(&self) -> Result<Self, Refusal> {
        let x = self.double()?;
        let nan = format!("cast('NaN' as {})", sql_type(Scalar::Float64));
        let sql = format!("sqrt(CASE WHEN {} < 0.0 THEN {nan} ELSE {} END)", x.within(Binding::Sum), x.sql);
        Ok(Self::new(sql, Scalar::Float64).computed_from(&[&x]))
    }

    /// A condition whose value is looked at: false where Python's is, not null.
    pub(crate) fn settled(&self) -> Self {
        match self.is_open {
            true => Self::new(format!("coalesce({}, false)", self.sql), Scalar::Bool).computed_from(&[self]),
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
            return Ok(Self::bound(sql, Scalar::String, Binding::Sum).computed_from(&[self, right]));
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
        Ok(Self::bound(sql, data_type, binding).computed_from(&[&left, &right]))
    }

    pub(crate) fn divide(&self, right: &Self) -> Result<Self, Refusal> {
        let (left, right) = (self.double()?, right.double()?);
        let sql = format!("{} / {}", left.within(Binding::Product), right.within(Binding::Sign));
        Ok(Self::bound(sql, Scalar::Float64, Binding::Product).computed_from(&[&left, &right]))
    }

    /// The remainder, which in Python has the sign of the divisor.
    pub(crate) fn remainder(&self, right: &Self) -> Result<Self, Refusal> {
        let (left, right) = (self.number()?, right.number()?);
        if !left.is_whole_number() || !right.is_whole_number() {
            return Err("a remainder of floats".to_owned());
        }
        let (a, b) = (left.within(Binding::Product), right.within(Binding::Sign));
        let sql = format!("({a} % {b} + {b}) % {b}");
        Ok(Self::bound(sql, Scalar::Int64, Binding::Product).computed_from(&[&left, &right]))
    }

    /// The quotient rounded down, exact for integers of 64 bits.
    pub(crate) fn floor_divide(&self, right: &Self) -> Result<Self, Refusal> {
        let rest = self.remainder(right).map_err(|_| "a floor division of floats".to_owned())?;
        let (a, b) = (self.number()?.within(Binding::Sum), right.number()?.within(Binding::Sign));
        let sql = format!("({a} - {}) / {b}", rest.within(Binding::Sign));
        Ok(Self::bound(sql, Scalar::Int64, Binding::Product).computed_from(&[self, right]))
    }

    pub(crate) fn power(&self, right: &Self) -> Result<Self, Refusal> {
        if self.is_whole_number() && right.is_whole_number() {
            return Err("a power of integers".to_owned());
        }
        let (base, exponent) = (self.double()?, right.double()?);
        let power = call("power", &of_no_zero(&base, &exponent), Scalar::Float64);
        let is_zero = exponent.sql.parse::<f64>().ok().map(|exponent| exponent == 0.0);
        if !power.nan_is_missing || is_zero == Some(false) {
            return Ok(power);
        }
        // Whatever is missing: anything to the 0th, and 1 to any, are 1.
        let number = |text: &str| Self::new(text, Scalar::Float64);
        let to_zero = exponent.compare("=", &number("0.0"), Missing::IsFalse)?;
        let of_one = base.compare("=", &number("1.0"), Missing::IsFalse)?;
        to_zero.or(&of_one)?.choose(Some(&number("1.0")), Some(&power))
    }

    pub(crate) fn negate(&self) -> Result<Self, Refusal> {
        let number = self.number()?;
        let scalar = number.scalar().unwrap_or(Scalar::Float64);
        let sql = format!("-{}", number.within(Binding::Whole));
        Ok(Self::bound(sql, scalar, Binding::Sign).chosen_from(&[&number]))
    }

    /// `=`, `<>`, `<`, `<=`, `>` or `>=`.
    pub(crate) fn compare(&self, operator: &str, right: &Self, missing: Missing) -> Result<Self, Refusal> {
        let (left, right) = comparable(self, right)?;
        let (a, b) = (left.within(Binding::Sum), right.within(Binding::Sum));
        let sql = format!("{a} {operator} {b}");
        // What is missing is unlike everything, what is missing included, so this is never null.
        if operator == "<>" && missing == Missing::IsFalse {
            let unlike = match left.is_literal() || right.is_literal() {
                true => Self::bound(format!("{a} IS DISTINCT FROM {b}"), Scalar::Bool, Binding::Comparison),
                false => Self::new(format!("coalesce({sql}, true)"), Scalar::Bool),
            };
            return Ok(unlike.computed_from(&[&left, &right]));
        }
        let is_open = missing == Missing::IsFalse;
        let compared = Self::bound(sql, Scalar::Bool, Binding::Comparison);
        Ok(Self { is_open, ..compared.computed_from(&[&left, &right]) })
    }

    /// Whether there is no value: null, or a NaN that is what is missing.
    pub(crate) fn is_missing(&self) -> Self {
        if !self.may_be_nan {
            return self.is_null();
        }
        let sql = format!("{} OR isnan({})", self.is_null().sql, self.sql);
        Self::bound(sql, Scalar::Bool, Binding::Or).computed_from(&[self])
    }

    /// Whether there is a value.
    pub(crate) fn is_there(&self) -> Self {
        if !self.may_be_nan {
            return self.is_not_null();
        }
        let sql = format!("{} AND NOT isnan({})", self.is_not_null().sql, self.sql);
        Self::bound(sql, Scalar::Bool, Binding::And).computed_from(&[self])
    }

    pub(crate) fn is_null(&self) -> Self {
        let sql = format!("{} IS NULL", self.within(Binding::Sum));
        Self::bound(sql, Scalar::Bool, Binding::Comparison).computed_from(&[self])
    }

    pub(crate) fn is_not_null(&self) -> Self {
        let sql = format!("{} IS NOT NULL", self.within(Binding::Sum));
        Self::bound(sql, Scalar::Bool, Binding::Comparison).computed_from(&[self])
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
        let among = Self::bound(sql, Scalar::Bool, Binding::Comparison);
        Ok(Self { is_open, ..among.computed_from(&[&left]) })
    }

    pub(crate) fn not(&self) -> Result<Self, Refusal> {
        let condition = self.condition()?.settled();
        let sql = format!("NOT {}", condition.within(Binding::Comparison));
        Ok(Self::bound(sql, Scalar::Bool, Binding::Not).computed_from(&[&condition]))
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
        let joined = Self::bound(sql, Scalar::Bool, binding).computed_from(&[left, right]);
        Ok(Self { is_open: left.is_open || right.is_open, ..joined })
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
        let given: Vec<&Self> = then.iter().chain(&otherwise).collect();
        let choice = Self::new(sql, data_type).chosen_from(&given);
        Ok(Self { nan_is_missing: choice.nan_is_missing || condition.nan_is_missing, ..choice })
    }

    /// The value, or the other one where it is missing.
    pub(crate) fn or_else(&self, other: &Self) -> Result<Self, Refusal> {
        let (value, other) = alike(&self.known(), other)?;
        let sql = format!("coalesce({}, {})", value.sql, other.sql);
        let nan_is_missing = value.nan_is_missing || other.nan_is_missing;
        Ok(Self { nan_is_missing, ..Self::new(sql, value.data_type).chosen_from(&[&other]) })
    }

    /// The greater or smaller one of it and each other, by the function `greatest` or `least`.
    pub(crate) fn bounded(&self, bounds: &[(&str, Self)], without: Without) -> Result<Self, Refusal> {
        let mut all = vec![self.known().number()?];
        for (_, bound) in bounds {
            all.push(bound.known().number()?);
        }
        if !all.iter().all(Self::is_whole_number) {
            all = all.iter().map(Self::double).collect::<Result<_, _>>()?;
        }
        let data_type = all.first().map_or(Scalar::Int64.into(), |first| first.data_type);
        let count = match without {
            Without::Any => all.len(),
            Without::Value => 1,
            Without::All => 0,
        };
        let needed = all.iter().take(count).filter(|x| !x.is_literal());
        let nulls: Vec<String> = needed.map(|x| x.is_null().sql).collect();
        let mut found = all.first().map(|first| first.sql.clone()).unwrap_or_default();
        for ((function, _), bound) in bounds.iter().zip(all.iter().skip(1)) {
            found = format!("{function}({found}, {})", bound.sql);
        }
        let sql = match nulls.is_empty() {
            true => found,
            false => format!("CASE WHEN {} THEN NULL ELSE {found} END", nulls.join(" OR ")),
        };
        Ok(Self::new(sql, data_type).chosen_from(&all.iter().collect::<Vec<_>>()))
    }

    /// The second of two values if the comparison of it with the first holds, else the first, as Python's `max` and `min` of
    /// two.
    pub(crate) fn or_if(&self, operator: &str, other: &Self) -> Result<Self, Refusal> {
        other.compare(operator, self, Missing::IsFalse)?.choose(Some(other), Some(self))
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
    let texts: Vec<&str> = arguments.iter().map(|argument| argument.sql.as_str()).collect();
    ColumnSql::new(format!("{function}({})", texts.join(", ")), data_type)
        .computed_from(&arguments.iter().collect::<Vec<_>>())
}

/// The base and exponent of a power, those of a zero to a negative power by its reciprocal: SQL's power fails there, and
/// Python's is infinite.
fn of_no_zero(base: &ColumnSql, exponent: &ColumnSql) -> [ColumnSql; 2] {
    let is_never = |x: &ColumnSql, wrong: fn(f64) -> bool| x.sql.parse().is_ok_and(|x: f64| !wrong(x));
    if is_never(base, |base| base == 0.0) || is_never(exponent, |exponent| exponent < 0.0) {
        return [base.clone(), exponent.clone()];
    }
    let is_such = format!("abs({}) = 0.0 AND {} < 0.0", base.sql, exponent.within(Binding::Sum));
    let reciprocal = format!("1.0 / {}", base.within(Binding::Whole));
    let opposite = format!("-{}", exponent.within(Binding::Whole));
    [(base, reciprocal), (exponent, opposite)].map(|(given, other)| {
        let sql = format!("CASE WHEN {is_such} THEN {other} ELSE {} END", given.sql);
        ColumnSql::new(sql, Scalar::Float64).computed_from(&[given])
    })
}

/// Two operands of a comparison.
fn comparable(left: &ColumnSql, right: &ColumnSql) -> Result<(ColumnSql, ColumnSql), Refusal> {
    let (left, right) = (left.known().settled(), right.known().settled());
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
