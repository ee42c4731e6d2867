//! The topics on disk that a server appends to: one writer for each, from its first push on, and before it the
//! door of each source, which says what of a push is taken.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use feature::{Name, StreamFormat, VersionId};
use materializer::{MaterializerError, PushError, PushValidator, PushWriter, Pushed, Target, read_up_to};
use registry::{Registered, Using};
use server::{Appending, PushSource, RefusedByView, Sink, SinkError, Taken, Validated, Validating};
use tokio::runtime::Handle;

use crate::error::ProjectError;
use crate::project::{Clock, Project};
use crate::streaming::{StreamStatus, is_fault};
use crate::targets::targets_with;

/// Where rows are pushed.
pub(crate) struct Topics {
    project: Project,
    stream_status: Arc<StreamStatus>,
    /// By topic: there are no more than registered sources have.
    writers: Mutex<HashMap<String, Arc<PushWriter>>>,
    /// By source, as registered now.
    doors: RwLock<HashMap<Name, Arc<PushValidator>>>,
    /// The views whose first push is recorded.
    pushed: Mutex<BTreeSet<VersionId>>,
}

/// Rows of a push that are validated on the spot; more of them take a thread that may block.
const ROWS_ON_THE_SPOT: usize = 64;

impl Topics {
    /// The topics of a project; the status of the streams says which have stopped.
    pub(crate) fn new(project: &Project, stream_status: Arc<StreamStatus>) -> Self {
        Self {
            project: project.clone(),
            stream_status,
            writers: Mutex::default(),
            doors: RwLock::default(),
            pushed: Mutex::default(),
        }
    }

    /// Takes rows by what is registered now.
    pub(crate) fn follow(&self, registered: &Registered) -> Result<(), ProjectError> {
        let doors = doors(&self.project, registered)?;
        *self.doors.write().unwrap_or_else(PoisonError::into_inner) = doors;
        Ok(())
    }

    /// The views of a source are used from the first push into it on.
    async fn begin_use(&self, source: &PushSource) -> Result<(), SinkError> {
        let fresh: Vec<VersionId> = {
            let pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner);
            let views = source.views.iter().map(|view| view.id.clone());
            views.filter(|view| !pushed.contains(view)).collect()
        };
        if fresh.is_empty() {
            return Ok(());
        }
        let not_taken = |error: &dyn std::fmt::Display| SinkError::NotTaken(error.to_string());
        let registry = self.project.registry().await.map_err(|error| not_taken(&error))?;
        let using: Vec<Using> = fresh.iter().map(Using::view_as_it_is).collect();
        registry.begin_use(&using, "push", self.project.now()).await.map_err(|error| not_taken(&error))?;
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner).extend(fresh);
        Ok(())
    }

    fn writer(&self, topic: &str) -> Result<Arc<PushWriter>, SinkError> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writers.get(topic) {
            return Ok(writer.clone());
        }
        let folder =
            self.project.topic_on_disk(topic).map_err(|error| SinkError::Damaged(error.to_string()))?;
        let folder = folder.ok_or_else(|| SinkError::NotTaken("topics do not lie on disk".to_owned()))?;
        let writer = Arc::new(PushWriter::start(&folder, self.project.clock).map_err(said)?);
        writers.insert(topic.to_owned(), writer.clone());
        Ok(writer)
    }
}

/// The doors of all sources into which rows can be pushed.
fn doors(
    project: &Project,
    registered: &Registered,
) -> Result<HashMap<Name, Arc<PushValidator>>, ProjectError> {
    let mut targets: HashMap<Name, Vec<Target>> = HashMap::new();
    if project.has_topics_on_disk() {
        let is_json = |target: &Target| {
            target.source.stream.as_ref().is_some_and(|stream| stream.format == StreamFormat::Json)
        };
        for target in targets_with(registered, &[], is_json)? {
            targets.entry(target.source.name.clone()).or_default().push(target);
        }
    }
    let door = |(source, targets): (Name, Vec<Target>)| {
        let topic = targets.first().and_then(|target| target.source.stream.as_ref());
        let topic = topic.map(|stream| project.topic_on_disk(&stream.topic)).transpose()?.flatten();
        Ok((source, Arc::new(PushValidator::new(&targets, project.offline()?, &project.folder, topic)?)))
    };
    targets.into_iter().map(door).collect()
}

/// What the views of a source say of rows that are pushed now.
async fn validated(
    door: Arc<PushValidator>,
    rows: Arc<Vec<Vec<u8>>>,
    clock: Clock,
) -> Result<Validated, SinkError> {
    let admitted = if rows.len() > ROWS_ON_THE_SPOT {
        let runtime = Handle::current();
        let validating = move || runtime.block_on(door.validate(&rows, clock()));
        let validated = tokio::task::spawn_blocking(validating).await;
        validated.map_err(|error| SinkError::Damaged(format!("the rows could not be validated: {error}")))?
    } else {
        door.validate(&rows, clock()).await
    };
    let admitted = admitted.map_err(|error| match error {
        MaterializerError::TopicBehindLog { .. } | MaterializerError::OtherTopic { .. } => {
            SinkError::Damaged(error.to_string())
        }
        error => SinkError::NotTaken(error.to_string()),
    })?;
    let by_view = |row: materializer::RefusedRow| RefusedByView {
        index: row.index,
        view: row.view,
        kind: row.reason,
        detail: row.detail,
    };
    Ok(Validated {
        is_taken: admitted.is_accepted,
        refused: admitted.refused.into_iter().map(by_view).collect(),
        filtered: admitted.filtered,
    })
}

impl Sink for Topics {
    fn validate<'a>(&'a self, source: &'a PushSource, rows: &'a Arc<Vec<Vec<u8>>>) -> Validating<'a> {
        Box::pin(async move {
            let door = self.doors.read().unwrap_or_else(PoisonError::into_inner).get(&source.name).cloned();
            let door = door.ok_or_else(|| SinkError::NotTaken("its views changed just now".to_owned()))?;
            let validated = validated(door, rows.clone(), self.project.clock).await?;
            for row in &validated.refused {
                // What another view takes comes with the stream, which counts it.
                if validated.is_taken.get(row.index) == Some(&false) && is_fault(&row.kind) {
                    self.stream_status.refuses_push(&row.view);
                }
            }
            Ok(validated)
        })
    }

    fn append<'a>(&'a self, source: &'a PushSource, rows: Vec<Vec<u8>>) -> Appending<'a> {
        Box::pin(async move {
            self.begin_use(source).await?;
            let writer = self.writer(&source.topic)?;
            let rows = rows.into_iter().map(|value| Pushed { key: None, value: Some(value) }).collect();
            let appended = writer.append(rows).await.map_err(said)?;
            Ok(Taken { first_offset: appended.offsets.start, synced_nanos: appended.synced_nanos })
        })
    }

    fn progress(&self, source: &PushSource, view: &VersionId) -> u64 {
        let folder = self.project.topic_on_disk(&source.topic).ok().flatten();
        folder.map_or(0, |folder| read_up_to(&folder, &self.project.group_on_disk(view)))
    }

    fn stopped(&self, view: &VersionId) -> Option<String> {
        self.stream_status.failure(view)
    }
}

fn said(error: PushError) -> SinkError {
    let text = error.to_string();
    match error {
        PushError::Full { .. } => SinkError::Full(text),
        PushError::Locked { .. } | PushError::Busy { .. } | PushError::Disk { .. } => {
            SinkError::NotTaken(text)
        }
        PushError::TooLong { .. } => SinkError::TooLong(text),
        // Whatever else may come is treated as what cannot be accepted.
        _ => SinkError::Damaged(text),
    }
}
