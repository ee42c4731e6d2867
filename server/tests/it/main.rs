//! The server over a real store and real sockets: the engine, both faces, and how it stops.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod columns;
mod engine;
mod feast;
mod flights;
mod grpc;
mod http;
mod metrics;
mod stop;
mod watched;
