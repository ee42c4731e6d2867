//! Which column of a query is read as which declared type: the table of types, and everything that is wrong with the
//! columns of a query.

use std::fmt;

use feature::{DataType, Field, Scalar, Source};
use tokio_postgres::types::{Kind, Type};

use crate::history::columns;

/// A declared column and the column of the query that it is read from.
#[derive(Clone, Debug)]
pub(super) struct QueryColumn {
    /// Its name in the query, and in extracts.
    pub(super) name: String,
    /// What it holds; of an array what its items are.
    pub(super) holds: Holds,
    /// The declared type.
    pub(super) data_type: DataType,
}

/// What a column of Postgres holds, as far as it matters to what is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holds {
    Bool,
    Int,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytes,
    Date,
    Timestamp,
    TimestampTz,
}

impl Holds {
    /// What a type holds; `None` if it is not read.
    fn of(found: &Type) -> Option<Self> {
        Some(match *found {
            Type::BOOL => Self::Bool,
            Type::INT2 | Type::INT4 | Type::INT8 => Self::Int,
            Type::FLOAT4 => Self::Float4,
            Type::FLOAT8 => Self::Float8,
            Type::NUMERIC => Self::Numeric,
            Type::TEXT
            | Type::VARCHAR
            | Type::BPCHAR
            | Type::NAME
            | Type::UUID
            | Type::JSON
            | Type::JSONB => Self::Text,
            Type::BYTEA => Self::Bytes,
            Type::DATE => Self::Date,
            Type::TIMESTAMP => Self::Timestamp,
            Type::TIMESTAMPTZ => Self::TimestampTz,
            _ => match found.kind() {
                Kind::Enum(_) => Self::Text,
                Kind::Domain(base) => Self::of(base)?,
                _ => return None,
            },
        })
    }

    /// Whether it is read as a declared type, value by value.
    fn is_read_as(self, declared: Scalar) -> bool {
        match declared {
            Scalar::Bool => self == Self::Bool,
            Scalar::Int32 | Scalar::Int64 | Scalar::Float64 => {
                matches!(self, Self::Int | Self::Float4 | Self::Float8 | Self::Numeric)
            }
            // Nearly every value of a double would change.
            Scalar::Float32 => matches!(self, Self::Int | Self::Float4 | Self::Numeric),
            Scalar::String => self == Self::Text,
            Scalar::Bytes => self == Self::Bytes,
            Scalar::Timestamp => matches!(self, Self::Date | Self::Timestamp | Self::TimestampTz),
        }
    }
}

/// The columns of a query for those that a source declares. A column that files may lack may be missing here too. Gives
/// everything that is wrong otherwise.
pub(super) fn query_columns(
    source: &Source,
    found: &[(String, Type)],
) -> Result<Vec<QueryColumn>, Vec<(Field, String)>> {
    let names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
    let (mut read, mut problems) = (Vec::new(), Vec::new());
    for field in &source.schema {
        let stored = source.stored_name(&field.name);
        let mut of_name = found.iter().filter(|(name, _)| name == stored);
        let problem = match (of_name.next(), of_name.next()) {
            _ if stored.trim() != stored => {
                format!("the column `{stored}` of the query begins or ends with a space: rename it there")
            }
            (Some(_), Some(_)) => format!("the query gives two columns `{stored}`: rename one"),
            (None, _) => {
                let is_taken = |column: &str| columns::is_taken(source, column);
                let otherwise = columns::named_otherwise(field, stored, &names, &is_taken);
                match otherwise {
                    None if source.is_optional(&field.name) => continue,
                    Some(otherwise) => format!("the query gives no column `{stored}`, and {otherwise}"),
                    None => {
                        let near = feature::nearest(stored, names.iter().map(String::as_str));
                        let near = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
                        format!("the query gives no column `{stored}`; it gives {}{near}", names.join(", "))
                    }
                }
            }
            (Some((_, of_type)), None) => match query_column(stored, field.data_type, of_type) {
                Some(column) => {
                    read.push(column);
                    continue;
                }
                None => format!(
                    "the column `{stored}` of the query is {}, and the source declares {}: cast it in the query, as in \
                     `{stored}::{}`, or declare another type",
                    of_type.name(),
                    field.data_type,
                    OfPostgres(field.data_type)
                ),
            },
        };
        problems.push((field.clone(), problem));
    }
    if problems.is_empty() { Ok(read) } else { Err(problems) }
}

fn query_column(name: &str, data_type: DataType, found: &Type) -> Option<QueryColumn> {
    let (holds, declared) = match (data_type, found.kind()) {
        (DataType::List(item, _), Kind::Array(of)) => (Holds::of(of)?, item),
        (DataType::Scalar(scalar), _) => (Holds::of(found)?, scalar),
        (DataType::List(..), _) => return None,
    };
    holds.is_read_as(declared).then(|| QueryColumn { name: name.to_owned(), holds, data_type })
}

/// What Postgres calls the type that is read as a declared one.
struct OfPostgres(DataType);

impl fmt::Display for OfPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scalar, array) = match self.0 {
            DataType::Scalar(scalar) => (scalar, ""),
            DataType::List(item, _) => (item, "[]"),
        };
        let name = match scalar {
            Scalar::Bool => "boolean",
            Scalar::Int32 => "integer",
            Scalar::Int64 => "bigint",
            Scalar::Float32 => "real",
            Scalar::Float64 => "float8",
            Scalar::String => "text",
            Scalar::Bytes => "bytea",
            Scalar::Timestamp => "timestamptz",
        };
        write!(f, "{name}{array}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(found: Type, declared: &str) -> bool {
        query_column("x", declared.parse().unwrap(), &found).is_some()
    }

    #[test]
    fn each_type_is_read_as_what_can_hold_its_values() {
        let all = ["bool", "int32", "int64", "float32", "float64", "string", "bytes", "timestamp"];
        for (found, declared) in [
            (Type::BOOL, &["bool"][..]),
            (Type::INT2, &["int32", "int64", "float32", "float64"]),
            (Type::INT8, &["int32", "int64", "float32", "float64"]),
            (Type::FLOAT4, &["int32", "int64", "float32", "float64"]),
            (Type::FLOAT8, &["int32", "int64", "float64"]),
            (Type::NUMERIC, &["int32", "int64", "float32", "float64"]),
            (Type::BPCHAR, &["string"]),
            (Type::JSONB, &["string"]),
            (Type::BYTEA, &["bytes"]),
            (Type::DATE, &["timestamp"]),
            (Type::TIMESTAMPTZ, &["timestamp"]),
            (Type::INTERVAL, &[]),
            (Type::TIME, &[]),
            (Type::MONEY, &[]),
            (Type::TEXT_ARRAY, &[]),
        ] {
            let fits: Vec<&str> = all.into_iter().filter(|name| read_as(found.clone(), name)).collect();
            assert_eq!(fits, declared, "{found}");
        }
        assert!(read_as(Type::FLOAT4_ARRAY, "list<float32>[3]") && read_as(Type::TEXT_ARRAY, "list<string>"));
        assert!(!read_as(Type::FLOAT8_ARRAY, "list<float32>") && !read_as(Type::FLOAT8, "list<float64>"));
    }
}
