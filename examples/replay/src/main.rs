//! Replays landings as JSON into a Kafka topic, many times faster than they happened.
//!
//! Event times are moved so that the last landing falls at the moment when the replay ends, and none ever
//! lies ahead of the clock: features over the past hour and day have something to count.

mod landings;

use std::error::Error;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use feature::Micros;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;

use landings::Landing;

/// Replay landings as JSON into a Kafka topic.
#[derive(Parser, Debug)]
struct Arguments {
    /// The brokers
    #[arg(long, value_name = "HOST:PORT")]
    brokers: String,
    /// The topic, which is there
    #[arg(long, default_value = "landings")]
    topic: String,
    /// The landings
    #[arg(long, value_name = "FILE", default_value = "examples/flights/data/landings.parquet")]
    file: PathBuf,
    /// Landings from this time on
    #[arg(long, value_name = "TIME", default_value = "2013-06-01T00:00:00Z")]
    from: Micros,
    /// Landings before this time
    #[arg(long, value_name = "TIME", default_value = "2013-07-01T00:00:00Z")]
    to: Micros,
    /// How long the replay takes
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let landings = landings::read(&arguments.file, arguments.from..arguments.to)?;
    let (Some(first), Some(last)) = (landings.first(), landings.last()) else {
        return Err("no landing lies between --from and --to".into());
    };
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &arguments.brokers).set("linger.ms", "5").create()?;
    let took = Duration::from_secs(arguments.seconds);
    let moved = now() + took.as_micros() as i64 - last.landed_at;
    let began = Instant::now();
    for landing in &landings {
        let share =
            (landing.landed_at - first.landed_at) as f64 / (last.landed_at - first.landed_at).max(1) as f64;
        let due = took.mul_f64(share);
        if let Some(wait) = due.checked_sub(began.elapsed()).filter(|wait| wait.as_millis() > 0) {
            producer.poll(Duration::ZERO);
            thread::sleep(wait);
        }
        send(&producer, &arguments.topic, landing, moved)?;
    }
    producer.flush(Duration::from_secs(30))?;
    let seconds = began.elapsed().as_secs_f64();
    let days = (last.landed_at - first.landed_at) as f64 / 86_400e6;
    let speed = days * 86_400.0 / seconds;
    println!("{} landings of {days:.0} days in {seconds:.1}s: {speed:.0} times real speed", landings.len());
    Ok(())
}

fn send(producer: &BaseProducer, topic: &str, landing: &Landing, moved: i64) -> Result<(), Box<dyn Error>> {
    // A landing that is sent early by a hair must not lie ahead.
    let at = Micros::new((landing.landed_at + moved).min(now()))?;
    let value = json!({
        "flight_id": landing.flight_id,
        "landed_at": at.to_string(),
        "tailnum": landing.tailnum,
        "carrier": landing.carrier,
        "origin": landing.origin,
        "dest": landing.dest,
        "dep_delay": landing.dep_delay,
        "arr_delay": landing.arr_delay,
        "air_time": landing.air_time,
        "distance": landing.distance,
    })
    .to_string();
    let key = landing.dest.as_deref().unwrap_or_default();
    let mut record = BaseRecord::to(topic).key(key).payload(&value);
    while let Err((error, unsent)) = producer.send(record) {
        if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
            return Err(error.into());
        }
        producer.poll(Duration::from_millis(20));
        record = unsent;
    }
    Ok(())
}

/// What time it is, in UTC microseconds.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i64
}
