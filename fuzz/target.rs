//! One target, which is named as the program is: what a crate exports under `fuzzing`, run over what the fuzzer finds.
#![no_main]

use std::panic::take_hook;
use std::sync::LazyLock;

use feature::fuzzing::Target;
use libfuzzer_sys::fuzz_target;

/// Every target of the crates that this program is built with.
fn targets() -> Vec<Target> {
    let light = [feature::fuzzing::TARGETS.as_slice(), online::fuzzing::TARGETS.as_slice()];
    #[cfg(feature = "all")]
    let light = [
        light.concat(),
        registry::fuzzing::TARGETS.to_vec(),
        offline::fuzzing::TARGETS.to_vec(),
        materializer::fuzzing::TARGETS.to_vec(),
        server::fuzzing::TARGETS.to_vec(),
        twinstore::fuzzing::TARGETS.to_vec(),
    ];
    light.concat()
}

static RUN: LazyLock<fn(&[u8]) -> bool> = LazyLock::new(|| {
    // The fuzzer ends the process at a panic that the code catches, too: those of the reader of Parquet. It ends it at one
    // that nothing catches without this.
    drop(take_hook());
    let name = env!("CARGO_BIN_NAME");
    targets().into_iter().find(|(known, _)| *known == name).expect("a target of this name").1
});

fuzz_target!(|data: &[u8]| {
    RUN(data);
});
