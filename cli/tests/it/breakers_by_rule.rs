//! Breakers that open by what is served: by answers that the log does not give, and by rows that are too old.

use serde_json::{Value, json};
use test_support::eventually;

use crate::project::{Project, says};
use crate::pushed::{definitions, micros_now, now, with};
use crate::served::Server;
use crate::served_values::{clicked, clicked_in, put_online};

/// The definitions of clicks with a breaker of their view.
fn with_breaker(breaker: &str) -> Project {
    with(&definitions().replacen("source: clicks\n", &format!("source: clicks\nbreaker: {breaker}\n"), 1))
}

/// The features of visitor 1, each with its status.
fn read(server: &Server) -> [(Value, Value); 2] {
    let body = json!({"service": "visit", "entities": {"visitor": [1]}});
    let columns = server.post("/v1/features", &body).1["columns"].clone();
    ["page", "clicks"].map(|name| (columns[name]["values"][0].clone(), columns[name]["statuses"][0].clone()))
}

fn newest_opening(project: &Project) -> Value {
    project.json("breaker list")["breakers"][0].clone()
}

#[test]
fn answers_that_the_log_does_not_give_open_a_breaker_and_readers_get_what_it_gives() {
    let at = now();
    let project = with_breaker("{skew: 0, features: [page], window: 10s, close_after: 2s}");
    let project = clicked_in(project, 1..40, "home", &at);
    let pushed = micros_now();
    put_online(&clicked(1..40, "cart", &at), &project);
    // What is read from here on was readable before the window of whatever is found.
    eventually("the rows are older than the window", || micros_now() - pushed > 15_000_000);
    let server = Server::start(&project);
    assert_eq!(read(&server)[0], (json!("cart"), json!("PRESENT")));
    eventually("it opens, and gives what the log has of the last good moment", || {
        read(&server)[0] == (json!("home"), json!("LAST_KNOWN_GOOD"))
    });
    assert_eq!(read(&server)[1], (json!(1), json!("PRESENT")), "only the page is held");
    let opening = newest_opening(&project);
    assert_eq!((&opening["rule"], &opening["features"]), (&json!("skew"), &json!(["page"])), "{opening}");
    says(opening["why"].as_str().unwrap(), &["value", "are not what the log gives"]);
    // While it is open the answers are those of the log; mended, it closes by the same rule.
    project.ok("online rebuild visits");
    eventually("it closes", || {
        read(&server);
        !newest_opening(&project)["until"].is_null()
    });
    eventually("readers get the rows, which are right now", || {
        read(&server) == [(json!("home"), json!("PRESENT")), (json!(1), json!("PRESENT"))]
    });
    says(&project.ok("audit visits@1"), &["breaker_open", "by the rule skew", "breaker_close"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_source_that_stops_opens_a_breaker_whose_windows_stay_full_and_a_newer_row_closes_it() {
    let definitions = definitions()
        .replacen("source: clicks\n", "source: clicks\nbreaker: {stale: 12s, close_after: 1s}\n", 1)
        .replacen("clicks: {aggregate: count}", "clicks: {aggregate: count, window: 10s, hop: 1s}", 1);
    let project = with(&definitions);
    let server = Server::start(&project);
    let push = || {
        let rows = json!([{"visitor": 1, "at": now(), "id": 1, "page": "home", "ms": 1.0}]);
        let body = json!({"source": "clicks", "rows": rows, "wait": "online"});
        assert_eq!(server.post("/v1/push", &body).0, 200);
    };
    // So that something was readable at the moment of the newest event.
    push();
    eventually("it can be read", || read(&server)[1] == (json!(1), json!("PRESENT")));
    push();
    eventually("it opens", || !project.json("breaker list")["breakers"].as_array().unwrap().is_empty());
    let opening = newest_opening(&project);
    assert_eq!(opening["rule"], "stale", "{opening}");
    says(opening["why"].as_str().unwrap(), &["the newest event that is online is of", "may be 12s old"]);
    // By now the window of ten seconds is empty, and what was counted in it is held.
    eventually("readers get the full window", || read(&server)[1] == (json!(1), json!("LAST_KNOWN_GOOD")));
    eventually("a newer row closes it", || {
        push();
        !newest_opening(&project)["until"].is_null()
    });
    eventually("readers get what is counted now", || read(&server)[1].1 == "PRESENT");
    assert_eq!(server.terminate().0, Some(0));
}
