//! Sources and disks that fail: named, and nothing of theirs is half there.

use std::path::PathBuf;
use std::process::Command;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;

use crate::landings::{batch, landing, write_parquet};
use crate::project::{Done, GET, Project, TRAINING, says};
use crate::stored;

#[test]
fn a_file_that_is_not_whole_is_named_and_loads_nothing() {
    let project = Project::applied();
    let whole = std::fs::read(project.path("data/landings.parquet")).unwrap();
    for length in [0, 3, whole.len() / 2, whole.len() - 1] {
        project.write("data/landings.parquet", &whole[..length]);
        let message = refused_load(&project, "backfill airport_arrivals@1");
        says(
            &message,
            &["airport_arrivals@1: ", "data/landings.parquet`", "no whole Parquet file", "copy it again"],
        );
    }
    project.write("data/landings.parquet", whole);
    project.ok("backfill --all");
}

#[test]
fn a_file_whose_pages_are_damaged_is_named_and_loads_nothing() {
    let project = Project::applied();
    let mut bytes = std::fs::read(project.path("data/landings.parquet")).unwrap();
    let pages = 4..bytes.len() / 2;
    bytes[pages].fill(0xEE);
    project.write("data/landings.parquet", bytes);
    let message = refused_load(&project, "backfill airport_arrivals@1");
    says(&message, &["data/landings.parquet`", "no whole Parquet file"]);
}

#[test]
fn a_file_whose_columns_differ_from_the_definition_is_refused_naming_both() {
    let project = Project::applied();
    let good = batch(&[landing(1, 0, 5.0)]);
    let without = |name: &str| {
        let kept = (0..good.num_columns()).filter(|n| good.schema().field(*n).name() != name);
        good.project(&kept.collect::<Vec<_>>()).unwrap()
    };
    write_parquet(&project.path("data/landings.parquet"), &without("arr_delay"));
    says(
        &refused_load(&project, "backfill airport_arrivals@1"),
        &["data/landings.parquet`: the file has no column `arr_delay`"],
    );
    project.write("data/landings.parquet", std::fs::read(project.path("data/departures.parquet")).unwrap());
    says(
        &refused_load(&project, "backfill airport_arrivals@1"),
        &["no column `landed_at`", "no column `arr_delay`"],
    );
    let renamed = Project::sample();
    renamed.edit("features/flights.yaml", "arr_delay: float32", "arr_delay: {type: float32, column: total}");
    let problem = "data/landings.parquet`: the file has no column `total`";
    says(&renamed.ok("plan"), &[problem]);
    renamed.ok("apply");
    let message = refused_load(&renamed, "backfill airport_arrivals@1");
    says(&message, &[problem]);
    assert!(!message.contains('\0') && !message.contains("arr_delay"), "{message:?}");
    let other = Project::sample();
    let wider = arrow::compute::cast(good.column_by_name("arr_delay").unwrap(), &DataType::Float64).unwrap();
    let schema = good.schema();
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        "arr_delay" => ("arr_delay".to_owned(), wider.clone()),
        name => (name.to_owned(), good.column_by_name(name).unwrap().clone()),
    });
    write_parquet(
        &other.path("data/landings.parquet"),
        &RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap(),
    );
    other.ok("apply");
    says(
        &refused_load(&other, "backfill airport_arrivals@1"),
        &["the column `arr_delay` is declared float32, and the file holds float64"],
    );
}

#[test]
fn a_source_that_is_not_there_is_named_with_its_path() {
    let project = Project::sample();
    let cases = [
        ("data/nowhere/", "there is no such file or folder in ."),
        ("data/nowhere/*.parquet", "leads to no Parquet, CSV or JSON file"),
        ("s3://bucket/landings/", "this build reads local files"),
    ];
    for (path, why) in cases {
        project.edit("features/flights.yaml", "path: data/landings.parquet", &format!("path: \"{path}\""));
        project.ok("apply");
        says(&refused_load(&project, "backfill airport_arrivals@1"), &["the source `landings`", path, why]);
        project.edit("features/flights.yaml", &format!("path: \"{path}\""), "path: data/landings.parquet");
    }
    says(&project.refused("backfill airport_arivals@1"), &["did you mean `airport_arrivals@1`?"]);
    says(
        &project.refused("backfill --all --from 2013-06-02 --to 2013-06-01"),
        &["--from 2013-06-02T00:00:00Z does not lie before --to 2013-06-01T00:00:00Z"],
    );
}

