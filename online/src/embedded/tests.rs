//! The embedded store keeps the contract of all online stores, and what was acknowledged survives
//! whatever happens to a process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::*;
use crate::contract::{Sample, key, read, wait_for, write};
use crate::mending::Mender;
use crate::packed::PackedRow;
use crate::store::{Followed, Outcome, RowWrite, Writer};
use crate::{contract_tests, mending_tests};

fn empty() -> (TempDir, Embedded) {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    (folder, store)
}

mod contract {
    super::contract_tests!(super::empty());
    super::mending_tests!(super::empty());
}

#[test]
fn a_store_is_opened_as_often_as_one_likes() {
    let (folder, store) = empty();
    let sample = Sample::new();
    let row = sample.row(Some(1), &[]);
    let again = Embedded::open(&folder.path().join(".")).unwrap();
    wait_for(write(&store, &sample.view.id, &key("a"), &row));
    assert_eq!(wait_for(read(&again, &sample.view.id, &key("a"))), Some(row.clone()));
    drop((store, again));
    let reopened = Embedded::open(folder.path()).unwrap();
    assert_eq!(wait_for(read(&reopened, &sample.view.id, &key("a"))), Some(row));
}

#[test]
fn many_threads_open_close_and_read_one_store() {
    let (folder, store) = empty();
    let sample = Sample::new();
    let row = sample.row(Some(1), &[]);
    wait_for(write(&store, &sample.view.id, &key("a"), &row));
    drop(store);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let store = Embedded::open(folder.path()).unwrap();
                    assert_eq!(wait_for(read(&store, &sample.view.id, &key("a"))), Some(row.clone()));
                }
            });
        }
    });
}

#[test]
fn a_store_is_closed_while_threads_that_read_it_end() {
    let (folder, store) = empty();
    let view = Sample::new().view.id;
    drop(store);
    for _ in 0..1500 {
        let store = Embedded::open(folder.path()).unwrap();
        let have_read = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let store = store.clone();
                let (view, have_read) = (&view, &have_read);
                scope.spawn(move || {
                    assert_eq!(wait_for(read(&store, view, &key("a"))), None);
                    drop(store);
                    have_read.fetch_add(1, Ordering::Relaxed);
                });
            }
            while have_read.load(Ordering::Relaxed) < 8 {
                std::hint::spin_loop();
            }
            // The last one to have it closes it.
            drop(store);
        });
    }
}

#[test]
fn a_store_of_a_newer_format_and_files_that_are_no_store_are_refused() {
    let (folder, store) = empty();
    let Opened { environment, .. } = store.opened().unwrap();
    let mut txn = environment.write_txn().unwrap();
    environment.about.put(&mut txn, b"format", &9_u32.to_le_bytes()).unwrap();
    txn.commit().unwrap();
    drop((store, environment));
    let refusal = Embedded::open(folder.path()).unwrap_err();
    assert!(matches!(refusal, OnlineError::Newer { found: 9, known: 3, .. }), "{refusal}");

    let other = TempDir::new().unwrap();
    std::fs::write(other.path().join("data.mdb"), "no store".repeat(4000)).unwrap();
    let refusal = Embedded::open(other.path()).unwrap_err();
    assert!(matches!(refusal, OnlineError::DamagedFile { .. }), "{refusal}");

    let file = other.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refusal = Embedded::open(&file.join("below")).unwrap_err();
    assert!(matches!(refusal, OnlineError::Unusable { .. }), "{refusal}");
}

#[test]
fn a_drop_that_was_cut_short_is_finished_by_the_next() {
    let (_folder, store) = empty();
    let sample = Sample::new();
    wait_for(write(&store, &sample.view.id, &key("a"), &sample.row(Some(1), &[])));
    let opened = store.opened().unwrap();
    let environment = &opened.environment;
    let mut txn = environment.write_txn().unwrap();
    let number = opened.record(&txn, &sample.view.id).unwrap().unwrap().number.to_be_bytes();
    environment.views.delete(&mut txn, sample.view.id.to_string().as_bytes()).unwrap();
    environment.dropped.put(&mut txn, &number, &sealed(&number, &[])).unwrap();
    environment.commit(txn).unwrap();
    wait_for(write(&store, &sample.view.id, &key("b"), &sample.row(Some(1), &[])));
    assert_eq!(wait_for(read(&store, &sample.view.id, &key("a"))), None);
    wait_for(store.drop_view(&"other@1".parse().unwrap())).unwrap();
    let txn = environment.env.read_txn().unwrap();
    assert_eq!(environment.rows.len(&txn).unwrap(), 1);
    assert!(environment.dropped.is_empty(&txn).unwrap());
}

