//! A Kafka topic as a source, read as one member of a consumer group. The broker never decides where reading begins:
//! an assignment waits until the log's offset is known.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use feature::{Micros, TraceParent};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers, Message, Timestamp};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::feed::{Arrival, Feed, Others};
use crate::error::FeedError;
use crate::rows::record::Record;

/// How long a request to the broker may take.
const ASKING: Duration = Duration::from_secs(10);

/// The settings of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// The brokers, as `host:port`, separated by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// Settings of librdkafka that are passed on, as `security.protocol`.
    pub options: BTreeMap<String, String>,
}

/// Settings on which correctness depends: they cannot be configured.
const OURS: [(&str, &str); 4] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "false"),
];

/// Settings that hold unless they are configured.
const DEFAULTS: [(&str, &str); 6] = [
    // A process that died is replaced within this time.
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "2000"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    // Records that wait in memory, for all partitions together.
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.wait.max.ms", "100"),
    ("log_level", "3"),
];

/// A member of a consumer group that reads one topic.
pub struct Kafka {
    topic: String,
    consumer: BaseConsumer<RebalanceContext>,
    clock: fn() -> Micros,
}

/// Changes of the assignment, until they are polled.
#[derive(Default)]
struct RebalanceContext {
    changes: Mutex<Changes>,
}

#[derive(Default)]
struct Changes {
    unreported: VecDeque<Arrival>,
    /// Partitions that were given to this member, and are not read yet.
    unassigned: Vec<u32>,
    /// Whether the group has once said which partitions are this member's, even if none is.
    is_member: bool,
}

impl Kafka {
    /// Joins the group. The broker need not be there yet.
    pub fn join(settings: &KafkaSettings, clock: fn() -> Micros) -> Result<Self, FeedError> {
        if let Some((key, _)) = OURS.iter().find(|(key, _)| settings.options.contains_key(*key)) {
            return Err(FeedError::Refused(format!(
                "`{key}` cannot be set: positions are kept in the log, so remove it"
            )));
        }
        let mut config = ClientConfig::new();
        DEFAULTS.iter().for_each(|(key, value)| {
            config.set(*key, *value);
        });
        settings.options.iter().for_each(|(key, value)| {
            config.set(key, value);
        });
        OURS.iter().for_each(|(key, value)| {
            config.set(*key, *value);
        });
        config.set("bootstrap.servers", &settings.brokers).set("group.id", &settings.group);
        let consumer: BaseConsumer<RebalanceContext> =
            config.create_with_context(RebalanceContext::default()).map_err(refused)?;
        consumer.subscribe(&[&settings.topic]).map_err(refused)?;
        Ok(Self { topic: settings.topic.clone(), consumer, clock })
    }

    fn list(&self, offsets: &[(u32, u64)]) -> Result<TopicPartitionList, FeedError> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            let offset = Offset::Offset(i64::try_from(*offset).unwrap_or(i64::MAX));
            list.add_partition_offset(&self.topic, *partition as i32, offset).map_err(unreachable)?;
        }
        Ok(list)
    }

    fn record(&self, message: &BorrowedMessage<'_>) -> Record {
        let now = (self.clock)();
        let timestamp =
            message.timestamp().to_millis().and_then(|millis| Micros::new(millis.checked_mul(1_000)?).ok());
        // A producer's clock is not trusted: one that is ahead would hide the view's rows until then.
        let appended = timestamp.filter(|_| matches!(message.timestamp(), Timestamp::LogAppendTime(_)));
        Record {
            partition: message.partition() as u32,
            offset: message.offset() as u64,
            timestamp: timestamp.unwrap_or(now),
            received_at: appended.max(Some(now)).unwrap_or(now),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            trace: message.headers().and_then(trace),
            is_forgotten: false,
        }
    }
}

impl Feed for Kafka {
    fn next(&mut self, wait: Duration) -> Result<Arrival, FeedError> {
        if let Some(change) = self.consumer.context().changes().unreported.pop_front() {
            return Ok(change);
        }
        match self.consumer.poll(wait) {
            None => Ok(self.consumer.context().changes().unreported.pop_front().unwrap_or(Arrival::Nothing)),
            Some(Ok(message)) => Ok(Arrival::Record(self.record(&message))),
            Some(Err(error)) => Err(failed(error)),
        }
    }

    fn extent(&mut self, partition: u32) -> Result<(u64, u64), FeedError> {
        let extent = self.consumer.fetch_watermarks(&self.topic, partition as i32, ASKING);
        let (earliest, end) = extent.map_err(unreachable)?;
        Ok((earliest.max(0) as u64, end.max(0) as u64))
    }

