//! What a trial leaves, compared with all that was offered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use feature::{AsOf, EntityKey, Micros, Row, Value, View, oracle};
use futures::StreamExt;
use offline::{row_columns, rows};
use online::{Layout, PackedRow, Read, Reader};

use super::project::BatchProject;
use super::sources::{Content, Sources};
use crate::topic::now;

/// What is wrong, a sentence each; nothing where all is right.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong.
    pub wrong: Vec<String>,
    /// Rows of all logs.
    pub rows: u64,
    /// Entities that were compared with the fold of the log.
    pub entities: u64,
}

/// How often each number is in the log of a view, and the rows of each entity.
struct LogContents {
    ids: BTreeMap<i64, u64>,
    entities: HashMap<EntityKey, Vec<Row>>,
}

impl Findings {
    /// Looks at both stores.
    pub fn of(project: &BatchProject, sources: &Sources) -> Self {
        let mut findings = Self::default();
        for view in &project.views {
            let logged = project.runtime.block_on(log_contents(project, view));
            findings.rows += logged.ids.values().sum::<u64>();
            findings.compare_rows(view, &logged, sources);
            project.runtime.block_on(findings.compare_online(project, view, logged));
        }
        findings
    }

    /// Takes on what else was found.
    pub fn add(&mut self, other: Self) {
        self.wrong.extend(other.wrong);
        self.rows += other.rows;
        self.entities += other.entities;
    }

    /// The content of a file that is in the log.
    pub(crate) fn loaded_content(
        project: &BatchProject,
        sources: &Sources,
        view: &'static str,
        path: &Path,
    ) -> Option<Content> {
        let of = project.views.iter().find(|of| of.id.name.as_str() == view)?;
        let logged = project.runtime.block_on(log_contents(project, of));
        let contents = sources.files.get(&(view, path.to_owned()))?;
        contents.iter().find(|content| content.ids.iter().all(|id| logged.ids.contains_key(id))).cloned()
    }

    /// What a retention dropped is in no log any more.
    pub fn look_for_dropped(&mut self, project: &BatchProject, sources: &Sources) {
        for view in &project.views {
            let logged = project.runtime.block_on(log_contents(project, view));
            for id in logged.ids.keys().filter(|id| sources.old.contains(id)) {
                self.note(format!("{}: row {id} is older than its retention, and in the log", view.id));
            }
        }
    }

    /// Notes that something is wrong.
    pub fn note(&mut self, wrong: impl Into<String>) {
        self.wrong.push(wrong.into());
    }

    fn compare_rows(&mut self, view: &Arc<View>, logged: &LogContents, sources: &Sources) {
        let name = view.id.name.as_str();
        let mut known: BTreeSet<i64> = BTreeSet::new();
        for (id, times) in logged.ids.iter().filter(|(_, times)| **times > 1) {
            self.note(format!("{name}: row {id} is in the log {times} times"));
        }
        let has = |content: &Content| content.ids.iter().filter(|id| logged.ids.contains_key(*id)).count();
        for ((_, path), contents) in sources.files.iter().filter(|((of, _), _)| *of == name) {
            known.extend(contents.iter().flat_map(|content| &content.ids));
            let is_in_part = |content: &&Content| has(content) != 0 && has(content) != content.ids.len();
            if let Some(part) = contents.iter().find(is_in_part) {
                let (has, of) = (has(part), part.ids.len());
                self.note(format!("{name}: {has} of {of} rows of {} are in the log", path.display()));
            }
            let whole = contents.iter().filter(|content| has(content) == content.ids.len()).count();
            let is_static = name == "accounts";
            let is_newest = contents.last().is_some_and(|newest| has(newest) == newest.ids.len());
            if (!is_static && whole != 1) || !is_newest {
                self.note(format!(
                    "{name}: of {} contents of {} the log has {whole}, the newest: {is_newest}",
                    contents.len(),
                    path.display()
                ));
            }
        }
        if name == "clicks" {
            known.extend(&sources.old);
        }
        if name == "orders" {
            for id in &sources.pushed {
                known.insert(*id);
                if !logged.ids.contains_key(id) {
                    self.note(format!("{name}: row {id} was acknowledged and is not in the log"));
                }
            }
            known.extend(&sources.unanswered);
        }
        for id in logged.ids.keys().filter(|id| !known.contains(*id)) {
            self.note(format!("{name}: row {id} is in the log and in no source"));
        }
    }

    /// Every entity's online row against the oracle's fold of the log, and no entity more.
    async fn compare_online(&mut self, project: &BatchProject, view: &Arc<View>, logged: LogContents) {
        let layout = Arc::new(Layout::new(view));
        let keys: Vec<EntityKey> = logged.entities.keys().cloned().collect();
        self.entities += keys.len() as u64;
        let online = project.online().await;
        let stats = online.stats(&view.id).await.unwrap();
        if stats.rows != keys.len() as u64 {
            let (rows, has) = (stats.rows, keys.len());
            self.note(format!("{}: {rows} entities are online, and the log has {has}", view.id));
        }
        let found = online.read(&[Read { view: &view.id, keys: &keys }]).await.unwrap();
        let at = now();
        for (key, bytes) in keys.iter().zip(found[0].rows()) {
            let mut rows = logged.entities[key].clone();
            rows.sort_by_key(|row| row.position);
            let expected = oracle::answer(view, &rows, at, AsOf::Available);
            let answer = bytes.map(|bytes| PackedRow::new(&layout, bytes).unwrap().answer(at).unwrap());
            let shown = answer.as_ref().map(|answer| (&answer.cells, times(answer)));
            if shown != Some((&expected.cells, times(&expected))) {
                let user = key.decode(&view.keys);
                self.note(format!("{}: {user:?} is {answer:?} online, not {expected:?}", view.id));
            }
        }
    }

    /// Files that nobody needs any more.
    pub fn look_for_litter(&mut self, folder: &Path) {
        for path in files(folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".partial") || name.ends_with(".tmp") {
                self.note(format!("{} is left over", path.display()));
            }
        }
    }
}

fn times(answer: &feature::Answer) -> Option<Micros> {
    answer.times.map(|times| times.event_time)
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

async fn log_contents(project: &BatchProject, view: &Arc<View>) -> LogContents {
    let mut logged = LogContents { ids: BTreeMap::new(), entities: HashMap::new() };
    let log = project.log(view).await;
    if log.version().is_none() {
        return logged;
    }
    let id = view.columns.iter().position(|column| column.expression == "id").unwrap();
    let mut stream = log.scan(&row_columns(view)).unwrap();
    while let Some(batch) = stream.next().await {
        for (key, row) in rows(view, &batch.unwrap()).unwrap() {
            if let Value::Int64(id) = row.values[id] {
                *logged.ids.entry(id).or_default() += 1;
            }
            logged.entities.entry(key).or_default().push(row);
        }
    }
    logged
}
