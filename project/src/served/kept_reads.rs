//! The sample of what servers answered, as it lies on disk: an answer on each line, with the positions that it folds, what
//! came of its comparison with the log, and a checksum. A file for each hour and process, kept for a day.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use feature::{Answer, Cell, EntityKey, Micros, Name, Opening, Span, Status, Times, Value, VersionId, View};
use files::unless_gone;
use online::Positions;
use read::json::{AsJson, from_json};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::comparing::{Answered, DIFFERS};
use super::kept_line::{self, Line};

/// How long a sample is kept, in hours.
const KEPT_HOURS: i64 = 24;
/// Bytes of one file; what is more in an hour is not kept.
const MOST_BYTES: u64 = 32 << 20;

/// One answer of the sample.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptRead {
    at: String,
    service: VersionId,
    pub(super) view: VersionId,
    /// The semantic hash of the view.
    hash: String,
    entity: BTreeMap<Name, Json>,
    positions: Option<KeptPositions>,
    event_time: Option<String>,
    features: BTreeMap<Name, KeptCell>,
    /// The opening of the view's breaker by which it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opening: Option<Opening>,
    outcome: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptPositions {
    history: Option<u64>,
    partitions: Vec<(u32, u64)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptCell {
    value: Json,
    status: Status,
}

impl KeptRead {
    /// An answer as it is kept.
    pub(super) fn new(service: &VersionId, view: &View, one: &Answered, outcome: &str) -> Self {
        let json = |value: &Value| serde_json::to_value(AsJson(value)).unwrap_or(Json::Null);
        let keys = one.key.decode(&view.keys).unwrap_or_default();
        let cells = one.features.iter().zip(&one.answer.cells).filter_map(|(index, cell)| {
            let kept = KeptCell { value: json(&cell.value), status: cell.status };
            Some((view.features.get(*index)?.name.clone(), kept))
        });
        Self {
            at: one.at.to_string(),
            service: service.clone(),
            view: view.id.clone(),
            hash: view.hash.clone(),
            entity: view.keys.iter().map(|key| key.name.clone()).zip(keys.iter().map(json)).collect(),
            positions: one.positions.as_ref().map(|positions| KeptPositions {
                history: positions.history(),
                partitions: positions.partitions().to_vec(),
            }),
            event_time: one.answer.times.map(|times| times.event_time.to_string()),
            features: cells.collect(),
            opening: one.opening.clone(),
            outcome: outcome.to_owned(),
        }
    }

    /// The answer again; `None` if it is not of this definition of the view.
    pub(super) fn answered(&self, view: &View) -> Option<Answered> {
        if self.hash != view.hash {
            return None;
        }
        let keys = view.keys.iter().map(|key| from_json(self.entity.get(&key.name)?, key.data_type).ok());
        let key = EntityKey::encode(&view.keys, &keys.collect::<Option<Vec<Value>>>()?).ok()?;
        let (mut features, mut cells) = (Vec::new(), Vec::new());
        for (name, kept) in &self.features {
            let index = view.feature(name.as_str())?;
            let value = from_json(&kept.value, view.features.get(index)?.data_type).ok()?;
            features.push(index);
            cells.push(Cell { value, status: kept.status });
        }
        let at: Micros = self.at.parse().ok()?;
        let event_time: Option<Micros> =
            self.event_time.as_ref().map(|text| text.parse()).transpose().ok()?;
        // Whoever compares answers looks at event times alone.
        let times = event_time.map(|event_time| Times { event_time, available_at: event_time });
        let positions = self.positions.as_ref().map(KeptPositions::positions);
        let (answer, opening) = (Answer { cells, times }, self.opening.clone());
        Some(Answered { key, at, positions, features, answer, opening })
    }
}

impl KeptPositions {
    fn positions(&self) -> Positions {
        let mut positions = Positions::default();
        self.history.into_iter().for_each(|version| positions.set_history(version));
        for (partition, offset) in &self.partitions {
            positions.note(feature::Position::Stream { partition: *partition, offset: *offset });
        }
        positions
    }
}

/// Adds answers to the file of this hour, and removes files of hours that are no longer kept.
pub(super) fn add(folder: &Path, reads: &[KeptRead], now: Micros) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let hour = now.floor(Span::HOUR) / Span::HOUR.micros();
    let path = folder.join(format!("{hour}-{}.jsonl", std::process::id()));
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    let bytes = file.metadata()?.len();
    let mut lines = Vec::new();
    for read in reads {
        kept_line::write(&mut lines, read)?;
    }
    if bytes + lines.len() as u64 <= MOST_BYTES {
        file.write_all(&lines)?;
    }
    if bytes == 0 { remove_old(folder, hour - KEPT_HOURS) } else { Ok(()) }
}

fn remove_old(folder: &Path, before: i64) -> io::Result<()> {
    for file in files(folder)? {
        if hour_of(&file).is_some_and(|hour| hour < before) {
            unless_gone(fs::remove_file(file))?;
        }
    }
    Ok(())
}

