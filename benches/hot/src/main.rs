//! How long the hot core takes for a key, one table: the memory's own limit, twinstore, hashbrown and
//! std; and how long it takes to merge a window. `bench-hot [--keys 1M,10M,60M] [--rounds 5]`.

mod contenders;
mod merges;
mod timing;

use std::error::Error;

use contenders::{Contender, Hashbrown, Limit, Std, Twinstore};
use timing::{median, nanoseconds};

/// Keys that are read at once.
const BATCH: usize = 256;
/// Keys that are read in a round.
const READ: usize = 4 << 20;

struct Arguments {
    keys: Vec<usize>,
    rounds: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = arguments()?;
    println!(
        "one thread, batches of {BATCH}, 8-byte keys, seven float64 gathered; ns a key, median of {} rounds",
        arguments.rounds
    );
    println!(
        "| keys | limit | twinstore | of the limit | hashbrown | times | std | times | 2 threads | the limit's 2 | beside a writer | written/s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for keys in &arguments.keys {
        println!("{}", line(*keys, arguments.rounds).ok_or("there is not enough memory")?);
    }
    merges::report();
    Ok(())
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments { keys: vec![1_000_000, 10_000_000, 60_000_000], rounds: 5 };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or("each option takes a value")?;
        match name.as_str() {
            "--keys" => arguments.keys = value.split(',').map(number).collect::<Result<_, _>>()?,
            "--rounds" => arguments.rounds = value.parse()?,
            _ => return Err("usage: bench-hot [--keys 1M,10M,60M] [--rounds 5]".into()),
        }
    }
    Ok(arguments)
}

fn number(text: &str) -> Result<usize, std::num::ParseIntError> {
    match text.strip_suffix('M') {
        Some(millions) => Ok(millions.parse::<usize>()? * 1_000_000),
        None => text.parse(),
    }
}

/// Contenders stand one after the other, so that the largest has the memory for itself.
fn line(keys: usize, rounds: usize) -> Option<String> {
    let stream = timing::stream(keys, READ);
    let took = |contender: &dyn Contender| median(rounds, || nanoseconds(contender, &stream, BATCH));
    let twinstore = Twinstore::new(keys)?;
    let ours = took(&twinstore);
    let both = median(rounds, || timing::two_threads(&twinstore, &stream, BATCH));
    let (beside, written) = timing::beside_a_writer(&twinstore, keys, &stream, BATCH, rounds);
    let buckets = twinstore.buckets();
    drop(twinstore);
    let limit = Limit::new(buckets, keys)?;
    let limit_of_both = median(rounds, || timing::two_threads(&limit, &stream, BATCH));
    let limit = took(&limit);
    let hashbrown = took(&Hashbrown::new(keys));
    let std = took(&Std::new(keys));
    Some(format!(
        "| {} | {limit:.1} | {ours:.1} | {:.2}× | {hashbrown:.1} | {:.1}× | {std:.1} | {:.1}× | {:.2}× | {:.2}× | {:.0}% | {:.1}M |",
        keys,
        ours / limit,
        hashbrown / ours,
        std / ours,
        ours / both,
        limit / limit_of_both,
        100.0 * ours / beside,
        written / 1e6,
    ))
}
