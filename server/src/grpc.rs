//! The gRPC protocol: `twinstore.v1.FeatureStore`, and Feast's service beside it.

mod answer;
mod columns;
#[cfg(test)]
mod generated;
mod push;
mod requests;
mod service;
mod status;
mod values;
mod wire;

use std::sync::Arc;

use online::Reader;
use proto::feast::serving::serving_service_server::ServingServiceServer;
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};

use self::service::FeatureStore;
pub(crate) use self::status::{to_status, waits, with_metadata};
use crate::error::ServeError;
use crate::feast::FeastMethods;
use crate::server_fault::ServerFault;
use crate::serving::Serving;

/// The service, and beside it health and both versions of reflection.
pub(crate) fn routes<R: Reader + 'static, H: Health>(
    serving: &Arc<Serving<R>>,
    health: HealthServer<H>,
) -> Result<Routes, ServeError> {
    let features = FeatureStore(Arc::clone(serving));
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let failed =
        |error: tonic_reflection::server::Error| ServerFault::Stopped(format!("gRPC reflection: {error}"));
    let feast = ServingServiceServer::new(FeastMethods(Arc::clone(serving)))
        .max_decoding_message_size(serving.limits().max_request_bytes);
    Ok(Routes::new(features)
        .add_service(feast)
        .add_service(health)
        .add_service(described().build_v1().map_err(failed)?)
        .add_service(described().build_v1alpha().map_err(failed)?))
}
