//! Records in the frame of a schema registry: a zero byte, the schema's id in four bytes, big end first,
//! and the value. Of protobuf the path to the message comes between: how many numbers, then the index of
//! each message in the one before, all zigzag; a single zero is the file's first.

use std::collections::HashMap;
use std::sync::Arc;

use feature::{Field, Value};
use prost_reflect::{FileDescriptor, MessageDescriptor};

use super::decode_error::DecodeError;
use super::{avro, protobuf};
use crate::error::MaterializerError;
use crate::schema_registry::{RegisteredSchema, SchemaRegistry};

/// Schemas that are kept; beyond them all are fetched again.
const MAX_SCHEMAS: usize = 1_000;
/// How deep a message may lie in others.
const MAX_PATH: usize = 32;

/// What the registry calls a kind of schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Avro,
    Protobuf,
}

/// Reads framed records of one kind.
#[derive(Debug)]
pub(super) struct Framed {
    pub(super) registry: Arc<SchemaRegistry>,
    pub(super) kind: Kind,
    pub(super) schemas: HashMap<u32, Known>,
}

/// What is known of an id.
#[derive(Debug)]
pub(super) enum Known {
    Avro(avro::Schema),
    Protobuf(FileDescriptor),
    /// The registry does not have it.
    Missing,
    /// It cannot be read; why, in words.
    Unreadable(String),
}

impl Framed {
    pub(super) fn new(registry: &Arc<SchemaRegistry>, kind: Kind) -> Self {
        Self { registry: registry.clone(), kind, schemas: HashMap::new() }
    }

    /// Fetches the schemas of these values that are not known yet. A schema that the registry did not have is
    /// requested again: it may have been registered since.
    pub(super) async fn prepare<'a>(
        &mut self,
        values: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), MaterializerError> {
        self.schemas.retain(|_, known| !matches!(known, Known::Missing));
        if self.schemas.len() > MAX_SCHEMAS {
            self.schemas.clear();
        }
        for id in values.filter_map(|bytes| Some(unframed(bytes)?.0)) {
            if !self.schemas.contains_key(&id) {
                let known = match self.registry.schema(id).await? {
                    Some(registered) => self.parsed(&registered),
                    None => Known::Missing,
                };
                self.schemas.insert(id, known);
            }
        }
        Ok(())
    }

    fn parsed(&self, registered: &RegisteredSchema) -> Known {
        let parsed = match (self.kind, registered.kind.as_str()) {
            (Kind::Avro, "AVRO") => {
                let texts = registered
                    .references
                    .iter()
                    .map(|(_, text)| text.as_str())
                    .chain([registered.text.as_str()]);
                avro::Schema::parse_last(texts).map(Known::Avro)
            }
            (Kind::Protobuf, "PROTOBUF") => {
                protobuf::file(&registered.text, &registered.references).map(Known::Protobuf)
            }
            (_, other) => Err(format!("it is of {other}, and the source's format is {:?}", self.kind)),
        };
        parsed.unwrap_or_else(Known::Unreadable)
    }

    /// The values of these columns in a record whose schema was prepared.
    pub(super) fn decode(
        &self,
        fields: &[Field],
        names: &[String],
        bytes: &[u8],
    ) -> Result<Vec<Value>, DecodeError> {
        let (id, rest) = unframed(bytes).ok_or_else(|| {
            DecodeError::undecodable(
                "it lacks the frame of a schema registry: a zero byte and the schema's id",
            )
        })?;
        let of_schema = |why: String| DecodeError::undecodable(format!("by schema {id}: {why}"));
        match self.schemas.get(&id) {
            Some(Known::Avro(schema)) => avro::decode(schema, fields, names, rest).map_err(of_schema),
            Some(Known::Protobuf(file)) => {
                let (message, rest) = message(file, rest)
                    .ok_or_else(|| of_schema("it names no message of its schema".to_owned()))?;
                protobuf::decode(&message, fields, names, rest).map_err(of_schema)
            }
            Some(Known::Unreadable(why)) => {
                Err(DecodeError::unknown_schema(format!("schema {id} is not readable: {why}")))
            }
            Some(Known::Missing) | None => {
                Err(DecodeError::unknown_schema(format!("the schema registry has no schema {id}")))
            }
        }
    }
}

/// The id and what follows it.
pub(super) fn unframed(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (frame, rest) = bytes.split_first_chunk::<5>()?;
    let [0, id @ ..] = frame else { return None };
    Some((u32::from_be_bytes(*id), rest))
}

/// The message that a path leads to, and what follows the path.
fn message<'a>(file: &FileDescriptor, bytes: &'a [u8]) -> Option<(MessageDescriptor, &'a [u8])> {
    let mut rest = bytes;
    let count = usize::try_from(avro::zigzag(&mut rest)?).ok().filter(|count| *count <= MAX_PATH)?;
    let mut path = Vec::with_capacity(count.max(1));
    for _ in 0..count {
        path.push(usize::try_from(avro::zigzag(&mut rest)?).ok()?);
    }
    let (first, inner) = path.split_first().unwrap_or((&0, &[]));
    let mut found = file.messages().nth(*first)?;
    for index in inner {
        // The entries of maps are no messages in the text of a schema.
        let child = found.child_messages().filter(|child| !child.is_map_entry()).nth(*index)?;
        found = child;
    }
    Some((found, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = r#"
        syntax = "proto3";
        package shop;
        import "money.proto";
        message Order {
            map<string, int64> counts = 1;
            message Line { int64 id = 1; }
            message Total { Money money = 2; }
        }
        message Click { int64 id = 1; }
    "#;
    const MONEY: &str = r#"syntax = "proto3"; package shop; message Money { int64 cents = 1; }"#;

    #[test]
    fn a_path_leads_to_a_message_and_past_the_entries_of_maps() {
        let file = protobuf::file(SHOP, &[("money.proto".to_owned(), MONEY.to_owned())]).unwrap();
        let name = |path: &[u8]| message(&file, path).map(|(found, _)| found.full_name().to_owned());
        for (path, wanted) in [
            (&[0][..], "shop.Order"),
            (&[2, 2], "shop.Click"),
            (&[4, 0, 0], "shop.Order.Line"),
            (&[4, 0, 2], "shop.Order.Total"),
        ] {
            assert_eq!(name(path).as_deref(), Some(wanted), "{path:?}");
        }
        for none in [&[][..], &[2], &[2, 4], &[4, 0, 4], &[1], &[0xff, 0xff, 0x7f]] {
            assert_eq!(name(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_frame_is_a_zero_and_an_id() {
        assert_eq!(unframed(&[0, 0, 0, 1, 2, 9]), Some((258, &[9][..])));
        for none in [&[][..], &[0, 0, 0, 1], &[1, 0, 0, 0, 1, 9]] {
            assert_eq!(unframed(none), None, "{none:?}");
        }
    }
}
