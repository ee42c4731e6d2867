//! How a server is reached: by `host:port` as it is, by `grpcs://host:port` over TLS. A server is trusted by the authorities
//! of a file, or by those of the system.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

use crate::error::ProjectError;
use crate::server_error::ServerError;
use crate::settings::ClientToken;

/// How the address of a server begins that speaks TLS.
const OVER_TLS: &str = "grpcs://";

/// What a client shows to a server, and by what it trusts one.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientAccess {
    pub token: ClientToken,
    /// The file of authorities; empty for those of the system.
    pub ca: String,
}

/// A connection to the server at an address.
pub(super) async fn connect(address: &str, access: &ClientAccess) -> Result<Channel, ProjectError> {
    let unreachable =
        |source| ServerError::Unreachable { address: address.to_owned(), source: Box::new(source) };
    let Some(authority) = address.strip_prefix(OVER_TLS) else {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(unreachable)?;
        return Ok(endpoint.connect().await.map_err(unreachable)?);
    };
    // The connector encrypts: to the layer above it is a connection like any other.
    let endpoint = Endpoint::from_shared(format!("http://{authority}")).map_err(unreachable)?;
    let config = config(&access.ca).map_err(|why| ProjectError::Tls { why })?;
    let dial = Dial { connector: TlsConnector::from(Arc::new(config)) };
    Ok(endpoint.connect_with_connector(dial).await.map_err(unreachable)?)
}

fn config(ca: &str) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if ca.is_empty() {
        // Single certificates of a system that cannot be read are no reason to trust none.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    } else {
        let read = |error: &dyn std::fmt::Display| format!("the authorities of {ca} cannot be read: {error}");
        for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| read(&error))? {
            let certificate = certificate.map_err(|error| read(&error))?;
            roots.add(certificate).map_err(|error| read(&error))?;
        }
    }
    if roots.is_empty() {
        return Err("there is no authority by which a server could be trusted: name a file with `client.ca`"
            .to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?.with_root_certificates(roots);
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Opens connections over TLS.
#[derive(Clone)]
struct Dial {
    connector: TlsConnector,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.connector.clone();
        Box::pin(async move {
            let incomplete = || io::Error::new(io::ErrorKind::InvalidInput, "write it as grpcs://host:port");
            let (host, port) = uri.host().zip(uri.port_u16()).ok_or_else(incomplete)?;
            // An address of IPv6 stands in brackets.
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(connector.connect(name, stream).await?))
        })
    }
}
