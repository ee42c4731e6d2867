//! Hostile files of rows and tables of others, given to the real binary, and what comes back. `make attack` prints a line
//! for each; docs/security.md has the table.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use test_support::user_events;

use crate::delta_source::DeltaProject;
use crate::landings::landing;
use crate::project::{Project, says};
use crate::pushed::{clicks, now};

/// What a command that is refused may take, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// Says what an attack came to.
fn withstood(attack: &str, outcome: &str) {
    println!("attack: {attack}: {outcome}");
}

/// A project whose source is the folder `data`.
fn of_files() -> Project {
    let source = "schema: {user_id: int64, ts: timestamp, x: string}\nevent_time: ts\nbatch: {path: data}\n";
    let project = Project::empty();
    project.write("features/all.yaml", user_events("user_id", source, "features: {x: {latest: x}}\n"));
    project
}

/// What a load of that folder says that is refused soon.
fn refused(project: &Project) -> String {
    let began = Instant::now();
    let said = project.refused("backfill --all");
    assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
    assert!(said.len() < 4_000, "it says {} bytes", said.len());
    said
}

#[test]
fn rows_of_text_that_do_not_end_are_refused_by_file_and_row() {
    let row = "1,2026-01-01,a\n";
    for (name, text, parts) in [
        (
            "data/a.csv",
            format!("user_id,ts,x\n{row}2,2026-01-01,{}", "x".repeat(17 << 20)),
            ["row 2", "16 MiB"],
        ),
        (
            "data/a.csv",
            format!("user_id,ts,x\n{row}2,2026-01-01,\"{}", "x\n".repeat(9 << 20)),
            ["row 2", "16 MiB"],
        ),
        ("data/a.csv", format!("user_id,ts,x{}\n{row}", ",".repeat(20_000)), ["its header", "16384 fields"]),
        (
            "data/a.jsonl",
            format!("{{\"user_id\": 1, \"x\": \"{}\"}}", "x".repeat(17 << 20)),
            ["row 1", "16 MiB"],
        ),
    ] {
        let project = of_files();
        project.write(name, text);
        project.ok("apply");
        says(&refused(&project), &[name, parts[0], parts[1]]);
    }
    withstood("rows of CSV and JSON of more than 16 MiB, 20,000 columns", "refused by file and row");
}

/// A frame of zstd that comes to so many line breaks, in blocks of one repeated byte.
fn zstd_of_line_breaks(bytes: usize) -> Vec<u8> {
    const BLOCK: usize = 128 << 10;
    // Magic number, a descriptor without flags, a window of 8 MiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68];
    let blocks = bytes.div_ceil(BLOCK);
    for block in 1..=blocks {
        let head = (BLOCK << 3 | 1 << 1 | usize::from(block == blocks)) as u32;
        frame.extend_from_slice(&head.to_le_bytes()[..3]);
        frame.push(b'\n');
    }
    frame
}

#[test]
fn a_small_file_that_decompresses_without_end_is_refused_by_name() {
    let name = "data/a.jsonl.zst";
    let project = of_files();
    let bomb = zstd_of_line_breaks((1 << 30) + (1 << 20));
    assert!(bomb.len() < 40_000, "{}", bomb.len());
    project.write(name, &bomb);
    project.ok("apply");
    says(&refused(&project), &[name, "more than 1 GiB", "decompress it"]);
    fs::remove_file(project.path(name)).unwrap();
    // In CSV, where a header is looked for first.
    let csv = "data/a.csv.zst";
    project.write(csv, &bomb);
    let began = Instant::now();
    says(&project.run("plan").stdout, &[csv]);
    assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
    says(&refused(&project), &[csv, "more than 1 GiB", "decompress it"]);
    fs::remove_file(project.path(csv)).unwrap();
    // No more than is always read.
    project.write(name, zstd_of_line_breaks(1 << 20));
    let said = project.run("backfill --all").stderr;
    assert!(!said.contains("1 GiB"), "{said}");
    withstood("a file of 33 kB that comes to more than 1 GiB", "refused by name");
}

#[test]
fn a_table_reads_no_file_outside_of_its_folder() {
    for path in ["../landings.parquet", "/etc/passwd", "a/../../landings.parquet", "file:///etc/passwd"] {
        let mut delta = DeltaProject::new(&[landing(1, 0, 1.0)]);
        let mut added = delta.add("b.parquet", &[landing(2, 60, 2.0)], true);
        fs::copy(delta.table.join("b.parquet"), delta.project.path("data/landings.parquet")).unwrap();
        added["add"]["path"] = json!(path);
        delta.commit(&[added]);
        let said = delta.project.refused("backfill --all");
        says(&said, &["data/table", path, "outside of its folder"]);
    }
    withstood("a log of a Delta table that names files elsewhere", "refused by the name of the file");
}

#[test]
fn a_pushed_line_that_is_too_long_is_refused_alone() {
    let project = clicks();
    let row = json!({"visitor": 1, "at": now(), "ms": 1}).to_string();
    let long = format!("{{\"visitor\": 2, \"other\": \"{}\"}}", "x".repeat(9 << 20));
    project.write("rows.jsonl", [row.as_str(), &long, &row].join("\n"));
    let done = project.run("push clicks rows.jsonl --format json");
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    says(&done.stderr, &["row 2: it is longer than the 8388608 bytes that a row may have"]);
    assert!(done.stdout.contains("\"rows\": 2") || done.stdout.contains("\"rows\":2"), "{}", done.stdout);
    withstood("a pushed line of 9 MiB", "refused alone");
}
