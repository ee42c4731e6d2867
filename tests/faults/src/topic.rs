//! A topic, and what was produced to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use feature::Micros;
use feature::oracle::Numbers;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::schemas::Written;
use test_support::KafkaBroker;

/// Users that click.
pub(crate) const USERS: u64 = 300;
/// How long the broker may take to have everything.
const BOUND: Duration = Duration::from_secs(120);

/// Where records go.
enum Destination {
    Kafka {
        producer: BaseProducer,
        admin: AdminClient<DefaultClientContext>,
        partitions: i32,
    },
    /// Lines that are to be pushed.
    Disk(Vec<String>),
}

/// A topic of clicks.
pub struct Topic {
    /// What it is called.
    pub name: String,
    destination: Destination,
    numbers: Numbers,
    next_id: i64,
    /// How often each click was produced, by its number.
    pub produced: BTreeMap<i64, u32>,
    /// Every click that was produced, once: its number, moment, visitor, amount and page.
    clicks: Vec<(i64, Micros, u64, f64, &'static str)>,
    /// When each click was produced, by its number, in whole milliseconds as brokers count.
    pub(crate) produced_at: Vec<Micros>,
    /// Records that nobody can read.
    pub poison: u64,
    /// Records that were produced, whatever they are.
    pub records: u64,
    /// Whether some clicks are produced twice.
    pub has_twins: bool,
    /// How its values are written.
    pub written: Written,
    /// The header `traceparent` of the records that are sent.
    traceparent: Option<String>,
}

impl Topic {
    /// Makes a topic; its clicks follow from the seed.
    pub fn create(broker: &KafkaBroker, name: &str, partitions: i32, seed: u64) -> Self {
        Self::with(broker, name, partitions, seed, &[])
    }

    /// One whose records have the broker's time.
    pub fn of_broker_time(broker: &KafkaBroker, name: &str, partitions: i32, seed: u64) -> Self {
        Self::with(broker, name, partitions, seed, &[("message.timestamp.type", "LogAppendTime")])
    }

    /// One that the broker compresses by this codec.
    pub fn compressed(broker: &KafkaBroker, name: &str, partitions: i32, seed: u64, codec: &str) -> Self {
        Self::with(broker, name, partitions, seed, &[("compression.type", codec)])
    }

