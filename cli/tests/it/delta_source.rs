//! A Delta table as a source, written here by hand as its protocol says, one line an action.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::landings::{Landing, batch, landing, write_parquet};
use crate::project::{Project, says};
use crate::stored;

pub const TABLE_ID: &str = "0b5c1d7e-0000-4000-8000-000000000001";
pub const LOG: &str = ".twinstore/offline/log/airport_arrivals/v1";

/// The sample with a Delta table as its source.
pub struct DeltaProject {
    pub project: Project,
    pub table: PathBuf,
    pub version: u64,
}

impl DeltaProject {
    pub fn new(rows: &[Landing]) -> Self {
        let project = Project::sample();
        project.edit("features/flights.yaml", "data/landings.parquet", "data/table");
        project.without_ttl();
        project.ok("apply");
        let table = project.path("data/table");
        let mut delta = Self { project, table, version: 0 };
        let added = delta.add("a.parquet", rows, true);
        delta.create(TABLE_ID, &[added]);
        delta
    }

    /// Commits a new table with these files.
    fn create(&mut self, id: &str, files: &[Value]) {
        let protocol = json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}});
        self.commit(&[&[protocol, Self::metadata(id)], files].concat());
    }

    /// The action that describes the table.
    pub fn metadata(id: &str) -> Value {
        let types = [
            ("flight_id", "long"),
            ("landed_at", "timestamp"),
            ("tailnum", "string"),
            ("origin", "string"),
            ("dest", "string"),
            ("arr_delay", "float"),
            ("air_time", "float"),
            ("distance", "integer"),
        ];
        let fields =
            types.map(|(name, ty)| json!({"name": name, "type": ty, "nullable": true, "metadata": {}}));
        let schema = json!({"type": "struct", "fields": fields}).to_string();
        let format = json!({"provider": "parquet", "options": {}});
        json!({"metaData": {"id": id, "format": format, "schemaString": schema, "partitionColumns": [],
            "configuration": {}, "createdTime": 0}})
    }

    /// Drops the table and writes another one under its path: one commit for each of these files.
    pub fn rewrite_again(&mut self, files: &[&[Landing]]) {
        fs::remove_dir_all(&self.table).unwrap();
        self.version = 0;
        self.create("0b5c1d7e-0000-4000-8000-000000000002", &[]);
        for (number, rows) in files.iter().enumerate() {
            let added = self.add(&format!("new_{number}.parquet"), rows, true);
            self.commit(&[added]);
        }
    }

    /// Writes a data file. Gives the action that adds it.
    pub fn add(&self, name: &str, rows: &[Landing], changes: bool) -> Value {
        let size = write_parquet(&self.table.join(name), &batch(rows));
        json!({"add": {"path": name, "partitionValues": {}, "size": size,
            "modificationTime": 0, "dataChange": changes}})
    }

    pub fn commit(&mut self, actions: &[Value]) {
        let log = self.table.join("_delta_log");
        fs::create_dir_all(&log).unwrap();
        let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
        fs::write(log.join(format!("{:020}.json", self.version)), lines.join("\n")).unwrap();
        self.version += 1;
    }

    /// How many rows a command loads.
    pub fn loads(&self, command: &str) -> u64 {
        self.project.json(command)["views"][0]["rows_loaded"].as_u64().unwrap()
    }

    fn positions(&self) -> Vec<(i64, i64, i64)> {
        stored::positions(&stored::rows(&self.project.path(LOG)))
    }
}

fn remove(name: &str, changes: bool) -> Value {
    json!({"remove": {"path": name, "deletionTimestamp": 0, "dataChange": changes}})
}

pub const BACKFILL: &str = "backfill airport_arrivals@1";
pub const MATERIALIZE: &str = "materialize airport_arrivals@1";

#[test]
fn a_table_is_loaded_and_then_what_its_commits_add() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0), landing(2, 1, 2.0)]);
    assert_eq!(delta.loads(BACKFILL), 2);
    assert_eq!((delta.loads(BACKFILL), delta.loads(MATERIALIZE)), (0, 0));
    let added = delta.add("0.parquet", &[landing(3, 2, 3.0)], true);
    delta.commit(&[added]);
    assert_eq!(delta.loads(MATERIALIZE), 1);
    assert_eq!(delta.positions(), [(0, 0, 0), (0, 0, 1), (0, 1, 0)]);
    let rows = stored::rows(&delta.project.path(LOG));
    assert_eq!(rows[2]["_provenance"], "measured");
}

#[test]
fn of_rows_that_happened_at_once_the_later_commits_is_the_latest_however_they_are_loaded() {
    // Paths in another order than commits.
    let names = ["z.parquet", "c.parquet", "b.parquet", "y.parquet"];
    for loaded_first in 0..=names.len() {
        let mut delta = DeltaProject::new(&[landing(1, 0, 1.0)]);
        for (number, name) in names.iter().enumerate() {
            if number == loaded_first {
                delta.project.ok(BACKFILL);
            }
            let added = delta.add(name, &[landing(1, 0, number as f32 + 2.0)], true);
            delta.commit(&[added]);
        }
        delta.project.ok(BACKFILL);
        let get = "get late_arrival dest=LAX tailnum=N1 distance=1";
        let read = &delta.project.json(get)["features"]["dest_last_delay"];
        assert_eq!(read["value"], 5.0, "{loaded_first} commits were loaded before the others");
    }
}

