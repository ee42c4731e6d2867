//! People who may not, over real sockets: without a token, with one that does not count, beyond what it allows, and beyond
//! their share. `make attack` prints a line for each; docs/security.md has the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use access::{
    Action, Consumer, Grant, Issuer, IssuerKeys, KnownToken, Member, Policy, Priority, Rate, Role, Rules,
    Share, Subject, SubjectKind, Token,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use feature::Micros;
use proto::feast::serving::get_online_features_request::Kind as FeastKind;
use proto::feast::serving::serving_service_client::ServingServiceClient;
use proto::feast::serving::{GetFeastServingInfoRequest, GetOnlineFeaturesRequest};
use proto::v1::feature_store_client::FeatureStoreClient;
use proto::v1::{GetFeaturesRequest, GetFeaturesResponse, PushRequest};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value as Json, json};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use twinstore_server::{AccessControl, Catalog, Limits, Services, Serving};

use crate::attacks::withstood;
use crate::flights;
use crate::grpc::{channel, columns, strings};
use crate::http::{answer_with, send_with};
use crate::stop::{Running, start_serving};

const READER: [u8; 40] = [1; 40];
const WATCHER: [u8; 40] = [2; 40];
const OUTSIDER: [u8; 40] = [3; 40];

/// What the rules take for now, in microseconds.
static NOW: AtomicI64 = AtomicI64::new(1_000_000);

fn now() -> Micros {
    Micros::new(NOW.load(Ordering::Relaxed)).unwrap()
}

fn token(random: [u8; 40]) -> String {
    Token::from_random(random).text()
}

fn known(name: &str, random: [u8; 40], role: Option<&str>) -> KnownToken {
    let roles = role.map(|role| role.parse().unwrap());
    KnownToken::new(name.parse().unwrap(), &Token::from_random(random), roles)
}

fn tokens() -> [KnownToken; 3] {
    [
        known("scoring", READER, Some("reader")),
        known("grafana", WATCHER, Some("watcher")),
        known("outsider", OUTSIDER, None),
    ]
}

fn policy() -> Policy {
    let role = |name: &str, grants| Role { name: name.parse().unwrap(), grants };
    let services = vec!["late_*".parse().unwrap()];
    Policy {
        protected: vec!["pii".parse().unwrap()],
        roles: vec![
            role("reader", vec![Grant { services, ..Grant::of([Action::ReadOnline]) }]),
            role("watcher", vec![Grant::of([Action::Describe])]),
        ],
        ..Policy::default()
    }
}

async fn guarded_by(rules: Rules) -> (tempfile::TempDir, Arc<AccessControl>, Running) {
    let (folder, store) = flights::store().await;
    let live = "late_arrival@1".parse().unwrap();
    let catalog = Arc::new(Catalog::new(Services::new([crate::served_flights()], [live])));
    let control = Arc::new(AccessControl::new(rules, now));
    let serving = Serving::new(catalog, store, flights::noon, Limits::default());
    (folder, Arc::clone(&control), start_serving(serving.with_access(Arc::clone(&control))).await)
}

fn body() -> String {
    json!({"service": "late_arrival", "features": ["maker"], "entities": {"tailnum": ["N123"]}}).to_string()
}

async fn over_http(server: &Running, method: &str, path: &str, bearer: &str, body: &str) -> (u16, Json) {
    let header = match bearer {
        "" => String::new(),
        bearer => format!("authorization: Bearer {bearer}\r\n"),
    };
    let (status, answer) = send_with(server.addresses.http, method, path, &header, body).await;
    (status, serde_json::from_str(&answer).unwrap_or(Json::String(answer)))
}

fn with_bearer<T>(message: T, bearer: &str) -> Request<T> {
    let mut request = Request::new(message);
    if !bearer.is_empty() {
        request.metadata_mut().insert("authorization", format!("Bearer {bearer}").parse().unwrap());
    }
    request
}

async fn over_grpc(server: &Running, bearer: &str, service: &str) -> Result<GetFeaturesResponse, Status> {
    let request = GetFeaturesRequest {
        service: service.to_owned(),
        features: vec!["maker".to_owned()],
        entities: columns([("tailnum", strings(&["N123"], &[]))]),
        ..Default::default()
    };
    let mut client = FeatureStoreClient::new(channel(server).await);
    client.get_features(with_bearer(request, bearer)).await.map(tonic::Response::into_inner)
}

