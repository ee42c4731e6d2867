//! SIGINT and SIGTERM end a command soon, wherever it is: half-written files are removed, one sentence says what
//! is left, and the exit code is the conventional one. What is committed stays, and nothing else has an effect, so
//! a command can end between any two steps, as it does when it is killed.
//!
//! `serve` and `stream` are not ended but cancelled: they finish what is in flight.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use twinstore::CancellationToken;

use crate::arguments::{
    BackfillCommand, Command, DatedBackfill, DeadLetterCommand, OfflineCommand, OnlineCommand,
};
use crate::failure::Failure;

/// The exit codes of a process that ends by these signals: 128 and their numbers.
const INTERRUPTED: i32 = 130;
const TERMINATED: i32 = 143;

/// Whether it is decided how the process ends: by its command's end or by a signal, whichever came first.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// The command has come to its end, and says so: no signal ends the process any more. Does not return where one
/// already does.
pub fn finish() {
    if IS_ENDING.swap(true, Ordering::SeqCst) {
        loop {
            thread::park();
        }
    }
}

/// Ends the process on either signal from here on. The thread of it is not one of the runtime's: those may all
/// be busy.
pub fn obey(command: &Command) -> io::Result<()> {
    if matches!(command, Command::Serve(_) | Command::Stream(_)) {
        return Ok(());
    }
    let left = what_is_left(command);
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let wait = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => end("interrupted", &left, INTERRUPTED),
                _ = terminate.recv() => end("terminated", &left, TERMINATED),
            }
        });
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}

/// Cancels the command on either signal from here on.
pub fn cancel(token: &CancellationToken) -> Result<(), Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::new(format!("signals cannot be waited for: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let token = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        token.cancel();
    });
    Ok(())
}

fn end(why: &str, left: &str, code: i32) -> ! {
    finish();
    // No file takes its name from here on.
    let written = twinstore::end_files();
    match written.as_slice() {
        [] => eprintln!("error: {why}: {left}"),
        written => {
            let names: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
            eprintln!("error: {why} after {} was written", names.join(", "));
        }
    }
    std::process::exit(code)
}

/// What holds after the command was ended.
fn what_is_left(command: &Command) -> String {
    let left = match command {
        Command::Backfill(BackfillCommand { dated: Some(dated), .. }) => match dated {
            DatedBackfill::Start(_) | DatedBackfill::Resume { .. } => {
                "dates that are loaded stay, and `twinstore backfill resume` goes on from there"
            }
            DatedBackfill::Status { .. } => "nothing was written",
            DatedBackfill::Pause { .. } | DatedBackfill::Cancel { .. } => {
                "the request stays, and a process that executes the backfill obeys it"
            }
        },
        Command::Backfill(_)
        | Command::Materialize(_)
        | Command::DeadLetter(DeadLetterCommand::Replay { .. }) => {
            "what was committed stays, and the same command goes on from there"
        }
        Command::Offline(OfflineCommand::Optimize { .. }) => {
            "no row of the log changed; run it again to go on"
        }
        Command::Offline(OfflineCommand::Expire(_)) => {
            "what was dropped stays dropped; run it again to go on"
        }
        Command::Offline(OfflineCommand::Vacuum(_)) => {
            "files that are gone were needed by no version that is kept; run it again to go on"
        }
        Command::Online(OnlineCommand::Rebuild { .. }) => {
            "some online rows are written again and others not yet; run it again to go on"
        }
        Command::Push(_) => "rows that were not acknowledged may be in the topic or not",
        Command::Init { .. } => "some of the project's files may be there already",
        _ => "nothing was written",
    };
    left.to_owned()
}
