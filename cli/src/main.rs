//! The binary: the command with an allocator of its own.

use std::process::ExitCode;

/// A request takes and gives back some dozens of small pieces of memory; docs/decisions/0019 has figures.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(cli::main(std::env::args_os()))
}
