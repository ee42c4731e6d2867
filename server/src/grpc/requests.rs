//! Requests as they lie on the wire. A map is a list of entries there, and stays one here: the generated code would
//! keep the last of two columns of one name in silence.

use proto::v1::Values;

use super::columns::PackedColumn;

/// A column, by its name.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct NamedColumn {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub values: Option<Values>,
}

impl NamedColumn {
    /// The columns with their names, in the order of these: a map comes in any order, and what is said of columns
    /// should not. An entry without values has none.
    pub fn pairs(mut columns: Vec<NamedColumn>) -> Vec<(String, PackedColumn)> {
        columns.sort_by(|a, b| a.name.cmp(&b.name));
        let packed = |column: NamedColumn| (column.name, PackedColumn(column.values.unwrap_or_default()));
        columns.into_iter().map(packed).collect()
    }
}

/// `twinstore.v1.GetFeaturesRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FeaturesRequest {
    #[prost(string, tag = "1")]
    pub service: String,
    #[prost(string, repeated, tag = "2")]
    pub features: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub entities: Vec<NamedColumn>,
    #[prost(message, repeated, tag = "4")]
    pub request: Vec<NamedColumn>,
    #[prost(int64, optional, tag = "5")]
    pub at_us: Option<i64>,
    #[prost(string, optional, tag = "6")]
    pub trained_on: Option<String>,
}

/// `twinstore.v1.PushRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RowsRequest {
    #[prost(string, tag = "1")]
    pub source: String,
    #[prost(message, repeated, tag = "2")]
    pub columns: Vec<NamedColumn>,
    #[prost(enumeration = "proto::v1::push_request::Wait", tag = "3")]
    pub wait: i32,
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use prost::Message;
    use proto::v1::values::Kind;
    use proto::v1::{GetFeaturesRequest, Int32s, PushRequest};

    use super::*;

    #[test]
    fn requests_are_read_as_generated_code_writes_them() {
        let values = |x: i32| Values { nulls: vec![], kind: Some(Kind::Int32s(Int32s { values: vec![x] })) };
        let columns = |x: i32| HashMap::from([("a".to_owned(), values(x))]);
        let named = |x: i32| vec![NamedColumn { name: "a".to_owned(), values: Some(values(x)) }];
        let message = GetFeaturesRequest {
            service: "s@1".to_owned(),
            features: vec!["f".to_owned(), "g".to_owned()],
            entities: columns(1),
            request: columns(2),
            at_us: Some(-7),
            trained_on: Some("ab".to_owned()),
        };
        let read = FeaturesRequest::decode(message.encode_to_vec().as_slice()).unwrap();
        let GetFeaturesRequest { service, features, at_us, trained_on, .. } = message;
        assert_eq!(
            read,
            FeaturesRequest { service, features, entities: named(1), request: named(2), at_us, trained_on }
        );
        let pushed = PushRequest { source: "s".to_owned(), columns: columns(3), wait: 1 };
        let read = RowsRequest::decode(pushed.encode_to_vec().as_slice()).unwrap();
        assert_eq!(read, RowsRequest { source: "s".to_owned(), columns: named(3), wait: 1 });
    }
}
