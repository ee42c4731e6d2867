//! TLS, certificates, tokens and shares, with a server that demands all of them.

use std::time::{Duration, Instant};

use test_support::{Authority, Signed};
use twinstore_client::{Advice, ClientBuilder, Code, Error};

use crate::served::{Project, Server, flights, is_right, patient};

const POLICY: &str = "
roles:
  reader:
    - {actions: [read_online], services: ['*'], views: ['*']}
  operator:
    - {actions: [describe, administer, apply], services: ['*'], views: ['*'], sources: ['*']}
members:
  - {token: scoring, roles: [reader], consumer: models}
  - {token: slow, roles: [reader], consumer: few}
  - {user: ann, roles: [operator]}
consumers:
  models: {requests: {per_second: 100000, burst: 100000}, keys: {per_second: 1000000}}
  few: {requests: {per_second: 4, burst: 2}, keys: {per_second: 1000000}}
";

struct Guarded {
    project: Project,
    server: Server,
    authority: Authority,
    reader: Signed,
    /// Those that the server knows when it starts.
    scoring: String,
    slow: String,
}

impl Guarded {
    fn start() -> Self {
        let project = Project::loaded();
        let authority = Authority::new();
        let serving = authority.signs("server", "DNS:localhost,IP:127.0.0.1");
        let reader = authority.signs("reader", "DNS:reader.example");
        project.write(
            "twinstore.toml",
            &format!(
                "actor = \"ann\"\nserve.tls_certificate = \"{}\"\nserve.tls_key = \"{}\"\nserve.tls_client_ca = \"{}\"\n",
                serving.certificate.display(),
                serving.key.display(),
                authority.certificate().display(),
            ),
        );
        project.write("access.yaml", POLICY);
        let (scoring, slow) = (created(&project, "scoring"), created(&project, "slow"));
        let server = Server::start(&project);
        Self { project, server, authority, reader, scoring, slow }
    }

    /// A client that shows its certificate.
    fn client(&self) -> ClientBuilder {
        patient([format!("grpcs://{}", self.server.grpc)])
            .authorities(self.authority.certificate())
            .certificate(&self.reader.certificate, &self.reader.key)
    }
}

fn created(project: &Project, name: &str) -> String {
    project.json(&format!("token create {name}"))["token"].as_str().unwrap().to_owned()
}

fn code(error: &Error) -> Option<Code> {
    match error {
        Error::Refused { code, .. } => Some(*code),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_and_a_client_know_each_other_by_their_certificates() {
    let guarded = Guarded::start();
    let token = &guarded.scoring;
    let client = guarded.client().token(token).connect().await.unwrap();
    assert!(is_right(&flights(&client).read().await.unwrap()));
    let stranger = Authority::new();
    for (what, client) in [
        (
            "no certificate",
            patient([format!("grpcs://{}", guarded.server.grpc)])
                .authorities(guarded.authority.certificate()),
        ),
        ("an authority of others", guarded.client().authorities(stranger.certificate())),
        ("no TLS", patient([&guarded.server.grpc])),
    ] {
        let error = client.token(token).connect().await.unwrap_err();
        println!("{what}: {error}");
        assert!(matches!(error, Error::Unreachable { .. }), "{what}: {error}");
    }
    // What cannot work is said before anything is connected.
    let missing = guarded.client().authorities("missing.pem").connect_later().await.unwrap_err();
    assert!(matches!(missing, Error::Tls { .. }) && missing.to_string().contains("missing.pem"), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_file_is_followed_when_it_is_replaced() {
    let guarded = Guarded::start();
    let nobody = guarded.client().connect().await.unwrap();
    let error = flights(&nobody).read().await.unwrap_err();
    // It is known by its certificate, to which nothing is granted.
    assert_eq!((code(&error), error.advice()), (Some(Code::PermissionDenied), Advice::Correct));
    let wrong = guarded.client().token("wrong").connect().await.unwrap();
    assert_eq!(code(&flights(&wrong).read().await.unwrap_err()), Some(Code::Unauthenticated));

    let file = guarded.project.path("token");
    std::fs::write(&file, &guarded.scoring).unwrap();
    let client = guarded.client().token_file(&file).connect().await.unwrap();
    assert!(is_right(&flights(&client).read().await.unwrap()));
    let listed = guarded.project.json("token list");
    let first = listed.as_array().unwrap().iter().find(|token| token["name"] == "scoring").unwrap();
    let first = first["id"].as_str().unwrap();
    let next = created(&guarded.project, "scoring");
    std::fs::write(&file, next).unwrap();
    guarded.project.ok(&format!("token revoke {first}"));
    // Read on until the server has taken the first one back: no read fails.
    let began = Instant::now();
    while client.statistics().retries == 0 {
        assert!(is_right(&flights(&client).read().await.unwrap()));
        assert!(began.elapsed() < Duration::from_secs(9), "it is never revoked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_is_taken_is_waited_for_as_the_server_says() {
    let guarded = Guarded::start();
    let client = guarded.client().token(&guarded.slow).connect().await.unwrap();
    let began = Instant::now();
    for _ in 0..8 {
        assert!(is_right(&flights(&client).read().await.unwrap()));
    }
    // Two at once and four a second.
    println!("8 reads at 4 a second took {:?}: {:?}", began.elapsed(), client.statistics());
    assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(client.statistics().retries > 0);
    // Who cannot wait so long is refused at once, with the time.
    let hasty = Duration::from_millis(100);
    let refused = loop {
        match flights(&client).deadline(hasty).read().await {
            // Where the time that the server says is short enough, it is waited for.
            Ok(_) | Err(Error::Late { .. }) => {}
            Err(Error::Refused { retry_after: Some(wait), code, .. }) => break (wait, code),
            Err(other) => panic!("{other}"),
        }
    };
    assert!(refused.1 == Code::ResourceExhausted && refused.0 > Duration::ZERO, "{refused:?}");
}