    fn begin(&mut self, offsets: &[(u32, u64)]) -> Result<(), FeedError> {
        let unassigned = self.consumer.context().changes().unassigned.clone();
        let (new, known): (Vec<_>, Vec<_>) =
            offsets.iter().copied().partition(|(partition, _)| unassigned.contains(partition));
        if !new.is_empty() {
            let list = self.list(&new)?;
            match self.consumer.rebalance_protocol() {
                RebalanceProtocol::Cooperative => self.consumer.incremental_assign(&list),
                _ => self.consumer.assign(&list),
            }
            .map_err(unreachable)?;
            let is_new = |partition: &u32| new.iter().any(|(other, _)| other == partition);
            self.consumer.context().changes().unassigned.retain(|partition| !is_new(partition));
        }
        if !known.is_empty() {
            let list = self.list(&known)?;
            self.consumer.seek_partitions(list, ASKING).map_err(unreachable)?;
        }
        Ok(())
    }

    fn others(&mut self) -> Result<Others, FeedError> {
        let (is_member, mut own) = {
            let changes = self.consumer.context().changes();
            (changes.is_member, changes.unassigned.clone())
        };
        if !is_member {
            return Ok(Others::default());
        }
        let assigned = self.consumer.assignment().map_err(unreachable)?;
        own.extend(assigned.elements().iter().filter_map(|one| u32::try_from(one.partition()).ok()));
        let known = self.consumer.fetch_metadata(Some(&self.topic), ASKING).map_err(unreachable)?;
        let all = known.topics().iter().flat_map(|topic| topic.partitions());
        let ids = all.filter_map(|one| u32::try_from(one.id()).ok());
        Ok(Others { partitions: ids.filter(|one| !own.contains(one)).collect(), reader: None })
    }

    fn acknowledge(&mut self, ends: &[(u32, u64)]) {
        let committed = self.list(ends).map(|list| self.consumer.commit(&list, CommitMode::Async));
        if let Ok(Err(error)) = committed {
            tracing::debug!("the broker did not take note of {ends:?}: {error}");
        }
    }
}

impl RebalanceContext {
    fn changes(&self) -> std::sync::MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for RebalanceContext {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("kafka: {error}: {reason}");
    }
}

impl ConsumerContext for RebalanceContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<u32> =
            list.elements().iter().filter_map(|element| u32::try_from(element.partition()).ok()).collect();
        let is_cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        self.changes().is_member |= matches!(event, RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
        let done = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS if partitions.is_empty() => {
                if is_cooperative { consumer.incremental_assign(list) } else { consumer.assign(list) }
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                let mut changes = self.changes();
                changes.unassigned.extend(&partitions);
                changes.unreported.push_back(Arrival::Assigned(partitions));
                Ok(())
            }
            _ => {
                let mut changes = self.changes();
                changes.unassigned.retain(|partition| !partitions.contains(partition));
                changes.unreported.push_back(Arrival::Revoked(partitions));
                drop(changes);
                if is_cooperative { consumer.incremental_unassign(list) } else { consumer.unassign() }
            }
        };
        if let Err(error) = done {
            tracing::warn!("kafka did not take a rebalance: {error}");
        }
    }
}

/// What librdkafka names where a setting needs the library that this build leaves out.
const LEFT_OUT: &str = "OpenSSL";

fn refused(error: KafkaError) -> FeedError {
    let sentence = match &error {
        KafkaError::ClientConfig(_, why, key, value) if why.contains(LEFT_OUT) => format!(
            "the setting `stream.kafka.\"{key}\"` = `{value}` needs OpenSSL, which this build leaves out: give \
             the broker a listener without TLS, or put a TLS proxy before it and name that in `stream.brokers`"
        ),
        KafkaError::ClientConfig(_, why, key, value) => {
            format!("the setting `stream.kafka.\"{key}\"` = `{value}` is refused: {why}")
        }
        KafkaError::ClientCreation(why) if why.contains("openssl") => format!(
            "its way to log in needs OpenSSL, which this build leaves out; of SASL there is PLAIN: {why}"
        ),
        error => format!("kafka refuses its settings: {error}"),
    };
    FeedError::Refused(sentence)
}

fn unreachable(error: KafkaError) -> FeedError {
    FeedError::Unreachable(error.to_string())
}

fn failed(error: KafkaError) -> FeedError {
    let sentence = error.to_string();
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => FeedError::OutOfRange,
        Some(RDKafkaErrorCode::NotImplemented) => FeedError::Refused(
            "its records are compressed by a codec that this build leaves out, as zstd: set the topic's \
             `compression.type` to lz4, snappy or gzip, and produce again what is compressed already"
                .to_owned(),
        ),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::Fatal,
        ) => FeedError::Refused(sentence),
        _ => match error {
            KafkaError::MessageConsumptionFatal(_) => FeedError::Refused(sentence),
            _ => FeedError::Unreachable(sentence),
        },
    }
}

/// The trace that a record's producer records it in.
fn trace(headers: &BorrowedHeaders) -> Option<TraceParent> {
    let header = headers.iter().find(|header| header.key.eq_ignore_ascii_case(TraceParent::HEADER))?;
    TraceParent::parse(std::str::from_utf8(header.value?).ok()?).filter(|parent| parent.is_sampled)
}
