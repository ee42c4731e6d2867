//! `quality`: quarantined batches and what is decided of them, statistics of columns, and what sources promise.

use pages::{exact, three};
use serde_json::{Value, json};
use twinstore::{
    AsJson, ColumnDay, DecideBatch, Project, QuarantinedOfView, Run, ShowStatistics, SourceContract, ViewName,
};

use super::load;
use crate::arguments::{DecideArgs, Format, QualityCommand, QuarantineCommand, StatisticsArgs};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count};

pub async fn quality(project: &Project, command: &QualityCommand, run: &Run) -> Result<(), Failure> {
    match command {
        QualityCommand::Statistics(args) => statistics(project, args).await,
        QualityCommand::Contract { source, format } => {
            contract(&project.contract(source).await?, format.format)
        }
        QualityCommand::Quarantine(QuarantineCommand::List { views, format }) => {
            list(&project.quarantined(views).await?, format.format)
        }
        QualityCommand::Quarantine(QuarantineCommand::Show { view, batch, format }) => {
            show(project, view, *batch, format.format).await
        }
        QualityCommand::Quarantine(QuarantineCommand::Release(args)) => {
            let loads = project.release_batch(&decided(args), run).await?;
            load::finish(&loads, project.now(), args.format.format)
        }
        QualityCommand::Quarantine(QuarantineCommand::Drop(args)) => {
            project.drop_batch(&decided(args)).await?;
            if args.format.format == Format::Json {
                return output::json(&json!({"dropped": args.batch}));
            }
            println!("batch {} is dropped: none of its rows is loaded", args.batch);
            Ok(())
        }
    }
}

fn decided(args: &DecideArgs) -> DecideBatch {
    DecideBatch { view: args.view.clone(), batch: args.batch, reason: args.reason.clone() }
}

fn list(found: &[QuarantinedOfView], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&quarantined_json(found));
    }
    let rows = found.iter().map(|QuarantinedOfView { view, file }| {
        vec![
            view.to_string(),
            file.batch.number.to_string(),
            file.batch.origin.clone(),
            file.decision.name().to_owned(),
            count(file.batch.rows),
            count(file.batch.failing),
            file.batch.recorded_at.to_string(),
            file.batch.why.clone(),
        ]
    });
    println!("{}", output::table(&headings::QUARANTINED, &[1, 4, 5], rows));
    Ok(())
}

async fn show(project: &Project, view: &ViewName, batch: u32, format: Format) -> Result<(), Failure> {
    let found = project.quarantined(std::slice::from_ref(view)).await?;
    let Some(found) = found.into_iter().find(|found| found.file.batch.number == batch) else {
        return Err(Failure::new(format!(
            "no batch {batch} was quarantined: `quality quarantine list` has them"
        )));
    };
    let mut examples: Value = serde_json::from_str(&found.file.batch.examples).unwrap_or(Value::Null);
    for example in examples.as_array_mut().into_iter().flatten() {
        // They are kept from 0, as positions are.
        if let Some(row) = example.get_mut("row")
            && let Some(number) = row.as_u64()
        {
            *row = (number + 1).into();
        }
    }
    if format == Format::Json {
        let mut shown = as_json(&found);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("examples".to_owned(), examples);
        }
        return output::json(&shown);
    }
    list(std::slice::from_ref(&found), format)?;
    let text = |example: &Value, key: &str| match example.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let rows = examples.as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let rows = rows.map(|example| ["row", "detail", "values"].map(|key| text(example, key)).to_vec());
    println!("{}", output::table(&headings::QUARANTINED_ROWS, &[0], rows));
    Ok(())
}

async fn statistics(project: &Project, args: &StatisticsArgs) -> Result<(), Failure> {
    let show = ShowStatistics { view: args.view.clone(), day: args.day };
    let found = project.statistics(&show).await?;
    if args.format.format == Format::Json {
        return output::json(&statistics_json(&found));
    }
    let rows = found.iter().map(|ColumnDay { date, column, statistics, .. }| {
        let top = statistics.top(3);
        let top = top.iter().map(|top| format!("{} ({})", exact(&top.value), count(top.rows)));
        let text = |per_mille| match statistics.quantile(per_mille) {
            feature::Value::Null => "-".to_owned(),
            value => exact(&value),
        };
        vec![
            date.to_string(),
            column.clone(),
            count(statistics.rows()),
            count(statistics.nulls()),
            count(statistics.not_finite()),
            count(statistics.distinct()),
            three(statistics.mean()),
            text(0),
            text(500),
            text(1000),
            top.collect::<Vec<_>>().join(", "),
        ]
    });
    println!("{}", output::table(&headings::STATISTICS, &[2, 3, 4, 5, 6, 7, 8, 9], rows));
    if found.iter().any(|day| day.statistics.not_finite() > 0) {
        eprintln!("note: means are of the finite numbers, and NaN is in no least, median or greatest value");
    }
    Ok(())
}

