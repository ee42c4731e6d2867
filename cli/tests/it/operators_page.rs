//! The operators' page over the real binary: each page says what the commands say, and is right soon after a source stops.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};
use test_support::eventually;

use crate::parity::{PARITY, SAME, versions};
use crate::project::{GET, Project, says};
use crate::pushed::with;
use crate::quarantined::{QUARANTINES, expecting, write};
use crate::served::Server;
use crate::slo::{self, definitions, push};

/// A page that is there, with its head.
fn page(server: &Server, path: &str) -> String {
    let page = server.get(path);
    assert!(page.starts_with("HTTP/1.1 200 "), "{path}: {page}");
    says(
        &page,
        &[
            "content-type: text/html; charset=utf-8",
            "content-security-policy: default-src 'none'; style-src 'self';",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "</html>",
        ],
    );
    page
}

#[test]
fn the_overview_says_what_the_command_says_and_lists_what_is_bad_first() {
    let project = Project::loaded();
    let server = Server::start(&project);
    // Of a source that ended years ago the objective is not kept.
    eventually("a probe of the view is counted", || {
        let done = project.run("overview --format json");
        let overview: Value = serde_json::from_str(&done.stdout).unwrap();
        let first = &overview["views"][0];
        let is_wrong = first["id"] == "airport_arrivals@1" && first["condition"] == "WRONG";
        assert_eq!(done.code, Some(i32::from(is_wrong)), "{}", done.stderr);
        is_wrong
    });
    let overview = page(&server, "/");
    let done = project.run("overview --format json");
    says(&done.stderr, &["something is wrong with airport_arrivals@1"]);
    let said: Value = serde_json::from_str(&done.stdout).unwrap();
    let views = said["views"].as_array().unwrap();
    assert_eq!(views.len(), 3);
    for view in views {
        let id = view["id"].as_str().unwrap();
        says(&overview, &[&format!("<a href=\"/views/{id}\">{id}</a>")]);
        for reason in view["reasons"].as_array().unwrap() {
            says(&overview, &[reason.as_str().unwrap()]);
        }
    }
    says(
        &overview,
        &["<strong>1</strong> wrong", "<strong>3</strong> all views", "nothing refused, drift not known"],
    );
    let at = |text: &str| overview.find(text).unwrap();
    assert!(at(">airport_arrivals@1</a>") < at(">aircraft_last_flight@1</a>"), "{overview}");
    let wrong = page(&server, "/?status=wrong&group=pipeline");
    assert!(!wrong.contains("aircraft_last_flight@1</a><br>"), "{wrong}");
    says(
        &project.run("overview").stdout,
        &["airport_arrivals@1", "WRONG", "99% within 1h", "no newer row of"],
    );
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn each_page_says_what_the_commands_say_of_the_same() {
    let project = Project::loaded();
    let server = Server::start(&project);
    for view in ["airport_arrivals@1", "aircraft_last_flight@1", "route@1"] {
        let shown = project.json(&format!("registry show {view}"));
        let found = page(&server, &format!("/views/{view}"));
        let readers = shown[0]["dependents"].as_array().unwrap().iter();
        readers.for_each(|reader| says(&found, &[reader["id"].as_str().unwrap()]));
        says(&found, &["Lineage", "<svg", "revision 1"]);
    }
    let loads = project.json("lineage airport_arrivals@1");
    let rows = &loads["views"][0]["runs"][0]["outcome"]["load"]["rows"];
    assert_eq!(rows["loaded"], 2_099);
    says(&page(&server, "/views/airport_arrivals@1"), &[">2,099</td>", ">backfill</td>", ">complete</span>"]);

    let searched = page(&server, "/search?q=delay");
    let found = project.json("registry list --search delay");
    let features = found["features"].as_array().unwrap();
    assert_eq!(features.len(), 8);
    features.iter().for_each(|feature| says(&searched, &[feature["what"].as_str().unwrap()]));
    says(&page(&server, "/search?q=no_such_thing"), &["Nothing has this in its name"]);
    says(&project.ok("registry list --search no_such_thing"), &["nothing has `no_such_thing` in its name"]);

    let changes = page(&server, "/changes");
    let entries = project.json("audit");
    let newest = entries["entries"].as_array().unwrap().last().unwrap().clone();
    says(&changes, &[&format!(">{}</th>", newest["number"]), newest["actor"].as_str().unwrap()]);
    let number = newest["number"].as_u64().unwrap();
    let older = page(&server, &format!("/changes?before={number}"));
    assert!(!older.contains(&format!("<th scope=\"row\">{number}</th>")), "{older}");

    let feature = page(&server, "/features/airport_arrivals@1/mean_delay_1d");
    let statistics = project.json("quality statistics airport_arrivals@1");
    let days: Vec<&Value> = statistics["statistics"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|day| day["column"] == "arr_delay")
        .collect();
    assert_eq!(days.len(), 7);
    days.iter().for_each(|day| {
        says(&feature, &[&format!("<th scope=\"row\">{}</th>", day["date"].as_str().unwrap())])
    });
    says(&feature, &["mean(arr_delay) over 1d", "late_arrival@1", "dest_mean_delay_1d", "<polyline"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_read_that_is_tried_gives_what_get_gives() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let given: Value = serde_json::from_str(&project.ok(GET)).unwrap();
    let query =
        "service=late_arrival%401&in.dest=LAX&in.tailnum=N338AA&in.distance=2475&at=2013-06-08T01%3A00%3A00Z";
    let read = page(&server, &format!("/services/late_arrival@1?{query}"));
    let features = given["features"].as_object().unwrap();
    assert!(features.len() >= 4, "{given}");
    for (name, feature) in features {
        let value = feature["value"].to_string();
        let value = value.strip_suffix(".0").unwrap_or(&value).replace('"', "");
        says(&read, &[name, &format!("<code>{value}"), feature["status"].as_str().unwrap()]);
    }
    let of_feature = page(&server, &format!("/features/airport_arrivals@1/mean_delay_1d?{query}"));
    says(&of_feature, &["(this feature)", "value=\"N338AA\""]);
    let hostile =
        page(&server, "/services/late_arrival@1?service=late_arrival%401&in.dest=%3Cscript%3E&in.distance=x");
    says(&hostile, &["`distance` is", "late_arrival@1 needs `tailnum`", "value=\"&lt;script&gt;\""]);
    assert!(!hostile.contains("<script"), "{hostile}");
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn what_is_not_there_is_a_page_for_people_and_an_error_for_programs() {
    let project = Project::loaded();
    let server = Server::start(&project);
    for path in ["/views/none@1", "/views/x", "/features/airport_arrivals@1/none", "/services/none@1"] {
        let found = server.get(path);
        assert!(found.starts_with("HTTP/1.1 404 "), "{found}");
        says(&found, &["There is no such page", "role=\"search\"", "text/html"]);
    }
    let program = server.get("/nothing");
    assert!(program.starts_with("HTTP/1.1 404 "), "{program}");
    says(&program, &["application/json", "GET /nothing"]);
    let style = server.get("/style.css");
    says(&style, &["text/css", "max-age=600", "prefers-color-scheme: dark"]);
    assert_eq!(server.terminate().0, Some(0));

    let server = Server::start_as(&project, "serve --no-pages");
    for path in ["/", "/changes", "/style.css"] {
        says(&server.get(path), &["HTTP/1.1 404 ", "application/json"]);
    }
    assert_eq!(server.terminate().0, Some(0));
}

/// The whole answer to a request with these lines.
fn answer_to(server: &Server, lines: &str) -> String {
    let mut connection = TcpStream::connect(&server.http).unwrap();
    write!(connection, "{lines}\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_browser_gets_heads_alone_and_pages_for_what_is_not_there() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let head = answer_to(&server, "HEAD / HTTP/1.1");
    says(&head, &["HTTP/1.1 200 ", "content-type: text/html", "content-security-policy: default-src 'none'"]);
    assert!(!head.contains("<html"), "{head}");
    let missing = answer_to(&server, "GET /nothing HTTP/1.1\r\naccept: text/html,*/*");
    says(&missing, &["HTTP/1.1 404 ", "There is no such page", "Search for nothing"]);
    let posted = answer_to(&server, "POST / HTTP/1.1\r\ncontent-length: 0");
    says(&posted, &["HTTP/1.1 405 ", "application/json"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn many_who_look_at_once_wait_or_are_refused_and_reads_go_on() {
    const VIEWERS: usize = 60;
    let project = Project::loaded();
    let server = Server::start(&project);
    let address = server.http.clone();
    let viewer = |_| {
        let address = address.clone();
        std::thread::spawn(move || {
            let mut connection = TcpStream::connect(address).unwrap();
            let path = "/features/airport_arrivals@1/mean_delay_1d";
            write!(connection, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).unwrap();
            answer
        })
    };
    let viewers: Vec<_> = (0..VIEWERS).map(viewer).collect();
    let body = json!({"service": "late_arrival", "entities": {"dest": ["LAX"], "tailnum": ["N338AA"]}, "request": {"distance": [2475]}});
    for _ in 0..20 {
        let (status, answer) = server.post("/v1/features", &body);
        assert_eq!(status, 200, "{answer}");
    }
    let answers: Vec<String> = viewers.into_iter().map(|viewer| viewer.join().unwrap()).collect();
    let with = |status: &str| answers.iter().filter(|answer| answer.starts_with(status)).count();
    let (made, refused) = (with("HTTP/1.1 200 "), with("HTTP/1.1 503 "));
    assert_eq!(made + refused, VIEWERS, "{answers:?}");
    assert!(made >= 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 503 ")) {
        says(answer, &["Too many look at once", "Reload in a few seconds"]);
    }
    says(&page(&server, "/"), &["Overview of flights"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_quarantined_file_is_on_the_page_until_it_is_dropped() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 100, 0);
    write(&project, "b", 1000, 100, 90);
    project.ok("backfill airport_arrivals");
    let server = Server::start(&project);
    let said = "1 file of it in quarantine: release or drop them";
    let (view, overview) = (page(&server, "/views/airport_arrivals@1"), page(&server, "/"));
    says(&view, &[said, "<dd>1 file</dd>"]);
    says(&overview, &[said, ">1 file in quarantine<"]);
    let overview: Value = serde_json::from_str(&project.run("overview --format json").stdout).unwrap();
    let quality =
        overview["views"].as_array().unwrap().iter().find(|view| view["id"] == "airport_arrivals@1");
    assert_eq!(quality.unwrap()["quality"]["quarantined"], 1, "{overview}");
    project.ok("quality quarantine drop airport_arrivals 1 --reason broken");
    let view = page(&server, "/views/airport_arrivals@1");
    assert!(!view.contains(said), "{view}");
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn how_a_version_compares_with_the_one_before_is_on_its_page() {
    let same = versions(SAME, "");
    same.ok(PARITY);
    let server = Server::start(&same);
    says(&page(&server, "/views/airport_arrivals@2"), &["within bounds of airport_arrivals@1"]);
    let feature = page(&server, "/features/airport_arrivals@2/mean_delay_1d");
    says(&feature, &["the same expression", "/features/airport_arrivals@1/mean_delay_1d"]);
    assert_eq!(server.terminate().0, Some(0));

    let other = versions(&SAME.replace("count, window: 1d", "count, window: 3d"), "");
    assert_eq!(other.run(PARITY).code, Some(1));
    let server = Server::start(&other);
    says(&page(&server, "/"), &["outside bounds of airport_arrivals@1"]);
    let view = page(&server, "/views/airport_arrivals@2");
    says(&view, &["it is outside its bounds beside airport_arrivals@1"]);
    says(&page(&server, "/features/airport_arrivals@2/arrivals_1d"), &["another one", "count over 3d"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn text_of_definitions_is_text_on_every_page() {
    let hostile = "<script>alert(1)</script>";
    let hostile_definitions = definitions()
        .replace("source: clicks\n", &format!("source: clicks\nowner: \"{hostile}\"\ndescription: \"{hostile}\"\ntags: {{\"{hostile}\": \"{hostile}\"}}\n"))
        .replace("model: next-page", &format!("model: \"{hostile}\""))
        .replace("page: {latest: page}", &format!("page: {{latest: page, unit: \"{hostile}\", description: \"{hostile}\"}}"));
    let project = with(&hostile_definitions);
    let server = Server::start(&project);
    for path in [
        "/?group=tag",
        "/?group=owner",
        "/views/visits@1",
        "/services/visit@1",
        "/features/visits@1/page",
        "/search?q=visit",
        "/search?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/changes",
    ] {
        let page = page(&server, path);
        assert!(!page.contains("<script"), "{path}: {page}");
    }
    says(&page(&server, "/views/visits@1"), &["&lt;script&gt;alert(1)&lt;/script&gt;"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_source_that_stops_is_on_the_page_soon_after_its_objective_is_missed() {
    /// The objective, and how long after that the page may be wrong, in seconds.
    const WITHIN_S: u64 = 10;
    const LATE_S: u64 = 30;
    let project = with(&definitions());
    let server = Server::start(&project);
    eventually("reads are fresh, and the page says so", || {
        push(&server);
        slo::read(&server, "visit", 1);
        page(&server, "/views/visits@1").contains("Nothing bad is known of it")
    });
    let stopped = Instant::now();
    eventually("the page names the source", || {
        slo::read(&server, "visit", 1);
        let page = page(&server, "/");
        page.contains("no record of `clicks` has arrived since")
            && !page.contains("<strong>2</strong> as they")
    });
    let took = stopped.elapsed().as_secs();
    println!("incident: a stopped source, objective {WITHIN_S} s: on the page after {took} s");
    assert!((WITHIN_S - 2..WITHIN_S + LATE_S).contains(&took), "{took} s");
    says(&page(&server, "/views/visits@1"), &["Stage: source.", "look at what sends them"]);
    eventually("it is right again", || {
        push(&server);
        slo::read(&server, "visit", 10_000);
        page(&server, "/views/visits@1").contains("Nothing bad is known of it")
            || !page(&server, "/views/visits@1").contains("no record of `clicks` has arrived")
    });
    assert_eq!(server.terminate().0, Some(0));
}
