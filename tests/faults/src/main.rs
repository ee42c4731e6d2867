//! The fault run: `faults [TIMES [CLICKS [SEED [FAULT…]]]]` prints faults × runs × lost × doubled, and how
//! often each online row was looked at meanwhile. A fault is named by the beginning of its name.

use std::io::Write;
use std::time::Instant;

use test_support::KafkaBroker;
use twinstore_faults::{Extent, Fault, restart, run};

/// For how many seconds what is down stays so.
const DOWN_S: u64 = 60;

fn main() {
    let mut words = std::env::args().skip(1);
    let mut number = |otherwise: u64| words.next().and_then(|word| word.parse().ok()).unwrap_or(otherwise);
    let (times, clicks, seed) = (number(20), number(5_000), number(1));
    let named: Vec<String> = words.collect();
    let broker = KafkaBroker::start();
    let mut is_wrong = false;
    println!(
        "| {:<24} | {:>5} | {:>8} | {:>4} | {:>7} | {:>9} | {:>12} | {:>7} | {:>11} | {:>9} | {:>5} |",
        "fault",
        "times",
        "rows",
        "lost",
        "doubled",
        "too early",
        "wrong online",
        "looks",
        "unexplained",
        "went back",
        "s"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for fault in Fault::all() {
        if !named.is_empty() && !named.iter().any(|name| fault.name().starts_with(name.as_str())) {
            continue;
        }
        let began = Instant::now();
        // What takes a minute each time is done three times.
        let times = if fault.is_long() { times.min(3) } else { times };
        let found = run(&broker, fault, Extent { times: times as u32, clicks, down_s: DOWN_S, seed }).checked;
        println!(
            "| {:<24} | {:>5} | {:>8} | {:>4} | {:>7} | {:>9} | {:>12} | {:>7} | {:>11} | {:>9} | {:>5} |",
            fault.name(),
            times,
            found.rows,
            found.lost,
            found.doubled + found.positions_twice,
            found.too_early,
            found.wrong_online,
            found.looks,
            found.unexplained,
            found.went_back,
            began.elapsed().as_secs()
        );
        if let Some(example) = &found.example {
            println!("  {example}");
        }
        std::io::stdout().flush().unwrap_or_default();
        is_wrong |= found.is_wrong();
    }
    if named.is_empty() || named.iter().any(|name| name == "restart") {
        let behind = 20 * clicks;
        let took = restart(&broker, behind, seed).as_secs_f64();
        println!("\nkilled, and started again {behind} rows behind: both stores have them after {took:.1} s");
    }
    broker.kill();
    if is_wrong {
        std::process::exit(1);
    }
}
