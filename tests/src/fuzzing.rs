//! Every reader of what others wrote, over seeds and thousands of their mutations: none panics, takes memory out of
//! proportion to its input, or does not come to an end. The readers are the targets that crates export under `fuzzing`;
//! the programs in `fuzz/` run the same ones over what a fuzzer finds.
//!
//! Mutations are the same in each run. `FUZZ_MUTATIONS` says how many there are of each target, `FUZZ_SEED` where to
//! begin: `FUZZ_MUTATIONS=100000 cargo test -p twinstore-scenarios fuzzing::` looks further than `make check` does.

mod allocations;
mod mutation;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use feature::fuzzing::Target;
use feature::oracle::Numbers;

use self::mutation::mutated;

/// What one input may take, and how many there are.
#[derive(Clone, Copy)]
struct Bound {
    mutations: usize,
    /// Bytes that any input may take.
    base_bytes: usize,
    /// Bytes that each byte of an input may take beside them.
    times: usize,
}

/// What holds for most.
const PLAIN: Bound = Bound { mutations: 3_000, base_bytes: 1 << 20, times: 64 };
/// Of lists of values, each of which takes a byte or two where it comes from and some dozens in memory.
const LISTED: Bound = Bound { times: 160, ..PLAIN };
/// Of what is held as rows of columns: as many rows as a batch has, or as many columns as a file may have, take this at most.
const TABLED: Bound = Bound { base_bytes: 8 << 20, ..LISTED };
/// Of frames, each of which has a buffer of up to 8 MiB.
const FRAMED: Bound = Bound { base_bytes: 10 << 20, ..PLAIN };
/// Of what is compiled or planned by libraries.
const PLANNED: Bound = Bound { mutations: 600, base_bytes: 32 << 20, times: 256 };
/// Of files whose contents are compressed, which come in batches.
const DECOMPRESSED: Bound = Bound { mutations: 2_000, base_bytes: 96 << 20, times: 1024 };

/// How long one input may take, on a machine that does other things.
const LONGEST: Duration = Duration::from_secs(20);
/// When all inputs of a target have to be done: one that never is ends the test here.
const END: Duration = Duration::from_secs(1_500);
/// How many inputs that are not withstood are reported.
const MOST_REPORTED: usize = 5;

/// A target by its name.
fn target(name: &str) -> fn(&[u8]) -> bool {
    let all = targets();
    let found = all.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no crate exports the target `{name}`")).1
}

/// All targets of all crates.
fn targets() -> Vec<Target> {
    [
        feature::fuzzing::TARGETS.as_slice(),
        online::fuzzing::TARGETS.as_slice(),
        registry::fuzzing::TARGETS.as_slice(),
        offline::fuzzing::TARGETS.as_slice(),
        materializer::fuzzing::TARGETS.as_slice(),
        server::fuzzing::TARGETS.as_slice(),
        twinstore::fuzzing::TARGETS.as_slice(),
    ]
    .concat()
}

/// The folder of the fuzzing programs.
fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("fuzz")
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = fuzz_folder().join("seeds").join(name);
    let found = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Runs a target over its seeds and their mutations.
fn withstands(name: &'static str, bound: Bound) {
    let (done, ended) = mpsc::channel();
    // A thread with a stack as the workers of a server have it.
    thread::spawn(move || done.send(catch_unwind(|| all_inputs(name, bound))).unwrap());
    let outcome = ended.recv_timeout(END);
    let outcome = outcome.unwrap_or_else(|_| panic!("{name} does not end: see {}", kept(name).display()));
    let failures = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert!(failures.is_empty(), "{name} does not withstand:\n{}", failures.join("\n"));
}

