//! Hostile files, definitions, settings and data, given to the real binary, and what comes back. `make attack` prints a
//! line for each; docs/security.md has the table. Hostile requests are in the server's own tests.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::project::{Done, Project, says};
use crate::served::Server;

/// What a command that is refused may take, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// Says what an attack came to.
fn withstood(attack: &str, outcome: &str) {
    println!("attack: {attack}: {outcome}");
}

/// Runs a command that has to fail soon, in few words. Gives what it says.
#[track_caller]
fn fails_soon(project: &Project, words: &str) -> String {
    let began = Instant::now();
    let done = project.run(words);
    assert!(began.elapsed() < SOON, "twinstore {words} took {:?}", began.elapsed());
    assert_eq!(done.code, Some(1), "twinstore {words}\n{}{}", done.stdout, done.stderr);
    assert!(done.stderr.len() < 20_000, "twinstore {words} says {} bytes", done.stderr.len());
    done.stderr
}

fn pipe(project: &Project, name: &str) {
    assert!(Command::new("mkfifo").arg(project.path(name)).status().unwrap().success());
}

#[test]
fn only_regular_files_are_read() {
    let project = Project::applied();
    let expect = |words: &str, file: &str, is: &str| {
        says(&fails_soon(&project, words), &[file, is, "only regular files are read"]);
    };
    symlink("/dev/zero", project.path("features/zero.yaml")).unwrap();
    expect("plan", "features/zero.yaml", "a device");
    std::fs::remove_file(project.path("features/zero.yaml")).unwrap();
    pipe(&project, "features/pipe.yaml");
    expect("plan", "features/pipe.yaml", "a named pipe");
    std::fs::remove_file(project.path("features/pipe.yaml")).unwrap();

    let settings = project.read("twinstore.toml");
    std::fs::remove_file(project.path("twinstore.toml")).unwrap();
    pipe(&project, "twinstore.toml");
    expect("plan", "twinstore.toml", "a named pipe");
    std::fs::remove_file(project.path("twinstore.toml")).unwrap();
    symlink("/dev/zero", project.path("twinstore.toml")).unwrap();
    expect("plan", "twinstore.toml", "a device");
    std::fs::remove_file(project.path("twinstore.toml")).unwrap();
    project.write("twinstore.toml", settings);

    pipe(&project, "data/rows.csv");
    symlink("/dev/zero", project.path("data/rows.parquet")).unwrap();
    for (file, is) in [("data/rows.csv", "a named pipe"), ("data/rows.parquet", "a device")] {
        expect(&format!("push landings {file}"), file, is);
        let spine = format!("training-set --service late_arrival --spine {file} --time t --out out.parquet");
        expect(&spine, file, is);
        project.edit("features/flights.yaml", "data/landings.parquet", file);
        project.ok("apply");
        expect("backfill --all", file, is);
        project.edit("features/flights.yaml", file, "data/landings.parquet");
    }
    std::fs::remove_file(project.path("data/rows.parquet")).unwrap();
    std::fs::create_dir(project.path("data/folder")).unwrap();
    pipe(&project, "data/folder/rows.csv");
    project.edit("features/flights.yaml", "data/landings.parquet", "data/folder");
    project.ok("apply");
    expect("backfill --all", "data/folder/rows.csv", "a named pipe");
    withstood(
        "devices and named pipes as definitions, settings, sources, spines and pushed rows",
        "refused by name",
    );
}

#[test]
fn no_login_of_a_setting_is_shown() {
    const SECRET: &str = "s3cr3t-word";
    let project = Project::loaded();
    let mut commands: Vec<String> =
        ["plan", "doctor", "verify", "backfill --all", "audit", "lineage late_arrival"]
            .iter()
            .map(|words| (*words).to_owned())
            .collect();
    commands.push("get late_arrival dest=LAX tailnum=N338AA distance=1".to_owned());
    let settings = [
        (
            "TWINSTORE_REGISTRY_URL",
            ["postgres://user:{}@127.0.0.1:1/db", "user:{}@host", "mysql://host?password={}"],
        ),
        ("TWINSTORE_OFFLINE_URL", ["s3://user:{}@bucket/x", "http://user:{}@host/x", "gs://host/x?token={}"]),
        (
            "TWINSTORE_ONLINE_URL",
            ["redis://user:{}@127.0.0.1:1", "rediss://u:a@{}@127.0.0.1:1", "other://u:{}@h"],
        ),
        (
            "TWINSTORE_STREAM_BROKERS",
            ["user:{}@127.0.0.1:1", "sasl://user:{}@127.0.0.1:1", "kafka://:{}@127.0.0.1:1"],
        ),
        (
            "TWINSTORE_STREAM_SCHEMA_REGISTRY",
            ["http://user:{}@127.0.0.1:1", "ftp://user:{}@127.0.0.1:1", "http://user:{}@[bad"],
        ),
        (
            "TWINSTORE_LINEAGE_URL",
            ["http://user:{}@127.0.0.1:1", "ftp://user:{}@host", "http://user:{}@[bad"],
        ),
        ("TWINSTORE_SERVE_GRPC", ["user:{}@host:1", "http://user:{}@host", "user:{}@"]),
        ("TWINSTORE_SERVE_HTTP", ["user:{}@host:1", "http://user:{}@host", "user:{}@"]),
    ];
    for (setting, urls) in settings {
        for url in urls {
            let url = url.replace("{}", SECRET);
            for words in &commands {
                let mut command = project.command(&format!("-vv {words}"));
                let done = Done::of(command.env(setting, &url).output().unwrap());
                let said = format!("{}{}", done.stdout, done.stderr);
                assert!(!said.contains(SECRET), "{setting}={url} twinstore {words}\n{said}");
            }
        }
        let done = Done::of(project.command("serve").env("TWINSTORE_SERVE_GRPC", "x").output().unwrap());
        assert_eq!(done.code, Some(1), "{}", done.stderr);
    }
    // The type of a setting that holds a password is wrong.
    project.write(
        "twinstore.toml",
        format!("registry = \"postgres://u:{SECRET}@h\"\nstream.kafka = \"{SECRET}\"\n"),
    );
    let said = fails_soon(&project, "plan");
    assert!(!said.contains(SECRET), "{said}");
    withstood("a password in each setting that may carry one", "never shown");
}

