//! The twinstore command: it parses, calls the library, and prints. Here alone is a clock read. The binary `twinstore` and
//! the command of the Python package are this [`main`].

// The futures of loads and streams are spawned here, down to a connection of a store: deeper than the default.
#![recursion_limit = "256"]

// Its macros are for the modules behind it.
#[macro_use]
mod output;

mod arguments;
mod clock;
mod commands;
mod entry;
mod failure;
mod fault;
mod headings;
mod help;
mod interruption;
mod log_line;
mod progress;
mod user;

pub use arguments::days;
pub use clock::now;
pub use commands::{contract_json, drift_json, drift_reference, quarantined_json, statistics_json};
pub use entry::main;
pub use pages::parity_page;
pub use user::name as user_name;
