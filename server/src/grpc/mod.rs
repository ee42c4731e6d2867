//! The gRPC face: `twinstore.v1.FeatureStore`, and Feast's service beside it.

mod columns;
mod push;

use std::sync::Arc;
use std::time::Duration;

use feature::{Micros, Status as FeatureStatus, Times};
use online::Reader;
use proto::feast::serving::serving_service_server::ServingServiceServer;
use proto::v1::feature_store_server::{FeatureStore, FeatureStoreServer};
use proto::v1::{self, GetFeaturesRequest, GetFeaturesResponse, PushRequest, PushResponse};
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_server::{Health, HealthServer};

use crate::call::Call;
use crate::error::{Code, ServeError};
use crate::feast::FeastGrpcFace;
use crate::features::Features;
use crate::metrics::{Face, Stage};
use crate::question::Asked;
use crate::serving::Serving;

/// The service on top of what both faces share.
pub(crate) struct GrpcFace<R>(pub Arc<Serving<R>>);

#[tonic::async_trait]
impl<R: Reader + 'static> FeatureStore for GrpcFace<R> {
    async fn get_features(
        &self,
        request: Request<GetFeaturesRequest>,
    ) -> Result<Response<GetFeaturesResponse>, Status> {
        let call = self.0.begin(Face::Grpc, waits(request.metadata()));
        let answer = self.answer(&call, request.into_inner()).await;
        call.ended(&answer);
        answer.map(Response::new).map_err(|error| to_status(&error))
    }

    async fn push(&self, request: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        let call = self.0.begin(Face::Grpc, waits(request.metadata()));
        let answer = push::answer(&self.0, &call, request.into_inner()).await;
        call.ended(&answer);
        answer.map(Response::new).map_err(|error| to_status(&error))
    }
}

impl<R: Reader> GrpcFace<R> {
    async fn answer(
        &self,
        call: &Call,
        request: GetFeaturesRequest,
    ) -> Result<GetFeaturesResponse, ServeError> {
        let GetFeaturesRequest { service, features, entities, request, at_us } = request;
        let at = at_us.map(Micros::new).transpose();
        let at = at.map_err(|error| ServeError::Malformed(format!("`at_us`: {error}")))?;
        let asked = Asked {
            features,
            entities: entities.into_iter().collect(),
            request: request.into_iter().collect(),
        };
        let features = self.0.features(call, &service, asked, at).await?;
        let response = response(features);
        call.end_of(Stage::Encode);
        Ok(response)
    }
}

/// How long the caller waits, where it says so: a little less than that, so that the refusal arrives
/// before it has left.
pub(crate) fn waits(metadata: &MetadataMap) -> Option<Duration> {
    const LONGEST_MARGIN: Duration = Duration::from_millis(20);
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (unit_at, unit) = text.char_indices().next_back()?;
    // The protocol allows eight digits.
    let number = text.get(..unit_at).filter(|digits| (1..=8).contains(&digits.len()))?;
    let number: u64 = number.parse().ok()?;
    let waits = match unit {
        'H' => Duration::from_secs(number * 3_600),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    };
    Some(waits - (waits / 10).min(LONGEST_MARGIN))
}

/// The service, and beside it health and both versions of reflection.
pub(crate) fn routes<R: Reader + 'static, H: Health>(
    serving: &Arc<Serving<R>>,
    health: HealthServer<H>,
) -> Result<Routes, ServeError> {
    let features = FeatureStoreServer::new(GrpcFace(Arc::clone(serving)))
        .max_decoding_message_size(serving.limits().max_request_bytes);
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let failed =
        |error: tonic_reflection::server::Error| ServeError::Stopped(format!("gRPC reflection: {error}"));
    let feast = ServingServiceServer::new(FeastGrpcFace(Arc::clone(serving)))
        .max_decoding_message_size(serving.limits().max_request_bytes);
    Ok(Routes::new(features)
        .add_service(feast)
        .add_service(health)
        .add_service(described().build_v1().map_err(failed)?)
        .add_service(described().build_v1alpha().map_err(failed)?))
}

pub(crate) fn to_status(error: &ServeError) -> Status {
    let code = match error.code() {
        Code::InvalidArgument => tonic::Code::InvalidArgument,
        Code::NotFound => tonic::Code::NotFound,
        Code::FailedPrecondition => tonic::Code::FailedPrecondition,
        Code::ResourceExhausted | Code::Overloaded => tonic::Code::ResourceExhausted,
        Code::Unavailable => tonic::Code::Unavailable,
        Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Code::Unimplemented => tonic::Code::Unimplemented,
        Code::Internal => tonic::Code::Internal,
    };
    Status::new(code, error.sentence())
}

fn response(features: Features) -> GetFeaturesResponse {
    let times = features.times.iter().map(|times| to_proto_times(&features, times)).collect();
    let columns = features.columns.into_iter().map(|column| v1::Column {
        name: column.name,
        values: Some(columns::to_proto(&column.values, column.data_type)),
        statuses: column.statuses.iter().map(|status| to_proto_status(*status).into()).collect(),
        times: column.times as u32,
    });
    GetFeaturesResponse {
        service: features.service.to_string(),
        at_us: features.at.get(),
        columns: columns.collect(),
        times,
    }
}

fn to_proto_status(status: FeatureStatus) -> v1::column::Status {
    match status {
        FeatureStatus::Present => v1::column::Status::Present,
        FeatureStatus::NullValue => v1::column::Status::NullValue,
        FeatureStatus::NotFound => v1::column::Status::NotFound,
        FeatureStatus::OutsideMaxAge => v1::column::Status::OutsideMaxAge,
    }
}

fn to_proto_times(features: &Features, times: &[Option<Times>]) -> v1::Times {
    let micros = |time: fn(Times) -> Micros| times.iter().map(|t| t.map_or(0, |t| time(t).get())).collect();
    let nulls = times.iter().zip(0..).filter(|(times, _)| times.is_none()).map(|(_, row)| row);
    v1::Times {
        event_times_us: micros(|times| times.event_time),
        available_ats_us: micros(|times| times.available_at),
        ages_s: times.iter().map(|times| times.map_or(0.0, |times| features.age_s(times))).collect(),
        nulls: nulls.collect(),
    }
}
