//! Which files of a source a load reads: those that are not loaded yet or not wholly. A file that was loaded and
//! holds something else now is refused by name, except of a static source, whose new content is a new load.

use std::collections::BTreeSet;
use std::sync::Arc;

use feature::Micros;
use futures::stream::{self, StreamExt};
use offline::{DeadLetters, Log, Marker};
use tokio::sync::OnceCell;

use super::batch_source::BatchSource;
use super::file_content::{FileContent, RecordedContent};
use super::load_report::LoadReport;
use super::loaded_files::{self, QuarantineState};
use super::mode::Mode;
use super::other_kind;
use super::source_file::SourceFile;
use crate::blocking;
use crate::error::MaterializerError;
use crate::materializer::Target;

/// Files whose content is read at a time.
const READ_AT_ONCE: usize = 4;

/// What a load reads.
pub(crate) struct FilesToLoad {
    pub(crate) files: Vec<FileToLoad>,
    /// The numbers of those that had none.
    pub(crate) numbered: Vec<Marker>,
    /// How many numbers are given with them.
    pub(crate) numbers_after: u32,
    /// The numbers and contents of those that were loaded under another name.
    pub(crate) renamed: Vec<Marker>,
    /// Fingerprints of known files that had to be read again: the next commit records them.
    pub(crate) fingerprints: Vec<Marker>,
    /// Of a Delta source that was never loaded: the version whose files these are.
    pub(crate) first_version: Option<u64>,
    /// Of a Delta source: the version up to which everything is loaded with these files.
    pub(crate) table_version: Option<u64>,
    /// Of a Delta source: the id of its table, unless it is recorded already.
    pub(crate) table_id: Option<i64>,
    /// How many of its files wait in the quarantine, or are being released.
    pub(crate) quarantined: usize,
}

/// A file that is read.
#[derive(Clone)]
pub(crate) struct FileToLoad {
    pub(crate) file: SourceFile,
    pub(crate) content: FileContent,
    pub(crate) number: u32,
    /// Whether some of its rows may be in the log already.
    pub(crate) resumes: bool,
    /// Of a file that was rewritten from others: the numbers of those that the log has rows of.
    pub(crate) counted_in: Vec<u32>,
    /// The numbers of those of which nothing is loaded, as they wait in quarantine or were dropped. Which of the file's
    /// rows are theirs is not known.
    pub(crate) not_loaded: Vec<u32>,
}

impl FileToLoad {
    /// The moment before which retention has dropped rows of it that were loaded; `None` where none was.
    pub(crate) async fn expired_before(&self, log: &Log) -> Result<Option<Micros>, MaterializerError> {
        match self.resumes || !self.counted_in.is_empty() {
            true => Ok(log.expired_before().await?),
            false => Ok(None),
        }
    }
}

impl FilesToLoad {
    /// Compares a source's files with what the log records of them. With a number, that of a quarantined file which is
    /// released is the only one to load.
    pub(crate) async fn find(
        target: &Target,
        batch_source: &Arc<dyn BatchSource>,
        log: &Log,
        dead_letters: &DeadLetters,
        (now, mode): (Micros, Mode),
        report: &mut LoadReport,
    ) -> Result<Self, MaterializerError> {
        let view = &target.view;
        let released = mode.released();
        let loaded = loaded_files::table_versions(log).await?;
        let found = batch_source.files(&view.id, loaded).await?;
        other_kind::refuse(target, log, loaded, &found).await?;
        report.files_unread = found.unread;
        let unfinished = unfinished(log, &found.files).await?;
        let is_first = loaded.whole.is_none() && loaded.first.is_none();
        let mut choice = Choice {
            target,
            batch_source,
            log,
            dead_letters,
            unfinished,
            mode,
            changed: Vec::new(),
            of_backfill: 0,
            is_table: found.table_version.is_some(),
            names: found.files.iter().map(|file| file.name.clone()).collect(),
            listed: OnceCell::new(),
            adopted: BTreeSet::new(),
            files: Self {
                files: Vec::new(),
                numbered: Vec::new(),
                numbers_after: loaded_files::numbers(log).await?,
                renamed: Vec::new(),
                fingerprints: Vec::new(),
                first_version: found.table_version.filter(|_| is_first),
                table_version: found.table_version.filter(|version| Some(*version) != loaded.whole),
                table_id: found.table_id.filter(|id| Some(*id) != loaded.id),
                quarantined: 0,
            },
        };
        let read = |file: SourceFile| async move {
            let before = loaded_files::file(log, &file.name).await?;
            // Of a release only its own file is read.
            if released.is_some() && before.map(|before| before.number) != released {
                return Ok(None);
            }
            let recorded = before.and_then(|before| before.content);
            let content = content(&file, recorded, now).await?;
            Ok::<_, MaterializerError>(Some((file, before, content)))
        };
        // Several files are read at a time, and compared in their order.
        let mut contents = stream::iter(found.files).map(read).buffered(READ_AT_ONCE);
        while let Some(read) = contents.next().await.transpose()? {
            let Some((file, before, content)) = read else { continue };
            let is_known = choice.add(file, before, content).await?;
            report.files_known += usize::from(is_known);
        }
        if !choice.changed.is_empty() {
            return Err(MaterializerError::ContentChanged { view: view.id.clone(), files: choice.changed });
        }
        report.files_waiting = choice.files.quarantined;
        report.files_of_backfill = choice.of_backfill;
        match released {
            Some(number) => Ok(choice.files.only(number, loaded_files::numbers(log).await?)),
            None => Ok(choice.files),
        }
    }

