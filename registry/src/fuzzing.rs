//! What this crate reads of texts that others wrote, as functions of any bytes. None may panic, and none may take memory or
//! time out of proportion to what it was given: the scenarios run them over seeds and their mutations, and the programs
//! under `fuzz/` over what a fuzzer finds.

use feature::fuzzing::Target;

use crate::{Definitions, Plan, Problems, Registered, RowBound, import_feast, policy_of};

/// What is read here: its name, and the function, which says whether the bytes were what it reads.
pub const TARGETS: [Target; 3] =
    [("definitions", definitions), ("policy", policy), ("feast_repository", feast_repository)];

/// The longest line of a message: a line for each problem.
const LONGEST_LINE_BYTES: usize = 16_384;

/// The file of a project's definitions, and what would be registered of it.
pub fn definitions(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let registered = Registered::default();
    match Definitions::of([("features/all.yaml", &*text)], &registered) {
        Ok(definitions) => {
            let plan = Plan::of(&definitions, &registered, &RowBound { longest: |_| 0, max_bytes: 0 });
            let _ = plan.to_string();
            !definitions.is_empty()
        }
        Err(problems) => is_short(&problems),
    }
}

/// The policy of who may do what.
pub fn policy(data: &[u8]) -> bool {
    match policy_of("access.yaml", &String::from_utf8_lossy(data)) {
        Ok(_) => true,
        Err(problems) => is_short(&problems),
    }
}

/// What Feast describes of a repository.
pub fn feast_repository(data: &[u8]) -> bool {
    match import_feast(&String::from_utf8_lossy(data), &|path| format!("there/{path}")) {
        Ok(imported) => !imported.carried.is_empty(),
        Err(error) => error.to_string().is_empty(),
    }
}

/// Refuses what people could not read; nothing that has problems is what is read.
fn is_short(problems: &Problems) -> bool {
    let said = problems.to_string();
    let longest = said.lines().map(str::len).max().unwrap_or(0);
    assert!(longest <= LONGEST_LINE_BYTES, "a line of {longest} bytes: {said:.200}");
    false
}
