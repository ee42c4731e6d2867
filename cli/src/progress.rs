//! What is shown on stderr while a command runs: rows as they are read, where stderr is a terminal, and what it has to say.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use feature::{Name, VersionId};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use twinstore::{Event, ExtractReport, Progress};

use crate::failure::Failure;
use crate::output::{count, counted};

/// Shows what a command reports.
#[derive(Default)]
pub struct Shown(Mutex<Bars>);

/// The lines that count rows just now.
#[derive(Default)]
struct Bars {
    extractions: BTreeMap<Name, Bar>,
    loads: BTreeMap<VersionId, Bar>,
    join: Option<Bar>,
}

impl Progress for Shown {
    fn report(&self, event: Event) {
        let mut bars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::ExtractionBegins(source) => {
                let bar = Bar::rows(&format!("query of {source}"));
                bars.extractions.insert(source, bar);
            }
            Event::RowsExtracted { source, rows } => {
                if let Some(bar) = bars.extractions.get(&source) {
                    bar.0.inc(rows);
                }
            }
            Event::ExtractionEnds { source, report } => {
                drop(bars.extractions.remove(&source));
                report.iter().for_each(say_extracted);
            }
            Event::LoadBegins(view) => {
                let bar = Bar::rows(&view.to_string());
                bars.loads.insert(view, bar);
            }
            Event::RowsRead { view, rows } => {
                if let Some(bar) = bars.loads.get(&view) {
                    bar.0.inc(rows);
                }
            }
            Event::LoadEnds(view) => drop(bars.loads.remove(&view)),
            Event::DateFailed { view, date, reasons } => {
                tracing::warn!("{view}: {date} is set aside: {}", reasons.join("; "));
            }
            Event::GoingOnline(view) => {
                eprintln!("{view}: every date is in the log; writing its online rows")
            }
            Event::TimesReadAsUtc { column } => {
                eprintln!("note: `{column}` has no time zone and was read as UTC");
            }
            Event::JoinBegins { log_rows } => bars.join = Some(Bar::of_rows("reading logs", log_rows)),
            Event::LogRowsRead { rows } => {
                if let Some(bar) = &bars.join {
                    bar.0.set_position(rows);
                }
            }
            Event::JoinEnds => bars.join = None,
            Event::StorePutAside { file } => tracing::warn!(
                "the online store was damaged: its file is {} now, and all views are written again from their logs",
                file.display()
            ),
            Event::Following { views, brokers } => eprintln!("following {} from {brokers}", names(&views)),
            // The other views go on: each stands for itself.
            Event::StreamFailed { error, .. } => eprintln!("error: {}", Failure::of(&error)),
            Event::Serving { services, grpc, http } => {
                eprintln!("serving {} on gRPC {grpc} and HTTP {http}", names(&services));
            }
            Event::StoppingStreams => eprintln!("stopping: committing what was read"),
            Event::StoppingServer => eprintln!("stopping: finishing what is in flight"),
            // What a later library reports.
            _ => {}
        }
    }
}

/// What was extracted of a query, and what it does not give any more.
fn say_extracted(report: &ExtractReport) {
    let ExtractReport { source, database, rows_read, rows_new, rows_gone, read_from, file } = report;
    let from = read_from.map_or_else(String::new, |from| format!(", from {from} on"));
    let read = format!("{} of {database}{from}", counted(*rows_read, "row"));
    match file {
        Some(file) => eprintln!("{source}: {} new of {read}, extracted as {file}", count(*rows_new)),
        None => eprintln!("{source}: nothing new in {read}"),
    }
    if *rows_gone > 0 {
        eprintln!(
            "{source}: {} extracted before that the query does not give any more: changed or deleted in the database, and \
             kept in the log as loaded",
            counted(*rows_gone, "row")
        );
    }
}

fn names(ids: &[VersionId]) -> String {
    ids.iter().map(VersionId::to_string).collect::<Vec<_>>().join(", ")
}

/// A line that counts rows; nothing where stderr is no terminal.
struct Bar(ProgressBar);

impl Bar {
    /// Counts rows, of which it is not known how many there are.
    fn rows(what: &str) -> Self {
        Self::styled(ProgressBar::no_length(), "{spinner} {msg}: {human_pos} rows, {rows_per_s} rows/s", what)
    }

    /// Counts rows up to a total: with the rate and the time that is left.
    fn of_rows(what: &str, total: u64) -> Self {
        let style = "{msg} [{bar:30}] {human_pos} of {human_len} rows, {rows_per_s} rows/s, {eta} left";
        Self::styled(ProgressBar::new(total), style, what)
    }

    fn styled(bar: ProgressBar, template: &str, what: &str) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("rows_per_s", |state: &ProgressState, out: &mut dyn Write| {
                // Nothing is lost where a progress line cannot be written.
                let _ = write!(out, "{}", count(state.per_sec() as u64));
            }));
        }
        bar.set_message(what.to_owned());
        Self(bar)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
