//! `reference`: the pages of the documentation that are generated from the code.

use clap::{Command, CommandFactory};
use twinstore::SETTINGS;

use crate::arguments::{Arguments, Page};
use crate::failure::Failure;
use crate::headings;

pub fn reference(page: Page) -> Result<(), Failure> {
    match page {
        Page::Definitions => print!("{}", twinstore::definitions_reference()),
        Page::Commands => print!("{}", commands()),
    }
    Ok(())
}

/// Every command as its own `--help` shows it, and every setting.
fn commands() -> String {
    let mut text = String::from(
        "# Commands\n\nThis page is generated from the code: `make reference` writes it again.\n\n\
         Data goes to stdout; logs and progress go to stderr. The exit code is 0 when the command did \
         its work, 1 when it was refused or failed, with a sentence that says what, where and \
         what to do, 2 when the command line was wrong, and 130 or 143 when SIGINT or SIGTERM ended it.\n",
    );
    let mut root = Arguments::command();
    root.build();
    help(&mut text, "twinstore", &mut root);
    text.push_str("\n## What the columns mean\n\nEvery table that a command prints, and what stands under each heading.\n");
    for printed in headings::ALL {
        text.push_str(&format!("\n{}:\n\n| heading | what stands there |\n|---|---|\n", printed.by));
        for (name, meaning) in printed.columns {
            text.push_str(&format!("| {} | {meaning} |\n", name.to_uppercase()));
        }
    }
    text.push_str("\n## Settings\n\n`twinstore.toml` in the project's folder; it need not be there. ");
    text.push_str("Relative paths are taken from the project's folder.\n\n");
    text.push_str("| key | environment | default | meaning |\n|---|---|---|---|\n");
    for setting in &SETTINGS {
        let twin = setting.key.replace('.', "_").to_uppercase();
        text.push_str(&format!(
            "| `{}` | `TWINSTORE_{twin}` | `{}` | {} |\n",
            setting.key, setting.default, setting.meaning
        ));
    }
    text
}

fn help(text: &mut String, path: &str, command: &mut Command) {
    let shown = command.clone().disable_help_subcommand(true).term_width(96).render_long_help().to_string();
    let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
    text.push_str(&format!("\n## {path}\n\n```text\n{}\n```\n", shown.join("\n").trim_end()));
    for below in command.get_subcommands_mut() {
        if !below.is_hide_set() && below.get_name() != "help" {
            let path = format!("{path} {}", below.get_name());
            help(text, &path, below);
        }
    }
}