/// Answers of one view that differ.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct DifferingReads {
    /// Answers that were compared.
    pub(crate) compared: u64,
    /// Of these, answers that are not what the log gives.
    pub(crate) differing: u64,
}

/// What came of the answers from a moment on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct ComparedReads {
    /// By view.
    pub(crate) by_view: BTreeMap<VersionId, DifferingReads>,
    /// The lines of the same hours that are not as they were written.
    pub(crate) damaged: Vec<DamagedLine>,
}

/// A line that is not as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DamagedLine {
    file: PathBuf,
    /// From 1.
    line: usize,
}

impl fmt::Display for DamagedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line } = self;
        write!(
            f,
            "`{}`: the served answer on line {line} is not as it was written, and is left out",
            file.display()
        )
    }
}

/// What came of the answers from a moment on, by view.
pub(crate) fn compared_since(folder: &Path, since: Micros) -> io::Result<ComparedReads> {
    let first = since.floor(Span::HOUR) / Span::HOUR.micros();
    let mut compared = ComparedReads::default();
    for path in files(folder)?.iter().filter(|path| hour_of(path).is_some_and(|hour| hour >= first)) {
        let kept = read_file(path)?;
        compared.damaged.extend(kept.damaged);
        for read in kept.reads {
            if read.at.parse::<Micros>().is_ok_and(|at| at >= since) {
                let of_view = compared.by_view.entry(read.view).or_default();
                of_view.compared += 1;
                of_view.differing += u64::from(read.outcome == DIFFERS);
            }
        }
    }
    Ok(compared)
}

/// Removes the answers of which this holds, or only counts them; gives how many there are, and of how many it holds. Of a
/// damaged one it may hold, so that is removed with them. A server may add answers meanwhile.
pub(crate) fn forget(folder: &Path, removes: bool, is_one: impl Fn(&[u8]) -> bool) -> io::Result<(u64, u64)> {
    let (mut answers, mut found) = (0, 0);
    for path in files(folder)? {
        let Some(bytes) = unless_gone(fs::read(&path))? else { continue };
        let lines = || bytes.split_inclusive(|byte| *byte == b'\n');
        let is_one = |line: &[u8]| match kept_line::read::<Json>(line) {
            Line::Empty => false,
            Line::Answer(_) => is_one(kept_line::json(line)),
            // What a server is just writing is whole with the next look.
            Line::Damaged => line.ends_with(b"\n") || is_one(kept_line::json(line)),
        };
        let of_entity = lines().filter(|line| is_one(line)).count() as u64;
        answers += lines().filter(|line| !line.trim_ascii().is_empty()).count() as u64;
        found += of_entity;
        if removes && of_entity > 0 {
            clear(&path, &bytes, &is_one)?;
        }
    }
    Ok((answers, found))
}

/// Writes spaces over lines where they lie: a server has the file open, and adds others behind them.
fn clear(path: &Path, bytes: &[u8], is_one: &impl Fn(&[u8]) -> bool) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if is_one(line) {
            file.write_all_at(&vec![b' '; line.trim_ascii_end().len()], at)?;
        }
        at += line.len() as u64;
    }
    file.sync_all()
}

/// What files of the sample hold.
#[derive(Default)]
pub(super) struct KeptReads {
    /// The answers, the oldest file first.
    pub(super) reads: Vec<KeptRead>,
    pub(super) damaged: Vec<DamagedLine>,
}

/// Every answer that is kept.
pub(super) fn read_all(folder: &Path) -> io::Result<KeptReads> {
    let mut all = KeptReads::default();
    for path in files(folder)? {
        let KeptReads { reads, damaged } = read_file(&path)?;
        all.reads.extend(reads);
        all.damaged.extend(damaged);
    }
    Ok(all)
}

/// The answers of a file. The end of one that was cut short, or is just being written, is left out.
fn read_file(path: &Path) -> io::Result<KeptReads> {
    let mut bytes = Vec::new();
    let Some(file) = unless_gone(File::open(path))? else { return Ok(KeptReads::default()) };
    // No server writes more than it keeps: what is behind that is not read.
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(read_lines(&bytes, path))
}

fn read_lines(bytes: &[u8], path: &Path) -> KeptReads {
    let mut kept = KeptReads::default();
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match kept_line::read(line) {
            Line::Answer(read) => kept.reads.push(read),
            Line::Damaged if line.ends_with(b"\n") => {
                kept.damaged.push(DamagedLine { file: path.to_owned(), line: index + 1 });
            }
            Line::Empty | Line::Damaged => {}
        }
    }
    kept
}

/// Whether any bytes are kept answers; each is read as one of a view with every type and function.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzed_reads(data: &[u8]) -> bool {
    let view = View { hash: "abc".to_owned(), ..feature::oracle::History::generate(0, 0).view };
    let KeptReads { reads, .. } = read_lines(data, Path::new("fuzzed"));
    reads.iter().filter(|read| read.answered(&view).is_some()).count() > 0
}

