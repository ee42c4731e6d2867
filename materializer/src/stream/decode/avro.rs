//! An Avro record for each message, in the binary encoding of its writer's schema (Avro 1.12). Columns
//! are found by their names; what the view does not read is skipped. A union may hold null and one type.
//! Bytes that a crafted message claims are never allocated before they are there.

mod schema;

use feature::{DataType, Field, Given, Micros, Scalar, Value};

pub(super) use schema::Schema;
use schema::{Logical, Type};

/// The values of these columns in a record of this schema. An error names all columns that do not fit.
pub(super) fn decode(
    schema: &Schema,
    fields: &[Field],
    names: &[String],
    bytes: &[u8],
) -> Result<Vec<Value>, String> {
    let (mut values, mut misfits) = (vec![Value::Null; fields.len()], Vec::new());
    let mut scan = Scan::of(bytes);
    for (name, data_type) in schema.fields() {
        let stored =
            |at: usize, field: &Field| names.get(at).map_or(field.name.as_str(), String::as_str) == name;
        match fields.iter().enumerate().position(|(at, field)| stored(at, field)) {
            Some(index) => {
                let read = scan
                    .datum(schema, data_type, At::KEPT)
                    .ok_or("it ends too early, or is of another schema")?;
                if let (Some(field), Some(value)) = (fields.get(index), values.get_mut(index)) {
                    match conformed(&read, field) {
                        Ok(conformed) => *value = conformed,
                        Err(what) => misfits.push(what),
                    }
                }
            }
            None => {
                scan.datum(schema, data_type, At::PASSED)
                    .ok_or("it ends too early, or is of another schema")?;
            }
        }
    }
    match scan.rest {
        [] if misfits.is_empty() => Ok(values),
        [] => Err(misfits.join("; ")),
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
    /// Microseconds since 1970, towards minus infinity, as a later moment would leak.
    Moment(i128),
    /// A number, times ten to the power of minus its scale.
    Decimal(i128, u32),
    List(Vec<Datum<'a>>),
    /// A map, a record, or a decimal of more than 128 bits: nothing that a column holds.
    Other,
}

/// The rest of a message.
struct Scan<'a> {
    rest: &'a [u8],
    /// How many values may still be read of it. Nearly all take a byte or more; a schema can name others without end.
    values: usize,
}

/// The next zigzag integer, which is taken off the bytes.
pub(super) fn zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let mut scan = Scan::of(bytes);
    let value = scan.long()?;
    *bytes = scan.rest;
    Some(value)
}

/// How deep types may be nested in each other.
const MAX_DEPTH: u32 = 64;
/// Values that a message may have beside four for each of its bytes: nulls, and records of nothing.
const MAX_EMPTY_VALUES: usize = 8_192;

/// Where in a message a value is.
#[derive(Clone, Copy)]
struct At {
    depth: u32,
    /// Whether it is the value of a column, or is passed over: nothing of it is held then.
    is_kept: bool,
}

impl At {
    const KEPT: Self = Self { depth: 0, is_kept: true };
    const PASSED: Self = Self { depth: 0, is_kept: false };

    fn inner(self, is_kept: bool) -> Self {
        Self { depth: self.depth + 1, is_kept }
    }
}

impl<'a> Scan<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, values: bytes.len().saturating_mul(4).saturating_add(MAX_EMPTY_VALUES) }
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        self.rest.split_off(..length)
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

    /// The next value of a type; `None` if the bytes are not one.
    fn datum(&mut self, schema: &'a Schema, data_type: &'a Type, at: At) -> Option<Datum<'a>> {
        if at.depth > MAX_DEPTH {
            return None;
        }
        self.values = self.values.checked_sub(1)?;
        Some(match data_type {
            Type::Null => Datum::Null,
            Type::Bool => match self.array()? {
                [0] => Datum::Bool(false),
                [1] => Datum::Bool(true),
                _ => return None,
            },
            Type::Int(logical) => {
                let value = self.long()?;
                let ticks = i128::from(value);
                match logical {
                    Logical::None => Datum::Int(value),
                    Logical::Days => Datum::Moment(ticks * 86_400_000_000),
                    Logical::Millis => Datum::Moment(ticks * 1_000),
                    Logical::Micros => Datum::Moment(ticks),
                    Logical::Nanos => Datum::Moment(ticks.div_euclid(1_000)),
                }
            }
            Type::Float => Datum::Float(f32::from_le_bytes(self.array()?)),
            Type::Double => Datum::Double(f64::from_le_bytes(self.array()?)),
            Type::Bytes => Datum::Bytes(self.sized()?),
            Type::Text => Datum::Text(str::from_utf8(self.sized()?).ok()?),
            Type::Fixed(length) => Datum::Bytes(self.bytes(*length)?),
            Type::Decimal(length, scale) => {
                let bytes = match length {
                    Some(length) => self.bytes(*length)?,
                    None => self.sized()?,
                };
                integer(bytes).map_or(Datum::Other, |unscaled| Datum::Decimal(unscaled, *scale))
            }
            Type::Enum(symbols) => Datum::Text(symbols.get(usize::try_from(self.long()?).ok()?)?),
            Type::Union(types) => {
                let index = usize::try_from(self.long()?).ok()?;
                self.datum(schema, types.get(index)?, at.inner(at.is_kept))?
            }
            Type::Array(item) => {
                let mut items = Vec::new();
                self.blocks(|scan| {
                    let item = scan.datum(schema, item, at.inner(at.is_kept))?;
                    if at.is_kept {
                        items.push(item);
                    }
                    Some(())
                })?;
                if at.is_kept { Datum::List(items) } else { Datum::Other }
            }
            Type::Map(value) => {
                self.blocks(|scan| {
                    scan.sized()?;
                    scan.datum(schema, value, at.inner(false)).map(drop)
                })?;
                Datum::Other
            }
            Type::Record(index) => {
                for (_, data_type) in schema.record(*index)? {
                    self.datum(schema, data_type, at.inner(false))?;
                }
                Datum::Other
            }
        })
    }

    /// Blocks of items, each with its count; a negative one is followed by the block's bytes.
    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Some(());
            }
            if count < 0 {
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                item(self)?;
            }
        }
    }
}

