//! `twinstore.v1.FeatureStore` as tonic serves it, with a codec of its own: an answer goes onto the wire
//! from the columns that it was folded into, once it is its turn to be sent. Pushes go as generated code has
//! them.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use feature::shown;
use online::Reader;
use proto::v1::feature_store_server::SERVICE_NAME;
use proto::v1::{GetFeaturesResponse, PushResponse};
use tonic::body::Body;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use super::answer;
use super::methods::{GrpcMethods, Reply};
use super::requests::{FeaturesRequest, RowsRequest};
use super::status::with_headers;
use crate::metrics::Stage;

/// The paths of the methods.
const GET_FEATURES: &str = "/twinstore.v1.FeatureStore/GetFeatures";
const PUSH: &str = "/twinstore.v1.FeatureStore/Push";
/// The first piece of memory of an answer, in bytes: its head. The rest is reserved once it is known.
const HEAD_BYTES: usize = 64;
/// How much of an answer is sent at once, in bytes.
const SENT_BYTES: usize = 32 << 10;

/// The service on top of what all protocols share.
pub(super) struct FeatureStore<R>(Arc<GrpcMethods<R>>);

impl<R> FeatureStore<R> {
    pub fn new(methods: GrpcMethods<R>) -> Self {
        Self(Arc::new(methods))
    }
}

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
        let most = service.0.serving().limits().max_request_bytes;
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
        let methods = Arc::clone(&self.0);
        Box::pin(async move {
            let reply = methods.get_features(request).await?;
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
        let methods = Arc::clone(&self.0.0);
        Box::pin(async move { methods.push(request).await.map(Response::new) })
    }
}

/// Requests as generated code reads them, answers as they lie in memory.
struct Features;

impl Codec for Features {
    type Encode = Reply;
    type Decode = FeaturesRequest;
    type Encoder = Self;
    type Decoder = Sound<ProstDecoder<FeaturesRequest>>;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        Sound(ProstCodec::<GetFeaturesResponse, FeaturesRequest>::default().decoder())
    }
}

/// Pushes and their answers as generated code has them.
struct PushedRows;

impl Codec for PushedRows {
    type Encode = PushResponse;
    type Decode = RowsRequest;
    type Encoder = ProstEncoder<PushResponse>;
    type Decoder = Sound<ProstDecoder<RowsRequest>>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<PushResponse, RowsRequest>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Sound(ProstCodec::<PushResponse, RowsRequest>::default().decoder())
    }
}

/// Reads messages. What is none is its sender's fault, and not the server's, as the decoder itself says.
struct Sound<D>(D);

impl<D: Decoder<Error = Status>> Decoder for Sound<D> {
    type Item = D::Item;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<D::Item>, Status> {
        let malformed = |status: Status| {
            let said = format!("the request is malformed: {}", status.message());
            Status::invalid_argument(shown(&said))
        };
        self.0.decode(bytes).map_err(malformed)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
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
