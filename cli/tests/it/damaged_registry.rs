//! The registry's file damaged: every command names it and what to do, and none reads another definition.

use std::fs;
use std::time::{Duration, Instant};

use crate::project::{GET, Project, TRAINING, says};
use crate::served::Server;

const REGISTRY: &str = ".twinstore/registry.db";

/// How long a server may take to follow a change, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn every_command_names_a_damaged_registry_and_what_to_do() {
    let project = Project::loaded();
    let right = project.answer();
    let sound = fs::read(project.path(REGISTRY)).unwrap();
    let half = sound[..sound.len() / 2].to_vec();
    let damages = [("emptied", Vec::new()), ("halved", half), ("garbage", b"no registry ".repeat(3000))];
    for (what, bytes) in damages {
        for journal in ["-wal", "-shm"] {
            let _ = fs::remove_file(project.path(&format!("{REGISTRY}{journal}")));
        }
        fs::write(project.path(REGISTRY), &bytes).unwrap();
        for command in ["plan", "apply", "backfill --all", "registry list", "online rebuild", "serve", GET] {
            let done = project.run(command);
            assert_eq!(done.code, Some(1), "{what}, {command}: {}{}", done.stdout, done.stderr);
            says(&done.stderr, &["the registry's file ", "registry.db is damaged (", "twinstore apply"]);
        }
    }
    // What it says to do.
    fs::remove_file(project.path(REGISTRY)).unwrap();
    project.ok("apply --new-registry");
    assert_eq!(project.answer(), right);
}

#[test]
fn a_definition_that_reads_otherwise_is_refused_and_a_server_goes_on_with_what_it_has() {
    let project = Project::loaded();
    let server = Server::start(&project);
    project.registry(async |connection: &mut sqlx::SqliteConnection| {
        // As a flipped bit would: the semantic hash does not cover it.
        let change = "UPDATE definitions SET body = replace(body, 'airport_arrivals', 'airport_arrivalt')";
        sqlx::query(change).execute(&mut *connection).await.unwrap();
        sqlx::query("UPDATE registry SET generation = generation + 1").execute(connection).await.unwrap();
    });
    for command in ["plan", "registry list", GET] {
        let done = project.run(command);
        assert_eq!(done.code, Some(1), "{command}: {}{}", done.stdout, done.stderr);
        says(&done.stderr, &["registry.db is damaged (it holds other definitions"]);
    }
    assert!(server.get("/health").contains("200 OK"));
    let (code, said) = server.terminate();
    assert_eq!(code, Some(0), "{said}");
}

/// What becomes of the registry's files under a server.
type Damage = fn(&Project);

