//! Requests as they lie on the wire. Their columns are in the order of their names, so that equal requests are equal bytes:
//! a request is encoded once, sent as often as it has to be, and is its own key in the cache.

use bytes::Bytes;
use prost::Message;
use proto::v1;

use crate::values::Values;

/// A column, by its name.
#[derive(Clone, PartialEq, Message)]
struct NamedColumn {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    values: Option<v1::Values>,
}

/// `twinstore.v1.GetFeaturesRequest`.
#[derive(Clone, PartialEq, Message)]
struct GetFeaturesRequest {
    #[prost(string, tag = "1")]
    service: String,
    #[prost(string, repeated, tag = "2")]
    features: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    entities: Vec<NamedColumn>,
    #[prost(message, repeated, tag = "4")]
    request: Vec<NamedColumn>,
    #[prost(int64, optional, tag = "5")]
    at_us: Option<i64>,
    #[prost(string, optional, tag = "6")]
    trained_on: Option<String>,
}

/// `twinstore.v1.PushRequest`.
#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(string, tag = "1")]
    source: String,
    #[prost(message, repeated, tag = "2")]
    columns: Vec<NamedColumn>,
    #[prost(enumeration = "v1::push_request::Wait", tag = "3")]
    wait: i32,
}

/// Columns by their names, as their caller gave them.
pub(crate) type Columns = Vec<(String, Values)>;

/// What a read wants.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Wanted {
    pub service: String,
    pub features: Vec<String>,
    pub entities: Columns,
    pub request: Columns,
    pub at_us: Option<i64>,
    pub trained_on: Option<String>,
}

impl Wanted {
    pub fn encoded(self) -> Bytes {
        let Wanted { service, features, entities, request, at_us, trained_on } = self;
        let (entities, request) = (named(entities), named(request));
        let request = GetFeaturesRequest { service, features, entities, request, at_us, trained_on };
        request.encode_to_vec().into()
    }
}

/// Rows for a source.
pub(crate) fn encoded_rows(source: String, columns: Columns, wait: v1::push_request::Wait) -> Bytes {
    PushRequest { source, columns: named(columns), wait: wait.into() }.encode_to_vec().into()
}

fn named(mut columns: Columns) -> Vec<NamedColumn> {
    // Two of one name stay two, and are refused by the server.
    columns.sort_by(|a, b| a.0.cmp(&b.0));
    let named = |(name, values): (String, Values)| NamedColumn { name, values: Some(values.packed()) };
    columns.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn columns(number: i32) -> (Columns, HashMap<String, v1::Values>) {
        let columns = vec![("b".to_owned(), Values::from(number)), ("a".to_owned(), Values::from("x"))];
        let packed = columns.iter().map(|(name, values)| (name.clone(), values.clone().packed()));
        (columns.clone(), packed.collect())
    }

    #[test]
    fn generated_code_reads_what_is_written() {
        let ((entities, packed_entities), (request, packed_request)) = (columns(1), columns(2));
        let wanted = Wanted {
            service: "s@1".to_owned(),
            features: vec!["f".to_owned()],
            entities: entities.clone(),
            request,
            at_us: Some(-7),
            trained_on: Some("ab".to_owned()),
        };
        let read = v1::GetFeaturesRequest::decode(wanted.encoded()).unwrap();
        let expected = v1::GetFeaturesRequest {
            service: "s@1".to_owned(),
            features: vec!["f".to_owned()],
            entities: packed_entities.clone(),
            request: packed_request,
            at_us: Some(-7),
            trained_on: Some("ab".to_owned()),
        };
        assert_eq!(read, expected);
        let rows = encoded_rows("s".to_owned(), entities, v1::push_request::Wait::Online);
        let expected =
            v1::PushRequest { source: "s".to_owned(), columns: packed_entities, wait: 1, json_rows: vec![] };
        assert_eq!(v1::PushRequest::decode(rows).unwrap(), expected);
    }

    #[test]
    fn the_order_in_which_columns_were_named_does_not_matter() {
        let (entities, _) = columns(1);
        let reversed = entities.iter().rev().cloned().collect();
        let wanted = |entities| Wanted { entities, ..Wanted::default() };
        assert_eq!(wanted(entities).encoded(), wanted(reversed).encoded());
    }
}
