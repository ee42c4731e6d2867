//! `get`: one online read, from the store itself or from a server.

use std::collections::HashSet;

use feature::{Field, Micros, ServicePlan, Status, Value};
use online::{Reader, Store};
use proto::v1::{self, feature_store_client::FeatureStoreClient};
use read::json::{AsJson, from_text};
use read::{FeatureReader, FeatureRequest, Moment};
use serde::Serialize;
use serde_json::{Map, json};

use crate::arguments::{Format, GetArgs};
use crate::clock;
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, age};
use crate::project::Project;

/// What was read, from wherever.
struct Read {
    service: String,
    at: Micros,
    features: Vec<ReadFeature>,
}

struct ReadFeature {
    name: String,
    value: Value,
    status: String,
    event_time: Option<Micros>,
    available_at: Option<Micros>,
    age_s: Option<f64>,
}

pub async fn get(project: &Project, args: &GetArgs) -> Result<(), Failure> {
    let plan = project.service_plan(&args.service).await?;
    let asked = asked(&plan, &args.values)?;
    let read = match &args.grpc {
        Some(address) => ask_server(address, &plan, asked, args.at).await?,
        None => {
            let reader = FeatureReader::new(plan.clone())?;
            let request = reader.validate(asked, 1)?;
            let moment = args.at.map_or_else(|| Moment::Now(clock::now()), Moment::At);
            let store = project.online().await?;
            let features = reader.read(&store, &request, moment).await?;
            project.begin_use(&plan, "get").await?;
            never_loaded(project, &plan, &store).await?;
            let of_column = |column: &read::FeatureColumn| {
                let cell = features.cell(column, 0)?;
                Some(ReadFeature {
                    name: column.name.clone(),
                    value: cell.value,
                    status: cell.status.name().to_owned(),
                    event_time: cell.times.map(|times| times.event_time),
                    available_at: cell.times.map(|times| times.available_at),
                    age_s: cell.age_s,
                })
            };
            Read {
                service: features.service.to_string(),
                at: features.at,
                features: features.columns.iter().filter_map(of_column).collect(),
            }
        }
    };
    match args.format.format {
        Format::Json => show_json(&plan, &read),
        Format::Table => {
            show_table(&plan, &read);
            Ok(())
        }
    }
}

/// Says which views have no row of any entity, as nothing was ever loaded, and what loads them.
async fn never_loaded(project: &Project, plan: &ServicePlan, store: &Store) -> Result<(), Failure> {
    let mut said = HashSet::new();
    for view in plan.lookups.iter().map(|lookup| &lookup.view) {
        // A log that cannot be read does not make what was read wrong.
        let is_empty = async || Ok::<_, Failure>(project.offline()?.log(view).await?.row_count() == 0);
        if !said.insert(&view.id)
            || store.stats(&view.id).await?.rows > 0
            || !is_empty().await.unwrap_or(false)
        {
            continue;
        }
        let registered = project.registered().await?;
        let source = registered.source(&view.source)?;
        let how = match (&source.batch, &source.stream) {
            (Some(_), _) => format!("run `twinstore backfill {}`", view.id),
            _ => format!(
                "rows come from its stream, with `twinstore stream` or `serve`, once some are pushed into `{}`",
                source.name
            ),
        };
        eprintln!("note: nothing was loaded for {} yet: {how}", view.id);
    }
    Ok(())
}

/// The values of the command line, each in the type that the service needs. Says all that is wrong.
fn asked(plan: &ServicePlan, given: &[String]) -> Result<FeatureRequest<Vec<Value>>, Failure> {
    let mut asked = FeatureRequest { features: Vec::new(), entities: Vec::new(), request: Vec::new() };
    let mut problems = Vec::new();
    let mut seen = HashSet::new();
    for text in given {
        let Some((name, value)) = text.split_once('=') else {
            problems.push(format!("`{text}` is no value: write it as name=value"));
            continue;
        };
        let is_named = |field: &&Field| field.name.as_str() == name;
        let key = plan.keys.iter().find(is_named);
        let Some(field) = key.or_else(|| plan.request.iter().find(is_named)) else {
            let all: Vec<_> =
                plan.keys.iter().chain(&plan.request).map(|field| field.name.as_str()).collect();
            problems.push(format!("{} takes no `{name}`: it takes {}", plan.id, all.join(", ")));
            continue;
        };
        if !seen.insert(name) {
            problems.push(format!("`{name}` is given twice: one read is of one entity"));
            continue;
        }
        let column = match from_text(value, field.data_type) {
            Ok(value) => (name.to_owned(), vec![value]),
            Err(misfit) => {
                problems.push(format!("`{name}` is {misfit}"));
                continue;
            }
        };
        if key.is_some() { asked.entities.push(column) } else { asked.request.push(column) }
    }
    for field in plan.keys.iter().chain(&plan.request).filter(|field| !seen.contains(field.name.as_str())) {
        problems.push(format!(
            "{} needs `{}`: add {}=VALUE, which is {}",
            plan.id, field.name, field.name, field.data_type
        ));
    }
    match problems.as_slice() {
        [] => Ok(asked),
        problems => Err(Failure::new(problems.join("\n"))),
    }
}

