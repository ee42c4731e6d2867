//! The online store on disk damaged: reads refuse or are right, a rebuild repairs it, and a server goes on.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::project::{GET, Project, TRAINING, says};
use crate::served::Server;

const DATA: &str = ".twinstore/online/data.mdb";
const LOCK: &str = ".twinstore/online/lock.mdb";
const PAGE: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(60);

/// Files under the name that a damaged one is put aside under.
fn put_aside(project: &Project) -> usize {
    let folder = fs::read_dir(project.path(".twinstore/online")).unwrap();
    let is_aside = |name: &str| name.starts_with("data.mdb.damaged-");
    folder.filter(|entry| is_aside(entry.as_ref().unwrap().file_name().to_str().unwrap())).count()
}

#[test]
fn a_read_of_a_damaged_store_names_the_file_or_is_right_and_a_rebuild_brings_the_same_answers() {
    let project = Project::loaded();
    let right = project.ok(GET);
    let sound = fs::read(project.path(DATA)).unwrap();
    let pages = sound.len() / PAGE;
    let with = |damage: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = sound.clone();
        damage(&mut bytes);
        bytes
    };
    let damages: [(&str, bool, Vec<u8>); 8] = [
        ("emptied", true, Vec::new()),
        ("halved", true, with(&|bytes| bytes.truncate(bytes.len() / 2))),
        ("one page shorter", false, with(&|bytes| bytes.truncate(bytes.len() - PAGE))),
        ("garbage", true, b"no store ".repeat(5000)),
        ("zeroed", true, vec![0; sound.len()]),
        ("its first page zeroed", true, with(&|bytes| bytes[..PAGE].fill(0))),
        ("a page in the middle zeroed", false, with(&|bytes| bytes[pages / 2 * PAGE..][..PAGE].fill(0))),
        ("a bit of its first page flipped", true, with(&|bytes| bytes[20] ^= 1)),
    ];
    for (what, is_seen, bytes) in damages {
        let aside = put_aside(&project);
        project.write(DATA, &bytes);
        let read = project.run(GET);
        match read.code {
            Some(0) => assert!(!is_seen && read.stdout == right, "{what}: {}", read.stdout),
            code => {
                assert_eq!(code, Some(1), "{what}: {}", read.stderr);
                says(&read.stderr, &["data.mdb is damaged (", "twinstore online rebuild"]);
                says(&project.refused("serve"), &["data.mdb is damaged ("]);
            }
        }
        project.ok("online rebuild");
        assert_eq!(project.ok(GET), right, "{what}");
        assert_eq!(put_aside(&project), aside + usize::from(read.code != Some(0)), "{what}");
        project.ok("online verify");
    }
    fs::remove_file(project.path(LOCK)).unwrap();
    assert_eq!(project.ok(GET), right);
    fs::remove_file(project.path(DATA)).unwrap();
    says(&project.run(GET).stderr, &["it is missing", "twinstore online rebuild"]);
    // All views are written again, whichever are named.
    project.ok("online rebuild airport_arrivals@1");
    assert_eq!(project.ok(GET), right);
}

/// Whether a whole packed row begins here: what LMDB left lying about may only look like one.
fn is_row(bytes: &[u8]) -> bool {
    let Some(length) = bytes.get(4..8).filter(|_| bytes.starts_with(b"tw\x01")) else { return false };
    let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
    let row = bytes.get(..length).and_then(|row| row.split_last_chunk::<4>());
    row.is_some_and(|(row, checksum)| crc32fast::hash(row) == u32::from_le_bytes(*checksum))
}

/// Flips a bit in every row of the store, where it lies. Gives how many.
pub(crate) fn flip_rows(project: &Project) -> usize {
    let mut bytes = fs::read(project.path(DATA)).unwrap();
    let begins: Vec<usize> = (0..bytes.len()).filter(|at| is_row(&bytes[*at..])).collect();
    for at in &begins {
        // In its time: a read of latest values alone would not see it.
        bytes[at + 17] ^= 1;
    }
    let file = fs::OpenOptions::new().write(true).open(project.path(DATA)).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
    begins.len()
}

#[test]
fn damaged_rows_are_refused_by_view_and_key_and_a_rebuild_in_place_mends_them() {
    let project = Project::loaded();
    let right = project.ok(GET);
    assert!(flip_rows(&project) > 10);
    says(
        &project.refused(GET),
        &["the online row of ", " under the key ", "is damaged (", "twinstore online rebuild "],
    );
    says(&project.refused("online verify"), &[" rows of the online store are damaged"]);
    project.ok("online rebuild");
    assert_eq!(put_aside(&project), 0);
    assert_eq!(project.ok(GET), right);
    project.ok("online verify");
}

