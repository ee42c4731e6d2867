//! Get from a server: one request over gRPC, and what its answer says of one entity.

use std::error::Error;

use feature::{Micros, Status, Value};
use proto::v1::{self, feature_store_client::FeatureStoreClient};
use read::FeatureRequest;
use tonic::transport::{Channel, Endpoint};

use crate::error::ProjectError;
use crate::read_features::{Get, ReadFeature, ReadFeatures};

pub(crate) async fn get(
    address: &str,
    get: &Get,
    request: FeatureRequest<Vec<Value>>,
    trained_on: Option<String>,
) -> Result<ReadFeatures, ProjectError> {
    let packed = |columns: Vec<(String, Vec<Value>)>| {
        columns.into_iter().map(|(name, values)| (name, pack(&values))).collect()
    };
    let request = v1::GetFeaturesRequest {
        service: get.service.to_string(),
        features: request.features,
        entities: packed(request.entities),
        request: packed(request.request),
        at_us: get.at.map(Micros::get),
        trained_on,
    };
    let unreachable =
        |source| ProjectError::Unreachable { address: address.to_owned(), source: Box::new(source) };
    let channel = connect(address).await.map_err(unreachable)?;
    let response = FeatureStoreClient::new(channel)
        .get_features(request)
        .await
        .map_err(|status| ProjectError::RefusedByServer { status: Box::new(status) })?
        .into_inner();
    let unreadable = |source: Box<dyn Error + Send + Sync>| ProjectError::UnreadableAnswer {
        address: address.to_owned(),
        source,
    };
    let moment = |micros: i64| Micros::new(micros).map_err(|error| unreadable(error.into()));
    let mut features = Vec::new();
    for column in response.columns {
        let times = response.times.get(column.times as usize).filter(|times| !times.nulls.contains(&0));
        let status = column.statuses().next().and_then(status);
        let status = status.ok_or_else(|| unreadable(format!("`{}` has no status", column.name).into()))?;
        let value = column.values.as_ref().map_or(Value::Null, first);
        features.push(ReadFeature {
            name: column.name,
            value,
            status,
            event_time: times.and_then(|t| t.event_times_us.first()).map(|t| moment(*t)).transpose()?,
            available_at: times.and_then(|t| t.available_ats_us.first()).map(|t| moment(*t)).transpose()?,
            age_s: times.and_then(|t| t.ages_s.first()).copied(),
            is_fresh: None,
        });
    }
    let service = response.service.parse().map_err(|error: feature::NameError| unreadable(error.into()))?;
    Ok(ReadFeatures {
        service,
        at: moment(response.at_us)?,
        features,
        never_loaded: Vec::new(),
        deprecated: Vec::new(),
    })
}

async fn connect(address: &str) -> Result<Channel, tonic::transport::Error> {
    Endpoint::from_shared(format!("http://{address}"))?.connect().await
}

fn status(status: v1::column::Status) -> Option<Status> {
    match status {
        v1::column::Status::Unspecified => None,
        v1::column::Status::Present => Some(Status::Present),
        v1::column::Status::NullValue => Some(Status::NullValue),
        v1::column::Status::NotFound => Some(Status::NotFound),
        v1::column::Status::OutsideMaxAge => Some(Status::OutsideMaxAge),
    }
}

/// Scalars of one type as a message packs them.
fn pack(values: &[Value]) -> v1::Values {
    use v1::values::Kind;
    macro_rules! packed {
        ($kind:ident, $message:ident, $field:ident, $variant:ident, $convert:expr) => {
            Some(Kind::$kind(v1::$message {
                $field: values
                    .iter()
                    .map(|value| match value {
                        Value::$variant(x) => $convert(x),
                        _ => Default::default(),
                    })
                    .collect(),
            }))
        };
    }
    let kind = match values.iter().find(|value| !value.is_null()) {
        None | Some(Value::Null | Value::List(_)) => None,
        Some(Value::Bool(_)) => packed!(Bools, Bools, values, Bool, |x: &bool| *x),
        Some(Value::Int32(_)) => packed!(Int32s, Int32s, values, Int32, |x: &i32| *x),
        Some(Value::Int64(_)) => packed!(Int64s, Int64s, values, Int64, |x: &i64| *x),
        Some(Value::Float32(_)) => packed!(Float32s, Float32s, values, Float32, |x: &f32| *x),
        Some(Value::Float64(_)) => packed!(Float64s, Float64s, values, Float64, |x: &f64| *x),
        Some(Value::String(_)) => {
            packed!(Strings, Strings, values, String, |x: &std::sync::Arc<str>| x.to_string())
        }
        Some(Value::Bytes(_)) => {
            packed!(Bytes, ByteStrings, values, Bytes, |x: &std::sync::Arc<[u8]>| x.to_vec())
        }
        Some(Value::Timestamp(_)) => {
            packed!(Timestamps, Timestamps, values_us, Timestamp, |x: &Micros| x.get())
        }
    };
    let nulls =
        values.iter().enumerate().filter(|(_, value)| value.is_null()).map(|(row, _)| row as u32).collect();
    v1::Values { nulls, kind }
}

/// The first value of a packed column.
fn first(values: &v1::Values) -> Value {
    use v1::values::Kind;
    if values.nulls.contains(&0) {
        return Value::Null;
    }
    let all = match &values.kind {
        Some(Kind::Lists(lists)) => {
            let length = lists.lengths.first().copied().unwrap_or(0) as usize;
            let items = lists.items.as_deref().map(unpack).unwrap_or_default();
            return Value::List(items.into_iter().take(length).collect());
        }
        _ => unpack(values),
    };
    all.into_iter().next().unwrap_or(Value::Null)
}

/// Packed scalars, null where they are said to be.
fn unpack(values: &v1::Values) -> Vec<Value> {
    use v1::values::Kind;
    let mut all: Vec<Value> = match &values.kind {
        None | Some(Kind::Lists(_)) => Vec::new(),
        Some(Kind::Bools(x)) => x.values.iter().copied().map(Value::Bool).collect(),
        Some(Kind::Int32s(x)) => x.values.iter().copied().map(Value::Int32).collect(),
        Some(Kind::Int64s(x)) => x.values.iter().copied().map(Value::Int64).collect(),
        Some(Kind::Float32s(x)) => x.values.iter().copied().map(Value::Float32).collect(),
        Some(Kind::Float64s(x)) => x.values.iter().copied().map(Value::Float64).collect(),
        Some(Kind::Strings(x)) => x.values.iter().map(|text| Value::String(text.as_str().into())).collect(),
        Some(Kind::Bytes(x)) => x.values.iter().map(|bytes| Value::Bytes(bytes.as_slice().into())).collect(),
        Some(Kind::Timestamps(x)) => x
            .values_us
            .iter()
            .map(|micros| Micros::new(*micros).map_or(Value::Null, Value::Timestamp))
            .collect(),
    };
    for row in &values.nulls {
        if let Some(value) = all.get_mut(*row as usize) {
            *value = Value::Null;
        }
    }
    all
}
