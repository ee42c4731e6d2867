//! The server over a real store and real sockets: both protocols, and how it stops.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod access_attacks;
mod attacks;
mod columns;
mod feast;
#[path = "../../../read/tests/it/flights.rs"]
mod flights;
mod grpc;
mod http;
mod metrics;
mod stop;
mod tls_attacks;
#[path = "../../../read/tests/it/watched.rs"]
mod watched;

/// The service of the flights, as a server takes it.
fn served_flights() -> std::sync::Arc<twinstore_server::Served> {
    let reader = std::sync::Arc::into_inner(flights::reader()).unwrap();
    std::sync::Arc::new(twinstore_server::Served::new(reader))
}
