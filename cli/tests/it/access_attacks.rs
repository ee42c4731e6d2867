//! Access with the real binary: tokens that are revoked under a running server, protected tags behind what is made from
//! them, a policy that is damaged, and commands of somebody who may not. `make attack` prints a line for each.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::Authority;

use crate::project::{Project, says};
use crate::served::{Server, get_as, send_as};

/// How soon a server has to take on what changed. It looks four times a second; a busy machine is given time.
const SOON: Duration = Duration::from_secs(20);

fn withstood(attack: &str, outcome: &str) {
    println!("attack: {attack}: {outcome}");
}

/// Aircraft are protected, and everything made from them.
const DERIVED: &str = "
---
kind: feature_view
name: aircraft_days
version: 1
entity: aircraft
source: {view: aircraft_last_flight@1}
features: {days: {aggregate: count, window: 7d}}
---
kind: on_demand_view
name: aircraft_load
version: 1
request: {seats: int32}
inputs:
  - {from: aircraft_days@1, take: [days], prefix: a_}
features: {per_seat: {expression: \"a_days / seats\"}}
---
kind: feature_service
name: through_a_derived_view
version: 1
features:
  - {from: aircraft_days@1}
---
kind: feature_service
name: through_an_on_demand_view
version: 1
features:
  - {from: aircraft_load@1}
---
kind: feature_service
name: arrivals_alone
version: 1
features:
  - {from: airport_arrivals@1, on: {airport: dest}}
";

const POLICY: &str = "
protected_tags: [pii]
roles:
  reader:
    - {actions: [read_online, read_offline], services: ['*'], views: ['*']}
  trusted:
    - {actions: [read_online], services: ['*'], views: ['*'], tags: [pii]}
  watcher:
    - {actions: [describe]}
  operator:
    - {actions: [describe, administer]}
    - {actions: [apply, cut_over], services: ['*'], views: ['*'], sources: ['*']}
members:
  - {token: scoring, roles: [reader]}
  - {user: ann, roles: [operator]}
  - {user: bob, roles: [reader]}
";

/// A loaded project whose aircraft are protected, with a policy.
fn guarded() -> Project {
    let project = Project::sample();
    project.edit(
        "features/flights.yaml",
        "name: aircraft_last_flight\nversion: 1\n",
        "name: aircraft_last_flight\nversion: 1\ntags: {pii: tail numbers}\n",
    );
    let text = project.read("features/flights.yaml") + DERIVED;
    project.write("features/flights.yaml", text);
    project.write("twinstore.toml", "actor = \"ann\"\n");
    project.ok("apply");
    project.ok("backfill --all");
    project.write("access.yaml", POLICY);
    project
}

fn created(project: &Project, words: &str) -> String {
    project.json(&format!("token create {words}"))["token"].as_str().unwrap().to_owned()
}

fn read(service: &str, entities: Value) -> String {
    json!({"service": service, "entities": entities}).to_string()
}

fn arrivals() -> String {
    read("arrivals_alone", json!({"dest": ["LAX"]}))
}

/// Asks until this is the status, and gives how long that took.
fn until(server: &Server, token: &str, expected: u16) -> Duration {
    let began = Instant::now();
    loop {
        let (status, answer) = send_as(&server.http, token, "/v1/features", &arrivals());
        if status == expected {
            return began.elapsed();
        }
        assert!(began.elapsed() < SOON, "it stayed {status}: {answer}");
    }
}

/// That nothing changes while the server looks at the policy twice and more.
fn holds(server: &Server, token: &str) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(600) {
        assert_eq!(
            send_as(&server.http, token, "/v1/features", &arrivals()).0,
            200,
            "the one of before holds"
        );
        assert_eq!(send_as(&server.http, "", "/v1/features", &arrivals()).0, 401);
    }
}

#[test]
fn a_token_counts_until_it_is_revoked_and_the_log_says_who_did_what() {
    let project = guarded();
    let token = created(&project, "scoring");
    let server = Server::start(&project);
    assert_eq!(send_as(&server.http, "", "/v1/features", &arrivals()).0, 401);
    assert_eq!(send_as(&server.http, &token, "/v1/features", &arrivals()).0, 200);
    // One that follows counts without a restart.
    let next = created(&project, "scoring --expires 30d");
    until(&server, &next, 200);
    let listed = project.json("token list");
    let id = |at: usize| listed[at]["id"].as_str().unwrap().to_owned();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    project.ok(&format!("token revoke {}", id(0)));
    let took = until(&server, &token, 401);
    withstood("a token that was revoked", &format!("401 after {} ms", took.as_millis()));
    assert_eq!(send_as(&server.http, &next, "/v1/features", &arrivals()).0, 200);
    project.ok(&format!("token expire {} --in 1ms", id(1)));
    until(&server, &next, 401);
    assert_eq!(server.terminate().0, Some(0));

    let audit = project.json("audit");
    let actions: Vec<&str> =
        audit["entries"].as_array().unwrap().iter().filter_map(|entry| entry["action"].as_str()).collect();
    let of_tokens: Vec<&str> = actions.iter().copied().filter(|action| action.starts_with("token")).collect();
    assert_eq!(of_tokens, ["token_create", "token_create", "token_revoke", "token_expire"]);
    assert!(actions.contains(&"deny"), "{actions:?}");
    let usage = project.json("access usage");
    let reads: u64 = usage.as_array().unwrap().iter().map(|row| row["allowed"].as_u64().unwrap()).sum();
    assert!(reads >= 3, "{usage}");
    // No secret is in any file of the project.
    for (path, content) in project.state() {
        for secret in [&token, &next].map(|token| token.rsplit('_').next().unwrap()) {
            let held = content.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!held, "{} holds a secret", path.display());
        }
    }
}