fn show_table(plan: &ServicePlan, read: &Read) {
    let none = || "-".to_owned();
    let rows = read.features.iter().map(|feature| {
        vec![
            feature.name.clone(),
            feature.value.to_string(),
            feature.status.clone(),
            feature.event_time.map_or_else(none, |time| time.to_string()),
            feature.age_s.map_or_else(none, age),
            match is_fresh(plan, feature) {
                Some(true) => "fresh".to_owned(),
                Some(false) => "not fresh".to_owned(),
                None => none(),
            },
        ]
    });
    println!("{} at {}\n", read.service, read.at);
    println!("{}", output::table(&headings::READ, &[1, 4], rows));
}

/// Whether the row that a value comes from was readable within the strictest objective of the
/// views that it reads; none where none has one, or where there is no value.
fn is_fresh(plan: &ServicePlan, feature: &ReadFeature) -> Option<bool> {
    let output = plan.outputs.get(plan.output(&feature.name)?)?;
    let lookups = plan.lookups_of(output.origin).into_iter();
    let objectives = lookups.filter_map(|lookup| plan.lookups.get(lookup)?.view.freshness?.objective);
    let strictest = objectives.min()?;
    let took = feature.available_at?.since(feature.event_time?);
    (feature.status == Status::Present.name()).then_some(took <= strictest.micros())
}

fn show_json(plan: &ServicePlan, read: &Read) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Shown<'a> {
        value: AsJson<'a>,
        status: &'a str,
        event_time: Option<String>,
        available_at: Option<String>,
        age_s: Option<f64>,
        fresh: Option<bool>,
    }
    let mut features = Map::new();
    for feature in &read.features {
        let shown = Shown {
            value: AsJson(&feature.value),
            status: &feature.status,
            event_time: feature.event_time.map(|time| time.to_string()),
            available_at: feature.available_at.map(|time| time.to_string()),
            age_s: feature.age_s,
            fresh: is_fresh(plan, feature),
        };
        features.insert(feature.name.clone(), serde_json::to_value(shown)?);
    }
    output::json(&json!({"service": read.service, "at": read.at.to_string(), "features": features}))
}

async fn ask_server(
    address: &str,
    plan: &ServicePlan,
    asked: FeatureRequest<Vec<Value>>,
    at: Option<Micros>,
) -> Result<Read, Failure> {
    let unreachable = |error: &dyn std::fmt::Display| {
        Failure::new(format!("no server answers at {address} ({error}): start it with `twinstore serve`"))
    };
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| unreachable(&error))?;
    let channel = endpoint.connect().await.map_err(|error| unreachable(&error))?;
    let packed = |columns: Vec<(String, Vec<Value>)>| {
        columns.into_iter().map(|(name, values)| (name, pack(&values))).collect()
    };
    let request = v1::GetFeaturesRequest {
        service: plan.id.to_string(),
        features: asked.features,
        entities: packed(asked.entities),
        request: packed(asked.request),
        at_us: at.map(Micros::get),
    };
    let response = FeatureStoreClient::new(channel)
        .get_features(request)
        .await
        .map_err(|status| Failure::new(status.message()))?
        .into_inner();
    let moment = |micros: i64| Micros::new(micros).map_err(Failure::from);
    let mut features = Vec::new();
    for column in response.columns {
        let times = response.times.get(column.times as usize).filter(|times| !times.nulls.contains(&0));
        let status = column.statuses().next().map_or("UNKNOWN", |status| status.as_str_name()).to_owned();
        let value = column.values.as_ref().map_or(Value::Null, first);
        features.push(ReadFeature {
            name: column.name,
            value,
            status,
            event_time: times.and_then(|t| t.event_times_us.first()).map(|t| moment(*t)).transpose()?,
            available_at: times.and_then(|t| t.available_ats_us.first()).map(|t| moment(*t)).transpose()?,
            age_s: times.and_then(|t| t.ages_s.first()).copied(),
        });
    }
    Ok(Read { service: response.service, at: moment(response.at_us)?, features })
}

