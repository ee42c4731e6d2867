//! A collector of OpenTelemetry that keeps what it is sent: OTLP over HTTP, in protobuf.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// A collector at a port of its own. Its threads end with the process.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
}

#[derive(Default, Debug)]
struct Received {
    spans: Vec<Span>,
    /// The newest ones.
    metrics: Vec<Metric>,
    services: Vec<String>,
}

impl Collector {
    /// Begins to listen.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, received) = (listener.local_addr().unwrap(), Arc::<Mutex<Received>>::default());
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                thread::spawn(move || serve(connection, &kept));
            }
        });
        Self { address, received }
    }

    /// Where it listens, as the setting `telemetry.url` names it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.received.lock().unwrap().spans.clone()
    }

    /// The spans of a trace, in hexadecimal, once there are so many.
    pub fn spans_of(&self, trace: &str, count: usize) -> Vec<Span> {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let of_it = || -> Vec<Span> {
            self.spans().into_iter().filter(|span| hex(&span.trace_id) == trace).collect()
        };
        crate::eventually("the spans of the trace arrive", || of_it().len() >= count);
        of_it()
    }

    /// The metrics that were sent last.
    pub fn metrics(&self) -> Vec<Metric> {
        self.received.lock().unwrap().metrics.clone()
    }

    /// The names of the services that sent something.
    pub fn services(&self) -> Vec<String> {
        self.received.lock().unwrap().services.clone()
    }
}

/// Answers the requests of a connection, one after the other.
fn serve(connection: TcpStream, kept: &Mutex<Received>) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut writer = connection;
    while let Some((path, body)) = request(&mut reader) {
        keep(&path, &body, &mut kept.lock().unwrap());
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn keep(path: &str, body: &[u8], kept: &mut Received) {
    let name = |resource: Option<&opentelemetry_proto::tonic::resource::v1::Resource>| {
        let attributes = &resource.unwrap().attributes;
        let name = attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
        format!("{:?}", name.value)
    };
    match path {
        "/v1/traces" => {
            for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                kept.services.push(name(resource.resource.as_ref()));
                kept.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        "/v1/metrics" => {
            for resource in ExportMetricsServiceRequest::decode(body).unwrap().resource_metrics {
                kept.services.push(name(resource.resource.as_ref()));
                kept.metrics = resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics).collect();
            }
        }
        path => unreachable!("nothing is sent to {path}"),
    }
}

/// The next request: its path and its body.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let path = line.split(' ').nth(1).unwrap().to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|bytes| *bytes > 0)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        }
        if name.eq_ignore_ascii_case("content-type") {
            assert_eq!(value, "application/x-protobuf");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}
