//! The gRPC face: `twinstore.v1.FeatureStore`, and Feast's service beside it.

mod answer;
mod columns;
#[cfg(test)]
mod generated;
mod push;
mod requests;
mod service;
mod values;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use feature::Micros;
use online::Reader;
use proto::feast::serving::serving_service_server::ServingServiceServer;
use proto::v1::PushResponse;
use read::{FeatureRequest, ReadResult};
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_server::{Health, HealthServer};

use self::requests::{FeaturesRequest, NamedColumn, RowsRequest};
use self::service::{FeatureStore, Reply};
use crate::call::Call;
use crate::error::{Code, ServeError};
use crate::feast::FeastGrpcFace;
use crate::metrics::Face;
use crate::serving::{Asked, Serving};

/// The service on top of what both faces share.
pub(crate) struct GrpcFace<R>(pub Arc<Serving<R>>);

impl<R: Reader> GrpcFace<R> {
    fn serving(&self) -> &Serving<R> {
        &self.0
    }

    async fn get_features(&self, request: Request<FeaturesRequest>) -> Result<Reply, Status> {
        let call = self.0.begin(Face::Grpc, waits(request.metadata()));
        match self.answer(&call, request.into_inner()).await {
            Ok(answered) => Ok(Reply { answered, call }),
            Err(error) => {
                call.refused(error.code());
                Err(to_status(&error))
            }
        }
    }

    async fn push(&self, request: Request<RowsRequest>) -> Result<PushResponse, Status> {
        let call = self.0.begin(Face::Grpc, waits(request.metadata()));
        let answer = push::answer(&self.0, &call, request.into_inner()).await;
        call.ended(&answer);
        answer.map_err(|error| to_status(&error))
    }

    async fn answer(&self, call: &Call, request: FeaturesRequest) -> Result<ReadResult, ServeError> {
        let FeaturesRequest { service, features, entities, request, at_us, trained_on } = request;
        let at = at_us.map(Micros::new).transpose();
        let at = at.map_err(|error| ServeError::Malformed(format!("`at_us`: {error}")))?;
        let (entities, request) = (NamedColumn::pairs(entities), NamedColumn::pairs(request));
        let request = FeatureRequest { features, entities, request };
        self.0.features(call, Asked { service, request, at, trained_on }).await
    }
}

/// An answer with what the head of its call says.
pub(crate) fn with_metadata<T>(call: &Call, answer: T) -> Response<T> {
    with_headers(call.headers(), answer)
}

fn with_headers<T>(headers: Vec<(&'static str, String)>, answer: T) -> Response<T> {
    let mut response = Response::new(answer);
    for (name, value) in headers {
        // They hold visible ASCII characters alone.
        if let Ok(value) = value.parse() {
            response.metadata_mut().insert(name, value);
        }
    }
    response
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
    let features = FeatureStore::new(GrpcFace(Arc::clone(serving)));
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