#[test]
fn what_definitions_and_data_say_does_not_reach_the_terminal() {
    let is_unsafe = |text: &str| {
        text.chars().any(|c| c.is_control() && c != '\n' && c != '\t' || matches!(c, '\u{202a}'..='\u{202e}'))
    };
    let project = Project::applied();
    let name = r#""a\e[2J\e]0;title\a\u202e\u009bb""#;
    let hostile = [
        format!("kind: feature_view\nname: {name}\n"),
        format!("kind: {name}\nname: a\n"),
        format!("kind: entity\nname: other\nkeys: {{k: string}}\n{name}: 1\n"),
        format!("kind: entity\nname: other\ndescription: {name}\nowner: {name}\nkeys: {{k: {name}}}\n"),
    ];
    for definition in hostile {
        project.write("features/hostile.yaml", &definition);
        let said = fails_soon(&project, "plan");
        assert!(!is_unsafe(&said), "{said:?}");
    }
    // A definition that is good shows its texts, too.
    let good =
        format!("kind: entity\nname: other\ndescription: {name}\nowner: {name}\nkeys: {{k: string}}\n");
    project.write("features/hostile.yaml", good);
    let said = project.ok("apply")
        + &project.ok("registry show other")
        + &project.ok("registry show other --format json");
    assert!(!is_unsafe(&said), "{said:?}");
    serde_json::from_str::<serde_json::Value>(&project.ok("registry show other --format json")).unwrap();
    // And so does what is requested.
    let mut command = project.command("get");
    command.args(["late_arrival", "dest=\u{1b}[2J\u{202e}", "tailnum=N1", "distance=1"]);
    let done = Done::of(command.output().unwrap());
    assert!(!is_unsafe(&(done.stdout.clone() + &done.stderr)), "{:?}{:?}", done.stdout, done.stderr);
    let done = Done::of(project.command("get").args(["a\u{1b}[2J\u{202e}\nerror: b"]).output().unwrap());
    assert!(!is_unsafe(&done.stderr) && !done.stderr.contains("\nerror: b"), "{:?}", done.stderr);
    withstood("escape sequences and U+202E in definitions and arguments", "escaped wherever they are shown");
}

#[test]
fn a_log_of_a_server_has_no_line_of_a_requests_making() {
    let project = Project::applied();
    let server = Server::start_as(&project, "serve -vv");
    let service = "late_arrival\u{1b}[2J\n2026-01-01T00:00:00Z ERROR forged\u{202e}";
    assert_eq!(server.post("/v1/features", &json!({"service": service, "entities": {}})).0, 404);
    let (_, said) = server.terminate();
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    assert!(
        !said.lines().any(|line| line.contains("ERROR forged") && line.starts_with("2026-01-01T00")),
        "{said}"
    );
    withstood("a request that begins a line of the log", "escaped");
}

#[test]
fn definitions_that_are_too_deep_too_long_or_too_many_are_refused_in_few_words() {
    let project = Project::sample();
    let nested =
        |open: &str, close: &str, count: usize| format!("{}1{}", open.repeat(count), close.repeat(count));
    let view = |expression: &str| {
        format!(
            "kind: feature_view\nname: hostile\nversion: 1\nentity: airport\nsource: landings\nkeys: {{airport: dest}}\nfeatures:\n  f: {{latest: \"{expression}\"}}\n"
        )
    };
    let replaced = (0..200).fold("dest".to_owned(), |text, _| format!("replace({text}, 'a', 'aaaaaaaa')"));
    let compared = vec!["levenshtein(dest, origin)"; 100].join(" + ");
    let hostile = [
        ("nested lists", nested("[", "]", 200_000), "recursion limit"),
        ("nested maps", nested("{a: ", "}", 100_000), "recursion limit"),
        ("a long name", format!("kind: feature_view\nname: {}\n", "a".repeat(2_000_000)), "is not a name"),
        ("parentheses", view(&nested("(", ")", 5_000)), "nested more than"),
        ("negations", view(&format!("{}1", "- ".repeat(5_000))), "nested more than"),
        ("replacements", view(&replaced), "more than"),
        ("comparisons", view(&compared), "more than 16 times"),
        ("a long expression", view(&format!("1{}", " + 1".repeat(10_000))), "characters"),
        ("a clock", view("now()"), "reads a clock"),
        ("a table", view("(SELECT 1)"), "a subquery"),
    ];
    for (what, text, said) in hostile {
        project.write("features/hostile.yaml", text);
        let refused = fails_soon(&project, "plan");
        assert!(refused.contains(said), "{what}: no `{said}` in {refused}");
    }
    withstood("deep, long and costly definitions", "refused at plan");
}

