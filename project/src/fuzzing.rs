//! What this crate reads of files that others wrote, as functions of any bytes. None may panic, and none may take memory
//! out of proportion to what it was given: the scenarios run them over seeds and their mutations, and the programs under
//! `fuzz/` over what a fuzzer finds.

use feature::fuzzing::Target;

/// What is read here: its name, and the function, which says whether the bytes were what it reads.
pub const TARGETS: [Target; 2] =
    [("openslo", crate::alerts::fuzzed_objectives), ("served_reads", crate::served::fuzzed_reads)];