#[test]
fn a_registry_whose_log_is_removed_or_replaced_under_a_server_stays_sound_and_loses_nothing() {
    let damages: [(&str, Damage); 5] = [
        ("log removed", |project| fs::remove_file(project.path(".twinstore/registry.db-wal")).unwrap()),
        ("index removed", |project| fs::remove_file(project.path(".twinstore/registry.db-shm")).unwrap()),
        ("both removed", |project| {
            fs::remove_file(project.path(".twinstore/registry.db-wal")).unwrap();
            fs::remove_file(project.path(".twinstore/registry.db-shm")).unwrap();
        }),
        ("index emptied", |project| fs::write(project.path(".twinstore/registry.db-shm"), "").unwrap()),
        ("file replaced", |project| {
            fs::copy(project.path(REGISTRY), project.path("copy.db")).unwrap();
            fs::rename(project.path("copy.db"), project.path(REGISTRY)).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let project = Project::loaded();
        let server = Server::start(&project);
        let read = serde_json::json!({
            "service": "late_arrival", "entities": {"dest": ["LAX"], "tailnum": ["N1"]}, "request": {"distance": [1]}
        });
        let answers = || assert_eq!(server.post("/v1/features", &read).0, 200, "{what}");
        answers();
        damage(&project);
        for day in 1..=4 {
            answers();
            // By another process, whose change the server follows.
            let words = format!("deprecate airport_arrivals@1 --sunset 2100-01-0{day} --reason r{day}");
            project.ok(&words);
            let said = format!("0{day} Jan 2100");
            let until = Instant::now() + SOON;
            while !server.head_of("/v1/features", &read.to_string()).contains(&said) {
                assert!(Instant::now() < until, "{what}: the server does not follow the registry");
            }
        }
        let (code, said) = server.terminate();
        assert_eq!(code, Some(0), "{what}: {said}");
        // An emptied index may be made again by the other process, which the server sees as its own.
        let is_said = said.contains("was removed or replaced: the registry is opened again");
        assert!(is_said || what == "index emptied", "{what}: {said}");
        project.ok("verify");
        let audit = project.ok("audit");
        assert_eq!(audit.matches(" deprecate ").count(), 4, "{what}: {audit}");
        // The server's own changes, too.
        says(&audit, &["used by serve"]);
        let slo = project.json("slo");
        let reads = slo["objectives"][0]["reads"].as_u64().unwrap_or_default();
        assert!(reads >= 5, "{what}: {slo}");
    }
}

/// Removes the registry, with the journal that a command may have left beside it.
fn remove_registry(project: &Project) {
    fs::remove_file(project.path(REGISTRY)).unwrap();
    for file in ["-wal", "-shm"] {
        let _ = fs::remove_file(project.path(&format!("{REGISTRY}{file}")));
    }
}

#[test]
fn a_registry_that_is_registered_again_with_another_definition_of_a_loaded_version_meets_the_logs_own() {
    let project = Project::loaded();
    let right = project.answer();
    remove_registry(&project);
    let definitions = project.read("features/flights.yaml");
    let changed = definitions.replacen("mean(arr_delay)", "mean(arr_delay * 2)", 1);
    assert_ne!(changed, definitions);
    project.write("features/flights.yaml", &changed);
    project.ok("apply --new-registry");
    let commands = ["backfill --all", "materialize", "online rebuild", &format!("{TRAINING} out.parquet")];
    for words in commands {
        let done = project.run(words);
        assert_eq!(done.code, Some(1), "{words}: {}{}", done.stdout, done.stderr);
        says(&done.stderr, &["airport_arrivals@1", "rows of another definition", "new version"]);
    }
    remove_registry(&project);
    project.write("features/flights.yaml", &definitions);
    project.ok("apply --new-registry");
    project.ok("backfill --all");
    assert_eq!(project.answer(), right);
}

#[test]
fn a_registry_that_is_gone_beside_loaded_views_is_named_by_whoever_looks() {
    let project = Project::loaded();
    remove_registry(&project);
    for words in ["verify", "verify --deep", "online verify", "doctor", "apply", GET] {
        let done = project.run(words);
        assert_eq!(done.code, Some(1), "{words}: {}{}", done.stdout, done.stderr);
        says(&format!("{}{}", done.stdout, done.stderr), &["the registry is gone", "restore it from a copy"]);
    }
    // Nothing was loaded, so nothing is missed.
    Project::sample().ok("verify --deep");
}

#[test]
fn apply_begins_no_registry_beside_loaded_views_unless_it_is_said_to() {
    let project = Project::loaded();
    let right = project.answer();
    remove_registry(&project);
    let done = project.run("apply");
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    says(
        &done.stderr,
        &[
            "the registry is gone: sqlite://.twinstore/registry.db would begin again",
            "restore it from a copy",
            "no audit log, no live versions",
            "`twinstore apply --new-registry`",
        ],
    );
    assert!(!project.path(REGISTRY).exists(), "nothing was changed");
    says(&project.ok("apply --new-registry"), &["added"]);
    assert_eq!(project.answer(), right);
    says(&project.ok("apply"), &["nothing to apply"]);
    // One that was never loaded has nothing to lose.
    let project = Project::applied();
    remove_registry(&project);
    project.ok("apply");
}