/// Where the input is kept that is running: what ends the whole process is found there.
fn kept(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join("twinstore-fuzzing");
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

fn all_inputs(name: &str, bound: Bound) -> Vec<String> {
    let (run, seeds, kept) = (target(name), seeds(name), kept(name));
    // What is made once is not counted.
    let accepted = seeds.iter().filter(|seed| run(seed)).count();
    assert!(accepted > 0, "none of the {} seeds of {name} is what it reads", seeds.len());
    let count = number("FUZZ_MUTATIONS", bound.mutations as u64);
    let mut numbers = Numbers::new(number("FUZZ_SEED", 1));
    let mut failures = Vec::new();
    let mut reached = 0;
    for at in 0..seeds.len() as u64 + count {
        let input = match seeds.get(at as usize) {
            Some(seed) => seed.clone(),
            None => mutated(&mut numbers, &seeds),
        };
        fs::write(&kept, &input).unwrap();
        match one_input(run, &input, bound) {
            Ok(is_accepted) => reached += u64::from(is_accepted),
            Err(why) => {
                let path = kept.with_extension(format!("failed-{}", failures.len()));
                fs::write(&path, &input).unwrap();
                failures.push(format!(
                    "  input {at}, {} bytes, kept in {}: {why}",
                    input.len(),
                    path.display()
                ));
            }
        }
        if failures.len() == MOST_REPORTED {
            break;
        }
    }
    if failures.is_empty() {
        println!(
            "attack: {name}: {count} mutations of {} seeds: no panic, memory and time bounded, {reached} accepted",
            seeds.len()
        );
    }
    failures
}

/// Whether the input is what the target reads, or why it is not withstood.
fn one_input(run: fn(&[u8]) -> bool, input: &[u8], bound: Bound) -> Result<bool, String> {
    let began = Instant::now();
    let (outcome, peak) = allocations::peak_of(|| catch_unwind(AssertUnwindSafe(|| run(input))));
    let took = began.elapsed();
    let most = bound.base_bytes + bound.times * input.len();
    match outcome {
        Err(panic) => Err(format!("it panics: {}", said(&*panic))),
        Ok(_) if peak > most => Err(format!("it takes {peak} bytes, more than {most}")),
        Ok(_) if took > LONGEST => Err(format!("it takes {took:?}")),
        Ok(is_accepted) => Ok(is_accepted),
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
    feature::excerpt(text, 400).into_owned()
}

macro_rules! withstand {
    ($($name:ident $bound:expr;)*) => {
        /// The targets that are run.
        const RUN: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                withstands(stringify!($name), $bound);
            }
        )*
    };
}

withstand! {
    entity_key PLAIN;
    stored_value PLAIN;
    texts PLAIN;
    packed_row Bound { base_bytes: 4 << 20, ..LISTED };
    definitions PLANNED;
    policy PLAIN;
    feast_repository PLANNED;
    spine_parquet DECOMPRESSED;
    spine_csv TABLED;
    spine_arrow DECOMPRESSED;
    json_record PLAIN;
    avro_record LISTED;
    avro_schema LISTED;
    avro_framed LISTED;
    protobuf_record LISTED;
    protobuf_schema PLANNED;
    protobuf_framed LISTED;
    push_segment FRAMED;
    source_csv TABLED;
    source_csv_gz DECOMPRESSED;
    source_json TABLED;
    source_json_gz DECOMPRESSED;
    source_json_zst DECOMPRESSED;
    source_parquet DECOMPRESSED;
    source_delta PLANNED;
    http_features PLAIN;
    http_push PLAIN;
    grpc_features PLAIN;
    grpc_push PLAIN;
    feast_http PLAIN;
    feast_grpc PLAIN;
    openslo PLAIN;
    served_reads PLAIN;
}

#[test]
fn every_target_is_run_here() {
    let exported: Vec<&str> = targets().iter().map(|(name, _)| *name).collect();
    assert_eq!(exported.iter().find(|name| !RUN.contains(name)), None);
    assert_eq!(RUN.len(), exported.len());
}

#[test]
fn a_target_that_panics_takes_too_much_or_is_slow_is_found() {
    let bound = Bound { mutations: 0, base_bytes: 1_000, times: 1 };
    let refused = |run: fn(&[u8]) -> bool| one_input(run, b"abc", bound).unwrap_err();
    assert_eq!(
        refused(|data| data[data.len()] == 0),
        "it panics: index out of bounds: the len is 3 but the index is 3"
    );
    let taking = refused(|data| vec![0_u8; 2_000 * data.len()].len() > 1);
    assert_eq!(taking, "it takes 6000 bytes, more than 1003");
    assert_eq!(one_input(|data| vec![0_u8; 900].len() > data.len(), b"abc", bound), Ok(true));
}

/// For a change of what rows hold: `cargo test -p twinstore-scenarios -- --ignored writes_the_seeds_of_packed_rows`.
#[test]
#[ignore = "it makes the files that the test above is about"]
fn writes_the_seeds_of_packed_rows() {
    let folder = fuzz_folder().join("seeds/packed_row");
    fs::create_dir_all(&folder).unwrap();
    let mut rows = online::fuzzing::packed_rows();
    rows.sort_by_key(Vec::len);
    for (index, row) in rows.iter().step_by(4).enumerate() {
        fs::write(folder.join(format!("{index}.bin")), row).unwrap();
    }
}
