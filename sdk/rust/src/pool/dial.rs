//! How a connection is made, over TLS where the address says so. Files of certificates and keys are read for each connection,
//! so that they can be replaced while the client runs.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;

use super::address::Address;
use crate::error::Error;

/// By what servers are trusted, and what they are shown.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Tls {
    /// The file of the authorities; `None` for those of the system.
    pub authorities: Option<PathBuf>,
    /// The files of the client's own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// What the files say now.
    pub fn config(&self) -> Result<ClientConfig, Error> {
        let wrong = |why: String| Error::Tls { path: PathBuf::new(), why };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder =
            builder.map_err(|error| wrong(error.to_string()))?.with_root_certificates(self.roots()?);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
                builder
                    .with_client_auth_cert(chain, private)
                    .map_err(|error| unusable(certificate, &error))?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            // Single certificates of a system that cannot be read are no reason to trust none.
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
            Some(file) => {
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|error| unusable(file, &error))?;
                }
            }
        }
        if roots.is_empty() {
            let why = "there is no authority in it by which a server could be trusted".to_owned();
            return Err(Error::Tls { path: self.authorities.clone().unwrap_or_default(), why });
        }
        Ok(roots)
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(file).map_err(|error| unusable(file, &error))?;
    read.collect::<Result<_, _>>().map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Tls { path: file.to_owned(), why: error.to_string() }
}

/// A connection, in clear or encrypted.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Makes connections to one server.
#[derive(Clone)]
pub(super) struct Dial {
    pub address: Arc<Address>,
    pub tls: Arc<Tls>,
    pub timeout: Duration,
}

impl Dial {
    async fn connected(self) -> io::Result<TokioIo<Box<dyn Io>>> {
        let late = || {
            let millis = self.timeout.as_millis();
            io::Error::new(io::ErrorKind::TimedOut, format!("there was no connection within {millis} ms"))
        };
        tokio::time::timeout(self.timeout, self.open()).await.map_err(|_| late())?
    }

    async fn open(&self) -> io::Result<TokioIo<Box<dyn Io>>> {
        let Address { host, port, is_tls } = &*self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        if !is_tls {
            return Ok(TokioIo::new(Box::new(stream)));
        }
        let tls = Arc::clone(&self.tls);
        let config = tokio::task::spawn_blocking(move || tls.config()).await.map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(config.map_err(io::Error::other)?));
        let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
        Ok(TokioIo::new(Box::new(connector.connect(name, stream).await?)))
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<Box<dyn Io>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connected())
    }
}