/// The files of a folder by hour; none where there is no folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let paths: io::Result<Vec<PathBuf>> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths: Vec<PathBuf> = paths?.into_iter().filter(|path| hour_of(path).is_some()).collect();
    paths.sort_by_key(|path| hour_of(path));
    Ok(paths)
}

/// The hour of a file, counted from 1970.
fn hour_of(path: &Path) -> Option<i64> {
    path.file_name()?.to_str()?.strip_suffix(".jsonl")?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use feature::oracle::{self, History};
    use feature::{AsOf, OpenAnswer, Position};

    use super::*;

    #[test]
    fn an_answer_of_every_type_is_read_back_as_it_was_and_not_of_another_definition() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::generate(11, 40);
        let view = View { hash: "abc".to_owned(), ..history.view.clone() };
        let at: Micros = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut positions = Positions::default();
        positions.set_history(4);
        positions.note(Position::Stream { partition: 3, offset: 9 });
        let opening = Opening {
            features: Vec::new(),
            number: 3,
            view: view.id.clone(),
            answers: OpenAnswer::LastKnownGood,
            from: at,
            until: None,
            good_until: at,
        };
        let answered: Vec<Answered> = history
            .entities
            .iter()
            .map(|(keys, rows)| Answered {
                key: EntityKey::encode(&view.keys, keys).unwrap(),
                at,
                positions: Some(positions.clone()).filter(|_| !rows.is_empty()),
                features: (0..view.features.len()).collect(),
                answer: oracle::answer(&view, rows, at, AsOf::Event),
                opening: Some(opening.clone()).filter(|_| rows.len() % 2 == 0),
            })
            .collect();
        let service: VersionId = "s@1".parse().unwrap();
        let kept: Vec<KeptRead> =
            answered.iter().map(|one| KeptRead::new(&service, &view, one, "same")).collect();
        add(folder.path(), &kept, at).unwrap();
        let KeptReads { reads: read, damaged } = read_all(folder.path()).unwrap();
        assert_eq!((read.len(), damaged), (answered.len(), Vec::new()));
        for (read, one) in read.iter().zip(&answered) {
            let again = read.answered(&view).unwrap();
            let cells = |one: &Answered| -> BTreeMap<usize, Cell> {
                one.features.iter().copied().zip(one.answer.cells.iter().cloned()).collect()
            };
            assert_eq!((cells(&again), &again.key, again.at), (cells(one), &one.key, one.at));
            assert_eq!((again.positions, again.opening), (one.positions.clone(), one.opening.clone()));
            assert!(read.answered(&history.view).is_none());
        }
        // What a write left that was cut short within a character is left out alone.
        let file = files(folder.path()).unwrap().remove(0);
        let whole = fs::read(&file).unwrap();
        fs::write(&file, [whole.as_slice(), b"{\"at\": \"\xc3"].concat()).unwrap();
        let cut = read_all(folder.path()).unwrap();
        assert_eq!((cut.reads.len(), cut.damaged), (answered.len(), Vec::new()));
        // An answer that is not as it was written is named, and never an answer that differs.
        let end_of_first = whole.iter().position(|byte| *byte == b'\n').unwrap();
        let outcome = whole[..end_of_first].windows(6).position(|part| part == b"\"same\"").unwrap();
        let mut flipped = whole.clone();
        flipped[outcome + 1] ^= 1;
        fs::write(&file, &flipped).unwrap();
        let damaged = vec![DamagedLine { file: file.clone(), line: 1 }];
        let found = read_all(folder.path()).unwrap();
        assert_eq!((found.reads.len(), &found.damaged), (answered.len() - 1, &damaged));
        let compared = compared_since(folder.path(), at).unwrap();
        let of_view = DifferingReads { compared: answered.len() as u64 - 1, differing: 0 };
        assert_eq!(compared.by_view, BTreeMap::from([(view.id.clone(), of_view)]));
        assert_eq!(compared.damaged, damaged);
        // It may be of any entity, so it goes when one is forgotten.
        let all = answered.len() as u64;
        assert_eq!(forget(folder.path(), true, |_| false).unwrap(), (all, 1));
        assert_eq!(forget(folder.path(), false, |_| false).unwrap(), (all - 1, 0));
        // An earlier release wrote no checksums.
        let old: Vec<u8> =
            kept.iter().flat_map(|one| [serde_json::to_vec(one).unwrap(), b"\n".to_vec()].concat()).collect();
        fs::write(&file, old).unwrap();
        let found = read_all(folder.path()).unwrap();
        assert_eq!((found.reads.len(), found.damaged), (answered.len(), Vec::new()));
        // A day and an hour later the file is gone.
        let later = at.saturating_add(Span::HOUR.times(25));
        add(folder.path(), &kept[..1], later).unwrap();
        assert_eq!(read_all(folder.path()).unwrap().reads.len(), 1);
    }
}
