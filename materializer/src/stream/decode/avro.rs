//! An Avro record for each message, in the binary encoding of its writer's schema (Avro 1.12). Columns
//! are found by their names; what the view does not read is skipped. A union may hold null and one type.
//! Bytes that a crafted message claims are never allocated before they are there.

mod schema;

use feature::{DataType, Field, Micros, Scalar, Value};

pub(super) use schema::Schema;
use schema::{Logical, Type};

/// The values of these columns in a record of this schema.
pub(super) fn decode(
    schema: &Schema,
    fields: &[Field],
    names: &[String],
    bytes: &[u8],
) -> Result<Vec<Value>, String> {
    let mut values = vec![Value::Null; fields.len()];
    let mut scan = Scan(bytes);
    for (name, data_type) in schema.fields() {
        let stored =
            |at: usize, field: &Field| names.get(at).map_or(field.name.as_str(), String::as_str) == name;
        match fields.iter().enumerate().position(|(at, field)| stored(at, field)) {
            Some(place) => {
                let read =
                    scan.datum(schema, data_type, 0).ok_or("it ends too early, or is of another schema")?;
                if let (Some(field), Some(value)) = (fields.get(place), values.get_mut(place)) {
                    *value = conformed(read, field)?;
                }
            }
            None => {
                scan.datum(schema, data_type, 0).ok_or("it ends too early, or is of another schema")?;
            }
        }
    }
    match scan.0 {
        [] => Ok(values),
        rest => Err(format!("{} bytes are left after its last field: it is of another schema", rest.len())),
    }
}

/// A value as Avro has it.
#[derive(Clone, PartialEq, Debug)]
enum Datum<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f32),
    Double(f64),
    Bytes(&'a [u8]),
    Text(&'a str),
    /// Microseconds since 1970.
    Moment(i64),
    List(Vec<Datum<'a>>),
    /// A map, a record or a fixed: nothing that a column holds.
    Other,
}

/// Where in a message.
struct Scan<'a>(&'a [u8]);

/// The next zigzag integer, which is taken off the bytes.
pub(super) fn zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let mut scan = Scan(bytes);
    let value = scan.long()?;
    *bytes = scan.0;
    Some(value)
}

/// How deep types may be nested in each other.
const MAX_DEPTH: u32 = 64;

impl<'a> Scan<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        self.0.split_off(..length)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    /// A zigzag integer of at most ten bytes.
    fn long(&mut self) -> Option<i64> {
        let mut raw: u64 = 0;
        for shift in (0..70).step_by(7) {
            let [byte] = self.array()?;
            raw |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
            }
        }
        None
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.long()?).ok()?;
        self.bytes(length)
    }

    /// The next value of a type; none where the bytes are none.
    fn datum(&mut self, schema: &'a Schema, data_type: &'a Type, depth: u32) -> Option<Datum<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        Some(match data_type {
            Type::Null => Datum::Null,
            Type::Bool => match self.array()? {
                [0] => Datum::Bool(false),
                [1] => Datum::Bool(true),
                _ => return None,
            },
            Type::Int(logical) => {
                let value = self.long()?;
                match logical {
                    Logical::None => Datum::Int(value),
                    Logical::Days => Datum::Moment(value.checked_mul(86_400_000_000)?),
                    Logical::Millis => Datum::Moment(value.checked_mul(1_000)?),
                    Logical::Micros => Datum::Moment(value),
                    Logical::Nanos if value % 1_000 == 0 => Datum::Moment(value / 1_000),
                    Logical::Nanos => return None,
                }
            }
            Type::Float => Datum::Float(f32::from_le_bytes(self.array()?)),
            Type::Double => Datum::Double(f64::from_le_bytes(self.array()?)),
            Type::Bytes => Datum::Bytes(self.sized()?),
            Type::Text => Datum::Text(str::from_utf8(self.sized()?).ok()?),
            Type::Fixed(length) => Datum::Bytes(self.bytes(*length)?),
            Type::Enum(symbols) => Datum::Text(symbols.get(usize::try_from(self.long()?).ok()?)?),
            Type::Union(types) => {
                let place = usize::try_from(self.long()?).ok()?;
                self.datum(schema, types.get(place)?, depth + 1)?
            }
            Type::Array(item) => Datum::List(self.blocks(|scan| scan.datum(schema, item, depth + 1))?),
            Type::Map(value) => {
                self.blocks(|scan| {
                    scan.sized()?;
                    scan.datum(schema, value, depth + 1)
                })?;
                Datum::Other
            }
            Type::Record(place) => {
                for (_, data_type) in schema.record(*place)? {
                    self.datum(schema, data_type, depth + 1)?;
                }
                Datum::Other
            }
        })
    }

    /// Blocks of items, each with its count; a negative one is followed by the block's bytes.
    fn blocks<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        loop {
            let count = self.long()?;
            if count == 0 {
                return Some(items);
            }
            if count < 0 {
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                // An item of no bytes could be claimed without end.
                if items.len() > MAX_ITEMS {
                    return None;
                }
                items.push(item(self)?);
            }
        }
    }
}

/// Items of a list or a map at most.
const MAX_ITEMS: usize = 1 << 20;

/// The value as a column holds it: widened where nothing can be lost.
fn conformed(datum: Datum<'_>, field: &Field) -> Result<Value, String> {
    let refused =
        || format!("the column `{}` is {}, and the record holds another type", field.name, field.data_type);
    of_type(datum, field.data_type).ok_or_else(refused)
}

fn of_type(datum: Datum<'_>, data_type: DataType) -> Option<Value> {
    if datum == Datum::Null {
        return Some(Value::Null);
    }
    match data_type {
        DataType::List(item, length) => {
            let Datum::List(items) = datum else { return None };
            if length.is_some_and(|length| length as usize != items.len()) {
                return None;
            }
            let items: Option<Vec<Value>> = items.into_iter().map(|one| of_type(one, item.into())).collect();
            Some(Value::List(items?.into()))
        }
        DataType::Scalar(scalar) => Some(match (scalar, datum) {
            (Scalar::Bool, Datum::Bool(value)) => Value::Bool(value),
            (Scalar::Int32, Datum::Int(value)) => Value::Int32(i32::try_from(value).ok()?),
            (Scalar::Int64, Datum::Int(value)) => Value::Int64(value),
            (Scalar::Float32, Datum::Int(value)) if value.abs() <= 1 << 24 => Value::Float32(value as f32),
            (Scalar::Float64, Datum::Int(value)) if value.abs() <= 1 << 53 => Value::Float64(value as f64),
            (Scalar::Float32, Datum::Float(value)) => Value::Float32(value),
            (Scalar::Float64, Datum::Float(value)) => Value::Float64(f64::from(value)),
            (Scalar::Float64, Datum::Double(value)) => Value::Float64(value),
            (Scalar::String, Datum::Text(text)) => Value::String(text.into()),
            (Scalar::String, Datum::Bytes(bytes)) => Value::String(str::from_utf8(bytes).ok()?.into()),
            (Scalar::Bytes, Datum::Text(text)) => Value::Bytes(text.as_bytes().into()),
            (Scalar::Bytes, Datum::Bytes(bytes)) => Value::Bytes(bytes.into()),
            (Scalar::Timestamp, Datum::Moment(micros)) => Value::Timestamp(Micros::new(micros).ok()?),
            (Scalar::Timestamp, Datum::Text(text)) => Value::Timestamp(text.parse().ok()?),
            _ => return None,
        }),
    }
}

#[cfg(test)]
mod tests;
