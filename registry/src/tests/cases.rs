//! Each `cases/NAME.yaml` is read beside `cases/base.yaml`, and gives exactly the problems of
//! `cases/NAME.expected`, or none where that file is empty. `UPDATE_CASES=1` writes what is found.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

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

proptest! {
    #[test]
    fn text_that_was_cut_and_pasted_anywhere_gives_problems_with_lines_of_the_file(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, "[ -~\n]{0,6}"), 1..6),
    ) {
        let mut text = BASE.to_owned();
        for (at, length, instead) in cuts {
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            text.replace_range(start..end, &instead);
        }
        let lines = u32::try_from(text.lines().count()).unwrap() + 1;
        if let Err(problems) = Definitions::of([("features/base.yaml", text.as_str())], &Registered::default()) {
            prop_assert!(!problems.is_empty());
            for problem in problems.iter() {
                prop_assert!((1..=lines).contains(&problem.at.line), "{problem}");
                prop_assert!(!problem.message.contains('\n'), "{problem}");
            }
        }
    }
}
