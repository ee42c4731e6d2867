//! `serve` beside the other commands: it gives what `get` gives, and stops when it is terminated.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::project::{GET, Project, says};

/// How long an answer, or what is waited for, may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
pub struct Server {
    child: Child,
    /// What it says, taken from it all the time: a pipe that nobody empties would hold it up.
    said: Option<JoinHandle<String>>,
    pub grpc: String,
    pub http: String,
}

impl Server {
    pub fn start(project: &Project) -> Self {
        Self::start_as(project, "serve")
    }

    /// Started by these words.
    pub fn start_as(project: &Project, words: &str) -> Self {
        let mut child = project
            .command(words)
            .env("TWINSTORE_SERVE_GRPC", "127.0.0.1:0")
            .env("TWINSTORE_SERVE_HTTP", "127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let grpc = line.split_once("gRPC ").unwrap_or_else(|| panic!("{line}")).1;
        let (grpc, http) = grpc.split_once(" and HTTP ").unwrap();
        let (grpc, http) = (grpc.to_owned(), http.trim().to_owned());
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            said
        });
        Self { child, said: Some(said), grpc, http }
    }

    /// What is at a path of HTTP, with its head.
    pub fn get(&self, path: &str) -> String {
        let mut connection = connection(&self.http).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Asks over HTTP. Gives the status and the body.
    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, body) = self.send(path, &body.to_string()).unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    /// The same with any text, of which the answer may be any text, or never come.
    pub fn send(&self, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        send_to(&self.http, path, body)
    }

    /// The head of the answer to a request over HTTP.
    pub fn head_of(&self, path: &str, body: &str) -> String {
        let mut connection = connection(&self.http).unwrap();
        let length = body.len();
        let head = "host: x\r\nconnection: close\r\ncontent-length:";
        write!(connection, "POST {path} HTTP/1.1\r\n{head} {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer.split("\r\n\r\n").next().unwrap_or_default().to_owned()
    }

    /// Ends it at once, without a word.
    pub fn kill(&self) {
        self.signal("-KILL");
    }

    /// Sends it a signal, as `kill` names it.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it has ended, and let go of all that it held.
    pub fn ended(mut self) {
        self.child.wait().unwrap();
    }

    /// Asks again and again until the answer is the one that is waited for.
    pub fn waits_for(&self, body: &Value, is_there: impl Fn(u16, &Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let (status, answer) = self.post("/v1/features", body);
            if is_there(status, &answer) {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "it never came: {status} {answer}");
        }
    }

    /// Asks it to stop, as a supervisor does. Gives its exit code and its last words.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let said = self.said.take().unwrap().join().unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

fn connection(http: &str) -> std::io::Result<TcpStream> {
    let connection = TcpStream::connect(http)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    Ok(connection)
}

/// One request on a connection of its own: the status and the body.
pub fn send_to(http: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut connection = connection(http)?;
    let length = body.len();
    write!(
        connection,
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    // It may be gone before it answers, or in the middle of it.
    let cut_off = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut_off)?;
    Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

/// The status of a page, for who has a token.
pub fn get_as(http: &str, token: &str, path: &str) -> u16 {
    let mut connection = connection(http).unwrap();
    let head = "accept: text/html\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer";
    write!(connection, "GET {path} HTTP/1.1\r\n{head} {token}\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The same with a token; without one where it is empty.
pub fn send_as(http: &str, token: &str, path: &str, body: &str) -> (u16, String) {
    let shown = match token {
        "" => String::new(),
        token => format!("authorization: Bearer {token}\r\n"),
    };
    let mut connection = connection(http).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{shown}");
    write!(connection, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
    }
}

#[test]
fn a_server_gives_what_the_store_itself_gives_and_stops_when_it_is_terminated() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let reads = [
        GET.to_owned(),
        GET.replace("LAX", "XXX"),
        GET.replace("N338AA", "N0"),
        GET.replace("distance=2475", "distance=0"),
        GET.replace("2013-06-08T01", "2014-06-08T01"),
    ];
    for read in reads {
        let local = project.ok(&read);
        assert_eq!(project.ok(&format!("{read} --grpc {}", server.grpc)), local, "{read}");
    }
    let early = GET.replace("2013-06-08", "2013-06-01");
    let refusals = [project.refused(&early), project.refused(&format!("{early} --grpc {}", server.grpc))];
    refusals.iter().for_each(|refusal| says(refusal, &["too early for the online store", "a training set"]));
    says(&refusals[0], &["twinstore training-set"]);
    let (code, said) = server.terminate();
    assert_eq!(code, Some(0), "{said}");
    says(&said, &["stopping"]);
}

#[test]
fn a_server_sees_what_is_loaded_while_it_runs() {
    let project = Project::applied();
    let server = Server::start(&project);
    let read = format!("{GET} --grpc {}", server.grpc);
    says(&project.ok(&read), &["NOT_FOUND"]);
    project.ok("backfill --all");
    says(&project.ok(&read), &["PRESENT"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_server_follows_what_is_applied_and_made_live() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let ask = |service: &str| {
        let entities = json!({"dest": ["LAX"], "tailnum": ["N338AA"]});
        json!({"service": service, "entities": entities, "request": {"distance": [2475]}})
    };
    assert_eq!(server.post("/v1/features", &ask("late_arrival@2")).0, 404);
    let text = project.read("features/flights.yaml");
    let (_, service) = text.split_once("kind: feature_service").unwrap();
    let second = format!("kind: feature_service{}", service.replacen("version: 1", "version: 2", 1));
    project.write("features/second.yaml", second);
    project.ok("apply");
    let served = server.waits_for(&ask("late_arrival@2"), |status, _| status == 200);
    assert_eq!(served["service"], "late_arrival@2");
    // An apply leaves the live version as it is. A refused read is no use of it, so that it may be removed: then
    // the next is live.
    let nothing = json!({"service": "late_arrival", "entities": {}});
    let (status, answer) = server.post("/v1/features", &nothing);
    assert_eq!(status, 400);
    says(answer["error"]["message"].as_str().unwrap(), &["does not fit late_arrival@1"]);
    project.ok("registry remove late_arrival@1");
    server.waits_for(&ask("late_arrival"), |_, answer| answer["service"] == "late_arrival@2");
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn rows_of_an_old_version_are_read_while_the_next_rolls_out_and_after() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let read = format!("{GET} --grpc {}", server.grpc);
    let before = project.ok(&read);
    let text = project.read("features/flights.yaml");
    let view = text.split("---\n").find(|document| document.contains("name: airport_arrivals\n")).unwrap();
    // Another window, another latest value, another order: nothing lies where it lay.
    let view = view.replace("version: 1", "version: 2").replace("window: 1d", "window: 3d");
    let view = view.replace("  last_delay:", "  a_last_dest: {latest: dest}\n  last_delay:");
    let service = "kind: feature_service\nname: late_arrival\nversion: 2\nfeatures:\n  \
                   - {from: airport_arrivals@2, on: {airport: dest}, prefix: dest_}\n  \
                   - {from: airport_arrivals@1, on: {airport: dest}, take: [arrivals_1d], prefix: old_}\n";
    project.write("features/second.yaml", format!("{view}---\n{service}"));
    project.ok("apply");
    let body =
        json!({"service": "late_arrival@2", "entities": {"dest": ["LAX"]}, "at": "2013-06-08T01:00:00Z"});
    let served = |name: &str| server.post("/v1/features", &body).1["columns"][name].clone();
    server.waits_for(&body, |status, _| status == 200);
    assert_eq!(served("dest_arrivals_1d")["statuses"], json!(["NOT_FOUND"]));
    let mut backfill = project.command("backfill airport_arrivals@2").stderr(Stdio::null()).spawn().unwrap();
    let mut reads = 0;
    while backfill.try_wait().unwrap().is_none() {
        assert_eq!(project.ok(&read), before, "while the next is loaded");
        reads += 1;
    }
    assert!(backfill.wait().unwrap().success() && reads > 0);
    let old = served("old_arrivals_1d")["values"][0].as_i64().unwrap();
    assert!(served("dest_arrivals_1d")["values"][0].as_i64().unwrap() > old && old > 0);
    assert_eq!(served("dest_a_last_dest")["values"], json!(["LAX"]));
    for command in [read.as_str(), GET] {
        assert_eq!(project.ok(command), before, "{command}");
    }
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_feast_client_reads_views_and_services_of_the_project() {
    let project = Project::loaded();
    let server = Server::start(&project);
    let ask = |body: Value| {
        let (status, answer) = server.post("/get-online-features", &body);
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let entities = json!({"dest": ["LAX"], "tailnum": ["N338AA"], "distance": [2475]});
    let service = ask(json!({"feature_service": "late_arrival", "entities": entities}));
    let local = project.json(&GET.replace(" --format json", "").replace("--at 2013-06-08T01:00:00Z", ""));
    let names: Vec<&str> = local["features"].as_object().unwrap().keys().map(String::as_str).collect();
    let given = service["metadata"]["feature_names"].as_array().unwrap();
    assert_eq!(given[0], "dest");
    assert_eq!(given[2..].iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>(), names);
    // An on-demand view brings its own join keys and request columns.
    let features = json!(["route:delay_per_100_miles", "airport_arrivals@1:arrivals_1d"]);
    let entities = json!({"airport": ["LAX"], "dest": ["LAX"], "distance": [2475]});
    let answer = ask(json!({"features": features, "entities": entities, "full_feature_names": true}));
    let names = json!(["airport", "dest", "route__delay_per_100_miles", "airport_arrivals@1__arrivals_1d"]);
    assert_eq!(answer["metadata"]["feature_names"], names);
    // A day after the sample's last landing the window is empty, and a mean of nothing is null.
    assert_eq!(answer["results"][2]["statuses"], json!(["NULL_VALUE"]));
    assert_eq!(
        (&answer["results"][3]["values"], &answer["results"][3]["statuses"]),
        (&json!([0]), &json!(["PRESENT"]))
    );
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let project = Project::loaded();
    let message = project.refused(&format!("{GET} --grpc 127.0.0.1:1"));
    says(&message, &["no server answers at 127.0.0.1:1", "start it with `twinstore serve`"]);
}

#[test]
fn a_project_without_services_serves_nothing() {
    let project = Project::sample();
    says(&project.refused("serve"), &["nothing is registered", "twinstore apply"]);
    let text = project.read("features/flights.yaml");
    project.write("features/flights.yaml", text.split_once("kind: feature_service").unwrap().0);
    project.ok("apply");
    says(&project.refused("serve"), &["no service is registered", "define a `feature_service`"]);
}
