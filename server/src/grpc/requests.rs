//! Requests, from the wire to their columns by name. A map is a list of entries there, and is read as one: the generated
//! code would keep the last of two columns of one name in silence.

use feature::shown;
use proto::v1::Values;
use proto::v1::push_request::Wait;
use read::FeatureRequest;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder};

use super::columns::PackedColumn;

/// A request for features of a service.
pub(super) struct FeaturesRequest {
    pub service: String,
    pub request: FeatureRequest<PackedColumn>,
    pub at_us: Option<i64>,
    pub trained_on: Option<String>,
}

/// Rows for a source.
pub(super) struct RowsRequest {
    pub source: String,
    pub columns: Vec<(String, PackedColumn)>,
    /// The rows as JSON objects, instead of columns.
    pub json_rows: Vec<String>,
    pub wait: Wait,
}

/// Reads messages, and makes requests of them. What is none is its sender's fault, and not the server's, as the decoder
/// itself says.
pub(super) struct RequestDecoder<M, T> {
    messages: ProstDecoder<M>,
    request_of: fn(M) -> T,
}

impl<M: prost::Message + Default + 'static, T> RequestDecoder<M, T> {
    pub fn of(request_of: fn(M) -> T) -> Self {
        Self { messages: ProstCodec::<M, M>::default().decoder(), request_of }
    }
}

impl<M: prost::Message + Default + 'static, T> Decoder for RequestDecoder<M, T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        let malformed = |status: Status| {
            let said = format!("the request is malformed: {}", status.message());
            Status::invalid_argument(shown(&said))
        };
        Ok(self.messages.decode(bytes).map_err(malformed)?.map(self.request_of))
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.messages.buffer_settings()
    }
}

/// `twinstore.v1.GetFeaturesRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FeaturesMessage {
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

impl FeaturesMessage {
    pub fn into_request(self) -> FeaturesRequest {
        let Self { service, features, entities, request, at_us, trained_on } = self;
        let request = FeatureRequest { features, entities: by_name(entities), request: by_name(request) };
        FeaturesRequest { service, request, at_us, trained_on }
    }
}

/// `twinstore.v1.PushRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RowsMessage {
    #[prost(string, tag = "1")]
    source: String,
    #[prost(message, repeated, tag = "2")]
    columns: Vec<NamedColumn>,
    #[prost(enumeration = "Wait", tag = "3")]
    wait: i32,
    #[prost(string, repeated, tag = "4")]
    json_rows: Vec<String>,
}

impl RowsMessage {
    pub fn into_request(self) -> RowsRequest {
        let wait = self.wait();
        let Self { source, columns, json_rows, .. } = self;
        RowsRequest { source, columns: by_name(columns), json_rows, wait }
    }
}

/// A column, by its name.
#[derive(Clone, PartialEq, prost::Message)]
struct NamedColumn {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    values: Option<Values>,
}

/// The columns with their names, in the order of these: a map comes in any order, and what is said of columns
/// should not. An entry without values has none.
fn by_name(mut columns: Vec<NamedColumn>) -> Vec<(String, PackedColumn)> {
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    let packed = |column: NamedColumn| (column.name, PackedColumn(column.values.unwrap_or_default()));
    columns.into_iter().map(packed).collect()
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
        let read = FeaturesMessage::decode(message.encode_to_vec().as_slice()).unwrap();
        let GetFeaturesRequest { service, features, at_us, trained_on, .. } = message;
        assert_eq!(
            read,
            FeaturesMessage { service, features, entities: named(1), request: named(2), at_us, trained_on }
        );
        let json_rows = vec!["{}".to_owned()];
        let pushed = PushRequest {
            source: "s".to_owned(),
            columns: columns(3),
            wait: 1,
            json_rows: json_rows.clone(),
        };
        let read = RowsMessage::decode(pushed.encode_to_vec().as_slice()).unwrap();
        assert_eq!(read, RowsMessage { source: "s".to_owned(), columns: named(3), wait: 1, json_rows });
    }
}