/// A load that is refused, and that left no row in the log.
fn refused_load(project: &Project, words: &str) -> String {
    let message = project.refused(words);
    assert!(stored::rows(&project.path(".twinstore/offline/log/airport_arrivals/v1")).is_empty());
    message
}

#[test]
fn a_full_disk_leaves_no_partial_training_set_and_an_older_one_as_it_was() {
    let project = Project::loaded();
    project.write("out.csv", "older\n");
    let full = with_full_disk(&project, &format!("{TRAINING} out.csv"), 200);
    assert_eq!(full.code, Some(1), "{}", full.stderr);
    says(&full.stderr, &["out.csv`", "File too large"]);
    assert_eq!(project.read("out.csv"), "older\n");
    let is_partial = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "partial");
    let left: Vec<_> = project.state().into_keys().filter(is_partial).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_disk_without_space_for_the_registry_is_what_the_message_is_about() {
    let project = Project::sample();
    for command in ["apply", "apply"] {
        let full = with_full_disk(&project, command, 8);
        assert_eq!(full.code, Some(1), "{}", full.stderr);
        says(&full.stderr, &[".twinstore/registry.db failed to", "see that its disk has space"]);
    }
    project.ok("apply");
}

#[test]
fn a_disk_that_is_full_during_a_load_is_named_and_the_load_can_be_repeated() {
    let whole = Project::loaded();
    for blocks in [1, 8, 32, 64, 128] {
        let project = Project::applied();
        let full = with_full_disk(&project, "backfill --all", blocks);
        assert_eq!(full.code, Some(1), "{blocks} blocks: {}", full.stderr);
        says(&full.stderr, &["error: "]);
        assert!(!full.stderr.contains("panicked"), "{}", full.stderr);
        project.ok("backfill --all");
        assert_eq!(project.ok(GET), whole.ok(GET), "{blocks} blocks");
        assert_eq!(project.training_set(), whole.training_set(), "{blocks} blocks");
    }
}

/// Runs a command that can write no file beyond some blocks of 512 bytes, as on a full disk.
fn with_full_disk(project: &Project, words: &str, blocks: u32) -> Done {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {words}");
    let binary = env!("CARGO_BIN_EXE_twinstore");
    Done::of(Command::new("sh").args(["-c", &script, binary]).current_dir(project.path("")).output().unwrap())
}

#[test]
fn a_store_whose_disk_is_full_is_named_in_a_sentence_and_loads_all_once_there_is_space() {
    let whole = Project::loaded();
    let sizes = [("offline", 16), ("offline", 64), ("offline", 128), ("online", 16), ("online", 64)];
    for (store, kilobytes) in sizes {
        let project = Project::applied();
        let disk = format!(".twinstore/{store}");
        std::fs::create_dir_all(project.path(&disk)).unwrap();
        // The disk is there for these commands alone, so all that is compared is written elsewhere.
        let script = format!(
            "mount -t tmpfs -o size={kilobytes}k tmpfs {disk} || exit 99
             $0 backfill --all 2> reported; echo $? > ended
             mount -o remount,size=64m {disk} || exit 99
             $0 backfill --all > again && $0 {GET} > read && $0 {TRAINING} training.csv > summary"
        );
        let binary = env!("CARGO_BIN_EXE_twinstore");
        let mut own_mounts = Command::new("unshare");
        own_mounts.args(["--map-root-user", "--mount", "sh", "-c", &script, binary]);
        let done = Done::of(own_mounts.current_dir(project.path("")).output().unwrap());
        assert_ne!(done.code, Some(99), "this test mounts a tmpfs: run it as root\n{}", done.stderr);
        assert_eq!(done.code, Some(0), "`unshare --map-root-user --mount` has to work\n{}", done.stderr);
        let reported = project.read("reported");
        assert_eq!(project.read("ended"), "1\n", "{store} of {kilobytes}k: {reported}");
        // Two views are loaded side by side: either may be the first to find no space.
        let named = if store == "offline" { "the disk of the table `" } else { "the online store at" };
        says(&reported, &["error: ", named, "has no space left", "free some space and run this again"]);
        assert!(!reported.contains("panicked") && !reported.contains("WARN"), "{reported}");
        assert_eq!(project.read("read"), whole.ok(GET), "{store} of {kilobytes}k");
        assert_eq!(project.read("training.csv"), whole.training_set(), "{store} of {kilobytes}k");
    }
}
