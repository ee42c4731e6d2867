//! The twinstore command: it parses, calls the library, and prints. Here alone is a clock read.

// The futures of loads and streams are spawned here, down to a connection of a store: deeper than the default.
#![recursion_limit = "256"]

// Its macros are for the modules behind it.
#[macro_use]
mod output;

mod arguments;
mod clock;
mod commands;
mod failure;
mod fault;
mod headings;
mod help;
mod interruption;
mod parity_page;
mod progress;
mod shown_figures;
mod user;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, LogFormat};
use failure::Failure;

/// A request takes and gives back some dozens of small pieces of memory; docs/decisions/0019 has figures.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(&arguments);
    if let Err(failure) = twinstore::fault_injection::begin_batch().map_err(Failure::from) {
        eprintln!("error: {failure}");
        return ExitCode::FAILURE;
    }
    if let Err(error) = interruption::obey(&arguments.command) {
        eprintln!("error: signals cannot be waited for: {error}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime did not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = fault::guarded(|| runtime.block_on(commands::run(&arguments)));
    interruption::finish();
    match ended.and_then(|()| output::all_written()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_said() => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn start_log(arguments: &Arguments) {
    let level = match arguments.verbose {
        // What a dependency complains of comes back as an error of ours.
        0 => "off,twinstore=warn",
        1 => "warn,twinstore=info",
        2 => "info,twinstore=debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("TWINSTORE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false);
    match arguments.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
