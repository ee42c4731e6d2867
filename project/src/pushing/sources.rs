//! The sources that rows may be pushed into, as the server wants to know them: their columns, and how the
//! views that read them are written by the names of keys and features.

use std::collections::BTreeMap;

use feature::{Fold, Name, Source, StreamFormat, View};
use registry::Registered;
use server::{PushSource, PushView};
use transform::ViewTransform;

use crate::error::ProjectError;
use crate::project::Project;

/// What of a project decides whether rows can be pushed.
#[derive(Clone)]
pub(crate) struct PushSources {
    /// The brokers, where topics do not lie on disk.
    brokers: Option<String>,
}

impl PushSources {
    /// The sources of a project.
    pub(crate) fn new(project: &Project) -> Self {
        let brokers = (!project.has_topics_on_disk()).then(|| project.settings.stream.brokers.clone());
        Self { brokers }
    }

    /// Every source that a registered view reads.
    pub(crate) fn of(&self, registered: &Registered) -> Result<Vec<PushSource>, ProjectError> {
        let mut found: BTreeMap<Name, PushSource> = BTreeMap::new();
        for view in registered.views() {
            // The rows of a derived view are pushed for its input.
            let Some(source) = view.source.name() else { continue };
            let source = registered.source(source)?;
            let pushed = found.entry(source.name.clone()).or_insert_with(|| PushSource {
                name: source.name.clone(),
                schema: source.schema.clone(),
                stored_names: source
                    .schema
                    .iter()
                    .map(|field| source.stored_name(&field.name).to_owned())
                    .collect(),
                event_time: match &source.event_time {
                    Some(feature::SourceTime::Column(name)) => Some(name.clone()),
                    Some(feature::SourceTime::Sql { .. }) | None => None,
                },
                topic: source.stream.as_ref().map(|stream| stream.topic.clone()).unwrap_or_default(),
                refusal: self.refusal(source),
                views: Vec::new(),
            });
            pushed.views.push(written(source, view)?);
        }
        Ok(found.into_values().collect())
    }

    fn refusal(&self, source: &Source) -> Option<String> {
        let Some(stream) = &source.stream else {
            return Some(
                "it has no `stream`: add `stream: {topic: NAME, format: json}` and apply it".to_owned(),
            );
        };
        if let Some(brokers) = &self.brokers {
            return Some(format!(
                "topics are those of the brokers at {}: produce to `{}` there, or set `stream.brokers` to embedded://FOLDER",
                feature::redacted(brokers),
                stream.topic
            ));
        }
        let is_json = stream.format == StreamFormat::Json;
        (!is_json).then(|| {
            format!(
                "the records of its topic `{}` are not JSON: set `format: json`, and apply it",
                stream.topic
            )
        })
    }
}

fn written(source: &Source, view: &View) -> Result<PushView, ProjectError> {
    let reads =
        ViewTransform::compile(source, view)?.input().iter().map(|field| field.name.clone()).collect();
    let keys = view.keys.iter().zip(&view.key_expressions);
    let feature = |feature: &feature::Feature| {
        let column = match feature.fold {
            Fold::Latest { column } => view.columns.get(column),
            Fold::Aggregate { .. } => None,
        };
        (feature.name.clone(), column.and_then(|column| plain(source, &column.expression)))
    };
    Ok(PushView {
        id: view.id.clone(),
        reads,
        keys: keys.map(|(key, sql)| (key.name.clone(), plain(source, sql))).collect(),
        features: view.features.iter().map(feature).collect(),
    })
}

/// The column of a source that an expression names and does nothing else.
fn plain(source: &Source, sql: &str) -> Option<Name> {
    let sql = sql.trim();
    let name = sql.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(sql);
    source.schema.iter().map(|field| &field.name).find(|column| column.as_str() == name).cloned()
}
