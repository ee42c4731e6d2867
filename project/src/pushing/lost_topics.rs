//! Topics on disk that are gone as a whole, though rows were pushed into them: nothing in them says so any more, but the
//! logs that were filled from them do, and the registry.

use std::collections::BTreeMap;
use std::path::PathBuf;

use feature::{VersionId, counted};
use materializer::{Target, is_empty_topic, streamed_up_to};
use registry::{DefinitionId, Kind, Progress, Registered, Registry};

use crate::project::Project;
use crate::targets::{has_stream, targets_with};

/// A topic that is gone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct LostTopic {
    /// Its name.
    topic: String,
    /// Where it lay.
    folder: PathBuf,
    /// The offset up to which the log of a view has its records, for those that have any.
    in_logs: BTreeMap<VersionId, u64>,
    /// The offset that it reached at least, by the newest note of a stream; 0 if none is known.
    reached: u64,
}

impl std::fmt::Display for LostTopic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, folder, in_logs, reached } = self;
        write!(f, "the topic `{topic}` in `{}` is gone, and rows were pushed into it: ", folder.display())?;
        let in_all = in_logs.values().min().copied().unwrap_or(0);
        match in_logs.len() {
            0 => write!(f, "no log has any of them")?,
            _ => {
                let each =
                    in_logs.iter().map(|(view, next)| format!("that of {view} those before offset {next}"));
                write!(f, "of the logs {}", each.collect::<Vec<_>>().join(", "))?;
            }
        }
        match reached.saturating_sub(in_all) {
            0 => write!(f, "; what was acknowledged after that and not streamed yet is lost")?,
            rows => write!(
                f,
                "; it reached offset {reached}, so {} that were acknowledged are lost",
                counted(rows, "row")
            )?,
        }
        write!(f, "; restore the folder from a copy, or push again what no log has")
    }
}

/// The topics of registered sources that are gone. What cannot be read is said by whoever reads it.
pub(crate) async fn lost_topics(
    project: &Project,
    registry: &Registry,
    registered: &Registered,
) -> Vec<LostTopic> {
    if !project.has_topics_on_disk() {
        return Vec::new();
    }
    let mut by_topic: BTreeMap<&str, Vec<&Target>> = BTreeMap::new();
    let targets = targets_with(registered, &[], has_stream).unwrap_or_default();
    for target in &targets {
        let Some(stream) = &target.source.stream else { continue };
        by_topic.entry(&stream.topic).or_default().push(target);
    }
    let mut lost = Vec::new();
    for (topic, targets) in by_topic {
        let Ok(Some(folder)) = project.topic_on_disk(topic) else { continue };
        if is_empty_topic(&folder).unwrap_or(false) {
            let progress = registry.progress().await.unwrap_or_default();
            let empty = LostTopic { topic: topic.to_owned(), folder, ..LostTopic::default() };
            lost.extend(empty.lost(project, registered, &progress, &targets).await);
        }
    }
    lost
}

/// Says of each topic that is gone what is lost with it, before it is begun again.
pub(crate) async fn warn_of_lost_topics(project: &Project, registry: &Registry, registered: &Registered) {
    for lost in lost_topics(project, registry, registered).await {
        tracing::warn!("{lost}");
    }
}

impl LostTopic {
    /// A topic without any segment with what is known of it; `None` if nothing was ever pushed into it.
    async fn lost(
        mut self,
        project: &Project,
        registered: &Registered,
        progress: &[Progress],
        targets: &[&Target],
    ) -> Option<Self> {
        let offline = project.offline().ok()?;
        let mut was_pushed = false;
        for Target { view, .. } in targets {
            let first = registered.first_use(&DefinitionId::versioned(Kind::FeatureView, &view.id));
            was_pushed |= first.is_some_and(|first| first.by == "push");
            let Ok(log) = offline.log(view).await else { continue };
            let Ok(Some(next)) = streamed_up_to(&log, &self.topic).await else { continue };
            let noted = progress.iter().find(|one| one.view == view.id && one.partition == Some(0));
            self.reached = self.reached.max(noted.map_or(next, |noted| next + noted.lag));
            self.in_logs.insert(view.id.clone(), next);
        }
        (was_pushed || !self.in_logs.is_empty()).then_some(self)
    }
}
