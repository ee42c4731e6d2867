//! The files of spines, as functions of any bytes. None may panic, and none may take memory out of proportion to what it
//! was given: the scenarios run them over seeds and their mutations, and the programs under `fuzz/` over what a fuzzer
//! finds.
#![expect(clippy::unwrap_used, reason = "what is wrong here ends the program that looks for it")]

use std::fs;

use feature::fuzzing::Target;
use feature::{Field, ServicePlan};
use tempfile::TempDir;

use crate::{Spine, read_file};

/// What is read here: its name, and the function, which says whether the bytes were what it reads.
pub const TARGETS: [Target; 3] = [
    ("spine_parquet", |data| spine("spine.parquet", data)),
    ("spine_csv", |data| spine("spine.csv", data)),
    ("spine_arrow", |data| spine("spine.arrow", data)),
];

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().unwrap();
}

/// A service that needs columns of most types, and gives none.
fn plan() -> ServicePlan {
    let field = |(name, data_type): (&str, &str)| Field {
        name: name.parse().unwrap(),
        data_type: data_type.parse().unwrap(),
    };
    ServicePlan {
        id: "service@1".parse().unwrap(),
        hash: String::new(),
        keys: [("text", "string"), ("small", "int32"), ("flag", "bool")].map(field).into(),
        request: [("amount", "float64"), ("sizes", "list<float32>")].map(field).into(),
        lookups: Vec::new(),
        computations: Vec::new(),
        outputs: Vec::new(),
    }
}

/// Checked as a training set begins, and read to its end.
fn spine(name: &str, data: &[u8]) -> bool {
    FOLDER.with(|folder| {
        let path = folder.path().join(name);
        fs::write(&path, data).unwrap();
        let is_spine = Spine::read(&path, "at", &plan()).is_ok();
        let _ = read_file(&path);
        is_spine
    })
}
