//! The data sets that a run reads and writes, named as OpenLineage names them: files by their path, topics by their
//! brokers, logs by their folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use feature::{
    Batch, BatchQuery, DataType, DatabaseConnection, Origin, ServicePlan, ServiceRef, Source, View,
};
use registry::{Job, Registered};

use super::subject::Subject;
use crate::error::ProjectError;
use crate::project::Project;

/// Data that a run reads or writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Dataset {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// What it is called in the project.
    pub(crate) title: String,
    pub(crate) fields: Vec<DatasetField>,
}

impl Dataset {
    /// Its address.
    pub(crate) fn uri(&self) -> String {
        match self.namespace.as_str() {
            "file" => format!("file://{}", percent_encoding::utf8_percent_encode(&self.name, PATH)),
            namespace => format!("{namespace}/{}", percent_encoding::utf8_percent_encode(&self.name, PATH)),
        }
    }
}

/// What may not stand in the path of a URL.
const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A column or a feature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DatasetField {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) description: Option<String>,
}

/// A field of an input that a field of the output comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct InputColumn {
    /// Which of the inputs.
    pub(crate) input: usize,
    pub(crate) field: String,
    /// Whether values come from it, and not only which rows count.
    pub(crate) direct: bool,
}

/// What a run reads and writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Datasets {
    /// The project.
    pub(crate) namespace: String,
    /// Who answers for what is written.
    pub(crate) owner: Option<String>,
    pub(crate) inputs: Vec<Dataset>,
    pub(crate) output: Dataset,
    /// For each field of the output what it comes from.
    pub(crate) columns: BTreeMap<String, Vec<InputColumn>>,
}

impl Datasets {
    pub(crate) async fn of(
        project: &Project,
        registered: &Registered,
        subject: &Subject,
    ) -> Result<Self, ProjectError> {
        match &subject.job {
            Job::Backfill | Job::Materialize => of_view(project, registered, subject, batch).await,
            Job::Stream => of_view(project, registered, subject, topic).await,
            Job::TrainingSet => of_service(project, registered, subject).await,
            Job::Expire | Job::Vacuum => of_log(project, registered, subject).await,
        }
    }
}

async fn of_view(
    project: &Project,
    registered: &Registered,
    subject: &Subject,
    input: fn(&Project, &Source) -> (String, String),
) -> Result<Datasets, ProjectError> {
    let view = registered.view(&subject.id)?;
    let source = registered.source_of(&view)?;
    let (namespace, name, title) = match registered.input_of(&view)? {
        Some(input) => {
            let Dataset { namespace, name, title, .. } = log(project, &input).await?;
            (namespace, name, title)
        }
        None => {
            let (namespace, name) = input(project, &source);
            (namespace, name, source.name.to_string())
        }
    };
    let fields = source.schema.iter().map(|field| DatasetField {
        name: field.name.to_string(),
        data_type: field.data_type,
        description: None,
    });
    let input = Dataset { namespace, name, title, fields: fields.collect() };
    let columns = registered.feature_inputs(&view)?.into_iter().map(|inputs| {
        let direct = inputs.direct.into_iter().map(|name| (name, true));
        let all = direct.chain(inputs.indirect.into_iter().map(|name| (name, false)));
        let all = all.map(|(name, direct)| InputColumn { input: 0, field: name.to_string(), direct });
        (inputs.feature.to_string(), all.collect())
    });
    Ok(Datasets {
        namespace: project.settings.project.clone(),
        owner: view.about.owner.clone(),
        inputs: vec![input],
        output: log(project, &view).await?,
        columns: columns.collect(),
    })
}

/// Of what reads nothing.
async fn of_log(
    project: &Project,
    registered: &Registered,
    subject: &Subject,
) -> Result<Datasets, ProjectError> {
    let view = registered.view(&subject.id)?;
    Ok(Datasets {
        namespace: project.settings.project.clone(),
        owner: view.about.owner.clone(),
        inputs: Vec::new(),
        output: log(project, &view).await?,
        columns: BTreeMap::new(),
    })
}

