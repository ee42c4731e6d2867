//! The server over a real store and real sockets: the engine, both faces, and how it stops.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod columns;
mod engine;
mod flights;
mod grpc;
mod http;
mod stop;
mod watched;
