//! The fault run: `faults [TIMES [CLICKS [SEED [FAULT…]]]]` prints faults × runs × lost × doubled.

use twinstore_faults::{Broker, Extent, Fault, run};

fn main() {
    let mut words = std::env::args().skip(1);
    let mut number = |otherwise: u64| words.next().and_then(|word| word.parse().ok()).unwrap_or(otherwise);
    let (times, clicks, seed) = (number(20), number(5_000), number(1));
    let named: Vec<String> = words.collect();
    let broker = Broker::start();
    let mut is_wrong = false;
    println!(
        "{:<24} {:>6} {:>10} {:>6} {:>8} {:>13}",
        "fault", "times", "rows", "lost", "doubled", "wrong online"
    );
    for fault in Fault::ALL {
        if !named.is_empty() && !named.iter().any(|name| fault.name().starts_with(name.as_str())) {
            continue;
        }
        let extent = Extent { times: times as u32, clicks, seed };
        let found = run(&broker, fault, extent).checked;
        println!(
            "{:<24} {:>6} {:>10} {:>6} {:>8} {:>13}",
            fault.name(),
            times,
            found.rows,
            found.lost,
            found.doubled + found.positions_twice,
            found.wrong_online
        );
        if let Some(example) = &found.example {
            println!("  {example}");
        }
        is_wrong |= found.lost + found.doubled + found.positions_twice + found.wrong_online > 0;
    }
    broker.kill();
    if is_wrong {
        std::process::exit(1);
    }
}
