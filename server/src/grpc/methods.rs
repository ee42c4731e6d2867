//! What the methods of `twinstore.v1.FeatureStore` do.

use std::sync::Arc;

use feature::Micros;
use online::Reader;
use proto::v1::PushResponse;
use read::{FeatureRequest, ReadResult};
use tonic::{Request, Status};

use super::push;
use super::requests::{FeaturesRequest, NamedColumn, RowsRequest};
use super::status::to_status;
use crate::call::{Arrived, Call};
use crate::error::ServeError;
use crate::metrics::Protocol;
use crate::request_fault::RequestFault;
use crate::serving::{ServiceRequest, Serving};

/// The methods, on top of what all protocols share.
pub(super) struct GrpcMethods<R>(pub Arc<Serving<R>>);

impl<R: Reader> GrpcMethods<R> {
    pub(super) fn serving(&self) -> &Serving<R> {
        &self.0
    }

    pub(super) async fn get_features(&self, request: Request<FeaturesRequest>) -> Result<Reply, Status> {
        let call = self.begin(&request);
        match self.answer(&call, request.into_inner()).await {
            Ok(answered) => Ok(Reply { answered, call }),
            Err(error) => {
                call.refused(error.code());
                Err(to_status(&error))
            }
        }
    }

    pub(super) async fn push(&self, request: Request<RowsRequest>) -> Result<PushResponse, Status> {
        let call = self.begin(&request);
        let answer = push::answer(&self.0, &call, request.into_inner()).await;
        call.ended(&answer);
        answer.map_err(|error| to_status(&error))
    }

    fn begin<T>(&self, request: &Request<T>) -> Call {
        self.0.begin(Protocol::Grpc, &Arrived::of(request.extensions().get()))
    }

    async fn answer(&self, call: &Call, request: FeaturesRequest) -> Result<ReadResult, ServeError> {
        let FeaturesRequest { service, features, entities, request, at_us, trained_on } = request;
        let at = at_us.map(Micros::new).transpose();
        let at = at.map_err(|error| RequestFault::Malformed(format!("`at_us`: {error}")))?;
        let (entities, request) = (NamedColumn::pairs(entities), NamedColumn::pairs(request));
        let request = FeatureRequest { features, entities, request };
        self.0.features(call, ServiceRequest { service, request, at, trained_on }).await
    }
}

/// An answer that waits to be written, and the call that ends when it is.
pub(super) struct Reply {
    pub answered: ReadResult,
    pub call: Call,
}