#[test]
fn a_reader_sees_all_of_a_write_or_nothing_of_it() {
    let (_folder, store) = empty();
    let sample = Sample::new();
    let keys = ENTITIES.map(|n| key(&n.to_string()));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while seen < 100 {
                let offsets = offsets(&store, &sample);
                assert!(offsets.iter().all(|offset| *offset == offsets[0]), "{offsets:?}");
                assert!(offsets[0] >= Some(seen) || seen == 0);
                seen = offsets[0].unwrap_or(0);
            }
        });
        for offset in 0..=100 {
            write_all(&store, &sample, &keys, offset).unwrap();
        }
        reader.join().unwrap();
    });
}

const ENTITIES: [u32; 20] = {
    let mut entities = [0; 20];
    let mut n = 0;
    while n < 20 {
        entities[n] = n as u32;
        n += 1;
    }
    entities
};

fn write_all(
    store: &Embedded,
    sample: &Sample,
    keys: &[EntityKey],
    offset: u64,
) -> Result<Vec<Outcome>, OnlineError> {
    let row = sample.row_with(None, &[(0, offset)], &"x".repeat(1000));
    let rows: Vec<RowWrite<'_>> = keys.iter().map(|key| RowWrite { key, bytes: &row }).collect();
    wait_for(store.replace(&sample.view.id, &rows, None))
}

/// The offset that each entity's row has folded; every row is whole.
fn offsets(store: &Embedded, sample: &Sample) -> Vec<Option<u64>> {
    let keys = ENTITIES.map(|n| key(&n.to_string()));
    let found = wait_for(store.read(&[Read { view: &sample.view.id, keys: &keys }])).unwrap();
    let offset = |bytes: &[u8]| {
        let row = PackedRow::new(&sample.layout, bytes).unwrap();
        row.verify().unwrap();
        row.positions().unwrap().partitions()[0].1
    };
    found[0].rows().map(|row| row.map(offset)).collect()
}

const CHILD: &str = "TWINSTORE_TEST_WRITER";

/// Run by the tests below in a process of its own: writes on and on, and says what is acknowledged.
#[test]
fn a_writer_that_other_tests_start() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let store = Embedded::open(Path::new(&folder)).unwrap();
    let sample = Sample::new();
    let keys = ENTITIES.map(|n| key(&n.to_string()));
    let from = offsets(&store, &sample)[0].map_or(0, |offset| offset + 1);
    for offset in from.. {
        match write_all(&store, &sample, &keys, offset) {
            Ok(_) => println!("\nacknowledged {offset}"),
            Err(error) => {
                println!("\nfailed {error}");
                return;
            }
        }
    }
}

struct Writing {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Writing {
    /// Starts the writer above, through a shell that first runs `before`.
    fn start(folder: &Path, before: &str) -> Writing {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("{before} exec \"$0\" \"$@\""))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "embedded::tests::a_writer_that_other_tests_start", "--nocapture"])
            .env(CHILD, folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Writing { child, lines }
    }

    /// The next line that begins so, without its beginning; none when the writer has ended.
    fn next(&mut self, beginning: &str) -> Option<String> {
        self.lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix(beginning)?.to_owned()))
    }

    fn acknowledged(&mut self) -> Option<u64> {
        self.next("acknowledged ").map(|offset| offset.parse().unwrap())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_what_was_last_acknowledged() {
    let folder = TempDir::new().unwrap();
    let sample = Sample::new();
    let mut last = 0;
    // `CASES=17` kills it a hundred times.
    let cases = std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1);
    for round in (0..6).cycle().take(6 * cases) {
        let mut writer = Writing::start(folder.path(), "");
        for _ in 0..=round * 7 {
            last = writer.acknowledged().unwrap();
        }
        writer.child.kill().unwrap();
        while let Some(offset) = writer.acknowledged() {
            last = offset;
        }
        drop(writer);
        let store = Embedded::open(folder.path()).unwrap();
        let offsets = offsets(&store, &sample);
        assert!(offsets.iter().all(|offset| *offset == offsets[0]), "{offsets:?}");
        // One write more may have been made, and not yet said.
        assert!((last..=last + 1).contains(&offsets[0].unwrap()), "{last} {offsets:?}");
    }
}