    /// The file with this number alone; nothing else of the source is recorded.
    fn only(self, number: u32, numbers_after: u32) -> Self {
        Self {
            files: self.files.into_iter().filter(|file| file.number == number).collect(),
            numbered: Vec::new(),
            numbers_after,
            renamed: Vec::new(),
            fingerprints: Vec::new(),
            first_version: None,
            table_version: None,
            table_id: None,
            quarantined: 0,
        }
    }
}

/// Whether history of the view was ever loaded. That a file has a number does not say so.
pub(crate) async fn has_history(log: &Log) -> Result<bool, MaterializerError> {
    // A first load ends also if its source has no file, as a Delta table without rows.
    Ok(loaded_files::has_first_load(log).await?
        || (loaded_files::numbers(log).await? > 0 && log.row_count() > 0))
}

/// The choice under way.
struct Choice<'a> {
    target: &'a Target,
    batch_source: &'a Arc<dyn BatchSource>,
    log: &'a Log,
    dead_letters: &'a DeadLetters,
    /// Files of which some others that hold rows of the same are not all loaded.
    unfinished: BTreeSet<BTreeSet<String>>,
    /// How they are loaded.
    mode: Mode,
    /// Loaded files that hold something else now.
    changed: Vec<String>,
    /// How many files are left to a backfill.
    of_backfill: usize,
    /// Whether the files are those of a table.
    is_table: bool,
    /// The names of all files that are there.
    names: BTreeSet<String>,
    /// The numbers that these had before.
    listed: OnceCell<BTreeSet<u32>>,
    /// The numbers of files that have another name now.
    adopted: BTreeSet<u32>,
    files: FilesToLoad,
}

/// How a file is loaded, by what the log records of it.
enum Load {
    /// Under this number, of which rows may be in the log if it resumes.
    Under {
        number: u32,
        resumes: bool,
    },
    UnderNewNumber,
    /// It was loaded under another name, and under this number.
    Renamed(u32),
    /// It is loaded already.
    Known,
    /// It was loaded, and holds something else now.
    Changed,
}

