//! Reads from a server over gRPC: one request for the command `get`, and many over one connection for programs.

mod dial;
mod packed;
mod reads;

use std::error::Error;

use feature::{Micros, Scalar, Value};
use proto::v1::{self, feature_store_client::FeatureStoreClient};
use read::FeatureRequest;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};

pub use reads::{RemoteAnswer, RemotePushed, RemoteReads};

pub(crate) use dial::ClientAccess;
use dial::connect;
use packed::{pack, status, unpack};

use crate::error::ProjectError;
use crate::read_features::{Get, ReadFeature, ReadFeatures};
use crate::settings::ClientToken;

pub(crate) async fn get(
    address: &str,
    get: &Get,
    request: FeatureRequest<Vec<Value>>,
    trained_on: Option<String>,
    access: &ClientAccess,
) -> Result<ReadFeatures, ProjectError> {
    let packed = |columns: Vec<(String, Vec<Value>)>| {
        columns.into_iter().map(|(name, values)| (name, packed_values(&values))).collect()
    };
    let request = v1::GetFeaturesRequest {
        service: get.service.to_string(),
        features: request.features,
        entities: packed(request.entities),
        request: packed(request.request),
        at_us: get.at.map(Micros::get),
        trained_on,
    };
    let channel = connect(address, access).await?;
    let response = FeatureStoreClient::new(channel)
        .get_features(shown_by(request, &access.token)?)
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

/// Values of one type as a message packs them.
fn packed_values(values: &[Value]) -> v1::Values {
    let first = values.iter().find(|value| !value.is_null());
    let scalar = first.and_then(|value| Scalar::ALL.into_iter().find(|scalar| value.is_of((*scalar).into())));
    match scalar {
        Some(scalar) => pack(values, scalar),
        // Null has no type, and neither has a list here.
        None => v1::Values { nulls: (0..values.len() as u32).collect(), kind: None },
    }
}