/// Statistics by date and column, as JSON.
pub fn statistics_json(found: &[ColumnDay]) -> Value {
    json!({"statistics": found.iter().map(column_day_json).collect::<Vec<_>>()})
}

fn column_day_json(day: &ColumnDay) -> Value {
    let ColumnDay { date, column, statistics, .. } = day;
    let quantiles =
        [0, 10, 50, 250, 500, 750, 950, 990, 1000].map(|per_mille| statistics.quantile(per_mille));
    let top: Vec<Value> =
        statistics.top(10).iter().map(|top| json!({"value": AsJson(&top.value), "rows": top.rows})).collect();
    json!({
        "date": date,
        "column": column,
        "rows": statistics.rows(),
        "nulls": statistics.nulls(),
        "not_finite": statistics.not_finite(),
        "distinct": statistics.distinct(),
        "mean": statistics.mean(),
        "per_mille": [0, 10, 50, 250, 500, 750, 950, 990, 1000],
        "quantiles": quantiles.iter().map(AsJson).collect::<Vec<_>>(),
        "top": top,
    })
}

/// What a source promises, as JSON.
pub fn contract_json(contract: &SourceContract) -> Value {
    let promises: Vec<Value> = contract
        .promises
        .iter()
        .map(|promise| {
            json!({
                "view": promise.view,
                "name": promise.name,
                "of": promise.stage.name(),
                "what": promise.what,
                "on_failure": promise.on_failure.name(),
            })
        })
        .collect();
    let schema = contract.schema.iter().map(|field| (field.name.to_string(), json!(field.data_type)));
    let waiting = contract.waiting.iter().map(|(view, files)| json!({"view": view, "files": files}));
    json!({
        "source": contract.source,
        "owner": contract.owner,
        "description": contract.description,
        "schema": schema.collect::<serde_json::Map<_, _>>(),
        "event_time": contract.event_time,
        "promises": promises,
        "consumers": contract.consumers,
        "quarantined": waiting.collect::<Vec<_>>(),
    })
}

fn contract(contract: &SourceContract, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&contract_json(contract));
    }
    let owner = contract.owner.as_deref().unwrap_or("nobody is named as its owner");
    println!("source {} ({owner})", contract.source);
    let fields = contract.schema.iter().map(|field| format!("{}: {}", field.name, field.data_type));
    println!("schema: {}", fields.collect::<Vec<_>>().join(", "));
    println!("event time: {}", contract.event_time.as_deref().unwrap_or("none, it is static"));
    let rows = contract.promises.iter().map(|promise| {
        vec![
            promise.view.to_string(),
            if promise.name == promise.what { "-".to_owned() } else { promise.name.clone() },
            promise.stage.name().to_owned(),
            promise.what.clone(),
            promise.on_failure.name().to_owned(),
        ]
    });
    println!("{}", output::table(&headings::PROMISES, &[], rows));
    let consumers = contract.consumers.iter().map(|reach| match &reach.consumer {
        Some(model) => match &reach.consumer_owner {
            Some(owner) => format!("{} for {model} (owner {owner})", reach.id),
            None => format!("{} for {model}", reach.id),
        },
        None => reach.id.to_string(),
    });
    println!("read by: {}", consumers.collect::<Vec<_>>().join(", "));
    for (view, files) in &contract.waiting {
        println!("{view}: {} in quarantine", output::counted(*files, "file"));
    }
    Ok(())
}

/// Quarantined batches, as JSON.
pub fn quarantined_json(found: &[QuarantinedOfView]) -> Value {
    json!({"quarantined": found.iter().map(as_json).collect::<Vec<_>>()})
}

fn as_json(found: &QuarantinedOfView) -> Value {
    let batch = &found.file.batch;
    json!({
        "view": found.view,
        "batch": batch.number,
        "file": batch.origin,
        "decision": found.file.decision,
        "rows": batch.rows,
        "failing": batch.failing,
        "recorded_at": batch.recorded_at.to_string(),
        "why": batch.why,
    })
}