impl Choice<'_> {
    /// Adds a file, unless it is loaded already: then returns true.
    async fn add(
        &mut self,
        file: SourceFile,
        before: Option<loaded_files::LoadedFile>,
        content: FileContent,
    ) -> Result<bool, MaterializerError> {
        let recorded = before.and_then(|before| before.content);
        let load = self.load(&file, before, content).await?;
        if let (None, Load::Renamed(number) | Load::Under { number, .. }) = (before, &load) {
            self.adopted.insert(*number);
        }
        let is_undecided = |before: loaded_files::LoadedFile| match before.quarantine {
            Some(QuarantineState::Waiting) => true,
            Some(QuarantineState::Released) => !before.is_complete,
            Some(QuarantineState::Dropped | QuarantineState::ReleasedInPart) | None => false,
        };
        if matches!(load, Load::Known) && before.is_some_and(is_undecided) {
            self.files.quarantined += 1;
        }
        if self.is_left_to_backfill(&file, &load).await? {
            self.of_backfill += 1;
            return Ok(false);
        }
        let (number, resumes) = match load {
            Load::Known => {
                let recorded = recorded.and_then(|recorded| recorded.fingerprint);
                if content.fingerprint.is_some() && content.fingerprint != recorded {
                    self.files.fingerprints.push(loaded_files::fingerprint(&file, content));
                }
                return Ok(true);
            }
            Load::Changed => {
                self.changed.push(format!("`{}`", file.path.display()));
                return Ok(false);
            }
            Load::Renamed(number) => {
                tracing::info!("{} was loaded under another name", file.path.display());
                self.files.renamed.extend(loaded_files::renamed(&file, number, content));
                self.files.fingerprints.push(loaded_files::fingerprint(&file, content));
                return Ok(true);
            }
            Load::Under { number, resumes } => (number, resumes),
            Load::UnderNewNumber => {
                let number = self.files.numbers_after;
                self.files.numbers_after += 1;
                self.files.numbered.push(loaded_files::numbered(&file, number));
                let of_backfill = self.mode.is_backfill().then(|| loaded_files::of_backfill(number));
                self.files.numbered.extend(of_backfill);
                (number, false)
            }
        };
        // Before the first row of any is loaded.
        let (batch_source, checked) = (self.batch_source.clone(), file.clone());
        blocking::run(move || batch_source.check_whole(&checked)).await??;
        let counted_in = loaded_files::numbers_of(self.log, &file.replaces).await?;
        let not_loaded = loaded_files::not_loaded(self.log, &counted_in).await?;
        self.files.files.push(FileToLoad { file, content, number, resumes, counted_in, not_loaded });
        Ok(false)
    }

    /// Whether rows of a file are of the past, so that only a backfill loads them: one began it, or the files from which it was
    /// rewritten, and has not loaded all of it.
    async fn is_left_to_backfill(&self, file: &SourceFile, load: &Load) -> Result<bool, MaterializerError> {
        // The rows of these are no more of the past by a backfill than by any other load.
        if self.mode != Mode::Materialize || self.target.view.is_static || self.target.input.is_some() {
            return Ok(false);
        }
        let numbers = match load {
            Load::Under { number, .. } => vec![*number],
            Load::UnderNewNumber => loaded_files::numbers_of(self.log, &file.replaces).await?,
            Load::Renamed(_) | Load::Known | Load::Changed => Vec::new(),
        };
        for number in numbers {
            if loaded_files::is_left_by_backfill(self.log, number).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How a file that was quarantined is loaded. Other content under its name is a new file, as nothing of it is in the
    /// log, unless it was released.
    fn quarantined(&self, number: u32, state: QuarantineState, is_complete: bool, is_same: bool) -> Load {
        let is_released = self.mode.released() == Some(number);
        match state {
            // Rows of another range of event times may be in the log.
            QuarantineState::Waiting if is_same && is_released => Load::Under { number, resumes: true },
            QuarantineState::ReleasedInPart if is_same && !is_released => {
                Load::Under { number, resumes: true }
            }
            QuarantineState::Released if is_same && is_released && !is_complete => {
                Load::Under { number, resumes: true }
            }
            _ if is_same => Load::Known,
            QuarantineState::Waiting | QuarantineState::Dropped => Load::UnderNewNumber,
            QuarantineState::Released | QuarantineState::ReleasedInPart => Load::Changed,
        }
    }

    async fn load(
        &self,
        file: &SourceFile,
        before: Option<loaded_files::LoadedFile>,
        content: FileContent,
    ) -> Result<Load, MaterializerError> {
        let is_static = self.target.view.is_static;
        let Some(before) = before else { return self.new_name(file, content).await };
        let number = before.number;
        if let (Some(state), Some(recorded)) = (before.quarantine, before.content) {
            return Ok(self.quarantined(number, state, before.is_complete, content.is(recorded.hash)));
        }
        Ok(match before.content {
            Some(recorded) if content.is(recorded.hash) => {
                // If a static file's old content is back before the new one was loaded, it is in the log.
                let is_whole =
                    before.is_complete || (is_static && !loaded_files::is_begun(self.log, number).await?);
                match is_whole && !self.unfinished.contains(&file.replaces) {
                    true => Load::Known,
                    false => Load::Under { number, resumes: true },
                }
            }
            // Nothing of it is in the log: at most refused rows, perhaps of other content.
            None => match loaded_files::refused_content(self.dead_letters, number).await? {
                Some(refused) if !content.is(refused) => Load::UnderNewNumber,
                _ => Load::Under { number, resumes: false },
            },
            Some(_) if is_static => Load::UnderNewNumber,
            Some(_) => Load::Changed,
        })
    }
}

impl Choice<'_> {
    /// How a file is loaded whose name is new. If its rows are those of a file that is not there any more, it was renamed, or
    /// the source's path leads to it from another folder. A file of a table has its name for good; what a static source
    /// says again is a new load.
    async fn new_name(&self, file: &SourceFile, content: FileContent) -> Result<Load, MaterializerError> {
        if self.is_table || self.target.view.is_static {
            return Ok(Load::UnderNewNumber);
        }
        let Some(number) = loaded_files::number_of_rows(self.log, file, content).await? else {
            return Ok(Load::UnderNewNumber);
        };
        let listed = self.listed.get_or_try_init(async || {
            Ok::<_, MaterializerError>(
                loaded_files::numbers_of(self.log, &self.names).await?.into_iter().collect(),
            )
        });
        let listed: &BTreeSet<u32> = listed.await?;
        let taken = self.adopted.contains(&number) || listed.contains(&number);
        Ok(match (taken, loaded_files::is_complete(self.log, number).await?) {
            // A copy beside it is a file of its own.
            (true, _) => Load::UnderNewNumber,
            (false, true) => Load::Renamed(number),
            (false, false) => Load::Under { number, resumes: true },
        })
    }
}

/// The content of a file, found on a thread that may wait for the disk.
async fn content(
    file: &SourceFile,
    recorded: Option<RecordedContent>,
    now: Micros,
) -> Result<FileContent, MaterializerError> {
    let file = file.clone();
    blocking::run(move || FileContent::of(&file, recorded, now)).await?
}

/// Of files that hold rows of the same others, those that are not all loaded: which of them holds which rows is
/// known once all are read.
async fn unfinished(
    log: &Log,
    files: &[SourceFile],
) -> Result<BTreeSet<BTreeSet<String>>, MaterializerError> {
    let mut unfinished = BTreeSet::new();
    for file in files.iter().filter(|file| !file.replaces.is_empty()) {
        if !loaded_files::file(log, &file.name).await?.is_some_and(|before| before.is_complete) {
            unfinished.insert(file.replaces.clone());
        }
    }
    Ok(unfinished)
}
