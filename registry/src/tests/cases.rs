//! Each `cases/NAME.yaml` is read beside `cases/base.yaml`, and gives exactly the problems of
//! `cases/NAME.expected`, or none where that file is empty. `UPDATE_CASES=1` writes what is found.

use std::fs;
use std::path::Path;

use super::BASE;
use crate::{Definitions, Registered};

#[test]
fn every_case_gives_exactly_its_problems() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml") && !path.ends_with("base.yaml"));
    assert!(files.len() >= 10, "the cases are in {}", folder.display());
    let mut wrong = Vec::new();
    for path in files {
        let name = format!("features/{}", path.file_name().unwrap().to_string_lossy());
        let text = fs::read_to_string(&path).unwrap();
        let files = [("features/base.yaml", BASE), (name.as_str(), text.as_str())];
        let found = match Definitions::of(files, &Registered::default()) {
            Ok(_) => String::new(),
            Err(problems) => format!("{problems}\n"),
        };
        let expected = path.with_extension("expected");
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{name} gives\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
