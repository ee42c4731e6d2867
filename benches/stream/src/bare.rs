//! The bare loop: what any program does that brings a topic of JSON into files and Redis, and no more. It
//! keeps no positions, folds nothing, and loses or repeats rows wherever it is stopped.

use std::collections::HashSet;
use std::error::Error;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use clap::Args;
use feature::Micros;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde::Deserialize;

use crate::TopicArgs;

/// What is read, and where it goes.
#[derive(Args, Debug)]
pub struct BareArgs {
    #[command(flatten)]
    from: TopicArgs,
    /// The server, as `redis://host:port`
    #[arg(long)]
    redis: String,
    /// Bytes of each value that is set
    #[arg(long)]
    value_bytes: usize,
    /// The folder of the files
    #[arg(long)]
    folder: PathBuf,
    /// Rows of a file
    #[arg(long, default_value_t = 20_000)]
    flush_rows: usize,
}

#[derive(Deserialize)]
struct Click {
    id: i64,
    at: String,
    visitor: i64,
    amount: f64,
    page: String,
}

/// Reads the whole topic; prints how long it took.
pub fn bare(args: &BareArgs) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &args.from.brokers)
        .set("group.id", format!("bare-{}", std::process::id()))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()?;
    consumer.subscribe(&[&args.from.topic])?;
    let mut redis = redis::Client::open(args.redis.as_str())?.get_connection()?;
    let value: Vec<u8> = (0..args.value_bytes).map(|_| fastrand::u8(..)).collect();
    let (mut seen, mut sets, mut files) = (0, 0, 0);
    let mut clicks: Vec<Click> = Vec::with_capacity(args.flush_rows);
    while seen < args.from.records {
        let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
        let message = message?;
        clicks.push(serde_json::from_slice(message.payload().unwrap_or_default())?);
        seen += 1;
        if clicks.len() == args.flush_rows || seen == args.from.records {
            write(&clicks, args.folder.join(format!("{files}.parquet")))?;
            sets += set(&mut redis, &clicks, &value)?;
            files += 1;
            clicks.clear();
        }
    }
    println!("{seen} rows, {files} files and {sets} sets in {:.3}s", began.elapsed().as_secs_f64());
    Ok(())
}

fn write(clicks: &[Click], path: PathBuf) -> Result<(), Box<dyn Error>> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("at", utc, true),
        Field::new("visitor", DataType::Int64, true),
        Field::new("amount", DataType::Float64, true),
        Field::new("page", DataType::Utf8, true),
    ]));
    let times: Vec<i64> =
        clicks.iter().map(|click| click.at.parse::<Micros>().map(Micros::get)).collect::<Result<_, _>>()?;
    let batch = RecordBatch::try_new(
        schema.clone(),
        vec![
            Arc::new(Int64Array::from_iter_values(clicks.iter().map(|click| click.id))),
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
            Arc::new(Int64Array::from_iter_values(clicks.iter().map(|click| click.visitor))),
            Arc::new(Float64Array::from_iter_values(clicks.iter().map(|click| click.amount))),
            Arc::new(StringArray::from_iter_values(clicks.iter().map(|click| &click.page))),
        ],
    )?;
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1)?);
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema, Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

/// A value for each visitor of the flush, as a stream writes one row for each entity of it.
fn set(redis: &mut redis::Connection, clicks: &[Click], value: &[u8]) -> Result<usize, Box<dyn Error>> {
    let visitors: HashSet<i64> = clicks.iter().map(|click| click.visitor).collect();
    let mut pipeline = redis::pipe();
    for visitor in &visitors {
        pipeline.cmd("SET").arg(format!("bare:{visitor}")).arg(value).ignore();
    }
    pipeline.query::<()>(redis)?;
    Ok(visitors.len())
}