/// What every protocol says of somebody with this token: the statuses of HTTP, and those of gRPC.
async fn everywhere(server: &Running, bearer: &str) -> (Vec<u16>, Vec<Code>) {
    let feast = json!({"feature_service": "late_arrival", "entities": {"tailnum": ["N123"]}}).to_string();
    let rows = json!({"source": "landings", "rows": []}).to_string();
    let pushed = json!({"push_source_name": "landings", "df": {"a": [1]}}).to_string();
    let written = json!({"feature_view_name": "arrivals", "df": {"a": [1]}}).to_string();
    let mut statuses = Vec::new();
    for (method, path, body) in [
        ("POST", "/v1/features", body()),
        ("POST", "/get-online-features", feast),
        ("POST", "/v1/push", rows),
        ("POST", "/push", pushed),
        ("POST", "/write-to-online-store", written),
        ("POST", "/materialize", "{}".to_owned()),
        ("GET", "/metrics", String::new()),
        ("GET", "/", String::new()),
        ("GET", "/views/arrivals", String::new()),
        ("GET", "/style.css", String::new()),
        ("GET", "/healthy", String::new()),
        ("DELETE", "/v1/features", String::new()),
    ] {
        statuses.push(over_http(server, method, path, bearer, &body).await.0);
    }
    let code = |status: Option<Status>| status.map_or(Code::Ok, |status| status.code());
    let mut codes = vec![code(over_grpc(server, bearer, "late_arrival").await.err())];
    let push = PushRequest { source: "landings".to_owned(), ..Default::default() };
    let mut client = FeatureStoreClient::new(channel(server).await);
    codes.push(code(client.push(with_bearer(push, bearer)).await.err()));
    let mut client = ServingServiceClient::new(channel(server).await);
    let kind = Some(FeastKind::FeatureService("late_arrival".to_owned()));
    let request = GetOnlineFeaturesRequest { kind, ..Default::default() };
    codes.push(code(client.get_online_features(with_bearer(request, bearer)).await.err()));
    codes.push(code(
        client.get_feast_serving_info(with_bearer(GetFeastServingInfoRequest {}, bearer)).await.err(),
    ));
    let mut reflection = ServerReflectionClient::new(channel(server).await);
    let none = tokio_stream::iter(Vec::<ServerReflectionRequest>::new());
    codes.push(code(reflection.server_reflection_info(with_bearer(none, bearer)).await.err()));
    (statuses, codes)
}

async fn health(server: &Running) -> (u16, i32) {
    let (status, _) = over_http(server, "GET", "/health", "", "").await;
    let mut client = HealthClient::new(channel(server).await);
    let request = HealthCheckRequest { service: String::new() };
    (status, client.check(request).await.unwrap().into_inner().status)
}

#[tokio::test]
async fn without_a_token_that_counts_nothing_is_answered_but_health() {
    let expired = KnownToken { expires_at: Some(now()), ..known("old", [4; 40], Some("reader")) };
    let revoked = KnownToken { revoked_at: Some(now()), ..known("gone", [5; 40], Some("reader")) };
    let rules = Rules::new(policy(), tokens().into_iter().chain([expired, revoked]));
    let (_folder, control, server) = guarded_by(rules).await;
    let half = token(READER)[..60].to_owned();
    let of_another_project = token([9; 40]);
    let same_id_other_secret = {
        let mut random = READER;
        random[39] ^= 1;
        token(random)
    };
    for (what, bearer) in [
        ("no token", String::new()),
        ("an expired token", token([4; 40])),
        ("a revoked token", token([5; 40])),
        ("another project's token", of_another_project),
        ("a token of another secret", same_id_other_secret),
        ("half a token", half),
        ("10 kB instead of a token", "a".repeat(10_000)),
    ] {
        let (statuses, codes) = everywhere(&server, &bearer).await;
        assert!(statuses.iter().all(|status| *status == 401), "{what}: {statuses:?}");
        assert!(codes.iter().all(|code| *code == Code::Unauthenticated), "{what}: {codes:?}");
        withstood(what, "401 and UNAUTHENTICATED on every route but health");
    }
    assert_eq!(health(&server).await, (200, 1));
    let decided = control.take_decided();
    assert!(decided.allowed.is_empty(), "{decided:?}");
    let mut kinds: Vec<&str> = decided.denied.iter().map(|denied| denied.detail.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["expired", "missing", "revoked", "unknown"]);
    server.stop().await;
}

