//! Messages below the command line say what and where; which command helps, `HelpTopic` says to whoever shows them.

use super::tree::{Tree, Violation};
use super::{hold, in_sample};

/// Where commands and flags are spelled.
const OF_COMMANDS: [&str; 7] =
    ["cli/", "sdk/python/", "tests/", "benches/", "examples/", "test-support/", "scripts/"];

/// What the harness of Rust's own tests takes, for tests that start themselves.
const OF_TESTS: [&str; 3] = ["exact", "nocapture", "ignored"];

fn no_message_spells_a_command(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let is_below = |path: &str| !OF_COMMANDS.iter().any(|start| path.starts_with(start));
    for file in tree.rust().filter(|file| is_below(&file.path) && !file.parts().any(|part| part == "tests")) {
        let is_code = |(_, line): &(usize, &str)| *line != "#[cfg(test)]";
        for (index, line) in file.text.lines().enumerate().take_while(is_code) {
            let code = line.split("//").next().unwrap_or_default();
            let spells = code.contains("`twinstore ") || flag(code);
            if spells {
                let message = "only the command line spells commands and flags: give the error a `HelpTopic`";
                found.push(file.at(index + 1, message));
            }
        }
    }
    found
}

/// Whether a text holds a flag of a command line, as `--project`.
fn flag(code: &str) -> bool {
    code.split([' ', '"', '`', '(']).any(|word| {
        let name = word.strip_prefix("--").unwrap_or_default();
        name.starts_with(|first: char| first.is_ascii_lowercase()) && !OF_TESTS.contains(&name)
    })
}

#[test]
fn below_the_command_line_no_message_spells_a_command() {
    hold(no_message_spells_a_command);
}

#[test]
fn a_command_and_a_flag_are_found_below_the_command_line_alone() {
    for line in ["\"run `twinstore apply` first\"", "\"name one with --key\"", "\"(--from, --to)\""] {
        assert_eq!(in_sample(no_message_spells_a_command, "registry/src/plan.rs", line).len(), 1, "{line}");
        assert!(in_sample(no_message_spells_a_command, "cli/src/help.rs", line).is_empty(), "{line}");
        assert!(in_sample(no_message_spells_a_command, "registry/src/tests/plan.rs", line).is_empty());
    }
    for line in ["// `twinstore apply` registers", "let x = y - -z; // --flag", "\"a -- b\"", "\"-----\""] {
        assert!(in_sample(no_message_spells_a_command, "registry/src/plan.rs", line).is_empty(), "{line}");
    }
}