#[test]
fn a_commit_that_changes_no_data_is_passed_over() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0)]);
    let added = delta.add("b.parquet", &[landing(2, 1, 2.0)], true);
    delta.commit(&[added]);
    assert_eq!(delta.loads(BACKFILL), 2);
    let compacted = delta.add("c.parquet", &[landing(1, 0, 1.0), landing(2, 1, 2.0)], false);
    delta.commit(&[remove("a.parquet", false), remove("b.parquet", false), compacted]);
    assert_eq!(delta.loads(MATERIALIZE), 0);
    let added = delta.add("d.parquet", &[landing(3, 2, 3.0)], true);
    delta.commit(&[added]);
    assert_eq!(delta.loads(MATERIALIZE), 1);
    assert_eq!(delta.positions(), [(0, 0, 0), (0, 1, 0), (0, 2, 0)]);
}

#[test]
fn a_commit_that_removes_loaded_rows_is_refused_naming_its_version() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0)]);
    delta.project.ok(BACKFILL);
    delta.commit(&[remove("a.parquet", true)]);
    for command in [MATERIALIZE, BACKFILL] {
        let message = delta.project.refused(command);
        says(&message, &["version 1 of the Delta table", "data/table` removes rows", "airport_arrivals@2"]);
    }
    assert_eq!(delta.positions(), [(0, 0, 0)]);
}

#[test]
fn a_table_without_rows_is_backfilled_and_its_first_rows_are_materialized() {
    let mut delta = DeltaProject::new(&[]);
    delta.rewrite_again(&[]);
    says(&delta.project.refused(MATERIALIZE), &["never backfilled"]);
    assert_eq!((delta.loads(BACKFILL), delta.loads(MATERIALIZE)), (0, 0));
    let added = delta.add("b.parquet", &[landing(2, 1, 2.0)], true);
    delta.commit(&[added]);
    assert_eq!(delta.loads(MATERIALIZE), 1);
}

#[test]
fn what_was_removed_before_the_first_load_was_never_there() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0)]);
    let added = delta.add("b.parquet", &[landing(2, 1, 2.0)], true);
    delta.commit(&[remove("a.parquet", true), added]);
    assert_eq!(delta.loads(BACKFILL), 1);
}

/// A part of a table's history leaves its files to be gone on with, also beside newer versions.
#[test]
fn parts_of_a_table_give_what_the_whole_gives() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0), landing(2, 10, 2.0)]);
    assert_eq!(delta.loads(&format!("{BACKFILL} --to 2013-06-08T00:00:05Z")), 1);
    let added = delta.add("0.parquet", &[landing(3, 2, 3.0), landing(4, 12, 4.0)], true);
    delta.commit(&[added]);
    assert_eq!(delta.loads(&format!("{BACKFILL} --from 2013-06-08T00:00:05Z")), 2);
    assert_eq!(delta.loads(BACKFILL), 1);
    assert_eq!(delta.positions(), [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]);
}

#[test]
fn a_part_goes_on_with_its_files_when_they_were_compacted_meanwhile() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0), landing(2, 10, 2.0)]);
    assert_eq!(delta.loads(&format!("{BACKFILL} --to 2013-06-08T00:00:05Z")), 1);
    let compacted = delta.add("c.parquet", &[landing(1, 0, 1.0), landing(2, 10, 2.0)], false);
    delta.commit(&[remove("a.parquet", false), compacted]);
    assert_eq!(delta.loads(BACKFILL), 1);
    assert_eq!(delta.positions(), [(0, 0, 0), (0, 0, 1)]);
}

/// OPTIMIZE, then VACUUM: the rows of files are in another, and the files are gone.
pub fn rewrite(delta: &mut DeltaProject, before: &[&str], after: &str, rows: &[Landing]) {
    let added = delta.add(after, rows, false);
    let removed = before.iter().map(|name| remove(name, false));
    delta.commit(&removed.chain([added]).collect::<Vec<_>>());
    before.iter().for_each(|name| fs::remove_file(delta.table.join(name)).unwrap());
}