#[test]
fn two_processes_share_a_store() {
    let (folder, store) = empty();
    let sample = Sample::new();
    let mut writer = Writing::start(folder.path(), "");
    for _ in 0..20 {
        let acknowledged = writer.acknowledged().unwrap();
        let offsets = offsets(&store, &sample);
        assert!(offsets.iter().all(|offset| *offset >= Some(acknowledged)), "{acknowledged} {offsets:?}");
    }
    // The other writer is far ahead by now, or soon will be: an older row changes nothing.
    let outcomes = write_all(&store, &sample, &[key("0")], 3).unwrap();
    assert_eq!(outcomes, [Outcome::Unchanged]);
}

#[test]
fn a_full_disk_is_said_and_leaves_what_was_there() {
    let folder = TempDir::new().unwrap();
    let sample = Sample::new();
    // A limit on the size of files stands for a full disk.
    let mut writer = Writing::start(folder.path(), "trap '' XFSZ; ulimit -f 300;");
    let mut last = None;
    let mut failed = None;
    while let Some(line) = writer.next("") {
        if let Some(offset) = line.strip_prefix("acknowledged ") {
            last = Some(offset.parse::<u64>().unwrap());
        }
        failed = failed.or(line.strip_prefix("failed ").map(str::to_owned));
    }
    drop(writer);
    let failed = failed.unwrap();
    assert!(failed.contains("no space left"), "{failed}");
    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(offsets(&store, &sample)[0], last);
    write_all(&store, &sample, &[key("0")], 1 << 40).unwrap();
}

#[test]
fn a_purged_store_has_no_byte_of_removed_rows_and_all_others_while_another_opening_reads_and_writes() {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let sample = Sample::new();
    let view = sample.view.id.clone();
    let name = |number: u32| format!("entity-number-{number:05}");
    let rows: Vec<_> = (0..500).map(|number| (key(&name(number)), sample.row(Some(1), &[]))).collect();
    let writes: Vec<RowWrite<'_>> = rows.iter().map(|(key, bytes)| RowWrite { key, bytes }).collect();
    wait_for(store.replace(&view, &writes, None)).unwrap();
    let mark = store.changed(None).unwrap().unwrap().mark;
    let gone: Vec<_> = rows.iter().step_by(50).cloned().collect();
    assert_eq!(wait_for(store.remove(&view, &gone)).unwrap(), 10);
    let holds = |number: u32| {
        let bytes = std::fs::read(folder.path().join("data.mdb")).unwrap();
        bytes.windows(name(number).len()).any(|window| window == name(number).as_bytes())
    };
    assert!(holds(0) && holds(1));
    let other = store.clone();
    store.purge().unwrap();
    assert!((0..500).step_by(50).all(|number| !holds(number)) && holds(1));
    let keys = [key(&name(0)), key(&name(1))];
    let found = wait_for(other.read(&[Read { view: &view, keys: &keys }])).unwrap();
    assert_eq!((found[0].row(0), found[0].row(1)), (None, Some(rows[1].1.as_slice())));
    let late = key("late");
    wait_for(write(&other, &view, &late, &sample.row(Some(2), &[])));
    assert_eq!(wait_for(store.stats(&view)).unwrap().rows, 491);
    let changed = store.changed(Some(mark)).unwrap().unwrap();
    assert!(changed.changes.contains(&Change::Everything), "{changed:?}");
    assert_eq!(store.verify().unwrap(), 0);
}

#[test]
fn a_store_whose_purge_was_cut_off_goes_on_with_the_copy() {
    let folder = TempDir::new().unwrap();
    let sample = Sample::new();
    let view = sample.view.id.clone();
    let row = sample.row(Some(1), &[]);
    {
        let store = Embedded::open(folder.path()).unwrap();
        wait_for(write(&store, &view, &key("a"), &row));
    }
    let in_folder = |name: &str| folder.path().join(name);
    std::fs::rename(in_folder("data.mdb"), in_folder("data.mdb.whole")).unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(wait_for(read(&store, &view, &key("a"))), Some(row));
    assert!(!in_folder("data.mdb.whole").exists());
    store.purge().unwrap();
    assert_eq!(wait_for(store.stats(&view)).unwrap().rows, 1);
}
