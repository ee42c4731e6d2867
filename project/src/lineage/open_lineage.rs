//! A run as an OpenLineage run event, with the standard facets: schema, data source, version, columns, statistics, owner
//! and engine. The form is that of <https://openlineage.io/spec/2-0-2/OpenLineage.json>; a test checks events against
//! the published schemas.

use registry::{Job, RowCounts, RunOutcome, RunRecord, RunState};
use serde_json::{Map, Value, json};

use super::dataset::{Dataset, Datasets, InputColumn};

/// Who makes these events.
const PRODUCER: &str = concat!("https://github.com/twinstore/twinstore/tree/v", env!("CARGO_PKG_VERSION"));
const SPEC: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// The event of a run as it is now.
pub(crate) fn event(run: &RunRecord, datasets: &Datasets) -> Value {
    let event_type = match (run.state, &run.outcome) {
        (RunState::Running, None) => "START",
        (RunState::Running, Some(_)) => "RUNNING",
        (RunState::Complete, _) => "COMPLETE",
        (RunState::Failed, _) => "FAIL",
        (RunState::Cancelled | RunState::Interrupted, _) => "ABORT",
    };
    json!({
        "eventTime": run.updated_at.to_string(),
        "producer": PRODUCER,
        "schemaURL": SPEC,
        "eventType": event_type,
        "run": {"runId": run.id.to_string(), "facets": run_facets(run)},
        "job": job(run, datasets),
        "inputs": inputs(run, datasets),
        "outputs": [output(run, datasets)],
    })
}

/// A facet: its content with what every facet has. `schema` is its version and name.
fn facet(schema: &str, content: Value) -> Value {
    let name = schema.split_once('/').map_or(schema, |(_, name)| name);
    let mut facet = Map::new();
    facet.insert("_producer".to_owned(), json!(PRODUCER));
    let url = format!("https://openlineage.io/spec/facets/{schema}.json#/$defs/{name}");
    facet.insert("_schemaURL".to_owned(), json!(url));
    if let Value::Object(content) = content {
        facet.extend(content);
    }
    Value::Object(facet)
}

fn run_facets(run: &RunRecord) -> Value {
    let engine = json!({
        "name": "DataFusion",
        "version": run.runtime.datafusion,
        "openlineageAdapterVersion": run.runtime.twinstore,
    });
    let mut facets = Map::new();
    facets.insert("processing_engine".to_owned(), facet("1-1-1/ProcessingEngineRunFacet", engine));
    if let Some(error) = &run.error {
        let message = json!({"message": error, "programmingLanguage": "Rust"});
        facets.insert("errorMessage".to_owned(), facet("1-0-1/ErrorMessageRunFacet", message));
    }
    Value::Object(facets)
}

fn job(run: &RunRecord, datasets: &Datasets) -> Value {
    let processing = match run.job {
        Job::Stream => "STREAMING",
        Job::Backfill | Job::Materialize | Job::TrainingSet | Job::Expire | Job::Vacuum => "BATCH",
    };
    let kind = json!({"processingType": processing, "integration": "TWINSTORE", "jobType": "JOB"});
    let mut facets = Map::new();
    facets.insert("jobType".to_owned(), facet("2-0-4/JobTypeJobFacet", kind));
    if let Some(owner) = &datasets.owner {
        let owners = json!({"owners": [{"name": format!("team:{owner}"), "type": "OWNER"}]});
        facets.insert("ownership".to_owned(), facet("1-0-1/OwnershipJobFacet", owners));
    }
    json!({
        "namespace": datasets.namespace,
        "name": format!("{}.{}", run.job.name(), run.subject),
        "facets": facets,
    })
}

