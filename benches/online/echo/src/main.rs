//! The floor of an online read: a tonic server that answers `GetFeatures` with one prepared message,
//! whatever the request. It reads no store and folds nothing.
//!
//! By default it takes and gives bytes, which is what no server over tonic can go below. With
//! `--messages` it also decodes the request and encodes the answer, which is what every server of
//! these messages does that has no codec of its own.

mod raw;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use clap::Parser;
use prost::Message;
use proto::v1::feature_store_server::{FeatureStore, FeatureStoreServer};
use proto::v1::{GetFeaturesRequest, GetFeaturesResponse, PushRequest, PushResponse};
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A gRPC server that answers with a prepared message.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one. The address is printed on stderr.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A file with the encoded answer, as `bench-load --save-answer` writes it.
    #[arg(long)]
    answer: PathBuf,
    /// Decode requests and encode answers, instead of passing bytes.
    #[arg(long)]
    messages: bool,
}

struct Prepared(GetFeaturesResponse);

#[tonic::async_trait]
impl FeatureStore for Prepared {
    async fn get_features(
        &self,
        _: Request<GetFeaturesRequest>,
    ) -> Result<Response<GetFeaturesResponse>, Status> {
        Ok(Response::new(self.0.clone()))
    }

    async fn push(&self, _: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        Err(Status::unimplemented("nothing is pushed here"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let answer = Bytes::from(std::fs::read(&arguments.answer)?);
    let incoming = TcpIncoming::bind(arguments.listen)?.with_nodelay(Some(true));
    eprintln!("echoing on {}", incoming.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        let _ = terminate.recv().await;
    };
    let mut server = Server::builder().max_concurrent_streams(1_024);
    let router = if arguments.messages {
        server.add_service(FeatureStoreServer::new(Prepared(GetFeaturesResponse::decode(answer)?)))
    } else {
        server.add_service(raw::Echo::new(answer))
    };
    router.serve_with_incoming_shutdown(incoming, stop).await?;
    Ok(())
}
