//! Traces and metrics at a collector: a request is in the trace of its caller, whatever protocol it came by, and what is
//! at `/metrics` is there too.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use proto::v1::feature_store_client::FeatureStoreClient;
use proto::v1::values::Kind;
use proto::v1::{GetFeaturesRequest, Strings, Values};
use serde_json::json;
use test_support::{Collector, eventually};
use tonic::Request;

use crate::project::{Project, says};
use crate::served::Server;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn read() -> String {
    json!({
        "service": "late_arrival", "entities": {"dest": ["LAX", "BOS"], "tailnum": ["N338AA", "N338AA"]},
        "request": {"distance": [2475, 187]}, "at": "2013-06-08T01:00:00Z",
    })
    .to_string()
}

/// A read over HTTP under a header `traceparent`.
fn read_under(server: &Server, traceparent: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(&server.http).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    let head =
        format!("host: x\r\nconnection: close\r\ntraceparent: {traceparent}\r\ncontent-length: {length}");
    write!(connection, "POST /v1/features HTTP/1.1\r\n{head}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

fn traced(collector: &Collector, sample: f64) -> Project {
    let project = Project::loaded();
    let url = collector.url();
    project.write("twinstore.toml", format!("telemetry.url = \"{url}\"\ntelemetry.sample = {sample}\n"));
    project
}

#[test]
fn a_request_is_traced_under_its_caller_with_what_its_stages_took() {
    let collector = Collector::start();
    let server = Server::start(&traced(&collector, 0.0));
    let answer = read_under(&server, &format!("00-{TRACE}-{PARENT}-01"), &read());
    says(&answer, &["HTTP/1.1 200"]);
    let spans = collector.spans_of(TRACE, 6);
    let whole = spans.iter().find(|span| span.name == "features").unwrap();
    assert_eq!(whole.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    for stage in ["parse", "wait", "decode", "probe", "merge", "expressions", "encode"] {
        let span =
            spans.iter().find(|span| span.name == stage).unwrap_or_else(|| panic!("{stage}: {spans:?}"));
        assert_eq!(span.parent_span_id, whole.span_id, "{stage}");
        assert!(span.start_time_unix_nano >= whole.start_time_unix_nano, "{stage}");
        assert!(span.end_time_unix_nano <= whole.end_time_unix_nano, "{stage}");
    }
    let said = format!("{:?}", whole.attributes);
    says(&said, &["twinstore.service", "late_arrival@1", "twinstore.entities", "IntValue(2)", "http"]);
    // A refusal is an error in its trace.
    let other = "1".repeat(32);
    says(&read_under(&server, &format!("00-{other}-{PARENT}-01"), "{}"), &["HTTP/1.1 4"]);
    let refused = collector.spans_of(&other, 1);
    says(&format!("{:?}", refused[0]), &["Status", "INVALID_ARGUMENT"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_request_of_grpc_is_traced_under_its_caller_and_one_that_its_caller_does_not_record_is_not() {
    let collector = Collector::start();
    let server = Server::start(&traced(&collector, 1.0));
    let unrecorded = "2".repeat(32);
    says(&read_under(&server, &format!("00-{unrecorded}-{PARENT}-00"), &read()), &["HTTP/1.1 200"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = FeatureStoreClient::connect(format!("http://{}", server.grpc)).await.unwrap();
        let column = |name: &str, text: &str| {
            let kind = Some(Kind::Strings(Strings { values: vec![text.to_owned()] }));
            (name.to_owned(), Values { nulls: Vec::new(), kind })
        };
        let mut request = Request::new(GetFeaturesRequest {
            service: "late_arrival".to_owned(),
            features: vec!["dest_arrivals_1d".to_owned()],
            entities: [column("dest", "LAX"), column("tailnum", "N338AA")].into(),
            ..GetFeaturesRequest::default()
        });
        let traceparent = format!("00-{TRACE}-{PARENT}-01");
        request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
        client.get_features(request).await.unwrap();
    });
    // The connection ends with it: the server waits for those that are open.
    drop(runtime);
    let spans = collector.spans_of(TRACE, 5);
    let whole = spans.iter().find(|span| span.name == "features").unwrap();
    says(&format!("{:?}", whole.attributes), &["\"grpc\"", "late_arrival@1"]);
    // One whose header says nothing that can be read is in a trace of its own.
    says(&read_under(&server, "nonsense", &read()), &["HTTP/1.1 200"]);
    eventually("the request without a caller is traced", || {
        collector.spans().iter().any(|span| span.name == "features" && span.parent_span_id.is_empty())
    });
    let of_it = |trace: &[u8]| trace.iter().all(|byte| *byte == 0x22);
    assert!(!collector.spans().iter().any(|span| of_it(&span.trace_id)));
    // What is left goes when the server ends, and the metrics with it.
    assert_eq!(server.terminate().0, Some(0));
    let metrics = collector.metrics();
    for name in [
        "twinstore_serve_requests_total",
        "twinstore_serve_request_seconds",
        "twinstore_telemetry_spans_left_out_total",
    ] {
        assert!(metrics.iter().any(|metric| metric.name == name), "{name}");
    }
    assert!(collector.services().iter().all(|name| name.contains("twinstore")));
}

#[test]
fn a_collector_that_is_gone_holds_nothing_up_and_is_said_once() {
    let project = Project::loaded();
    let port = test_support::free_port();
    let settings = format!("telemetry.url = \"http://u:secret@127.0.0.1:{port}\"\ntelemetry.sample = 1.0\n");
    project.write("twinstore.toml", settings);
    let server = Server::start(&project);
    for _ in 0..3 {
        says(&read_under(&server, "", &read()), &["HTTP/1.1 200"]);
    }
    let (code, said) = server.terminate();
    assert_eq!((code, said.matches("takes no telemetry").count()), (Some(0), 1), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_collector_that_cannot_be_one_is_refused() {
    let project = Project::loaded();
    for settings in
        ["telemetry.url = \"127.0.0.1:4317\"", "telemetry.url = \"http://h\"\ntelemetry.sample = 2.0"]
    {
        project.write("twinstore.toml", format!("{settings}\n"));
        says(&project.refused("serve"), &["`telemetry.url`", "`telemetry.sample`", "from 0 to 1"]);
    }
}
