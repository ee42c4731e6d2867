//! Traces and metrics that go to a collector of OpenTelemetry, by OTLP over HTTP in protobuf.
//!
//! A request's spans are made when it ends, of what its stages took; a row's when it is committed. What cannot be sent
//! is counted and left out: nothing waits for a collector.

mod export;
mod metrics;
mod spans;

pub(crate) use export::{RowTracer, Telemetry};