/// The facets that every data set has.
fn dataset(dataset: &Dataset, version: Option<u64>) -> Map<String, Value> {
    let fields: Vec<Value> = dataset
        .fields
        .iter()
        .enumerate()
        .map(|(i, field)| {
            let mut one = json!({
                "name": field.name,
                "type": field.data_type.to_string(),
                "ordinal_position": i + 1,
            });
            if let (Some(description), Some(one)) = (&field.description, one.as_object_mut()) {
                one.insert("description".to_owned(), json!(description));
            }
            one
        })
        .collect();
    let source = json!({"name": dataset.title, "uri": dataset.uri()});
    let mut facets = Map::new();
    facets.insert("schema".to_owned(), facet("1-2-0/SchemaDatasetFacet", json!({"fields": fields})));
    facets.insert("dataSource".to_owned(), facet("1-0-1/DatasourceDatasetFacet", source));
    if let Some(version) = version {
        let version = json!({"datasetVersion": version.to_string()});
        facets.insert("version".to_owned(), facet("1-0-1/DatasetVersionDatasetFacet", version));
    }
    facets
}

fn inputs(run: &RunRecord, datasets: &Datasets) -> Vec<Value> {
    let one = |input: &Dataset| {
        let (version, statistics) = match &run.outcome {
            Some(outcome @ RunOutcome::Load { files, more_files, table_version, rows, .. }) => {
                let set_aside = outcome.quarantined_files();
                let mut files = json!({"rowCount": rows.read, "fileCount": files.len() + more_files});
                if let (true, Some(files)) = (set_aside > 0, files.as_object_mut()) {
                    files.insert("quarantinedFileCount".to_owned(), json!(set_aside));
                }
                (*table_version, Some(files))
            }
            Some(RunOutcome::Stream { rows, .. }) => (None, Some(json!({"rowCount": rows.read}))),
            Some(RunOutcome::TrainingSet { views, .. }) => {
                let read = views.iter().find(|read| read.view.to_string() == input.title);
                (read.map(|read| read.log_version), None)
            }
            Some(RunOutcome::Dropped { .. }) | None => (None, None),
        };
        let mut input_facets = Map::new();
        if let Some(statistics) = statistics {
            let statistics = facet("1-0-0/InputStatisticsInputDatasetFacet", statistics);
            input_facets.insert("inputStatistics".to_owned(), statistics);
        }
        json!({
            "namespace": input.namespace,
            "name": input.name,
            "facets": dataset(input, version),
            "inputFacets": input_facets,
        })
    };
    datasets.inputs.iter().map(one).collect()
}

fn output(run: &RunRecord, datasets: &Datasets) -> Value {
    let (version, rows) = match &run.outcome {
        Some(RunOutcome::Load { log_version, rows: RowCounts { loaded, .. }, .. }) => {
            (*log_version, Some(*loaded))
        }
        Some(RunOutcome::Stream { rows, .. }) => (None, Some(rows.loaded)),
        Some(RunOutcome::TrainingSet { rows, .. }) => (None, Some(*rows)),
        Some(RunOutcome::Dropped { .. }) | None => (None, None),
    };
    let mut facets = dataset(&datasets.output, version);
    facets.insert("columnLineage".to_owned(), column_lineage(datasets));
    let mut output_facets = Map::new();
    if let Some(rows) = rows {
        let statistics = facet("1-0-2/OutputStatisticsOutputDatasetFacet", json!({"rowCount": rows}));
        output_facets.insert("outputStatistics".to_owned(), statistics);
    }
    json!({
        "namespace": datasets.output.namespace,
        "name": datasets.output.name,
        "facets": facets,
        "outputFacets": output_facets,
    })
}

fn column_lineage(datasets: &Datasets) -> Value {
    let input = |column: &InputColumn| {
        let input = datasets.inputs.get(column.input)?;
        let (kind, subtype) =
            if column.direct { ("DIRECT", "TRANSFORMATION") } else { ("INDIRECT", "FILTER") };
        Some(json!({
            "namespace": input.namespace,
            "name": input.name,
            "field": column.field,
            "transformations": [{"type": kind, "subtype": subtype}],
        }))
    };
    let fields: Map<String, Value> = datasets
        .columns
        .iter()
        .map(|(field, columns)| {
            let inputs: Vec<Value> = columns.iter().filter_map(input).collect();
            (field.clone(), json!({"inputFields": inputs}))
        })
        .collect();
    facet("1-2-0/ColumnLineageDatasetFacet", json!({"fields": fields}))
}
