//! An open-loop load generator for online reads: asks a server over gRPC or HTTP/1.1 at moments that are
//! fixed before, counts latency from those moments (so that a server that stalls cannot hide it: what
//! is called coordinated omission), and prints what it saw as JSON.
//!
//! It first finds how many requests a second the server answers when requests come without pause, and then
//! asks at given fractions of that, or at given rates. It never sleeps: give it a core of its own.

mod arguments;
mod connection;
mod drive;
mod figures;
mod http1;
mod http2;
mod question;
mod schedule;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::connection::Broken;
use crate::drive::{Driver, Pace};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Value, Broken> {
    let question = arguments.question();
    let requests = question.requests(arguments.requests(), arguments.seed);
    let mut driver = Driver::connect(arguments.address, &question, &requests, arguments.manner())?;
    let warm_up = driver.run(&Pace::Closed(Duration::from_secs_f64(arguments.warm_up)))?;
    if warm_up.answered == 0 {
        return Err("the server refused every request: ask it once by hand to see why".into());
    }
    if let Some(path) = &arguments.save_answer {
        std::fs::write(path, &warm_up.sample)?;
    }
    let capacity = if arguments.rates.is_empty() {
        Some(driver.run(&Pace::Closed(Duration::from_secs_f64(arguments.capacity_seconds)))?)
    } else {
        None
    };
    let mut answered = warm_up.answered + capacity.as_ref().map_or(0, |seen| seen.answered);
    let mut open = Vec::new();
    for rate in arguments.rates(capacity.as_ref().map(figures::rate)) {
        let moments = arguments.arrivals.schedule(rate, arguments.seconds, arguments.seed);
        let seen = driver.run(&Pace::Open(&moments))?;
        answered += seen.answered;
        open.push(figures::open(&seen, rate, arguments.arrivals));
    }
    Ok(json!({
        "protocol": arguments.protocol_name(),
        "service": question.service,
        "batch": question.batch,
        "connections": arguments.connections,
        "in_flight_each": arguments.manner().streams,
        "request_bytes": requests.first().map(|request| request.body.len()),
        "answer_bytes": warm_up.sample.len(),
        "answered": answered,
        "capacity": capacity.as_ref().map(figures::closed),
        "open": open,
    }))
}