async fn of_service(
    project: &Project,
    registered: &Registered,
    subject: &Subject,
) -> Result<Datasets, ProjectError> {
    let plan = registered.service_plan(&ServiceRef::Exact(subject.id.clone()))?;
    let mut inputs = Vec::new();
    for lookup in &plan.lookups {
        inputs.push(log(project, &lookup.view).await?);
    }
    let field = |output: &feature::Output| DatasetField {
        name: output.name.clone(),
        data_type: output.data_type,
        description: None,
    };
    let columns = plan.outputs.iter().enumerate().map(|(i, output)| (output.name.clone(), served(&plan, i)));
    let service = registered.service(&ServiceRef::Exact(subject.id.clone()))?;
    let (namespace, name) = file(project, subject.file.as_deref().unwrap_or_default());
    Ok(Datasets {
        namespace: project.settings.project.clone(),
        owner: service.consumer.as_ref().and_then(|consumer| consumer.owner.clone()),
        inputs,
        output: Dataset {
            namespace,
            name,
            title: subject.id.to_string(),
            fields: plan.outputs.iter().map(field).collect(),
        },
        columns: columns.collect(),
    })
}

/// The features of views that a feature of a service comes from.
fn served(plan: &ServicePlan, output: usize) -> Vec<InputColumn> {
    let is_stored =
        plan.outputs.get(output).is_some_and(|output| matches!(output.origin, Origin::Stored { .. }));
    let mut columns = Vec::new();
    for (input, features) in plan.needs([output]).lookups {
        let view = plan.lookups.get(input).map(|lookup| &lookup.view);
        let names = features.iter().filter_map(|index| Some(&view?.features.get(*index)?.name));
        columns.extend(names.map(|name| InputColumn { input, field: name.to_string(), direct: is_stored }));
    }
    columns
}

/// The log of a view: what stands in it of each feature is its fold, so its features are its fields.
async fn log(project: &Project, view: &Arc<View>) -> Result<Dataset, ProjectError> {
    let log = project.offline()?.log(view).await?;
    let (namespace, name) = file(project, &log.named()?);
    let fields = view.features.iter().map(|feature| DatasetField {
        name: feature.name.to_string(),
        data_type: feature.data_type,
        description: feature.description.clone(),
    });
    Ok(Dataset { namespace, name, title: view.id.to_string(), fields: fields.collect() })
}

fn batch(project: &Project, source: &Source) -> (String, String) {
    match &source.batch {
        Some(Batch::Query(query)) => database(source, query),
        Some(Batch::Files(files)) => file(project, &files.path),
        None => file(project, ""),
    }
}

/// A database by its address, and in it the query by the name of its source: which tables it reads is not known.
fn database(source: &Source, query: &BatchQuery) -> (String, String) {
    match query.connection.parse() {
        Ok(DatabaseConnection::Url(url)) => {
            (format!("postgres://{}:{}", url.host, url.port), format!("{}.{}", url.database, source.name))
        }
        // Where it is depends on the machine.
        _ => (format!("postgres://{}", feature::redacted(&query.connection)), source.name.to_string()),
    }
}

fn topic(project: &Project, source: &Source) -> (String, String) {
    let topic = source.stream.as_ref().map_or("", |stream| &stream.topic);
    if let Some(folder) = project.topics_folder() {
        return file(project, &folder.join(topic).display().to_string());
    }
    let brokers = &*feature::redacted(&project.settings.stream.brokers);
    (format!("kafka://{}", brokers.split(',').next().unwrap_or(brokers)), topic.to_owned())
}

/// A file or a folder by its whole path; what lies behind a URL by its host, and the path there.
fn file(project: &Project, path: &str) -> (String, String) {
    if let Some((scheme, rest)) = path.split_once("://") {
        let (host, path) = rest.split_once('/').unwrap_or((rest, "/"));
        return (format!("{scheme}://{host}"), path.to_owned());
    }
    let path = project.folder.join(path);
    let path = std::path::absolute(&path).unwrap_or(path);
    ("file".to_owned(), plain(&path))
}

/// A path without parts that say nothing.
fn plain(path: &Path) -> String {
    path.components().collect::<std::path::PathBuf>().display().to_string()
}
