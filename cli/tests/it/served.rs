//! `serve` beside the other commands: it gives what `get` gives, and stops when it is told to.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::project::{GET, Project, says};

/// A running server.
struct Server {
    child: Child,
    stderr: BufReader<ChildStderr>,
    grpc: String,
}

impl Server {
    fn start(project: &Project) -> Self {
        let mut child = project
            .command("serve")
            .env("TWINSTORE_SERVE_GRPC", "127.0.0.1:0")
            .env("TWINSTORE_SERVE_HTTP", "127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let grpc = line.split_once("gRPC ").unwrap_or_else(|| panic!("{line}")).1;
        let grpc = grpc.split_once(" and HTTP ").unwrap().0.to_owned();
        Self { child, stderr, grpc }
    }

    /// Asks it to stop, as a supervisor does. Gives its exit code and its last words.
    fn terminate(mut self) -> (Option<i32>, String) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        let mut said = String::new();
        while self.stderr.read_line(&mut said).unwrap() > 0 {}
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
    }
}

#[test]
fn a_server_gives_what_the_store_itself_gives_and_stops_when_it_is_told_to() {
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
    refusals.iter().for_each(|refusal| says(refusal, &["too early for the online store", "training-set"]));
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
