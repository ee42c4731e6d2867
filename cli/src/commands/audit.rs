//! `audit`: who changed what is registered, when and why.

use serde_json::json;
use twinstore::{AuditEntry, AuditLog, Project};

use crate::arguments::{AuditArgs, Format};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, age};

/// The longest text of a column of the table, in characters.
const MOST_CHARS: usize = 160;
/// How much of a hash the table shows.
const HASH_CHARS: usize = 12;

pub async fn audit(project: &Project, args: &AuditArgs) -> Result<(), Failure> {
    let log = project.audit().await?;
    let entries: Vec<&AuditEntry> = match &args.subject {
        None => log.entries.iter().collect(),
        Some(subject) => log.about(subject).collect(),
    };
    match args.format.format {
        Format::Json => output::json(&json!({
            "entries": entries, "damaged": log.damaged, "back_in_time": log.back_in_time,
        }))?,
        Format::Table => show(&entries, &log),
    }
    if log.damaged.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the audit log is not what was written:\n{}\ncompare it with a backup of the registry, and find out who wrote to its file",
        log.damaged.join("\n")
    )))
}

fn show(entries: &[&AuditEntry], log: &AuditLog) {
    if entries.is_empty() {
        return println!("no entry");
    }
    let rows = entries.iter().map(|entry| {
        vec![
            entry.number.to_string(),
            entry.at.to_string(),
            entry.actor.clone(),
            entry.action.name().to_owned(),
            entry.subject.clone(),
            change(entry),
            why(entry),
        ]
    });
    println!("{}", output::table(&headings::AUDITED, &[0], rows));
    for back in &log.back_in_time {
        println!(
            "note: entry {} is {} earlier than the one before: a clock went back, or its writer waited for the other",
            back.entry,
            age(back.seconds)
        );
    }
    if let (Some(last), true) = (log.entries.last(), log.damaged.is_empty()) {
        println!(
            "\nchecked: {}, the last of hash {}",
            output::counted(log.entries.len() as u64, "entry"),
            last.hash
        );
    }
}

fn change(entry: &AuditEntry) -> String {
    match (&entry.from, &entry.to) {
        (None, None) => String::new(),
        (Some(from), Some(to)) => format!("{} → {}", short(from), short(to)),
        (Some(from), None) => format!("{} → none", short(from)),
        (None, Some(to)) => short(to),
    }
}

fn why(entry: &AuditEntry) -> String {
    let texts: Vec<&str> = [&entry.reason, &entry.detail].into_iter().flatten().map(String::as_str).collect();
    output::excerpt(&texts.join("; "), MOST_CHARS).into_owned()
}

/// The text, hashes in it cut to what tells them apart.
fn short(text: &str) -> String {
    let is_hash = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split(' ').map(|word| match word.get(..HASH_CHARS) {
        Some(start) if is_hash(word) => start,
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}