/// An integer in two's complement, big end first; none where it has more than 128 bits.
fn integer(bytes: &[u8]) -> Option<i128> {
    let sign: u8 = if bytes.first().is_some_and(|first| first & 0x80 != 0) { 0xff } else { 0 };
    let spare = bytes.len().saturating_sub(16);
    let (head, rest) = bytes.split_at_checked(spare)?;
    let value = rest.iter().fold(i128::from(sign as i8), |value, byte| value << 8 | i128::from(*byte));
    let is_sign = head.iter().all(|byte| *byte == sign) && (spare == 0 || (value < 0) == (sign != 0));
    is_sign.then_some(value)
}

/// The value as a column holds it: exactly the number or moment that it is.
fn conformed(datum: &Datum<'_>, field: &Field) -> Result<Value, String> {
    of_type(datum, field.data_type).ok_or_else(|| {
        let limits = feature::limits(field.data_type);
        format!("the column `{}` is {}, and {} is not{limits}", field.name, field.data_type, shown(datum))
    })
}

/// A value for a message.
fn shown(datum: &Datum<'_>) -> String {
    match datum {
        Datum::Null => "null".to_owned(),
        Datum::Bool(value) => value.to_string(),
        Datum::Int(value) => value.to_string(),
        Datum::Float(value) => value.to_string(),
        Datum::Double(value) => value.to_string(),
        Datum::Decimal(unscaled, scale) => decimal_text(*unscaled, *scale),
        Datum::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Datum::Text(text) => format!("\"{}\"", text.get(..text.floor_char_boundary(40)).unwrap_or_default()),
        Datum::Moment(micros) => match i64::try_from(*micros).ok().and_then(|at| Micros::new(at).ok()) {
            Some(moment) => format!("the moment {moment}"),
            None => format!("the moment {micros} microseconds since 1970"),
        },
        Datum::List(items) => format!("a list of {} items", items.len()),
        Datum::Other => "a map, a record or a decimal of more than 128 bits".to_owned(),
    }
}

/// A decimal without the zeros at its end.
fn decimal_text(mut unscaled: i128, mut scale: u32) -> String {
    while scale > 0 && unscaled % 10 == 0 {
        (unscaled, scale) = (unscaled / 10, if unscaled == 0 { 0 } else { scale - 1 });
    }
    if scale == 0 { unscaled.to_string() } else { format!("{unscaled}e-{scale}") }
}

fn of_type(datum: &Datum<'_>, data_type: DataType) -> Option<Value> {
    if *datum == Datum::Null {
        return Some(Value::Null);
    }
    let items = match (data_type, datum) {
        (DataType::Scalar(scalar), datum) => return of_scalar(datum, scalar),
        (DataType::List(item, length), Datum::List(items)) => {
            if length.is_some_and(|length| length as usize != items.len()) {
                return None;
            }
            items.iter().map(|one| of_type(one, item.into())).collect::<Option<Vec<Value>>>()
        }
        _ => None,
    };
    Some(Value::List(items?.into()))
}

fn of_scalar(datum: &Datum<'_>, scalar: Scalar) -> Option<Value> {
    let given = match datum {
        Datum::Bool(value) => Given::Bool(*value),
        Datum::Int(value) => Given::Whole((*value).into()),
        Datum::Float(value) => Given::Single(*value),
        Datum::Double(value) => Given::Double(*value),
        Datum::Decimal(unscaled, scale) => {
            let is_number =
                matches!(scalar, Scalar::Int32 | Scalar::Int64 | Scalar::Float32 | Scalar::Float64);
            return feature::field(&decimal_text(*unscaled, *scale), scalar.into()).filter(|_| is_number);
        }
        Datum::Text(text) if scalar == Scalar::Bytes => return Some(Value::Bytes(text.as_bytes().into())),
        Datum::Text(text) => Given::Text(text),
        Datum::Bytes(bytes) if scalar == Scalar::Bytes => return Some(Value::Bytes((*bytes).into())),
        Datum::Bytes(bytes) if scalar == Scalar::String => Given::Text(str::from_utf8(bytes).ok()?),
        Datum::Moment(micros) if scalar == Scalar::Timestamp => {
            return Some(Value::Timestamp(Micros::new((*micros).try_into().ok()?).ok()?));
        }
        Datum::Null | Datum::Bytes(_) | Datum::Moment(_) | Datum::List(_) | Datum::Other => return None,
    };
    given.exactly(scalar)
}

#[cfg(test)]
mod avro_tests;
