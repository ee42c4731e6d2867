//! One request on one connection.

use std::sync::Arc;

use bytes::{BufMut, Bytes};
use prost::Message;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};
use tonic_prost::ProstDecoder;

use super::failure::{Cause, Failure};
use crate::pool::Lease;
use crate::token::Token;

/// Bytes of one answer: a server takes less in a request, so this is never what bounds a read.
const MOST_BYTES: usize = 1 << 30;
const GET_FEATURES: &str = "/twinstore.v1.FeatureStore/GetFeatures";
const PUSH: &str = "/twinstore.v1.FeatureStore/Push";

/// An answer, and who gave it.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    pub message: T,
    pub metadata: MetadataMap,
    pub endpoint: Arc<str>,
}

/// A request that is sent once.
pub(super) struct Once<'a> {
    pub token: &'a Token,
    pub body: Bytes,
    /// When nobody waits for the answer any more.
    pub until: Instant,
}

impl Once<'_> {
    pub async fn read<T: Message + Default + 'static>(self, lease: Lease) -> Result<Reply<T>, Failure> {
        self.send(PathAndQuery::from_static(GET_FEATURES), lease).await
    }

    pub async fn push<T: Message + Default + 'static>(self, lease: Lease) -> Result<Reply<T>, Failure> {
        self.send(PathAndQuery::from_static(PUSH), lease).await
    }

    async fn send<T: Message + Default + 'static>(
        self,
        path: PathAndQuery,
        lease: Lease,
    ) -> Result<Reply<T>, Failure> {
        let shown = self.token.shown().await;
        let mut request = Request::new(self.body);
        request.set_timeout(self.until.saturating_duration_since(Instant::now()));
        if let Some(token) = &shown {
            request.metadata_mut().insert("authorization", token.clone());
        }
        let endpoint = lease.endpoint();
        let mut grpc = Grpc::new(lease.channel()).max_decoding_message_size(MOST_BYTES);
        let answer = match grpc.ready().await {
            Ok(()) => grpc.unary(request, path, Encoded::default()).await,
            Err(error) => Err(Status::from_error(error.into())),
        };
        let status = match answer {
            Ok(answer) => {
                lease.answered();
                let (metadata, message, _) = answer.into_parts();
                return Ok(Reply { message, metadata, endpoint });
            }
            Err(status) => status,
        };
        let mut cause = Cause::of(&status);
        match cause {
            Cause::NotSent | Cause::Broken => lease.broke(),
            Cause::Busy(wait) => lease.held_back(wait),
            Cause::Late => drop(lease),
            Cause::Unavailable | Cause::Refused | Cause::TokenReplaced => lease.answered(),
        }
        if status.code() == Code::Unauthenticated && self.token.is_replaced(&shown).await {
            cause = Cause::TokenReplaced;
        }
        Err(Failure { endpoint, cause, status })
    }
}

/// Requests that are encoded already, and answers as generated code reads them.
struct Encoded<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Default for Encoded<T> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T: Message + Default + 'static> Codec for Encoded<T> {
    type Encode = Bytes;
    type Decode = T;
    type Encoder = AsItIs;
    type Decoder = ProstDecoder<T>;

    fn encoder(&mut self) -> AsItIs {
        AsItIs
    }

    fn decoder(&mut self) -> ProstDecoder<T> {
        ProstDecoder::default()
    }
}

/// Sends bytes as they are.
struct AsItIs;

impl Encoder for AsItIs {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}