#[test]
fn texts_that_would_grow_or_take_long_fail_by_themselves() {
    let project = Project::empty();
    let long = "a".repeat(60_000);
    let replaced = (0..12).fold("note".to_owned(), |text, _| format!("replace({text}, 'a', 'aaaaaaaa')"));
    project.write(
        "features/notes.yaml",
        format!(
            "kind: entity\nname: note\nkeys: {{id: string}}\n---\nkind: source\nname: notes\nschema: {{at: timestamp, id: string, note: string}}\nevent_time: at\nbatch: {{path: notes.csv}}\nassumed_delay: 1m\n---\nkind: feature_view\nname: grown\nversion: 1\nentity: note\nsource: notes\nfeatures:\n  grown: {{latest: \"{replaced}\"}}\n---\nkind: feature_view\nname: compared\nversion: 1\nentity: note\nsource: notes\nfeatures:\n  like: {{latest: \"levenshtein(note, reverse(note))\"}}\n"
        ),
    );
    let mut rows = "at,id,note\n".to_owned();
    for n in 0..2_000 {
        let note = if n % 2 == 0 { long.as_str() } else { "b" };
        writeln!(rows, "2026-01-01T00:00:00Z,n{n},{note}").unwrap();
    }
    project.write("notes.csv", rows);
    project.ok("apply");
    let began = Instant::now();
    let done = project.run("backfill --all --format json");
    assert!(began.elapsed() < 4 * SOON, "it took {:?}", began.elapsed());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let refused = project.run("dead-letter list grown --format json").stdout
        + &project.run("dead-letter list compared --format json").stdout;
    says(&refused, &["longer than 65536 bytes", "at most 255 characters"]);
    withstood(
        "texts that grow a millionfold, and comparisons of 60,000 characters",
        "the rows fail by themselves",
    );
}

/// A chain of on-demand views each of which reads the one before.
fn chain(length: usize) -> String {
    let mut text = "kind: entity\nname: u\nkeys: {u: string}\n---\nkind: source\nname: s\nschema: {t: timestamp, u: string, x: float64}\nevent_time: t\nbatch: {path: data/s.csv}\nassumed_delay: 1m\n---\nkind: feature_view\nname: v0\nversion: 1\nentity: u\nsource: s\nfeatures:\n  f0: {latest: x}\n".to_owned();
    for n in 1..length {
        let before = n - 1;
        write!(
            text,
            "---\nkind: on_demand_view\nname: v{n}\nversion: 1\ninputs:\n  - {{from: v{before}@1}}\nfeatures:\n  f{n}: {{expression: \"f{before} + 1.0\"}}\n"
        )
        .unwrap();
    }
    text
}

#[test]
fn a_long_chain_of_views_is_planned_soon_and_a_longer_one_is_refused() {
    let project = Project::empty();
    project.write("features/chain.yaml", chain(2_000));
    let began = Instant::now();
    says(&project.ok("plan"), &["2002 to add"]);
    // A debug build on a busy machine; before, it took minutes.
    assert!(began.elapsed() < 2 * SOON, "it took {:?}", began.elapsed());
    project.write("features/chain.yaml", chain(4_000));
    says(&fails_soon(&project, "plan"), &["chain of more than 2500 on-demand views"]);
    withstood("chains of 2,000 and of 4,000 views", "planned, and refused");
}

#[test]
fn a_damaged_commit_is_one_sentence_also_with_backtraces() {
    let project = Project::applied();
    project.ok("backfill --all");
    let log = ".twinstore/offline/log/airport_arrivals/v1/_delta_log/00000000000000000000.json";
    project.edit(log, "struct", "struck");
    let table = "data/table/_delta_log/00000000000000000000.json";
    for damage in ["garbage\n", "{\"add\": {\"path\": 5}}\n", ""] {
        project.write(table, damage);
        project.edit("features/flights.yaml", "data/landings.parquet", "data/table");
        for words in ["plan", "backfill --all"] {
            let done = Done::of(project.command(words).env("RUST_BACKTRACE", "full").output().unwrap());
            let said = format!("{}{}", done.stdout, done.stderr);
            assert!(!said.contains("core::ops") && !said.contains("/rustc/"), "{words}: {said}");
            assert!(said.lines().count() < 12, "{words}: {said}");
        }
        project.edit("features/flights.yaml", "data/table", "data/landings.parquet");
    }
    withstood("damaged commits of a table, with RUST_BACKTRACE", "one sentence");
}
