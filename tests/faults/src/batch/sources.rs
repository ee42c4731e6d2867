//! The files that are loaded and the rows that are pushed, each row under a number of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use feature::Micros;
use feature::oracle::Numbers;
use serde_json::json;

/// Users that rows are of.
pub(crate) const USERS: u64 = 24;
/// How old rows are that a retention drops, in days.
const OLD_DAYS: i64 = 4;
/// How long a push is waited for: it may go to a server that is stopped.
const PATIENCE: Duration = Duration::from_millis(400);

/// One content of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) ids: Vec<i64>,
    pub(crate) bytes: Vec<u8>,
}

/// Everything that was ever offered to a project.
pub struct Sources {
    folder: PathBuf,
    numbers: Numbers,
    next_id: i64,
    /// When rows that are pushed begin to count.
    from: Micros,
    /// The contents that each file had, the newest last, by view.
    pub(crate) files: BTreeMap<(&'static str, PathBuf), Vec<Content>>,
    /// Rows that are older than the retention of their view keeps them: they are in its log until they are dropped.
    pub(crate) old: BTreeSet<i64>,
    /// Rows whose push was acknowledged.
    pub(crate) pushed: Vec<i64>,
    /// Rows whose push was not answered, and that may have been taken.
    pub(crate) unanswered: Vec<i64>,
    delta_version: u64,
}

impl Sources {
    /// Sources in a project's folder, without any rows yet.
    pub fn new(folder: &Path, seed: u64, from: Micros) -> Self {
        Self {
            folder: folder.to_owned(),
            numbers: Numbers::new(seed),
            next_id: 0,
            from,
            files: BTreeMap::new(),
            old: BTreeSet::new(),
            pushed: Vec::new(),
            unanswered: Vec::new(),
            delta_version: 0,
        }
    }

    /// Adds a file to each source; the static one has another content then.
    pub fn add_files(&mut self) {
        let number = self.next_id;
        self.write_file("orders", &format!("data/orders/{number:06}.parquet"), true);
        self.write_file("visits", &format!("data/visits/{number:06}.csv"), true);
        self.write_file("clicks", &format!("data/clicks/{number:06}.parquet"), false);
        self.add_delta();
        self.write_file("accounts", "data/accounts.parquet", false);
    }

    /// Replaces the newest file of a view, if it has one.
    pub fn replace_newest(&mut self, view: &'static str) {
        let newest = self.files.keys().rfind(|(of, _)| *of == view).cloned();
        if let Some((_, path)) = newest {
            self.write_file(view, &path.display().to_string(), view != "accounts");
        }
    }

    /// The same in a copied folder. What was pushed may have come too late for it.
    pub(crate) fn in_copy(&self, folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            numbers: Numbers::new(0),
            next_id: self.next_id,
            from: self.from,
            files: self.files.clone(),
            old: self.old.clone(),
            pushed: Vec::new(),
            unanswered: self.unanswered.iter().chain(&self.pushed).copied().collect(),
            delta_version: self.delta_version,
        }
    }

    /// Keeps only what lies in the folder, each file with the content that it has there; of the Delta table what
    /// its commits name.
    pub(crate) fn forget_what_is_not_there(&mut self) {
        let folder = self.folder.clone();
        let commits: String = super::findings::files(&folder.join("data/trips/_delta_log"))
            .iter()
            .map(|path| fs::read_to_string(path).unwrap_or_default())
            .collect();
        self.files.retain(|(view, path), contents| {
            let Ok(bytes) = fs::read(folder.join(path)) else { return false };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if *view == "trips" && !commits.contains(name.as_ref()) {
                return false;
            }
            let Some(at) = contents.iter().position(|content| content.bytes == bytes) else { return true };
            contents.truncate(at + 1);
            true
        });
    }

    /// Removes the newest file of a view, which is then in no source.
    pub fn remove_newest(&mut self, view: &'static str) {
        let newest = self.files.keys().rfind(|(of, _)| *of == view).cloned();
        if let Some(key) = newest {
            fs::remove_file(self.folder.join(&key.1)).unwrap();
            self.files.remove(&key);
        }
    }

    fn write_file(&mut self, view: &'static str, name: &str, may_be_bad: bool) {
        let rows = 1 + self.numbers.below(60);
        let bad = if may_be_bad && self.numbers.once_in(3) { self.numbers.below(4) } else { 0 };
        let (mut ids, batch) = self.rows(rows, bad, view);
        ids.retain(|id| !self.old.contains(id));
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // As a job does that writes beside and renames: nobody sees half a file.
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let beside = self.folder.join(format!("data/.new.{extension}"));
        offline::write_file(&beside, &batch).unwrap();
        let bytes = fs::read(&beside).unwrap();
        fs::rename(&beside, &path).unwrap();
        self.files.entry((view, PathBuf::from(name))).or_default().push(Content { ids, bytes });
    }

