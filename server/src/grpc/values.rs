//! `Values` as they lie on the wire, from a column: sized first, then written in one pass, with nothing
//! in between.

use bytes::BufMut;
use feature::{DataType, Scalar, Value};
use online::Values;

use super::wire::{
    filled_bytes, number_bytes, put_fixed, put_head, put_number, put_varints, sized_bytes, varints_bytes,
    zigzag,
};

/// The rows that are null, and the values of all rows, ready to be written.
pub(super) struct Packed<'a> {
    nulls: &'a [u32],
    kind: Kind<'a>,
    /// Bytes of what lies in the field of the kind.
    kind_bytes: usize,
}

/// The values as the fields of the message tell them apart.
enum Kind<'a> {
    Typed(&'a Values),
    Text(&'a [Value]),
    Lists(Box<Lists>),
}

/// Lists of any length: how long each is, and all items.
struct Lists {
    lengths: Vec<u32>,
    items: Values,
    item: Scalar,
    nulls: Vec<u32>,
    /// How many items each has by its type; 0 for any number.
    length: u32,
}

impl<'a> Packed<'a> {
    /// Of a column of this type whose value is null in these rows.
    pub fn of(values: &'a Values, nulls: &'a [u32], data_type: DataType) -> Self {
        let kind = match (values, data_type) {
            (Values::Other(values), DataType::List(item, length)) => {
                Kind::Lists(Box::new(Lists::of(values, item, length)))
            }
            (Values::Other(values), DataType::Scalar(_)) => Kind::Text(values),
            _ => Kind::Typed(values),
        };
        Self { nulls, kind_bytes: kind.bytes(), kind }
    }

    /// Bytes of the message.
    pub fn bytes(&self) -> usize {
        filled_bytes(varints_bytes(self.nulls())) + sized_bytes(self.kind_bytes)
    }

    fn nulls(&self) -> impl Iterator<Item = u64> {
        self.nulls.iter().map(|row| u64::from(*row))
    }

    /// Writes the message.
    pub fn write(&self, data_type: DataType, out: &mut impl BufMut) {
        put_varints(1, varints_bytes(self.nulls()), self.nulls(), out);
        put_head(field_of(data_type), self.kind_bytes, out);
        self.kind.write(out);
    }
}

/// Which field of `Values` has columns of a type.
fn field_of(data_type: DataType) -> u8 {
    match data_type {
        DataType::Scalar(Scalar::Bool) => 2,
        DataType::Scalar(Scalar::Int32) => 3,
        DataType::Scalar(Scalar::Int64) => 4,
        DataType::Scalar(Scalar::Float32) => 5,
        DataType::Scalar(Scalar::Float64) => 6,
        DataType::Scalar(Scalar::String) => 7,
        DataType::Scalar(Scalar::Bytes) => 8,
        DataType::Scalar(Scalar::Timestamp) => 9,
        DataType::List(..) => 10,
    }
}

fn narrow(values: &[i32]) -> impl Iterator<Item = u64> {
    values.iter().map(|x| zigzag(i64::from(*x)))
}

fn wide(values: &[i64]) -> impl Iterator<Item = u64> {
    values.iter().map(|x| zigzag(*x))
}

/// The bytes of a text; none of what is none.
fn text(value: &Value) -> &[u8] {
    match value {
        Value::String(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => &[],
    }
}

impl Kind<'_> {
    fn bytes(&self) -> usize {
        match self {
            Kind::Typed(Values::Bool(values)) => filled_bytes(values.len()),
            Kind::Typed(Values::Int32(values)) => filled_bytes(varints_bytes(narrow(values))),
            Kind::Typed(Values::Int64(values)) => filled_bytes(varints_bytes(wide(values))),
            Kind::Typed(Values::Float32(values)) => filled_bytes(values.len() * 4),
            Kind::Typed(Values::Float64(values)) => filled_bytes(values.len() * 8),
            Kind::Typed(Values::Timestamp(values)) => filled_bytes(values.len() * 8),
            Kind::Typed(Values::Other(_)) => 0,
            Kind::Text(values) => values.iter().map(|value| sized_bytes(text(value).len())).sum(),
            Kind::Lists(lists) => {
                filled_bytes(varints_bytes(lists.lengths()))
                    + sized_bytes(lists.items().bytes())
                    + number_bytes(lists.length.into())
            }
        }
    }

    fn write(&self, out: &mut impl BufMut) {
        match self {
            Kind::Typed(Values::Bool(values)) => put_fixed(1, values, |x| [u8::from(*x)], out),
            Kind::Typed(Values::Int32(values)) => {
                put_varints(1, varints_bytes(narrow(values)), narrow(values), out);
            }
            Kind::Typed(Values::Int64(values)) => {
                put_varints(1, varints_bytes(wide(values)), wide(values), out);
            }
            Kind::Typed(Values::Float32(values)) => put_fixed(1, values, |x| x.to_le_bytes(), out),
            Kind::Typed(Values::Float64(values)) => put_fixed(1, values, |x| x.to_le_bytes(), out),
            Kind::Typed(Values::Timestamp(values)) => put_fixed(1, values, |x| x.to_le_bytes(), out),
            Kind::Typed(Values::Other(_)) => {}
            Kind::Text(values) => {
                for value in *values {
                    let bytes = text(value);
                    put_head(1, bytes.len(), out);
                    out.put_slice(bytes);
                }
            }
            Kind::Lists(lists) => {
                put_varints(1, varints_bytes(lists.lengths()), lists.lengths(), out);
                let items = lists.items();
                put_head(2, items.bytes(), out);
                // Items are never lists themselves, which the compiler cannot know.
                items.write_items(lists.item, out);
                put_number(3, lists.length.into(), out);
            }
        }
    }
}

impl Packed<'_> {
    fn write_items(&self, item: Scalar, out: &mut dyn BufMut) {
        self.write(item.into(), &mut { out });
    }
}

impl Lists {
    fn of(values: &[Value], item: Scalar, length: Option<u32>) -> Self {
        let mut lists = Self {
            lengths: Vec::with_capacity(values.len()),
            items: Values::of(item.into(), 0),
            item,
            nulls: Vec::new(),
            length: length.unwrap_or(0),
        };
        let mut count = 0;
        for value in values {
            let items = if let Value::List(items) = value { &**items } else { &[] };
            lists.lengths.push(items.len() as u32);
            for value in items {
                if value.is_null() {
                    lists.nulls.push(count);
                }
                lists.items.push(value);
                count += 1;
            }
        }
        lists
    }

    fn lengths(&self) -> impl Iterator<Item = u64> {
        self.lengths.iter().map(|length| u64::from(*length))
    }

    fn items(&self) -> Packed<'_> {
        Packed::of(&self.items, &self.nulls, self.item.into())
    }
}
