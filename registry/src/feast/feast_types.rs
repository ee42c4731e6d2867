//! Feast's types and those of Arrow, Spark and Avro as types of definitions.

use feature::{DataType, Scalar};

/// A value type of Feast; `None` if there is no such type here.
pub(crate) fn of_feast(value_type: &str, length: u32) -> Option<DataType> {
    let scalar = |name: &str| {
        Some(match name {
            "BYTES" | "PDF_BYTES" | "IMAGE_BYTES" => Scalar::Bytes,
            "STRING" | "JSON" | "UUID" | "TIME_UUID" => Scalar::String,
            "INT32" => Scalar::Int32,
            "INT64" => Scalar::Int64,
            "DOUBLE" => Scalar::Float64,
            "FLOAT" => Scalar::Float32,
            "BOOL" => Scalar::Bool,
            "UNIX_TIMESTAMP" => Scalar::Timestamp,
            _ => return None,
        })
    };
    match value_type.strip_suffix("_LIST") {
        Some(item) => Some(DataType::List(scalar(item)?, Some(length).filter(|length| *length > 0))),
        None => scalar(value_type).map(DataType::Scalar),
    }
}

/// A type of Arrow, as it prints itself.
pub(crate) fn of_arrow(text: &str) -> Option<DataType> {
    let inner = |text: &str| {
        let item = text.split_once('<')?.1.strip_suffix('>')?;
        let item = item.rsplit_once(": ").map_or(item, |(_, item)| item);
        of_arrow(item)?.scalar()
    };
    let scalar = match text {
        "bool" => Scalar::Bool,
        "int8" | "int16" | "int32" | "uint8" | "uint16" => Scalar::Int32,
        "int64" | "uint32" | "uint64" => Scalar::Int64,
        "halffloat" | "float" => Scalar::Float32,
        "double" => Scalar::Float64,
        "string" | "large_string" | "string_view" => Scalar::String,
        "binary" | "large_binary" => Scalar::Bytes,
        _ if text.starts_with("timestamp[") || text.starts_with("date") => Scalar::Timestamp,
        _ if text.starts_with("decimal") => Scalar::Float64,
        _ if text.starts_with("dictionary<values=string") => Scalar::String,
        _ if text.starts_with("list<") || text.starts_with("large_list<") => {
            return Some(DataType::List(inner(text)?, None));
        }
        _ => return None,
    };
    Some(scalar.into())
}

/// The columns of a message: of Spark's `name type, …`, or of an Avro schema.
pub(crate) fn of_message(class: &str, text: &str) -> Vec<(String, DataType)> {
    match class {
        "JsonFormat" => text.split(',').filter_map(spark_column).collect(),
        "AvroFormat" => avro_columns(text).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn spark_column(text: &str) -> Option<(String, DataType)> {
    let mut words = text.split_whitespace();
    let (name, spark) = (words.next()?, words.next()?);
    let scalar = match spark.to_lowercase().as_str() {
        "boolean" => Scalar::Bool,
        "byte" | "tinyint" | "short" | "smallint" | "int" | "integer" => Scalar::Int32,
        "long" | "bigint" => Scalar::Int64,
        "float" | "real" => Scalar::Float32,
        "double" => Scalar::Float64,
        "string" => Scalar::String,
        "binary" => Scalar::Bytes,
        "timestamp" | "date" => Scalar::Timestamp,
        _ => return None,
    };
    Some((name.trim_matches(['`', ':']).to_owned(), scalar.into()))
}

fn avro_columns(text: &str) -> Option<Vec<(String, DataType)>> {
    let schema: serde_json::Value = serde_json::from_str(text).ok()?;
    let fields = schema.get("fields")?.as_array()?;
    let typed = |field: &serde_json::Value| {
        let data_type = avro_type(field.get("type")?)?;
        Some((field.get("name")?.as_str()?.to_owned(), data_type))
    };
    Some(fields.iter().filter_map(typed).collect())
}

fn avro_type(avro: &serde_json::Value) -> Option<DataType> {
    let scalar = match avro {
        serde_json::Value::String(name) => match name.as_str() {
            "boolean" => Scalar::Bool,
            "int" => Scalar::Int32,
            "long" => Scalar::Int64,
            "float" => Scalar::Float32,
            "double" => Scalar::Float64,
            "string" => Scalar::String,
            "bytes" => Scalar::Bytes,
            _ => return None,
        },
        serde_json::Value::Array(either) => return either.iter().find_map(avro_type),
        serde_json::Value::Object(typed) => {
            match typed.get("logicalType").and_then(|logical| logical.as_str()) {
                Some("timestamp-millis" | "timestamp-micros") => Scalar::Timestamp,
                _ => return avro_type(typed.get("type")?),
            }
        }
        _ => return None,
    };
    Some(scalar.into())
}

/// Whether a column of the one type is read as the other without a cast.
pub(crate) fn reads(file: DataType, declared: DataType) -> bool {
    use Scalar::{Bytes, Float32, Float64, Int32, Int64, String};
    let scalar = |file, declared| {
        file == declared
            || matches!(
                (file, declared),
                (Int32 | Int64, Int32 | Int64 | Float32 | Float64)
                    | (Float32 | Float64, Int32 | Int64)
                    | (Float32, Float64)
                    | (Bytes, String)
            )
    };
    match (file, declared) {
        (DataType::Scalar(file), DataType::Scalar(declared)) => scalar(file, declared),
        (DataType::List(file, _), DataType::List(declared, _)) => scalar(file, declared),
        _ => false,
    }
}
