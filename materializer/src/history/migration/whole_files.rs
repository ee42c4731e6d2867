//! Files of a backfill by dates against what the view expects of each as a whole, before the first date is read. A file that
//! is not as expected stops it, since its rows would come into the log with those of other files, date by date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use feature::Micros;
use offline::{Forgotten, Log};
use roaring::RoaringTreemap;
use transform::ViewTransform;

use crate::blocking;
use crate::error::MaterializerError;
use crate::history::batch_checks::{self, Compared, EarlierFiles};
use crate::history::batch_source::BatchSource;
use crate::history::event_range::EventRange;
use crate::history::file_validator::FileValidator;
use crate::history::files_to_load::FileToLoad;
use crate::history::quarantine;
use crate::history::repeats::Repeats;
use crate::materializer::Target;
use crate::rows::counts::add_counts;

/// What files are validated by as wholes.
pub(super) struct WholeFiles<'a> {
    pub(super) target: &'a Target,
    pub(super) transform: &'a ViewTransform,
    pub(super) log: &'a Log,
    pub(super) batch_source: &'a Arc<dyn BatchSource>,
    pub(super) forgotten: &'a Arc<Forgotten>,
    pub(super) stream_start: Option<Micros>,
    pub(super) range: EventRange,
    pub(super) started_at: Micros,
    /// Whether they were checked when the backfill began.
    pub(super) were_checked: bool,
}

impl WholeFiles<'_> {
    /// Reads all files. Gives by their numbers which of their rows repeat others, and are refused; `warned` counts the rows
    /// of which the view only warns. Refused are all files that would be quarantined.
    pub(super) async fn check(
        &self,
        files: &[FileToLoad],
        warned: &mut BTreeMap<String, u64>,
    ) -> Result<BTreeMap<u32, Repeats>, MaterializerError> {
        let view = self.target.view.as_ref();
        let mut repeats = BTreeMap::new();
        let has_checks = !view.batches.expectations.is_empty();
        let mixed = files.iter().filter(|file| !file.not_loaded.is_empty() && !self.were_checked);
        let mut unexpected: Vec<String> = mixed
            .map(|file| format!("`{}`: {}", file.file.name, quarantine::mixed(&file.not_loaded)))
            .collect();
        if !unexpected.is_empty() {
            return Err(MaterializerError::FilesNotAsExpected { view: view.id.clone(), files: unexpected });
        }
        if !has_checks || (self.were_checked && !batch_checks::refuses_repeats(view)) {
            return Ok(repeats);
        }
        let own = files.iter().flat_map(|file| file.counted_in.iter().copied().chain([file.number]));
        let own: BTreeSet<u32> = own.collect();
        let mut earlier = EarlierFiles::default();
        for file in files {
            let validator = self.validator(file);
            let (batch_source, opened) = (Arc::clone(self.batch_source), file.file.clone());
            let read = move || {
                let columns = validator.transform.input().to_vec();
                batch_checks::read(batch_source.open(&columns, &opened, None)?, &validator)
            };
            let mut checked = blocking::run(read).await??;
            checked.forget_failing_rows();
            checked.find_in(&earlier);
            let compared = Compared { view, log: self.log, uncommitted: &[&earlier.hours], own: &own };
            let verdict = checked.verdict(compared).await?;
            if !self.were_checked && !verdict.reasons.is_empty() {
                let why = verdict.reasons.join(", ");
                unexpected.push(format!("`{}`: {why}", file.file.name));
                continue;
            }
            if !self.were_checked {
                add_counts(warned, verdict.warned);
            }
            repeats.insert(file.number, checked.repeats(view));
            earlier.add(checked);
        }
        match unexpected.is_empty() {
            true => Ok(repeats),
            false => Err(MaterializerError::FilesNotAsExpected { view: view.id.clone(), files: unexpected }),
        }
    }

    fn validator(&self, file: &FileToLoad) -> FileValidator {
        FileValidator {
            target: self.target.clone(),
            transform: self.transform.clone(),
            forgotten: Arc::clone(self.forgotten),
            origin: file.file.name.clone(),
            number: file.number,
            known: RoaringTreemap::new(),
            expired_before: None,
            repeats: Repeats::default(),
            started_at: self.started_at,
            range: self.range,
            without: None,
            dates: None,
            stream_start: self.stream_start,
            is_first: false,
            is_history: true,
        }
    }
}