#[test]
fn a_protected_tag_is_found_behind_everything_that_is_made_from_it() {
    let project = guarded();
    let reader = created(&project, "scoring");
    let trusted = created(&project, "trusted --role trusted");
    let server = Server::start(&project);
    let of_aircraft = json!({"tailnum": ["N338AA"]});
    let feast = |feature: &str| json!({"features": [feature], "entities": of_aircraft}).to_string();
    let on_demand =
        json!({"service": "through_an_on_demand_view", "entities": of_aircraft, "request": {"seats": [2]}});
    let chosen =
        json!({"service": "late_arrival", "features": ["aircraft_last_dest"], "entities": of_aircraft});
    for (what, path, body) in [
        ("a protected view, read directly", "/get-online-features", feast("aircraft_last_flight:last_dest")),
        ("a protected view through a derived view", "/get-online-features", feast("aircraft_days:days")),
        ("the same through a service", "/v1/features", read("through_a_derived_view", of_aircraft.clone())),
        ("the same through an on-demand view", "/v1/features", on_demand.to_string()),
        ("a service that reads a protected view", "/v1/features", chosen.to_string()),
    ] {
        let (status, refused) = send_as(&server.http, &reader, path, &body);
        assert_eq!(status, 403, "{what}: {refused}");
        assert!(refused.contains("protected by `pii`"), "{what}: {refused}");
        let (status, answer) = send_as(&server.http, &trusted, path, &body);
        assert_eq!(status, 200, "{what}: {answer}");
        withstood(what, "403 without a grant of the tag");
    }
    // Pages for people show values too: who may look does not read by them.
    let watcher = created(&project, "watcher --role watcher");
    until(&server, &watcher, 403);
    let page = |path: &str| get_as(&server.http, &watcher, path);
    assert_eq!([page("/"), page("/views/airport_arrivals@1"), page("/services/late_arrival@1")], [200; 3]);
    for path in [
        "/views/aircraft_last_flight@1",
        "/views/aircraft_days%401",
        "/features/airport_arrivals@1/last_delay",
        "//features/airport_arrivals@1/last_delay",
        "/services/arrivals_alone@1?service=arrivals_alone@1&in.dest=LAX",
        "/services/arrivals_alone@1?s%65rvice=late_arrival%401&in.tailnum=N338AA",
        "/features/none@1/x",
    ] {
        assert_eq!(page(path), 403, "{path}");
    }
    withstood("a page that shows values", "403 without read_online");
    // What is made of none of it is open.
    assert_eq!(send_as(&server.http, &reader, "/v1/features", &arrivals()).0, 200);
    let said = project.run("access check token:scoring read_online service:through_an_on_demand_view");
    assert_eq!(said.code, Some(1));
    says(&said.stdout, &["may not read_online", "protected by `pii`", "pii=tail numbers"]);
    let said = project.ok("access check token:trusted read_online service:through_an_on_demand_view");
    says(&said, &["`token trusted` may read_online", "`trusted` grants it"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_policy_that_is_damaged_or_gone_gives_nobody_access() {
    let project = guarded();
    let token = created(&project, "scoring");
    let server = Server::start(&project);
    until(&server, &token, 200);
    for damage in ["roles: [", "members: []\n", ""] {
        project.write("access.yaml", damage);
        holds(&server, &token);
    }
    std::fs::remove_file(project.path("access.yaml")).unwrap();
    holds(&server, &token);
    // A policy that can be read again is taken on.
    project.write(
        "access.yaml",
        POLICY.replace("{token: scoring, roles: [reader]}", "{token: other, roles: [reader]}"),
    );
    until(&server, &token, 403);
    withstood("a policy that is damaged or removed", "the one of before holds; a whole one is taken on");
    let (code, said) = server.terminate();
    assert_eq!(code, Some(0));
    says(&said, &["the policy cannot be taken on", "access.yaml"]);
}

#[test]
fn a_server_that_others_reach_does_not_start_without_a_policy() {
    let project = Project::loaded();
    let everywhere = |key: &str| project.command("serve").env(key, "0.0.0.0:0").output().unwrap();
    for key in ["TWINSTORE_SERVE_GRPC", "TWINSTORE_SERVE_HTTP"] {
        let done = everywhere(key);
        assert_eq!(done.status.code(), Some(1));
        let said = String::from_utf8(done.stderr).unwrap();
        says(&said, &["others than this machine reach", "no policy", "access.yaml", "serve.unprotected"]);
    }
    withstood("a server on all addresses without a policy", "it does not start");
}

#[test]
fn a_command_of_somebody_who_may_not_is_refused_and_recorded() {
    let project = guarded();
    let as_bob = |words: &str| {
        let done = project.command(words).env("TWINSTORE_ACTOR", "bob").output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    project.edit("features/flights.yaml", "ttl: 2d", "ttl: 2d\ndescription: How late flights land.");
    let refusals = [
        ("apply", "may not apply view airport_arrivals@1"),
        ("cutover late_arrival@1", "may not cut_over service late_arrival@1"),
        ("token create mine", "may not administer the project"),
        ("token list", "may not administer the project"),
        ("registry remove arrivals_alone@1", "may not apply service arrivals_alone@1"),
        (
            "training-set --service late_arrival --spine data/departures.parquet --time scheduled_departure --out t.parquet",
            "may not read_offline service late_arrival@1: it is protected by `pii`",
        ),
    ];
    for (words, why) in refusals {
        let (code, said) = as_bob(words);
        assert_eq!(code, Some(1), "{words}: {said}");
        says(&said, &["`user bob`", why]);
    }
    project.ok("apply");
    let denied = project.json("audit")["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["action"] == "deny" && entry["subject"] == "user bob")
        .count();
    assert_eq!(denied, refusals.len());
    withstood("commands of somebody who may not", "refused by name, and in the audit log");
}

#[test]
fn a_client_shows_its_token_over_tls_to_a_server_that_it_trusts_alone() {
    let project = guarded();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let signed = ours.signs("server", "IP:127.0.0.1");
    let settings = format!(
        "serve.tls_certificate = \"{}\"\nserve.tls_key = \"{}\"\n",
        signed.certificate.display(),
        signed.key.display()
    );
    project.write("twinstore.toml", project.read("twinstore.toml") + &settings);
    let token = created(&project, "scoring");
    let server = Server::start(&project);
    let get = |address: &str, token: &str, authority: &Authority| {
        let words = format!("get arrivals_alone dest=LAX --grpc {address}");
        let mut command = project.command(&words);
        command.env("TWINSTORE_TOKEN", token).env("TWINSTORE_CLIENT_CA", authority.certificate());
        let done = command.output().unwrap();
        (
            done.status.code(),
            String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap(),
        )
    };
    let over_tls = format!("grpcs://{}", server.grpc);
    let (code, said) = get(&over_tls, &token, &ours);
    assert_eq!(code, Some(0), "{said}");
    for (what, (code, said), why) in [
        ("no token over TLS", get(&over_tls, "", &ours), "says not who sends it"),
        ("another token over TLS", get(&over_tls, "tws_1", &ours), "the token is not known"),
        ("a server that is not trusted", get(&over_tls, &token, &theirs), "no server answers"),
        ("plain text to a server of TLS", get(&server.grpc, &token, &ours), ""),
    ] {
        assert_eq!(code, Some(1), "{what}: {said}");
        says(&said, &[why]);
        assert!(!said.contains(token.rsplit('_').next().unwrap()), "{what} shows the token");
        withstood(what, said.lines().next().unwrap_or_default());
    }
    assert_eq!(server.terminate().0, Some(0));
}
