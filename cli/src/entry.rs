//! Where the command begins: its arguments are parsed, logs and signals set up, and the outcome is an exit code.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use feature::visible_line;

use crate::arguments::{Arguments, LogFormat};
use crate::failure::Failure;
use crate::log_line::LogLine;
use crate::{commands, fault, interruption, output};

/// The exit codes of a command that did its work, and of one that was refused or failed.
const DONE: u8 = 0;
const FAILED: u8 = 1;
/// How long what a command has left running is waited for: its outcome does not depend on it, and no signal would end it.
const LEFT_RUNNING: Duration = Duration::from_secs(10);

/// Runs the command that these arguments spell, the program's own name first. Gives its exit code; of a command line that
/// is wrong 2. It obeys SIGINT and SIGTERM, and sets what is logged, so a process calls it once.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let given: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&given) {
        Ok(arguments) => arguments,
        // What is wrong goes to stderr, and an argument is shown on one line.
        Err(said) if said.use_stderr() => {
            let shown = given.iter().map(|argument| visible_line(&argument.to_string_lossy()).into_owned());
            let said = Arguments::try_parse_from(shown).err().unwrap_or(said);
            eprintln!("{}", said.render().to_string().trim_end());
            return u8::try_from(said.exit_code()).unwrap_or(FAILED);
        }
        Err(said) => {
            // Help goes to stdout; nobody is left to read what cannot be written.
            let _ = said.print();
            return u8::try_from(said.exit_code()).unwrap_or(FAILED);
        }
    };
    start_log(&arguments);
    if let Err(failure) = twinstore::fault_injection::begin_batch().map_err(Failure::from) {
        eprintln!("error: {failure}");
        return FAILED;
    }
    if let Err(error) = interruption::obey(&arguments.command) {
        eprintln!("error: signals cannot be waited for: {error}");
        return FAILED;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime did not start: {error}");
            return FAILED;
        }
    };
    let ended = fault::guarded(|| runtime.block_on(commands::run(&arguments)));
    interruption::finish();
    let code = match ended.and_then(|()| output::all_written()) {
        Ok(()) => DONE,
        Err(failure) if failure.is_said() => FAILED,
        Err(failure) => {
            eprintln!("error: {failure}");
            FAILED
        }
    };
    runtime.shutdown_timeout(LEFT_RUNNING);
    code
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
        .with_writer(LogLine::default)
        .with_ansi(false)
        .log_internal_errors(false);
    match arguments.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
