//! One connection: how it stands, and how it is tried, apart from requests, while it does not reach its server.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tonic::client::Grpc;
use tonic::codegen::http::Uri;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::address::Address;
use super::dial::{Dial, Tls};
use crate::error::Error;

/// How long a request that was given up counts against its server, from the last one.
const UNANSWERED_FOR: Duration = Duration::from_secs(1);
/// Between two trials of a server that cannot be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a connection may be silent until it is pinged, and how long the answer may take.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

const HEALTH: &str = "/grpc.health.v1.Health/Check";
/// `SERVING` of the health service.
const SERVING: i32 = 1;

/// The answer of gRPC's health service.
#[derive(Clone, PartialEq, prost::Message)]
struct Health {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// A connection that is made when it is first used, and again after it broke.
#[derive(Debug)]
pub(super) struct Slot {
    endpoint: Arc<str>,
    channel: Channel,
    timeout: Duration,
    standing: Arc<Standing>,
    /// What tries it again.
    watch: Mutex<Option<JoinHandle<()>>>,
}

/// How a connection stands.
#[derive(Debug)]
pub(super) struct Standing {
    began: Instant,
    is_up: AtomicBool,
    outstanding: AtomicUsize,
    /// Requests that were given up since the last answer.
    unanswered: AtomicUsize,
    unanswered_until_ms: AtomicU64,
    held_back_until_ms: AtomicU64,
}

/// How a request on a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// With an answer, be it a refusal.
    Answered,
    /// As the connection was not made, or broke.
    Broken,
    /// Nobody waits for its answer any more.
    GivenUp,
}

impl Slot {
    pub fn new(address: &Address, tls: &Arc<Tls>, timeout: Duration) -> Result<Self, Error> {
        let authority = address.authority();
        let wrong = || Error::Endpoint { endpoint: authority.clone() };
        let uri = |scheme: &str| format!("{scheme}://{authority}").parse::<Uri>().map_err(|_| wrong());
        let endpoint = Endpoint::from(uri("http")?)
            .origin(uri(if address.is_tls { "https" } else { "http" })?)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let dial = Dial { address: Arc::new(address.clone()), tls: Arc::clone(tls), timeout };
        Ok(Self {
            channel: endpoint.connect_with_connector_lazy(dial),
            endpoint: authority.into(),
            timeout,
            standing: Arc::default(),
            watch: Mutex::default(),
        })
    }

    pub fn endpoint(&self) -> Arc<str> {
        Arc::clone(&self.endpoint)
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Tries the server. It is used from then on where it answers.
    pub async fn try_once(&self) -> Result<(), Status> {
        let tried = try_server(self.channel.clone(), self.timeout).await;
        if tried.is_ok() {
            self.standing.is_up.store(true, Ordering::Relaxed);
        }
        tried
    }

    /// Tries the server until it answers, apart from requests.
    pub fn watch(&self) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.as_ref().is_some_and(|watch| !watch.is_finished()) {
            return;
        }
        let (channel, limit, standing) = (self.channel.clone(), self.timeout, Arc::clone(&self.standing));
        *watch = Some(tokio::spawn(async move {
            let mut pause = FIRST_PAUSE;
            while try_server(channel.clone(), limit).await.is_err() {
                // Clients that lost a server at once do not come back at once.
                sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            standing.is_up.store(true, Ordering::Relaxed);
        }));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let watch = self.watch.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = watch {
            watch.abort();
        }
    }
}

/// Whether a server says that it serves.
async fn try_server(channel: Channel, limit: Duration) -> Result<(), Status> {
    let health = async {
        let mut grpc = Grpc::new(channel);
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let codec: ProstCodec<(), Health> = ProstCodec::default();
        grpc.unary(Request::new(()), PathAndQuery::from_static(HEALTH), codec).await
    };
    // The connection has the limit for itself, and so has the answer.
    match timeout(limit * 2, health).await {
        Err(_) => Err(Status::deadline_exceeded("it does not answer")),
        Ok(Ok(health)) if health.get_ref().status == SERVING => Ok(()),
        Ok(Ok(_)) => Err(Status::unavailable("it says that it does not serve")),
        // It has no health service, and is there.
        Ok(Err(status)) if status.code() == Code::Unimplemented => Ok(()),
        Ok(Err(status)) => Err(status),
    }
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            is_up: AtomicBool::new(false),
            outstanding: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            unanswered_until_ms: AtomicU64::new(0),
            held_back_until_ms: AtomicU64::new(0),
        }
    }
}

impl Standing {
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    pub fn is_held_back(&self) -> bool {
        self.is_held_back_at(self.now_ms())
    }

    pub fn hold_back(&self, wait: Duration) {
        self.hold_back_until(self.now_ms() + millis(wait));
    }

    /// Requests without an answer, those that were given up a moment ago included.
    pub fn load(&self) -> usize {
        self.load_at(self.now_ms())
    }

    pub fn begin(&self) {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
    }

    pub fn end(&self, ended: Ended) {
        self.end_at(self.now_ms(), ended);
    }

    fn is_held_back_at(&self, now_ms: u64) -> bool {
        now_ms < self.held_back_until_ms.load(Ordering::Relaxed)
    }

    fn hold_back_until(&self, until_ms: u64) {
        self.held_back_until_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    fn load_at(&self, now_ms: u64) -> usize {
        let outstanding = self.outstanding.load(Ordering::Relaxed);
        if now_ms >= self.unanswered_until_ms.load(Ordering::Relaxed) {
            return outstanding;
        }
        outstanding + self.unanswered.load(Ordering::Relaxed)
    }

    fn end_at(&self, now_ms: u64, ended: Ended) {
        self.outstanding.fetch_sub(1, Ordering::Relaxed);
        match ended {
            Ended::Answered => {
                self.is_up.store(true, Ordering::Relaxed);
                self.unanswered.store(0, Ordering::Relaxed);
            }
            Ended::Broken => self.is_up.store(false, Ordering::Relaxed),
            Ended::GivenUp => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
                self.unanswered_until_ms.store(now_ms + millis(UNANSWERED_FOR), Ordering::Relaxed);
            }
        }
    }

    fn now_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_were_given_up_count_until_an_answer_or_a_while_later() {
        let standing = Standing::default();
        let end = |now_ms, ended| {
            standing.begin();
            standing.end_at(now_ms, ended);
        };
        end(10, Ended::GivenUp);
        end(20, Ended::GivenUp);
        assert_eq!(standing.load_at(20), 2);
        end(30, Ended::Answered);
        assert_eq!(standing.load_at(30), 0);
        end(40, Ended::GivenUp);
        standing.begin();
        assert_eq!([1_039, 1_040].map(|now_ms| standing.load_at(now_ms)), [2, 1]);
    }

    #[test]
    fn a_connection_is_up_from_an_answer_until_it_breaks() {
        let standing = Standing::default();
        let is_up_after = |ended| {
            standing.begin();
            standing.end_at(0, ended);
            standing.is_up()
        };
        let ends = [Ended::GivenUp, Ended::Answered, Ended::GivenUp, Ended::Broken];
        assert_eq!(ends.map(is_up_after), [false, true, true, false]);
    }

    #[test]
    fn a_server_that_says_when_to_come_back_is_held_back_until_then() {
        let standing = Standing::default();
        standing.hold_back_until(40);
        standing.hold_back_until(10);
        assert_eq!([39, 40].map(|now_ms| standing.is_held_back_at(now_ms)), [true, false]);
    }
}