/// Scalars of one type as a message packs them.
fn pack(values: &[Value]) -> v1::Values {
    use v1::values::Kind;
    macro_rules! packed {
        ($kind:ident, $message:ident, $field:ident, $variant:ident, $convert:expr) => {
            Some(Kind::$kind(v1::$message {
                $field: values
                    .iter()
                    .map(|value| match value {
                        Value::$variant(x) => $convert(x),
                        _ => Default::default(),
                    })
                    .collect(),
            }))
        };
    }
    let kind = match values.iter().find(|value| !value.is_null()) {
        None | Some(Value::Null | Value::List(_)) => None,
        Some(Value::Bool(_)) => packed!(Bools, Bools, values, Bool, |x: &bool| *x),
        Some(Value::Int32(_)) => packed!(Int32s, Int32s, values, Int32, |x: &i32| *x),
        Some(Value::Int64(_)) => packed!(Int64s, Int64s, values, Int64, |x: &i64| *x),
        Some(Value::Float32(_)) => packed!(Float32s, Float32s, values, Float32, |x: &f32| *x),
        Some(Value::Float64(_)) => packed!(Float64s, Float64s, values, Float64, |x: &f64| *x),
        Some(Value::String(_)) => {
            packed!(Strings, Strings, values, String, |x: &std::sync::Arc<str>| x.to_string())
        }
        Some(Value::Bytes(_)) => {
            packed!(Bytes, ByteStrings, values, Bytes, |x: &std::sync::Arc<[u8]>| x.to_vec())
        }
        Some(Value::Timestamp(_)) => {
            packed!(Timestamps, Timestamps, values_us, Timestamp, |x: &Micros| x.get())
        }
    };
    let nulls =
        values.iter().enumerate().filter(|(_, value)| value.is_null()).map(|(row, _)| row as u32).collect();
    v1::Values { nulls, kind }
}

/// The first value of a packed column.
fn first(values: &v1::Values) -> Value {
    use v1::values::Kind;
    if values.nulls.contains(&0) {
        return Value::Null;
    }
    let all = match &values.kind {
        Some(Kind::Lists(lists)) => {
            let length = lists.lengths.first().copied().unwrap_or(0) as usize;
            let items = lists.items.as_deref().map(unpack).unwrap_or_default();
            return Value::List(items.into_iter().take(length).collect());
        }
        _ => unpack(values),
    };
    all.into_iter().next().unwrap_or(Value::Null)
}

/// Packed scalars, null where they are said to be.
fn unpack(values: &v1::Values) -> Vec<Value> {
    use v1::values::Kind;
    let mut all: Vec<Value> = match &values.kind {
        None | Some(Kind::Lists(_)) => Vec::new(),
        Some(Kind::Bools(x)) => x.values.iter().copied().map(Value::Bool).collect(),
        Some(Kind::Int32s(x)) => x.values.iter().copied().map(Value::Int32).collect(),
        Some(Kind::Int64s(x)) => x.values.iter().copied().map(Value::Int64).collect(),
        Some(Kind::Float32s(x)) => x.values.iter().copied().map(Value::Float32).collect(),
        Some(Kind::Float64s(x)) => x.values.iter().copied().map(Value::Float64).collect(),
        Some(Kind::Strings(x)) => x.values.iter().map(|text| Value::String(text.as_str().into())).collect(),
        Some(Kind::Bytes(x)) => x.values.iter().map(|bytes| Value::Bytes(bytes.as_slice().into())).collect(),
        Some(Kind::Timestamps(x)) => x
            .values_us
            .iter()
            .map(|micros| Micros::new(*micros).map_or(Value::Null, Value::Timestamp))
            .collect(),
    };
    for row in &values.nulls {
        if let Some(value) = all.get_mut(*row as usize) {
            *value = Value::Null;
        }
    }
    all
}