    /// Puts an older content of a file back.
    pub(crate) fn restore(&mut self, view: &'static str, name: &Path, content: &Content) {
        let beside = self.folder.join("data/.old");
        fs::write(&beside, &content.bytes).unwrap();
        fs::rename(&beside, self.folder.join(name)).unwrap();
        self.files.insert((view, name.to_owned()), vec![content.clone()]);
    }

    fn rows(&mut self, rows: u64, bad: u64, view: &str) -> (Vec<i64>, RecordBatch) {
        let is_static = view == "accounts";
        let ids: Vec<i64> = (self.next_id..self.next_id + rows as i64).collect();
        self.next_id += rows as i64;
        let all: Vec<i64> = ids.iter().copied().chain((0..bad).map(|row| -1 - row as i64)).collect();
        let users: Int64Array = if is_static {
            // One row for each user, so that the last load decides.
            (0..rows).map(|row| (row % USERS) as i64).collect::<Vec<_>>().into()
        } else {
            all.iter().map(|_| self.numbers.below(USERS) as i64).collect::<Vec<_>>().into()
        };
        let amounts: Float64Array =
            all.iter().map(|_| self.numbers.below(10_000) as f64 / 100.0).collect::<Vec<_>>().into();
        // Of each file the first row is new.
        let mut is_old = |row: usize| view == "clicks" && row > 0 && self.numbers.once_in(2);
        let old: Vec<bool> = (0..all.len()).map(&mut is_old).collect();
        self.old.extend(ids.iter().zip(&old).filter(|(_, is_old)| **is_old).map(|(id, _)| *id));
        let back = |is_old: &bool| if *is_old { OLD_DAYS * 86_400_000_000 } else { 0 };
        let moments: TimestampMicrosecondArray = old
            .iter()
            .map(|old| Some(self.from.get() - 1 - back(old) - self.numbers.below(3_600_000_000) as i64))
            .collect();
        let mut columns: Vec<(&str, ArrayRef)> = vec![("id", Arc::new(Int64Array::from(all)))];
        if !is_static {
            columns.push(("at", Arc::new(moments.with_timezone("UTC"))));
        }
        columns.push(("user", Arc::new(users)));
        columns.push(("amount", Arc::new(amounts)));
        (ids, RecordBatch::try_from_iter(columns).unwrap())
    }

    /// Commits a file to the Delta table, as its protocol says.
    fn add_delta(&mut self) {
        let name = format!("data/trips/{:06}.parquet", self.next_id);
        self.write_file("trips", &name, false);
        let size = fs::metadata(self.folder.join(&name)).unwrap().len();
        let file = Path::new(&name).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut actions = Vec::new();
        if self.delta_version == 0 {
            let types = [("id", "long"), ("at", "timestamp"), ("user", "long"), ("amount", "double")];
            let fields =
                types.map(|(name, ty)| json!({"name": name, "type": ty, "nullable": true, "metadata": {}}));
            let schema = json!({"type": "struct", "fields": fields}).to_string();
            actions.push(json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}));
            actions.push(json!({"metaData": {"id": "0b5c1d7e-0000-4000-8000-000000000001",
                "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
                "partitionColumns": [], "configuration": {}, "createdTime": 0}}));
        }
        actions.push(json!({"add": {"path": file, "partitionValues": {}, "size": size,
            "modificationTime": 0, "dataChange": true}}));
        let log = self.folder.join("data/trips/_delta_log");
        fs::create_dir_all(&log).unwrap();
        let lines: Vec<String> = actions.iter().map(ToString::to_string).collect();
        let beside = self.folder.join("data/.commit");
        fs::write(&beside, lines.join("\n")).unwrap();
        fs::rename(&beside, log.join(format!("{:020}.json", self.delta_version))).unwrap();
        self.delta_version += 1;
    }

    /// Pushes some rows to a server. Those that are not answered may have been taken.
    pub fn push(&mut self, http: &str, now: Micros) {
        let rows = 1 + self.numbers.below(5);
        let ids: Vec<i64> = (self.next_id..self.next_id + rows as i64).collect();
        self.next_id += rows as i64;
        let rows: Vec<_> = ids
            .iter()
            .map(|id| json!({"id": id, "at": now.to_string(), "user": self.numbers.below(USERS), "amount": 1.5}))
            .collect();
        let body = json!({"source": "orders", "rows": rows}).to_string();
        match post(http, &body) {
            Some(200) => self.pushed.extend(ids),
            // Refused as a whole: a status says so.
            Some(status) if (400..500).contains(&status) => {}
            _ => self.unanswered.extend(ids),
        }
    }
}

/// The status of an answer; none where there is none.
fn post(http: &str, body: &str) -> Option<u16> {
    let mut connection = TcpStream::connect(http).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = body.len();
    write!(
        connection,
        "POST /v1/push HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}
