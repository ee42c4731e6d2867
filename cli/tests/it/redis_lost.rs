//! A server over Redis that is killed, slowed down and emptied while it is read: what is held is answered
//! with its true age for as long as it may be, what is not is unavailable and never "not found", and all
//! is as before, without a restart, once Redis is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proto::v1::column::Status;
use proto::v1::feature_store_client::FeatureStoreClient;
use proto::v1::values::Kind;
use proto::v1::{GetFeaturesRequest, GetFeaturesResponse, Int32s, Strings, Values};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::Channel;

use crate::project::{GET, Project, says};
use crate::served::Server;
use test_support::RedisServer as Redis;

/// Requests that are under way at once.
const READERS: usize = 8;
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A read of Redis is waited for a second.
const NEARLY_A_WAIT: Duration = Duration::from_millis(900);

/// A server whose project lies in Redis, and readers that ask it all the time.
struct RedisServed {
    runtime: Runtime,
    project: Project,
    redis: Redis,
    server: Server,
    client: FeatureStoreClient<Channel>,
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    readers: Vec<JoinHandle<()>>,
}

/// What the readers were answered about an entity that is there.
#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    unavailable: AtomicU64,
    not_found: AtomicU64,
    wrong: AtomicU64,
    /// Those that took nearly as long as a read of Redis is waited for.
    slow: AtomicU64,
}

impl Seen {
    /// How many of each since the last call of this: answered, unavailable, not found, wrong.
    fn take(&self) -> [u64; 4] {
        [&self.answered, &self.unavailable, &self.not_found, &self.wrong]
            .map(|count| count.swap(0, Ordering::Relaxed))
    }
}

fn request(dest: &str) -> GetFeaturesRequest {
    let strings = |text: &str| Values {
        nulls: Vec::new(),
        kind: Some(Kind::Strings(Strings { values: vec![text.to_owned()] })),
    };
    let distance = Values { nulls: Vec::new(), kind: Some(Kind::Int32s(Int32s { values: vec![2475] })) };
    GetFeaturesRequest {
        service: "late_arrival".to_owned(),
        entities: [("dest".to_owned(), strings(dest)), ("tailnum".to_owned(), strings("N338AA"))].into(),
        request: [("distance".to_owned(), distance)].into(),
        ..Default::default()
    }
}

fn statuses(answer: &GetFeaturesResponse) -> impl Iterator<Item = Status> {
    answer.columns.iter().flat_map(|column| column.statuses())
}

/// Whether every age is the time from the event to the moment of the answer.
fn has_true_ages(answer: &GetFeaturesResponse) -> bool {
    answer.times.iter().all(|times| {
        times.event_times_us.iter().zip(&times.ages_s).all(|(event, age)| {
            let expected = (answer.at_us - event) as f64 / 1e6;
            *age > 0.0 && (age - expected).abs() < 1e-3
        })
    })
}

