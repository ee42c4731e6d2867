//! TLS over real sockets: plain text, strangers, wrong authorities, handshakes that do not end, and a certificate that is
//! replaced.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use access::{Action, Grant, Member, Policy, Role, Rules, Subject, SubjectKind};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use test_support::{Authority, Signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use twinstore_server::{AccessControl, Catalog, Limits, Services, Serving, Tls, TlsFiles};

use crate::attacks::withstood;
use crate::flights;
use crate::stop::{Running, patiently, start_serving_over};

fn files(server: &Signed, client_ca: Option<&Authority>) -> TlsFiles {
    let (certificate, key) = server.read();
    let client_ca = client_ca.map(|authority| fs::read(authority.certificate()).unwrap());
    TlsFiles { certificate, key, client_ca }
}

/// A server that lets the certificate `reader.example` read.
async fn start(files: &TlsFiles, limits: Limits) -> (tempfile::TempDir, Arc<Tls>, Running) {
    let (folder, store) = flights::store().await;
    let live = "late_arrival@1".parse().unwrap();
    let catalog = Arc::new(Catalog::new(Services::new([crate::served_flights()], [live])));
    let reader = Role {
        name: "reader".parse().unwrap(),
        grants: vec![Grant {
            services: vec!["late_arrival".parse().unwrap()],
            ..Grant::of([Action::ReadOnline])
        }],
    };
    let subject = Subject::new(SubjectKind::Certificate, "reader.example");
    let member = Member { subject, roles: vec!["reader".parse().unwrap()], consumer: None };
    let policy = Policy { roles: vec![reader], members: vec![member], ..Policy::default() };
    let control = Arc::new(AccessControl::new(Rules::new(policy, []), flights::noon));
    let serving = Serving::new(catalog, store, flights::noon, limits).with_access(control);
    let tls = Arc::new(Tls::new(files).unwrap());
    let server = start_serving_over(serving, Some(Arc::clone(&tls))).await;
    (folder, tls, server)
}

/// A client that trusts this authority, and shows this certificate.
fn connector(trusted: &Authority, shown: Option<&Signed>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted.certificate()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some(signed) => {
            let chain = vec![CertificateDer::from_pem_file(&signed.certificate).unwrap()];
            let key = PrivateKeyDer::from_pem_file(&signed.key).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

/// One request over HTTP: its status, or why there is no answer.
async fn ask(server: &Running, connector: &TlsConnector) -> io::Result<u16> {
    let body = json!({"service": "late_arrival", "features": ["maker"], "entities": {"tailnum": ["N123"]}});
    let body = body.to_string();
    let stream = TcpStream::connect(server.addresses.http).await?;
    let mut stream = connector.connect(ServerName::try_from("server.example").unwrap(), stream).await?;
    let length = body.len();
    let head = format!(
        "POST /v1/features HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other(answer))
}

#[tokio::test]
async fn only_a_certificate_of_the_named_authority_is_answered_and_by_its_name() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let signed = ours.signs("server", "DNS:server.example");
    let (_folder, _tls, server) = start(&files(&signed, Some(&ours)), Limits::default()).await;
    let reader = ours.signs("reader", "DNS:reader.example");
    let other = ours.signs("other", "DNS:other.example");
    let forged = theirs.signs("reader", "DNS:reader.example");
    assert_eq!(patiently(ask(&server, &connector(&ours, Some(&reader)))).await.unwrap(), 200);
    // Known by the authority, and without a role.
    assert_eq!(patiently(ask(&server, &connector(&ours, Some(&other)))).await.unwrap(), 403);
    for (what, connector) in [
        ("a certificate of another authority", connector(&ours, Some(&forged))),
        ("no certificate", connector(&ours, None)),
        ("a server that the client does not trust", connector(&theirs, Some(&reader))),
    ] {
        let refused = patiently(ask(&server, &connector)).await.unwrap_err();
        withstood(what, &format!("no connection ({refused})"));
    }
    server.stop().await;
}

#[tokio::test]
async fn plain_text_on_a_port_of_tls_is_answered_by_nothing() {
    let ours = Authority::new();
    let (_folder, _tls, server) =
        start(&files(&ours.signs("server", "DNS:server.example"), None), Limits::default()).await;
    for address in [server.addresses.http, server.addresses.grpc] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = patiently(stream.read_to_end(&mut answer)).await;
        // An alert of TLS at most, and nothing of HTTP.
        assert!(answer.len() < 16 && !answer.starts_with(b"HTTP"), "{answer:?}");
    }
    // TLS without a certificate is answered, and asks who it is.
    assert_eq!(patiently(ask(&server, &connector(&ours, None))).await.unwrap(), 401);
    withstood("plain text on a port of TLS", "the connection ends without an answer");
    server.stop().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_ended() {
    let ours = Authority::new();
    let limits = Limits { head_timeout: Duration::from_millis(300), ..Limits::default() };
    let (_folder, _tls, server) =
        start(&files(&ours.signs("server", "DNS:server.example"), None), limits).await;
    for address in [server.addresses.http, server.addresses.grpc] {
        // The begin of a ClientHello that claims to be longer.
        for first in [b"".as_slice(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(first).await.unwrap();
            let mut answer = Vec::new();
            let _ = patiently(stream.read_to_end(&mut answer)).await;
        }
    }
    assert_eq!(patiently(ask(&server, &connector(&ours, None))).await.unwrap(), 401);
    withstood("half a handshake", "the connection ends after the time for a head");
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_is_replaced_under_open_connections_and_a_broken_one_is_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let first = files(&old.signs("server", "DNS:server.example"), None);
    let (_folder, tls, server) = start(&first, Limits::default()).await;
    let (of_old, of_new) = (connector(&old, None), connector(&new, None));
    assert_eq!(patiently(ask(&server, &of_old)).await.unwrap(), 401);
    let second = files(&new.signs("server", "DNS:server.example"), None);
    // The certificate of one with the key of the other.
    let mixed = TlsFiles { key: first.key.clone(), ..second.clone() };
    let said = tls.replace(&mixed).unwrap_err();
    assert!(said.contains("the certificate and its private key cannot be used"), "{said}");
    let broken = TlsFiles { certificate: b"no certificate".to_vec(), ..first.clone() };
    assert_eq!(tls.replace(&broken).unwrap_err(), "the certificate is not PEM with a certificate");
    assert_eq!(patiently(ask(&server, &of_old)).await.unwrap(), 401);
    tls.replace(&second).unwrap();
    assert_eq!(patiently(ask(&server, &of_new)).await.unwrap(), 401);
    patiently(ask(&server, &of_old)).await.unwrap_err();
    server.stop().await;
}
