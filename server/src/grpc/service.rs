//! `twinstore.v1.FeatureStore` as tonic serves it, with a codec of its own: an answer goes onto the wire
//! from the columns that it was folded into, once it is its turn to be sent. Pushes go as generated code has
//! them.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use feature::Micros;
use online::Reader;
use proto::v1::PushResponse;
use proto::v1::feature_store_server::SERVICE_NAME;
use read::ReadResult;
use tonic::body::Body;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::{ProstCodec, ProstEncoder};

use super::requests::{FeaturesMessage, FeaturesRequest, RequestDecoder, RowsMessage, RowsRequest};
use super::status::{to_status, with_headers};
use super::{answer, push};
use crate::call::{Arrived, Call};
use crate::error::ServeError;
use crate::metrics::{Protocol, Stage};
use crate::request_fault::RequestFault;
use crate::serving::{ServiceRequest, Serving};

/// The paths of the methods.
const GET_FEATURES: &str = "/twinstore.v1.FeatureStore/GetFeatures";
const PUSH: &str = "/twinstore.v1.FeatureStore/Push";
/// The first piece of memory of an answer, in bytes: its head. The rest is reserved once it is known.
const HEAD_BYTES: usize = 64;
/// How much of an answer is sent at once, in bytes.
const SENT_BYTES: usize = 32 << 10;

/// The service on top of what all protocols share.
pub(super) struct FeatureStore<R>(pub Arc<Serving<R>>);

impl<R> Clone for FeatureStore<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> NamedService for FeatureStore<R> {
    const NAME: &'static str = SERVICE_NAME;
}

impl<R: Reader + 'static> Service<http::Request<Body>> for FeatureStore<R> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        let most = service.0.limits().max_request_bytes;
        match request.uri().path() {
            GET_FEATURES => Box::pin(async move {
                let mut grpc = Grpc::new(Features).max_decoding_message_size(most);
                Ok(grpc.unary(service, request).await)
            }),
            PUSH => Box::pin(async move {
                let mut grpc = Grpc::new(PushedRows).max_decoding_message_size(most);
                Ok(grpc.unary(Pushes(service), request).await)
            }),
            _ => Box::pin(async { Ok(Status::unimplemented("there is no such method").into_http()) }),
        }
    }
}

impl<R: Reader + 'static> UnaryService<FeaturesRequest> for FeatureStore<R> {
    type Response = Reply;
    type Future = BoxFuture<Response<Reply>, Status>;

    fn call(&mut self, request: Request<FeaturesRequest>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let reply = service.get_features(request).await?;
            let headers = reply.call.headers();
            Ok(with_headers(headers, reply))
        })
    }
}

/// The method that takes rows.
struct Pushes<R>(FeatureStore<R>);

impl<R: Reader + 'static> UnaryService<RowsRequest> for Pushes<R> {
    type Response = PushResponse;
    type Future = BoxFuture<Response<PushResponse>, Status>;

    fn call(&mut self, request: Request<RowsRequest>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { service.push(request).await.map(Response::new) })
    }
}

/// An answer that waits to be written, and the call that ends when it is.
pub(super) struct Reply {
    answered: ReadResult,
    call: Call,
}

impl<R: Reader> FeatureStore<R> {
    async fn get_features(&self, request: Request<FeaturesRequest>) -> Result<Reply, Status> {
        let call = self.begin(&request);
        match self.features(&call, request.into_inner()).await {
            Ok(answered) => Ok(Reply { answered, call }),
            Err(error) => {
                call.refused(error.code());
                Err(to_status(&error))
            }
        }
    }

    async fn features(&self, call: &Call, request: FeaturesRequest) -> Result<ReadResult, ServeError> {
        let FeaturesRequest { service, request, at_us, trained_on } = request;
        let at = at_us.map(Micros::new).transpose();
        let at = at.map_err(|error| RequestFault::Malformed(format!("`at_us`: {error}")))?;
        self.0.features(call, ServiceRequest { service, request, at, trained_on }).await
    }

    async fn push(&self, request: Request<RowsRequest>) -> Result<PushResponse, Status> {
        let call = self.begin(&request);
        let answer = push::answer(&self.0, &call, request.into_inner()).await;
        call.ended(&answer);
        answer.map_err(|error| to_status(&error))
    }

    fn begin<T>(&self, request: &Request<T>) -> Call {
        self.0.calls().begin(Protocol::Grpc, &Arrived::of(request.extensions().get()))
    }
}

/// Requests as they lie on the wire, answers as they lie in memory.
struct Features;

impl Codec for Features {
    type Encode = Reply;
    type Decode = FeaturesRequest;
    type Encoder = Self;
    type Decoder = RequestDecoder<FeaturesMessage, FeaturesRequest>;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        RequestDecoder::of(FeaturesMessage::into_request)
    }
}

/// Pushes as they lie on the wire, their answers as generated code has them.
struct PushedRows;

impl Codec for PushedRows {
    type Encode = PushResponse;
    type Decode = RowsRequest;
    type Encoder = ProstEncoder<PushResponse>;
    type Decoder = RequestDecoder<RowsMessage, RowsRequest>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<PushResponse, RowsMessage>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        RequestDecoder::of(RowsMessage::into_request)
    }
}

impl Encoder for Features {
    type Item = Reply;
    type Error = Status;

    fn encode(&mut self, reply: Reply, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        answer::write(&reply.answered, out, EncodeBuf::reserve);
        reply.call.end_of(Stage::Encode);
        reply.call.answered();
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(HEAD_BYTES, SENT_BYTES)
    }
}