async fn read_on(mut client: FeatureStoreClient<Channel>, seen: Arc<Seen>, stop: Arc<AtomicBool>) {
    let mut at_us = 0;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let counter = match client.get_features(request("LAX")).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let is_later = answer.at_us >= at_us;
                at_us = answer.at_us;
                if statuses(&answer).any(|status| status == Status::NotFound) {
                    &seen.not_found
                } else if is_later && has_true_ages(&answer) {
                    &seen.answered
                } else {
                    &seen.wrong
                }
            }
            Err(status) if status.code() == Code::Unavailable => &seen.unavailable,
            Err(_) => &seen.wrong,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        seen.slow.fetch_add((began.elapsed() >= NEARLY_A_WAIT).into(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

impl RedisServed {
    fn new(longest_outage: &str) -> RedisServed {
        let redis = Redis::start(&[]);
        let project = Project::sample();
        let file = format!(
            "project = \"flights\"\nonline.url = \"{}\"\nserve.longest_outage = \"{longest_outage}\"\n",
            redis.url()
        );
        project.write("twinstore.toml", file);
        project.ok("apply");
        project.ok("backfill --all");
        let server = Server::start(&project);
        let runtime = Runtime::new().unwrap();
        let endpoint = Channel::from_shared(format!("http://{}", server.grpc)).unwrap();
        let client = FeatureStoreClient::new(runtime.block_on(endpoint.connect()).unwrap());
        let (seen, stop) = (Arc::<Seen>::default(), Arc::<AtomicBool>::default());
        let readers = (0..READERS)
            .map(|_| runtime.spawn(read_on(client.clone(), seen.clone(), stop.clone())))
            .collect();
        let served = RedisServed { runtime, project, redis, server, client, seen, stop, readers };
        served.until("the row is held", || served.counts("twinstore_tier_followed 1"));
        served.answers_more();
        served.seen.take();
        served
    }

    fn ask(&self, dest: &str) -> Result<GetFeaturesResponse, Code> {
        let answer = self.runtime.block_on(self.client.clone().get_features(request(dest)));
        answer.map(tonic::Response::into_inner).map_err(|status| status.code())
    }

    /// Whether the page of metrics has this line.
    fn counts(&self, line: &str) -> bool {
        self.server.get("/metrics").lines().any(|shown| shown == line)
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "never: {what}; {:?}", self.seen.take());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Waits until the readers have some more answers.
    fn answers_more(&self) {
        let before = self.seen.answered.load(Ordering::Relaxed);
        self.until("more is answered", || self.seen.answered.load(Ordering::Relaxed) > before + 100);
    }

    fn is_never_not_found_or_wrong(&self, phase: &str) -> [u64; 4] {
        let counts @ [_, _, not_found, wrong] = self.seen.take();
        eprintln!(
            "{phase}: answered, unavailable, not found, wrong {counts:?}; {} of them slow",
            self.seen.slow.swap(0, Ordering::Relaxed)
        );
        assert_eq!((not_found, wrong), (0, 0), "{phase}: {counts:?}");
        counts
    }

    /// Fills Redis again, and waits until everything is answered again.
    fn is_back_after_a_rebuild(&self) {
        self.project.ok("online rebuild");
        self.until("it is found again", || {
            self.ask("LAX").is_ok_and(|answer| !statuses(&answer).any(|status| status == Status::NotFound))
        });
        self.until("it is followed again", || {
            self.counts("twinstore_tier_followed 1") && self.counts("twinstore_serve_store_up 1")
        });
        // What was under way before does not count.
        self.answers_more();
        self.seen.take();
        self.answers_more();
        assert_eq!(self.is_never_not_found_or_wrong("back")[1], 0);
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for reader in self.readers {
            self.runtime.block_on(reader).unwrap();
        }
        drop(self.client);
        assert_eq!(self.server.terminate().0, Some(0));
    }
}

#[test]
fn when_redis_is_killed_what_is_held_is_answered_as_long_as_it_may_be_and_nothing_is_not_found() {
    let mut served = RedisServed::new("3s");
    served.redis.kill();
    served.until("the loss is noticed", || served.counts("twinstore_serve_store_up 0"));
    assert_eq!(served.ask("LAX").map(|answer| has_true_ages(&answer)), Ok(true));
    assert!(served.server.get("/health").contains("200 OK"), "it stands in");
    for other in ["BOS", "XXX"] {
        assert_eq!(served.ask(other), Err(Code::Unavailable), "{other}");
    }
    served.until("it lasted too long", || served.ask("LAX") == Err(Code::Unavailable));
    served.until("health says so", || served.server.get("/health").contains("503"));
    served.until("the readers are refused", || served.seen.unavailable.load(Ordering::Relaxed) > 0);
    let [answered, unavailable, ..] = served.is_never_not_found_or_wrong("killed");
    assert!(answered > 100 && unavailable > 0, "{answered} {unavailable}");
    // Empty, it is refused until its rows are there again.
    served.redis.restart();
    served.is_back_after_a_rebuild();
    served.end();
}

#[test]
fn when_redis_is_slow_what_is_held_is_answered_and_nobody_waits_for_long() {
    let served = RedisServed::new("5m");
    served.is_never_not_found_or_wrong("before");
    served.redis.signal("STOP");
    served.until("the loss is noticed", || served.counts("twinstore_tier_followed 0"));
    served.until("it lasts", || served.seen.answered.load(Ordering::Relaxed) > 2_000);
    assert_eq!(served.ask("BOS"), Err(Code::Unavailable));
    let slow = served.seen.slow.load(Ordering::Relaxed);
    let [answered, unavailable, ..] = served.is_never_not_found_or_wrong("slow");
    assert!(answered > 2_000 && unavailable == 0, "{answered} {unavailable}");
    // Each reader waits as long as it takes to notice, at most, however slow the machine is for a moment.
    assert!(slow * 50 < answered, "{slow} of {answered}");
    served.redis.signal("CONT");
    served.until("it is followed again", || served.counts("twinstore_tier_followed 1"));
    served.until("the others are found", || served.ask("BOS").is_ok());
    assert_eq!(served.is_never_not_found_or_wrong("back")[1], 0);
    served.end();
}

#[test]
fn an_emptied_redis_is_refused_by_everyone_who_reads_until_it_is_filled_again() {
    let served = RedisServed::new("5m");
    served.is_never_not_found_or_wrong("before");
    served.redis.says("FLUSHALL");
    served.until("it has no rows", || served.ask("LAX") == Err(Code::Unavailable));
    served.until("health says so", || {
        let health = served.server.get("/health");
        health.contains("503") && health.contains("has lost its rows")
    });
    let done = served.project.run(GET);
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    says(&done.stderr, &["has lost its rows", "`twinstore online rebuild`"]);
    // A server that starts now knows it from the logs.
    let second = Server::start_as(&served.project, "serve --no-streams");
    served.until("it says so, too", || {
        let health = second.get("/health");
        health.contains("503") && health.contains("has lost its rows")
    });
    assert_eq!(second.terminate().0, Some(0));
    // One view alone would be found beside others that are not: all are written again.
    served.project.ok("online rebuild aircraft_last_flight");
    served.until("it is found again", || served.ask("LAX").is_ok());
    served.is_never_not_found_or_wrong("emptied");
    served.is_back_after_a_rebuild();
    served.end();
}

#[test]
fn of_an_emptied_redis_every_view_is_refused_that_is_not_loaded_again() {
    let redis = Redis::start(&[]);
    let project = Project::sample();
    project.write("twinstore.toml", format!("project = \"flights\"\nonline.url = \"{}\"\n", redis.url()));
    project.ok("apply");
    project.ok("backfill --all");
    let right = project.ok(GET);
    redis.says("FLUSHALL");
    // A load says again whose the rows are, which is all that there is of the other views.
    project.ok("materialize aircraft_last_flight");
    let lost = project.run(GET);
    assert_eq!(lost.code, Some(1), "{}", lost.stdout);
    says(&lost.stderr, &["has lost rows of", "`twinstore online rebuild"]);
    let server = Server::start_as(&project, "serve --no-streams");
    let body = json!({
        "service": "late_arrival", "entities": {"dest": ["LAX"], "tailnum": ["N338AA"]},
        "request": {"distance": [2475]},
    });
    let (status, answer) = server.post("/v1/features", &body);
    let answer = answer.to_string();
    assert!(status >= 500 && answer.contains("has lost rows of"), "{status}: {answer}");
    assert!(!answer.contains("NOT_FOUND"), "{answer}");
    project.ok("online rebuild");
    server.waits_for(&body, |status, _| status == 200);
    assert_eq!(server.terminate().0, Some(0));
    assert_eq!(project.ok(GET), right);
}