const BODY: &str = r#"{"service": "late_arrival", "entities": {"dest": ["LAX"], "tailnum": ["N338AA"]},
    "request": {"distance": [2475]}, "at": "2013-06-08T01:00:00Z"}"#;

#[test]
fn verify_names_a_store_that_cannot_be_opened_and_a_training_set_a_log_that_is_gone() {
    let project = Project::loaded();
    let file = project.path(".twinstore/online/data.mdb");
    let whole = fs::read(&file).unwrap();
    for cut in [whole.len() / 3, 0] {
        fs::write(&file, &whole[..cut]).unwrap();
        let verified = project.run("verify --deep");
        assert_eq!(verified.code, Some(1), "{cut}: {}", verified.stdout);
        says(&(verified.stdout + &verified.stderr), &["data.mdb", "online store"]);
    }
    fs::write(&file, &whole).unwrap();
    project.ok("verify --deep");
    fs::remove_dir_all(project.path(".twinstore/offline/log/airport_arrivals/v1")).unwrap();
    let refused = project.refused(&format!("{TRAINING} out.csv"));
    says(&refused, &["airport_arrivals@1", "log"]);
    assert!(!refused.contains("has no history"), "{refused}");
}

fn columns(answer: &Value) -> Value {
    answer["columns"].clone()
}

#[test]
fn a_server_refuses_damaged_rows_counts_them_and_answers_again_after_a_rebuild() {
    let project = Project::loaded();
    project.write("twinstore.toml", "serve.hot_bytes = 0\n");
    let server = Server::start(&project);
    let body: Value = serde_json::from_str(BODY).unwrap();
    let (status, right) = server.post("/v1/features", &body);
    assert_eq!(status, 200, "{right}");
    flip_rows(&project);
    let (status, refusal) = server.post("/v1/features", &body);
    assert_eq!(status, 500, "{refusal}");
    says(&refusal.to_string(), &["is damaged (", "rebuild the "]);
    assert!(server.get("/metrics").contains("twinstore_serve_damaged_rows_total 1\n"));
    project.ok("online rebuild");
    let answer = server.waits_for(&body, |status, _| status == 200);
    assert_eq!(columns(&answer), columns(&right));
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_server_survives_that_its_file_is_cut_and_takes_on_the_rebuilt_one() {
    let project = Project::loaded();
    project.write("twinstore.toml", "serve.hot_bytes = 0\n");
    let server = Server::start(&project);
    let body: Value = serde_json::from_str(BODY).unwrap();
    let (status, right) = server.post("/v1/features", &body);
    assert_eq!(status, 200, "{right}");
    let file = fs::OpenOptions::new().write(true).open(project.path(DATA)).unwrap();
    file.set_len(2 * PAGE as u64).unwrap();
    let (status, answer) = server.post("/v1/features", &body);
    // What was read before may be known still.
    assert!(status == 503 || columns(&answer) == columns(&right), "{status} {answer}");
    project.ok("online rebuild");
    let answer = server.waits_for(&body, |status, _| status == 200);
    assert_eq!(columns(&answer), columns(&right));
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn readers_never_see_a_gap_while_all_rows_are_written_again() {
    let project = Project::loaded();
    project.write("twinstore.toml", "serve.hot_bytes = 0\n");
    let server = Arc::new(Server::start(&project));
    let body: Value = serde_json::from_str(BODY).unwrap();
    let right = columns(&server.post("/v1/features", &body).1);
    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let reading = thread::spawn({
        let (server, stop, seen, body, right) =
            (server.clone(), stop.clone(), seen.clone(), body.clone(), right.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                let (status, answer) = server.post("/v1/features", &body);
                assert_eq!((status, &columns(&answer)), (200, &right));
                seen.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for _ in 0..3 {
        let before = seen.load(Ordering::Relaxed);
        let rebuilt = project.json("online rebuild");
        assert!(rebuilt["views"].as_array().is_some_and(|views| views.len() > 1), "{rebuilt}");
        let began = Instant::now();
        while seen.load(Ordering::Relaxed) < before + 5 {
            assert!(began.elapsed() < PATIENCE);
            thread::yield_now();
        }
    }
    stop.store(true, Ordering::Relaxed);
    reading.join().unwrap();
    assert_eq!(Arc::into_inner(server).unwrap().terminate().0, Some(0));
}
