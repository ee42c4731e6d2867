//! Clicks as JSON, keyed by their visitor, as fast as the broker takes them or at a given rate.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use feature::Micros;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::TopicArgs;

/// What is produced.
#[derive(Args, Debug)]
pub struct FillArgs {
    #[command(flatten)]
    into: TopicArgs,
    /// Clicks a second; as fast as they go where none is named
    #[arg(long)]
    rate: Option<u64>,
    /// How many visitors they are of
    #[arg(long, default_value_t = 20_000)]
    visitors: u64,
}

/// How long the clicks are gathered that are sent together at a given rate.
const BEAT: Duration = Duration::from_millis(5);

/// Produces the clicks, and waits until the broker has them.
pub fn fill(args: &FillArgs) -> Result<(), Box<dyn Error>> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &args.into.brokers)
        .set("linger.ms", if args.rate.is_some() { "2" } else { "20" })
        .set("batch.size", "262144")
        .create()?;
    // Clicks have their time from the moment when they are handed over: not to be spent on connecting.
    producer.client().fetch_metadata(Some(&args.into.topic), Duration::from_secs(30))?;
    let mut random = fastrand::Rng::with_seed(args.into.records);
    let began = Instant::now();
    for id in 0..args.into.records {
        if let Some(rate) = args.rate {
            let due = Duration::from_secs_f64(id as f64 / rate as f64);
            while due > began.elapsed() {
                producer.poll(Duration::ZERO);
                thread::sleep(BEAT.min(due.saturating_sub(began.elapsed())));
            }
        }
        let visitor = random.u64(0..args.visitors);
        let at = Micros::new(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as i64)?;
        let value = format!(
            r#"{{"id":{id},"at":"{at}","visitor":{visitor},"amount":{},"page":"/page/{}"}}"#,
            random.u32(0..100_000) as f64 / 100.0,
            random.u32(0..500)
        );
        send(&producer, &args.into.topic, &visitor.to_string(), &value)?;
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(())
}

fn send(producer: &BaseProducer, topic: &str, key: &str, value: &str) -> Result<(), Box<dyn Error>> {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    while let Err((error, unsent)) = producer.send(record) {
        if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
            return Err(error.into());
        }
        producer.poll(Duration::from_millis(10));
        record = unsent;
    }
    Ok(())
}