#[tokio::test]
async fn what_a_token_does_not_allow_is_refused_and_does_not_say_what_there_is() {
    let (_folder, control, server) = guarded_by(Rules::new(policy(), tokens())).await;
    let (reader, watcher, outsider) = (token(READER), token(WATCHER), token(OUTSIDER));
    assert_eq!(over_http(&server, "POST", "/v1/features", &reader, &body()).await.0, 200);
    assert_eq!(over_grpc(&server, &reader, "late_arrival@1").await.unwrap().service, "late_arrival@1");

    // A reader looks at nothing, and a watcher reads nothing.
    assert_eq!(over_http(&server, "GET", "/metrics", &reader, "").await.0, 403);
    assert_eq!(over_http(&server, "GET", "/metrics", &watcher, "").await.0, 200);
    let (status, refused) = over_http(&server, "POST", "/v1/features", &watcher, &body()).await;
    assert_eq!((status, &refused["error"]["code"]), (403, &json!("PERMISSION_DENIED")));
    let said = "`token grafana` may not read_online service late_arrival@1: no grant of it in `watcher`";
    assert_eq!(refused["error"]["message"], said);
    let (statuses, codes) = everywhere(&server, &outsider).await;
    // What this server does not do at all it says to everybody whom it knows.
    let expected: Vec<u16> = (0..statuses.len()).map(|index| if index == 5 { 501 } else { 403 }).collect();
    assert_eq!(statuses, expected);
    let denied = codes.iter().filter(|code| **code == Code::PermissionDenied).count();
    assert_eq!((denied, codes[3]), (codes.len() - 1, Code::Ok), "but for the name of the server: {codes:?}");

    // To who may not look at what there is, a service that there is not is one that they may not read.
    let other = |service: &str| body().replace("late_arrival", service);
    let (status, refused) = over_http(&server, "POST", "/v1/features", &reader, &other("late_arival")).await;
    assert_eq!(status, 403, "{refused}");
    assert!(!refused.to_string().contains("late_arrival"), "{refused}");
    assert_eq!(
        over_grpc(&server, &outsider, "late_arival").await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(over_http(&server, "POST", "/v1/features", &watcher, &other("late_arival")).await.0, 404);

    let allowed = control.take_decided().allowed;
    let reads: Vec<(&str, u64)> = allowed
        .iter()
        .filter(|allowed| allowed.action == Action::ReadOnline)
        .map(|allowed| (allowed.subject.as_str(), allowed.count))
        .collect();
    assert_eq!(reads, [("token scoring", 2)]);
    withstood("a token beyond what it allows", "403 and PERMISSION_DENIED; unknown names say no more");
    server.stop().await;
}

#[tokio::test]
async fn a_token_that_is_revoked_is_refused_on_open_connections_too() {
    let (_folder, control, server) = guarded_by(Rules::new(policy(), tokens())).await;
    let mut client = FeatureStoreClient::new(channel(&server).await);
    let request = || {
        let message = GetFeaturesRequest {
            service: "late_arrival".to_owned(),
            features: vec!["maker".to_owned()],
            entities: columns([("tailnum", strings(&["N123"], &[]))]),
            ..Default::default()
        };
        with_bearer(message, &token(READER))
    };
    client.get_features(request()).await.unwrap();
    let revoked = tokens().map(|known| KnownToken { revoked_at: Some(now()), ..known });
    control.replace(Rules::new(policy(), revoked));
    assert_eq!(client.get_features(request()).await.unwrap_err().code(), Code::Unauthenticated);
    server.stop().await;
}

#[tokio::test]
async fn a_browser_logs_in_where_it_reads_and_nowhere_else() {
    let (_folder, _control, server) = guarded_by(Rules::new(policy(), tokens())).await;
    let address = server.addresses.http;
    let head = answer_with(address, "GET", "/metrics", "", "").await;
    assert!(head.contains("www-authenticate: Basic realm=\"twinstore\""), "{head}");
    let login = |token: &str| {
        let login = base64::engine::general_purpose::STANDARD.encode(format!("anybody:{token}"));
        format!("authorization: Basic {login}\r\n")
    };
    assert_eq!(send_with(address, "GET", "/metrics", &login(&token(WATCHER)), "").await.0, 200);
    assert_eq!(send_with(address, "GET", "/metrics", &login("guess"), "").await.0, 401);
    // A page of somebody else could have a browser send what it knows.
    let header = login(&token(READER));
    assert_eq!(send_with(address, "POST", "/v1/features", &header, &body()).await.0, 401);
    let head = answer_with(address, "POST", "/v1/features", "", &body()).await;
    assert!(head.contains("www-authenticate: Bearer"), "{head}");
    server.stop().await;
}

#[tokio::test]
async fn a_consumer_beyond_its_share_is_refused_with_a_hint_and_others_are_answered() {
    let share = Share {
        priority: Priority::Normal,
        requests: Some(Rate { per_second: 1, burst: 5 }),
        keys: Some(Rate { per_second: 1, burst: 8 }),
    };
    let consumer = Consumer { name: "models".parse().unwrap(), share };
    let member = |name: &str| Member {
        subject: Subject::new(SubjectKind::Token, name),
        roles: vec!["reader".parse().unwrap()],
        consumer: Some("models".parse().unwrap()),
    };
    let policy = Policy { members: vec![member("scoring")], consumers: vec![consumer], ..policy() };
    let other = known("other", [6; 40], Some("reader"));
    let rules = Rules::new(policy, tokens().into_iter().chain([other]));
    let (_folder, control, server) = guarded_by(rules).await;
    let (reader, other) = (token(READER), token([6; 40]));
    let keys = |count: usize| {
        let keys = vec!["N123"; count];
        json!({"service": "late_arrival", "features": ["maker"], "entities": {"tailnum": keys}}).to_string()
    };
    assert_eq!(over_http(&server, "POST", "/v1/features", &reader, &keys(8)).await.0, 200);
    let (status, refused) = over_http(&server, "POST", "/v1/features", &reader, &keys(2)).await;
    assert_eq!((status, &refused["error"]["code"]), (429, &json!("OVERLOADED")));
    assert_eq!(refused["error"]["message"], "`models` has taken its share of keys, which is 1 a second");

    let began = Instant::now();
    let mut refused = 0;
    for _ in 0..20 {
        let header = format!("authorization: Bearer {reader}\r\n");
        // The body never comes: what is refused is refused before it.
        let answer = answer_with(server.addresses.http, "POST", "/v1/features", &header, "").await;
        if answer.contains(" 429 ") {
            assert!(answer.contains("retry-after: 1"), "{answer}");
            refused += 1;
        }
    }
    let at_most = 3 + began.elapsed().as_secs() as usize + 1;
    assert!(refused >= 20 - at_most, "{refused} of 20 were refused");
    // One a second is answered again.
    let mut refused = None;
    for _ in 0..10 {
        refused = refused.or(over_grpc(&server, &reader, "late_arrival").await.err());
    }
    let status = refused.unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let wait: u64 =
        status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap();
    assert!((1..=1_000).contains(&wait), "{wait}");
    // A share is one consumer's alone.
    assert_eq!(over_http(&server, "POST", "/v1/features", &other, &keys(100)).await.0, 200);
    let denied = control.take_decided().denied;
    assert!(denied.iter().any(|denied| denied.detail == "its share of requests is taken"), "{denied:?}");
    withstood(
        "a consumer beyond its share",
        "429 with Retry-After, RESOURCE_EXHAUSTED with grpc-retry-pushback-ms",
    );
    server.stop().await;
}

/// While a consumer sends without a pause, far beyond its share, the others are answered as soon as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_noisy_consumer_does_not_hold_up_another() {
    let share = Share { requests: Some(Rate { per_second: 10, burst: 10 }), ..Share::default() };
    let consumer = Consumer { name: "default".parse().unwrap(), share };
    let policy = Policy { consumers: vec![consumer], ..policy() };
    let unbounded = Consumer { name: "quiet".parse().unwrap(), share: Share::default() };
    let member = Member {
        subject: Subject::new(SubjectKind::Token, "other"),
        roles: vec!["reader".parse().unwrap()],
        consumer: Some("quiet".parse().unwrap()),
    };
    let mut policy = policy;
    policy.consumers.push(unbounded);
    policy.members.push(member);
    let rules = Rules::new(policy, tokens().into_iter().chain([known("other", [6; 40], None)]));
    let (_folder, _control, server) = guarded_by(rules).await;
    let noisy: Vec<_> = (0..8)
        .map(|_| {
            let (address, header) =
                (server.addresses.http, format!("authorization: Bearer {}\r\n", token(READER)));
            tokio::spawn(async move {
                loop {
                    let _ = send_with(address, "POST", "/v1/features", &header, &body()).await;
                }
            })
        })
        .collect();
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(over_http(&server, "POST", "/v1/features", &token([6; 40]), &body()).await.0, 200);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    noisy.iter().for_each(tokio::task::JoinHandle::abort);
    withstood(
        "a consumer that sends without a pause",
        "refused by its share; each of 50 others answered in time",
    );
    server.stop().await;
}