    fn with(broker: &KafkaBroker, name: &str, partitions: i32, seed: u64, settings: &[(&str, &str)]) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker.address()).set("linger.ms", "5");
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let plain = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = settings.iter().fold(plain, |topic, (key, value)| topic.set(key, value));
        let created = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
        created.into_iter().for_each(|created| {
            created.unwrap();
        });
        let producer = config.create().unwrap();
        Self::of(name, seed, Destination::Kafka { producer, admin, partitions })
    }

    /// A topic on disk, into which its clicks are pushed.
    pub fn on_disk(name: &str, seed: u64) -> Self {
        Self::of(name, seed, Destination::Disk(Vec::new()))
    }

    fn of(name: &str, seed: u64, destination: Destination) -> Self {
        Self {
            name: name.to_owned(),
            destination,
            numbers: Numbers::new(seed),
            next_id: 0,
            produced: BTreeMap::new(),
            clicks: Vec::new(),
            produced_at: Vec::new(),
            poison: 0,
            records: 0,
            has_twins: true,
            written: Written::Json,
            traceparent: None,
        }
    }

    /// Produces clicks in disorder, some of them twice, and waits until the broker has them.
    pub fn produce(&mut self, clicks: u64) {
        for _ in 0..clicks {
            let id = self.next_id;
            self.next_id += 1;
            let user = self.numbers.below(USERS);
            let longest = if self.numbers.once_in(50) { 7_200_000 } else { 20_000 };
            let late_by = self.numbers.below(longest) as i64;
            let produced_at = now();
            let at = Micros::new(produced_at.get() - late_by * 1_000).unwrap();
            let amount = self.numbers.below(1_000_000) as f64 / 100.0 - 2_000.0;
            let page = ["home", "cart", "pay", "help"][self.numbers.below(4) as usize];
            let click = (id, at, user, amount, page);
            let value = self.written.bytes(&click);
            // One that is in a file too is in the topic once, as it is there.
            let times = if self.has_twins && self.numbers.once_in(200) { 2 } else { 1 };
            for _ in 0..times {
                self.send(user, Some(&value));
            }
            self.produced.insert(id, times);
            self.produced_at.push(Micros::new(produced_at.get() / 1_000 * 1_000).unwrap());
            self.clicks.push(click);
        }
        self.flush();
    }

    /// Produces records that are no clicks.
    pub fn poison(&mut self, records: u64) {
        for record in 0..records {
            let user = self.numbers.below(USERS);
            let bytes: &[u8] =
                [b"{\"id\": ".as_slice(), b"\xff\x00\x01", b"[]", b"{\"id\": \"x\"}"][record as usize % 4];
            self.send(user, Some(bytes));
            self.poison += 1;
        }
        self.flush();
    }

    /// Produces records with these values.
    pub fn produce_values(&mut self, values: &[&str]) {
        for (user, value) in (0..).zip(values) {
            self.send(user, Some(value.as_bytes()));
        }
        self.flush();
    }

    /// Produces records in the frame of a registry, by schemas that it does not have.
    pub fn poison_schemas(&mut self, records: u64) {
        for record in 0..records {
            let id = 1_000_000 + (record % 3) as u32;
            self.send(record, Some(&[&[0][..], &id.to_be_bytes()[..], b"?"].concat()));
            self.poison += 1;
        }
        self.flush();
    }

    /// Produces tombstones: so many users are forgotten.
    pub fn forget(&mut self, users: u64) {
        for _ in 0..users {
            let user = self.numbers.below(USERS);
            self.send(user, None);
        }
        self.flush();
    }

    /// The lines that are not pushed yet.
    pub(crate) fn take_lines(&mut self) -> String {
        match &mut self.destination {
            Destination::Disk(lines) => std::mem::take(lines).join("\n"),
            Destination::Kafka { .. } => String::new(),
        }
    }

    /// The moment before which half of the clicks happened.
    pub fn middle(&self) -> Micros {
        let mut moments: Vec<Micros> = self.clicks.iter().map(|click| click.1).collect();
        moments.sort();
        moments[moments.len() / 2]
    }

    /// Writes all clicks as a source's history.
    pub(crate) fn write_history(&self, path: &Path) {
        let clicks = || self.clicks.iter();
        let moments: TimestampMicrosecondArray = clicks().map(|click| Some(click.1.get())).collect();
        let columns: [(&str, ArrayRef); 5] = [
            ("id", Arc::new(Int64Array::from_iter_values(clicks().map(|click| click.0)))),
            ("at", Arc::new(moments.with_timezone("UTC"))),
            ("visitor", Arc::new(Int64Array::from_iter_values(clicks().map(|click| click.2 as i64)))),
            ("amount", Arc::new(Float64Array::from_iter_values(clicks().map(|click| click.3)))),
            ("page", Arc::new(StringArray::from_iter_values(clicks().map(|click| click.4)))),
        ];
        offline::write_file(path, &RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    }

    /// Drops the rows of a partition before an offset, as retention does.
    pub fn drop_before(&self, partition: i32, offset: u64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Offset(offset as i64)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let Destination::Kafka { admin, .. } = &self.destination else {
            panic!("a topic on disk drops what was read")
        };
        runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
    }

    /// Produces clicks under a header `traceparent`.
    pub fn produce_under(&mut self, traceparent: &str, clicks: u64) {
        self.traceparent = Some(traceparent.to_owned());
        self.produce(clicks);
        self.traceparent = None;
    }

    /// Sends a record whose key is a user. By the user's number, so that a partition has a user's clicks.
    fn send(&mut self, user: u64, value: Option<&[u8]>) {
        self.records += 1;
        let (producer, partitions) = match &mut self.destination {
            Destination::Kafka { producer, partitions, .. } => (producer, *partitions),
            Destination::Disk(lines) => {
                lines.push(String::from_utf8(value.unwrap().to_vec()).unwrap());
                return;
            }
        };
        let key = user.to_string();
        let partition = (user % partitions as u64) as i32;
        let mut record = BaseRecord::to(&self.name).key(&key).partition(partition);
        if let Some(value) = value {
            record = record.payload(value);
        }
        if let Some(traceparent) = &self.traceparent {
            let header = Header { key: "traceparent", value: Some(traceparent) };
            record = record.headers(OwnedHeaders::new().insert(header));
        }
        while let Err((error, unsent)) = producer.send(record) {
            let is_full = matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            assert!(is_full, "the broker took no record: {error}");
            producer.poll(Duration::from_millis(20));
            record = unsent;
        }
    }

    fn flush(&self) {
        if let Destination::Kafka { producer, .. } = &self.destination {
            producer.flush(BOUND).unwrap();
        }
    }
}

/// What time it is.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Micros::new(since.as_micros() as i64).unwrap()
}
