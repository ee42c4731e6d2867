//! Breakers of views whose rows lie in Redis: the rows of the last good moment lie there too, for every server.

use serde_json::{Value, json};
use test_support::{RedisServer, eventually};

use crate::project::says;
use crate::pushed::{clicks, now};
use crate::served::Server;

fn push(server: &Server, page: &str) {
    let rows: Vec<Value> =
        (1..4).map(|id| json!({"visitor": id, "at": now(), "id": id, "page": page, "ms": 1.0})).collect();
    let body = json!({"source": "clicks", "rows": rows, "wait": "online"});
    let (status, answer) = server.post("/v1/push", &body);
    assert_eq!(status, 200, "{answer}");
}

/// The page and the clicks of each of three visitors, with their statuses.
fn read(server: &Server) -> Value {
    let body = json!({"service": "visit", "entities": {"visitor": [1, 2, 3]}});
    let columns = server.post("/v1/features", &body).1["columns"].clone();
    let of = |name: &str| json!([columns[name]["values"], columns[name]["statuses"]]);
    json!({"page": of("page"), "clicks": of("clicks")})
}

/// What all three have.
fn all(page: &str, status: &str, clicks: i64) -> Value {
    let three = |value: Value| json!([value, value, value]);
    json!({
        "page": [three(json!(page)), three(json!(status))],
        "clicks": [three(json!(clicks)), three(json!("PRESENT"))],
    })
}

#[test]
fn the_last_good_rows_lie_in_redis_where_every_server_reads_them_and_are_written_again_if_they_are_lost() {
    let redis = RedisServer::start(&[]);
    let project = clicks();
    project.write("twinstore.toml", format!("project = \"clicks\"\nonline.url = \"{}\"\n", redis.url()));
    let server = Server::start(&project);
    push(&server, "home");
    let good = now();
    push(&server, "wrong");
    assert_eq!(read(&server), all("wrong", "PRESENT", 2));
    let open = format!("breaker open visits --features page --good-until {good} --reason renamed");
    eventually("it can be opened", || project.run(&open).code == Some(0));
    eventually("readers get the last good page", || read(&server) == all("home", "LAST_KNOWN_GOOD", 2));
    push(&server, "later");
    let second = Server::start_as(&project, "serve --no-streams");
    for server in [&server, &second] {
        eventually("each server keeps to it", || read(server) == all("home", "LAST_KNOWN_GOOD", 3));
    }
    // Redis loses everything: no value is answered of what is held, until it is written again from the log.
    assert!(redis.says("FLUSHALL").starts_with("+OK"));
    assert_eq!(server.terminate().0, Some(0));
    assert_eq!(second.terminate().0, Some(0));
    project.ok("online rebuild");
    let server = Server::start(&project);
    assert_eq!(read(&server), all("home", "LAST_KNOWN_GOOD", 3));
    project.ok("verify visits");
    project.ok("breaker close visits --reason mended");
    eventually("readers get the rows", || read(&server) == all("later", "PRESENT", 3));
    let served = project.ok("verify visits --served");
    says(&served, &["visits@1"]);
    assert_eq!(server.terminate().0, Some(0));
}