#[test]
fn new_rows_that_were_rewritten_together_with_loaded_ones_before_a_load_are_loaded_once() {
    // Rows of which two are equal in all that the view reads.
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0), landing(2, 1, 2.0), landing(3, 1, 2.0)]);
    assert_eq!(delta.loads(BACKFILL), 3);
    let added = delta.add("b.parquet", &[landing(4, 1, 2.0), landing(5, 3, 5.0)], true);
    delta.commit(&[added]);
    let all =
        [(5, 3, 5.0), (3, 1, 2.0), (1, 0, 1.0), (4, 1, 2.0), (2, 1, 2.0)].map(|(a, b, c)| landing(a, b, c));
    rewrite(&mut delta, &["a.parquet", "b.parquet"], "c.parquet", &all);
    assert_eq!(delta.loads(MATERIALIZE), 2);
    assert_eq!(delta.positions(), [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 0), (0, 1, 4)]);
    assert_eq!((delta.loads(MATERIALIZE), delta.loads(BACKFILL)), (0, 0));
    // The same once more, from the file of which two rows are loaded.
    let added = delta.add("d.parquet", &[landing(6, 4, 6.0)], true);
    delta.commit(&[added]);
    rewrite(&mut delta, &["d.parquet"], "e.parquet", &[landing(6, 4, 6.0)]);
    rewrite(
        &mut delta,
        &["c.parquet", "e.parquet"],
        "f.parquet",
        &[&all[..], &[landing(6, 4, 6.0)]].concat(),
    );
    assert_eq!(delta.loads(MATERIALIZE), 1);
    assert_eq!(delta.positions().last(), Some(&(0, 2, 5)));
}

#[test]
fn a_part_goes_on_from_the_file_into_which_its_files_were_rewritten() {
    let rows = [landing(1, 0, 1.0), landing(2, 10, 2.0)];
    let mut delta = DeltaProject::new(&rows);
    assert_eq!(delta.loads(&format!("{BACKFILL} --to 2013-06-08T00:00:05Z")), 1);
    rewrite(&mut delta, &["a.parquet"], "c.parquet", &rows);
    assert_eq!(delta.loads(BACKFILL), 1);
    assert_eq!(delta.positions(), [(0, 0, 0), (0, 1, 1)]);
}

#[test]
fn rows_that_lie_nowhere_any_more_are_named() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0)]);
    delta.project.ok(BACKFILL);
    let added = delta.add("b.parquet", &[landing(2, 1, 2.0)], true);
    delta.commit(&[added]);
    fs::remove_file(delta.table.join("b.parquet")).unwrap();
    says(
        &delta.project.refused(MATERIALIZE),
        &["data/table`: its file `b.parquet`", "is gone", "restore it"],
    );
}

#[test]
fn loads_of_a_table_beside_each_other_load_each_version_once() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0)]);
    delta.project.ok("backfill --all");
    for number in 1..4 {
        let add = delta.add(&format!("{number}.parquet"), &[landing(number + 1, number, 1.0)], true);
        delta.commit(&[add]);
        let load = || delta.project.command("materialize airport_arrivals@1").spawn().unwrap();
        for started in [load(), load(), load()] {
            started.wait_with_output().unwrap();
        }
        delta.loads("materialize airport_arrivals@1");
        assert_eq!(delta.positions(), (0..=number).map(|file| (0, file, 0)).collect::<Vec<_>>());
    }
}

#[test]
fn a_project_is_made_for_a_table() {
    let mut delta = DeltaProject::new(&[landing(1, 0, 1.0), landing(2, 1, 2.0)]);
    let added = delta.add("b.parquet", &[landing(3, 2, 3.0)], true);
    delta.commit(&[added]);
    let reported = delta.project.ok("init made --from data/table --key tailnum");
    says(&reported, &["source `table` from `", "entity `tailnum` by `tailnum`, event time from `landed_at`"]);
    delta.project.ok("--project made apply");
    assert_eq!(delta.loads("--project made backfill --all"), 3);
    says(&delta.project.ok("--project made get tailnum_features tailnum=N1"), &["arr_delay", "PRESENT"]);
}

#[test]
fn a_source_whose_commits_are_lost_empty_or_cut_is_refused_by_the_name_of_the_file() {
    let mut source = DeltaProject::new(&[landing(1, 0, 5.0)]);
    source.project.ok("backfill airport_arrivals@1");
    for (id, name) in [(2, "b.parquet"), (3, "c.parquet")] {
        let added = source.add(name, &[landing(id, 0, 5.0)], true);
        source.commit(&[added]);
    }
    let log = source.table.join("_delta_log");
    for version in 0..3 {
        let name = format!("{version:020}.json");
        let original = fs::read(log.join(&name)).unwrap();
        for bytes in [None, Some(0), Some(original.len() / 2)] {
            match bytes {
                Some(bytes) => fs::write(log.join(&name), &original[..bytes]).unwrap(),
                None if version == 2 => continue,
                None => fs::remove_file(log.join(&name)).unwrap(),
            }
            says(&source.project.refused("materialize airport_arrivals@1"), &[&name, "is damaged"]);
            fs::write(log.join(&name), &original).unwrap();
        }
    }
    assert_eq!(source.loads("materialize airport_arrivals@1"), 2);
    // What was loaded says how far the source reached.
    fs::remove_file(log.join("00000000000000000002.json")).unwrap();
    says(
        &source.project.refused("materialize airport_arrivals@1"),
        &["ends with version 1", "version 2 was loaded", "restore its `_delta_log`", "airport_arrivals@2"],
    );
}
