//! TLS of both protocols, from one certificate. Handshakes take the certificate that is there when they begin, so that it
//! can be replaced while connections are open.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use webpki::EndEntityCert;

use crate::access_control::CertificateNames;

/// The longest name of a certificate that is taken, in bytes, and how many there may be.
const LONGEST_NAME: usize = 255;
const MOST_NAMES: usize = 64;

/// What a server shows of itself, and wants to see of clients, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the server, and those that lead from it to an authority.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
    /// The authorities of clients' certificates: with them every client has to show one.
    pub client_ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsFiles").field("clients_show", &self.client_ca.is_some()).finish_non_exhaustive()
    }
}

/// TLS of a server.
#[derive(Debug)]
pub struct Tls(RwLock<Configs>);

#[derive(Clone, Debug)]
struct Configs {
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
}

impl Tls {
    /// TLS by these files; the error says in half a sentence what is wrong with them.
    pub fn new(files: &TlsFiles) -> Result<Self, String> {
        Ok(Self(RwLock::new(Configs::of(files)?)))
    }

    /// Goes on with these files in new connections; where something is wrong with them, with those of before.
    pub fn replace(&self, files: &TlsFiles) -> Result<(), String> {
        let configs = Configs::of(files)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = configs;
        Ok(())
    }

    /// What begins a connection of HTTP/2, or of HTTP/1.1.
    pub(crate) fn acceptor(&self, is_http2: bool) -> TlsAcceptor {
        let configs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(if is_http2 { &configs.http2 } else { &configs.http1 }))
    }
}

impl Configs {
    fn of(files: &TlsFiles) -> Result<Self, String> {
        let chain = certificates(&files.certificate, "the certificate")?;
        let key = PrivateKeyDer::from_pem_slice(&files.key)
            .map_err(|error| format!("the private key is not PEM with a key: {error}"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let builder = match &files.client_ca {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(authorities, "the authority of clients")? {
                    let wrong = |error| format!("the authority of clients cannot be used: {error}");
                    roots.add(authority).map_err(wrong)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let wrong = |error| format!("the authority of clients cannot be used: {error}");
                builder.with_client_cert_verifier(verifier.map_err(wrong)?)
            }
        };
        let config = builder
            .with_single_cert(chain, key)
            .map_err(|error| format!("the certificate and its private key cannot be used: {error}"))?;
        let speaking = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        Ok(Self { http1: speaking(b"http/1.1"), http2: speaking(b"h2") })
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(format!("{what} is not PEM with a certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{what} cannot be read: {error}")),
    }
}

/// The names of DNS and the URIs of a certificate that was verified. The common name is none of them: authorities do not
/// check it as they check these (RFC 9525).
pub(crate) fn names_of(certificate: Option<&CertificateDer<'_>>) -> CertificateNames {
    let parsed = certificate.and_then(|certificate| EndEntityCert::try_from(certificate).ok());
    let Some(parsed) = parsed else { return Arc::default() };
    let names = parsed.valid_dns_names().chain(parsed.valid_uri_names());
    names.filter(|name| name.len() <= LONGEST_NAME).take(MOST_NAMES).map(str::to_owned).collect()
}
