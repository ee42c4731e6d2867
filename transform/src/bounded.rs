//! Functions of text whose work or result would grow faster than their arguments, kept to a bound: a row beyond it
//! fails by itself, before anything is computed for it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

/// The longest texts that `levenshtein` compares, in characters, as in PostgreSQL: its work is their product.
const LONGEST_COMPARED: usize = 255;
/// The longest text that a replacement gives, in bytes, unless the text was longer before.
const LONGEST_REPLACED: usize = 64 << 10;

/// The functions that are bounded here.
pub(crate) const BOUNDED: [&str; 3] = ["levenshtein", "replace", "regexp_replace"];

/// A function, bounded.
#[derive(Debug)]
struct Bounded {
    inner: Arc<ScalarUDF>,
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

/// The same function, kept to its bound if it has one.
pub(crate) fn bounded(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    if BOUNDED.contains(&function.name()) {
        Arc::new(ScalarUDF::new_from_impl(Bounded { inner: function }))
    } else {
        function
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(args, context)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts: Vec<Texts<'_>> = args.args.iter().filter_map(Texts::of).collect();
        let rows = texts.iter().map(Texts::rows).max().unwrap_or(1);
        for row in 0..rows {
            let of_row: Option<Vec<&str>> = texts.iter().map(|texts| texts.at(row)).collect();
            // A null gives a null.
            let Some(of_row) = of_row else { continue };
            check(self.name(), &of_row)?;
        }
        self.inner.invoke_with_args(args)
    }
}

/// One argument that holds texts.
enum Texts<'a> {
    One(Option<&'a str>),
    Each(&'a StringArray),
}

impl<'a> Texts<'a> {
    fn of(argument: &'a ColumnarValue) -> Option<Self> {
        match argument {
            ColumnarValue::Array(array) => array.as_string_opt::<i32>().map(Texts::Each),
            ColumnarValue::Scalar(ScalarValue::Utf8(text)) => Some(Texts::One(text.as_deref())),
            ColumnarValue::Scalar(_) => None,
        }
    }

    fn rows(&self) -> usize {
        match self {
            Texts::One(_) => 1,
            Texts::Each(array) => array.len(),
        }
    }

    fn at(&self, row: usize) -> Option<&'a str> {
        match self {
            Texts::One(text) => *text,
            Texts::Each(array) => (row < array.len() && array.is_valid(row)).then(|| array.value(row)),
        }
    }
}

/// Refuses a row whose texts are beyond the bound of a function.
fn check(function: &str, texts: &[&str]) -> Result<()> {
    let is_too_long = match (function, texts) {
        ("levenshtein", texts) => {
            if texts
                .iter()
                .any(|text| text.len() > LONGEST_COMPARED && text.chars().count() > LONGEST_COMPARED)
            {
                return exec_err!("levenshtein compares texts of at most {LONGEST_COMPARED} characters");
            }
            false
        }
        ("replace", [text, from, to]) if to.len() > from.len() => {
            let most = text.len() + (text.len() / from.len().max(1) + 1) * (to.len() - from.len());
            most > LONGEST_REPLACED && {
                let found = if from.is_empty() { text.len() + 1 } else { text.matches(from).count() };
                text.len() + found * (to.len() - from.len()) > LONGEST_REPLACED.max(text.len())
            }
        }
        ("regexp_replace", [text, _, to, ..]) => {
            // Each reference to a group gives at most all that matched, and each match the rest of the replacement.
            let references = to.matches(['\\', '$']).count();
            let most = (references + 1) * text.len() + (text.len() + 1) * to.len();
            most > LONGEST_REPLACED.max(text.len() * 16)
        }
        _ => false,
    };
    if is_too_long {
        return exec_err!("{function} would give a text that is longer than {LONGEST_REPLACED} bytes");
    }
    Ok(())
}
