//! Reads from a server over gRPC: one request for the command `get`, and many over one connection for programs.

mod column;
mod dial;
mod packed;
mod pushes;
mod reads;

use std::error::Error;

use feature::{Micros, Scalar, Value};
use proto::v1::{self, feature_store_client::FeatureStoreClient};
use read::FeatureRequest;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};

pub use column::RemoteColumn;
pub use reads::{RemoteAnswer, RemoteReads};

use column::in_json;
pub(crate) use dial::ClientAccess;
use dial::connect;
use packed::{nulls, pack, status, unpack};

use crate::error::ProjectError;
use crate::read_features::{Get, ReadFeature, ReadFeatures};
use crate::server_error::ServerError;
use crate::settings::ClientToken;

pub(crate) async fn get(
    address: &str,
    get: &Get,
    request: FeatureRequest<Vec<Value>>,
    trained_on: Option<String>,
    access: &ClientAccess,
) -> Result<ReadFeatures, ProjectError> {
    let packed = |columns: Vec<(String, Vec<Value>)>| {
        let packed = |(column, values): (String, Vec<Value>)| match packed_values(&values) {
            Ok(values) => Ok((column, values)),
            Err(why) => Err(ServerError::MisfitColumn { column, why }),
        };
        columns.into_iter().map(packed).collect::<Result<_, _>>()
    };
    let request = v1::GetFeaturesRequest {
        service: get.service.to_string(),
        features: request.features,
        entities: packed(request.entities)?,
        request: packed(request.request)?,
        at_us: get.at.map(Micros::get),
        trained_on,
    };
    let channel = connect(address, access).await?;
    let response = FeatureStoreClient::new(channel)
        .get_features(shown_by(request, &access.token)?)
        .await
        .map_err(|status| ServerError::Refused { status: Box::new(status) })?
        .into_inner();
    let unreadable = |source: Box<dyn Error + Send + Sync>| ServerError::UnreadableAnswer {
        address: address.to_owned(),
        source,
    };
    let moment = |micros: i64| Micros::new(micros).map_err(|error| unreadable(error.into()));
    let mut features = Vec::new();
    for column in response.columns {
        let times = response.times.get(column.times as usize).filter(|times| !times.nulls.contains(&0));
        let status = column.statuses().next().and_then(status);
        let status = status.ok_or_else(|| unreadable(format!("`{}` has no status", column.name).into()))?;
        let value = column
            .values
            .as_ref()
            .and_then(|values| unpack(values).0.into_iter().next())
            .unwrap_or(Value::Null);
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
        other_logs: Vec::new(),
        deprecated: Vec::new(),
    })
}

/// A request that shows this token, where there is one.
fn shown_by<T>(message: T, token: &ClientToken) -> Result<Request<T>, ProjectError> {
    let mut request = Request::new(message);
    if let Some(token) = token.get() {
        let mut shown: MetadataValue<Ascii> =
            format!("Bearer {token}").parse().map_err(|_| ProjectError::NotAToken)?;
        shown.set_sensitive(true);
        request.metadata_mut().insert("authorization", shown);
    }
    Ok(request)
}

/// Values of one type as a message packs them; lists, whose items may all be null, as JSON.
fn packed_values(values: &[Value]) -> Result<v1::Values, String> {
    let first = values.iter().find(|value| !value.is_null());
    let scalar = first.and_then(|value| Scalar::ALL.into_iter().find(|scalar| value.is_of((*scalar).into())));
    match (first, scalar) {
        (_, Some(scalar)) => Ok(pack(values, scalar.into())),
        (Some(_), None) => in_json(values),
        // Null has no type.
        (None, None) => Ok(v1::Values { nulls: nulls(values), kind: None }),
    }
}