/// A token of an OpenID issuer, signed with its key.
fn issued(header: &Json, claims: &Json) -> String {
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed =
        format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(claims.to_string().as_bytes()));
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let signature = encoded(pair.sign(signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

#[tokio::test]
async fn tokens_of_an_issuer_count_by_its_keys_for_this_server_alone() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]}).to_string();
    let issuer = Issuer { issuer: "https://login.example".to_owned(), audience: "twinstore".to_owned() };
    let member = |kind, name: &str| Member {
        subject: Subject::new(kind, name),
        roles: vec!["reader".parse().unwrap()],
        consumer: None,
    };
    let members = vec![member(SubjectKind::Oidc, "ann"), member(SubjectKind::Claim, "groups=scoring")];
    let keys = IssuerKeys::parse(&keys).unwrap();
    let rules = Rules::new(Policy { members, ..policy() }, tokens()).with_issuer(issuer, Arc::new(keys));
    let (_folder, control, server) = guarded_by(rules).await;
    let now_s = now().get() / 1_000_000;
    let header = json!({"alg": "EdDSA", "kid": "one"});
    let claims = |changed: &[(&str, Json)]| {
        let mut all =
            json!({"iss": "https://login.example", "aud": "twinstore", "sub": "ann", "exp": now_s + 60});
        changed.iter().for_each(|(name, value)| all[*name] = value.clone());
        all
    };
    let good = issued(&header, &claims(&[]));
    assert_eq!(over_http(&server, "POST", "/v1/features", &good, &body()).await.0, 200);
    assert!(over_grpc(&server, &good, "late_arrival").await.is_ok());
    let by_group = issued(&header, &claims(&[("sub", json!("bob")), ("groups", json!(["a", "scoring"]))]));
    assert_eq!(over_http(&server, "POST", "/v1/features", &by_group, &body()).await.0, 200);
    let stranger = issued(&header, &claims(&[("sub", json!("eve"))]));
    assert_eq!(over_http(&server, "POST", "/v1/features", &stranger, &body()).await.0, 403);
    // A token of this project counts beside them.
    assert_eq!(over_http(&server, "POST", "/v1/features", &token(READER), &body()).await.0, 200);

    let none = json!({"alg": "none", "kid": "one"});
    let unsigned = |token: String| token.rsplit_once('.').map(|(signed, _)| format!("{signed}.")).unwrap();
    let (head, rest) = good.split_once('.').unwrap();
    let of_eve = issued(&header, &claims(&[("sub", json!("ann")), ("groups", json!(["scoring"]))]));
    let (_, claimed_and_signed) = of_eve.split_once('.').unwrap();
    let (claimed, _) = claimed_and_signed.split_once('.').unwrap();
    let signature = rest.split_once('.').unwrap().1;
    assert!(!control.misses_key());
    for (what, bearer) in [
        ("`alg: none`", issued(&none, &claims(&[]))),
        ("`alg: none` without a signature", unsigned(issued(&none, &claims(&[])))),
        ("no signature", unsigned(good.clone())),
        ("a shared secret (HS256)", issued(&json!({"alg": "HS256", "kid": "one"}), &claims(&[]))),
        ("another audience", issued(&header, &claims(&[("aud", json!("billing"))]))),
        ("another issuer", issued(&header, &claims(&[("iss", json!("https://login.evil"))]))),
        ("an expired token of the issuer", issued(&header, &claims(&[("exp", json!(now_s - 31))]))),
        ("a token of tomorrow", issued(&header, &claims(&[("nbf", json!(now_s + 3_600))]))),
        ("the signature of other claims", format!("{head}.{claimed}.{signature}")),
        ("a key that the issuer does not have", issued(&json!({"alg": "EdDSA", "kid": "two"}), &claims(&[]))),
    ] {
        let (status, refused) = over_http(&server, "POST", "/v1/features", &bearer, &body()).await;
        assert_eq!(status, 401, "{what}: {refused}");
        let code = over_grpc(&server, &bearer, "late_arrival").await.unwrap_err().code();
        assert_eq!(code, Code::Unauthenticated, "{what}");
        withstood(what, "401 and UNAUTHENTICATED");
    }
    assert!(control.misses_key(), "the keys are fetched again");
    server.stop().await;
}
