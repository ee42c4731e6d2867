//! The registry in a schema of a Postgres server: what a project does with a file it does with a server, several processes
//! share it, and a server that is away takes nothing from reads.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::{PostgresServer, eventually};

use crate::project::{Done, Project, says};
use crate::served::Server;

/// How long a command or a read may take while the server is away.
const BEARABLE: Duration = Duration::from_secs(20);

fn url(server: &PostgresServer, user: &str, schema: &str) -> String {
    format!("{}?schema={schema}", server.url(user))
}

/// The sample, with its registry at this URL.
fn at(registry: &str) -> Project {
    let project = Project::sample();
    project.edit("twinstore.toml", "sqlite://.twinstore/registry.db", registry);
    project
}

fn read() -> Value {
    let entities = json!({"dest": ["LAX"], "tailnum": ["N338AA"]});
    json!({"service": "late_arrival", "entities": entities, "request": {"distance": [2475]}})
}

#[test]
fn a_project_does_with_a_registry_on_a_server_what_it_does_with_a_file() {
    let server = PostgresServer::start();
    let project = at(&url(&server, "postgres", "flights"));
    // Who only reads makes nothing.
    project.ok("plan");
    assert_eq!(server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'flights'"), "0");
    project.ok("apply");
    project.ok("backfill --all");
    let in_a_file = Project::loaded();
    assert_eq!(project.answer(), in_a_file.answer());
    assert_eq!(project.ok("registry list"), in_a_file.ok("registry list"));
    assert!(!project.path(".twinstore/registry.db").exists());
    for words in ["verify --deep", "doctor", "lineage late_arrival", "slo", "online verify"] {
        project.ok(words);
    }
    assert_eq!(project.training_set(), in_a_file.training_set());
    project.ok("deprecate airport_arrivals@1 --sunset 2100-01-01 --reason old");
    project.ok("token create scoring");
    let audit = project.ok("audit");
    says(&audit, &[" deprecate ", "used by backfill", "scoring"]);
    // Another project in the same database.
    let other = at(&url(&server, "postgres", "others"));
    let nothing = other.run("registry list");
    assert!(!nothing.stdout.contains("late_arrival"), "{}", nothing.stdout);
    other.ok("apply");
    assert!(!other.ok("audit").contains(" deprecate "));
    // Somebody else's hand in the tables is seen.
    server.sql("UPDATE flights.definitions SET body = replace(body, 'airport_arrivals', 'airport_arrivalt')");
    let refused = project.run("registry list");
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    says(
        &refused.stderr,
        &["the registry postgres://", "is damaged (it holds other definitions", "from a backup"],
    );
}

#[test]
fn of_processes_that_change_a_registry_at_once_each_comes_in_turn_and_the_audit_log_is_whole() {
    let server = PostgresServer::start();
    let mut stale = 0;
    for round in 0..4 {
        let registry = url(&server, "postgres", &format!("round_{round}"));
        let [one, two] = [at(&registry), at(&registry)];
        two.edit("features/flights.yaml", "name: late_arrival", "name: late_landing");
        let begun = [(&one, "apply"), (&two, "apply"), (&one, "token create a"), (&two, "token create b")];
        let running = begun.map(|(project, words)| {
            project.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        });
        let [first, second, tokens @ ..] = running.map(|child| Done::of(child.wait_with_output().unwrap()));
        for done in tokens {
            assert_eq!(done.code, Some(0), "round {round}: {}", done.stderr);
        }
        assert!(first.code == Some(0) || second.code == Some(0), "{} {}", first.stderr, second.stderr);
        for lost in [first, second].iter().filter(|done| done.code != Some(0)) {
            says(&lost.stderr, &["the registry changed since", "again"]);
            stale += 1;
        }
        // Whoever was refused applies again, and then both are there.
        one.ok("apply");
        two.ok("apply");
        says(&one.ok("registry list"), &["late_arrival@1", "late_landing@1"]);
        one.ok("verify");
        let numbers = "SELECT count(*) = max(entry), count(DISTINCT hash) = count(*) FROM";
        assert_eq!(server.sql(&format!("{numbers} round_{round}.audit")), "t|t");
        let generations = "SELECT count(*) = max(generation) FROM";
        assert_eq!(server.sql(&format!("{generations} round_{round}.applies")), "t");
    }
    println!("{stale} of 4 were refused");
}

#[test]
fn a_server_answers_while_the_registry_is_away_and_follows_it_again() {
    let mut server = PostgresServer::start();
    let project = at(&url(&server, "postgres", "flights"));
    project.ok("apply");
    project.ok("backfill --all");
    let serving = Server::start(&project);
    assert_eq!(serving.post("/v1/features", &read()).0, 200);
    says(&serving.get("/health"), &["\"SERVING\""]);
    server.stop();
    eventually("it says so", || {
        let began = Instant::now();
        assert_eq!(serving.post("/v1/features", &read()).0, 200);
        assert!(began.elapsed() < BEARABLE, "a read took {:?}", began.elapsed());
        let health = serving.get("/health");
        health.contains("200 OK")
            && health.contains("DEGRADED")
            && health.contains("see that the server runs")
    });
    let began = Instant::now();
    let refused = project.run("apply");
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(began.elapsed() < BEARABLE, "{:?}", began.elapsed());
    says(&refused.stderr, &["the registry postgres://", "see that the server runs, then run this again"]);
    server.start_again();
    eventually("it follows again", || serving.get("/health").contains("\"SERVING\""));
    project.ok("deprecate airport_arrivals@1 --sunset 2100-01-05 --reason old");
    let changed = Instant::now();
    let sunset = || serving.head_of("/v1/features", &read().to_string()).contains("05 Jan 2100");
    eventually("it takes the change on", sunset);
    println!("followed within {:?}", changed.elapsed());
    project.ok("verify");
    says(&project.ok("audit"), &["used by serve", " deprecate "]);
    let (code, said) = serving.terminate();
    assert_eq!(code, Some(0), "{said}");
    says(&said, &["the registry cannot be followed"]);
}

#[test]
fn a_wrong_password_and_a_missing_database_are_one_sentence_each_without_the_password() {
    let server = PostgresServer::start();
    let guarded = url(&server, "guarded:wr0ng", "flights");
    let missing = url(&server, "postgres:wr0ng", "flights").replace("/ops?", "/nowhere?");
    for (registry, said) in [
        (guarded, "password authentication failed for user \"guarded\": see its user and password"),
        (missing, "database \"nowhere\" does not exist: create it, or name another"),
        (format!("{}?schema=No", server.url("postgres:wr0ng")), "its schema is not a name"),
    ] {
        let project = at(&registry);
        for words in ["plan", "apply", "registry list"] {
            let done = project.run(words);
            assert_eq!(done.code, Some(1), "{words}: {}{}", done.stdout, done.stderr);
            let all = format!("{}{}", done.stdout, done.stderr);
            assert_eq!(all.matches(said).count(), 1, "{words}: {all}");
            assert!(!all.contains("wr0ng"), "{words}: {all}");
        }
    }
    // The password of the environment, and rights that are missing.
    let project = at(&url(&server, "guarded", "flights"));
    let with_password =
        |words: &str| Done::of(project.command(words).env("PGPASSWORD", "s3cret").output().unwrap());
    let refused = with_password("apply");
    assert_eq!(refused.code, Some(1));
    says(&refused.stderr, &["permission denied", "give its user the right to do so"]);
    server.sql("CREATE SCHEMA flights AUTHORIZATION guarded");
    assert_eq!(with_password("apply").code, Some(0));
}

#[test]
fn a_writer_that_does_not_end_is_waited_for_and_then_named() {
    let server = PostgresServer::start();
    let project = at(&url(&server, "postgres", "flights"));
    project.ok("apply");
    let mut holding = server.session();
    let lock = "BEGIN; SELECT pg_advisory_xact_lock(1953982830, hashtext('flights'));\n";
    std::io::Write::write_all(holding.stdin.as_mut().unwrap(), lock.as_bytes()).unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
    eventually("the lock is taken", || server.sql(held) == "1");
    let refused = project.run("deprecate airport_arrivals@1 --sunset 2100-01-05 --reason old");
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    says(&refused.stderr, &["waiting for the registry postgres://", "for more than 10s", "run this again"]);
    // Who reads does not wait.
    project.ok("registry list");
    drop(holding.stdin.take());
    assert!(holding.wait().unwrap().success());
    project.ok("deprecate airport_arrivals@1 --sunset 2100-01-05 --reason old");
}
