//! One call: the requests that it is made of. It has one deadline, whatever is repeated in it; a request is repeated where that
//! is safe and may help, or hedged, and both come out of one budget.

mod budget;
mod failure;
mod hedging;
mod latencies;
mod once;
mod repeat;

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::time::{Instant, sleep, timeout_at};

use budget::Budget;
pub use budget::RetryBudget;
use failure::{Failure, Purpose};
pub use hedging::Hedging;
use latencies::Latencies;
use once::Once;
pub(crate) use once::Reply;
use repeat::{Next, Situation};

use crate::error::{Advice, Error};
use crate::pool::{Lease, Pool};
use crate::statistics::Counters;
use crate::token::Token;

/// What makes calls.
#[derive(Debug)]
pub(crate) struct Caller {
    pub pool: Pool,
    pub token: Token,
    pub hedging: Hedging,
    /// How often a request is sent at most, hedges not counted.
    pub most_attempts: u32,
    pub counters: Counters,
    budget: Budget,
    latencies: Latencies,
}

/// A read of features, or a push into a source.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Method<'a> {
    Read,
    Push { source_name: &'a str },
}

impl Caller {
    pub fn new(pool: Pool, token: Token) -> Self {
        Self {
            pool,
            token,
            hedging: Hedging::Never,
            most_attempts: 3,
            counters: Counters::default(),
            budget: Budget::new(RetryBudget::default()),
            latencies: Latencies::default(),
        }
    }

    /// The same within another budget.
    pub fn within(self, budget: RetryBudget) -> Self {
        Self { budget: Budget::new(budget), ..self }
    }

    /// Sends a request until it is answered or there is no point in it, for so long at most.
    pub async fn call<T: Message + Default + 'static>(
        &self,
        method: Method<'_>,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Reply<T>, Error> {
        self.counters.calls.count();
        self.budget.earn();
        let purpose = match method {
            Method::Read => Purpose::Read,
            Method::Push { source_name } => Purpose::Push(source_name),
        };
        let call = Call {
            caller: self,
            purpose,
            body,
            deadline,
            until: Instant::now() + deadline,
            tried: Mutex::default(),
            attempts: AtomicU32::new(0),
        };
        match timeout_at(call.until, call.hedged()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(call.late()),
        }
    }
}

struct Call<'a> {
    caller: &'a Caller,
    purpose: Purpose<'a>,
    body: Bytes,
    deadline: Duration,
    until: Instant,
    /// The servers to which it was sent.
    tried: Mutex<Vec<usize>>,
    attempts: AtomicU32,
}

impl Call<'_> {
    /// The answer to a request, or to a second one that was sent since the first one had none for a while.
    async fn hedged<T: Message + Default + 'static>(&self) -> Result<Reply<T>, Error> {
        let first = self.repeated(None);
        let Some(delay) = self.hedging_delay() else { return first.await };
        let mut first = pin!(first);
        if let Ok(answer) = timeout_at(Instant::now() + delay, &mut first).await {
            return answer;
        }
        let Some(lease) = self.hedge() else { return first.await };
        let mut second = pin!(self.repeated(Some(lease)));
        let (outcome, is_second) = tokio::select! {
            outcome = &mut first => (outcome, false),
            outcome = &mut second => (outcome, true),
        };
        // What one server cannot answer, the other one may.
        let outcome = match outcome {
            Err(error) if error.advice() == Advice::Retry => {
                let other = if is_second { first.await } else { second.await };
                return other.map_err(|_| error);
            }
            outcome => outcome,
        };
        if is_second && outcome.is_ok() {
            self.caller.counters.hedges_won.count();
        }
        outcome
    }

    fn hedging_delay(&self) -> Option<Duration> {
        if !self.purpose.is_safe_twice() {
            return None;
        }
        self.caller.hedging.delay(self.caller.latencies.p95())
    }

    /// A second connection, where there is one and the budget has a request left.
    fn hedge(&self) -> Option<Lease> {
        let tried = self.tried();
        if !self.caller.pool.has_other(&tried) || !self.spend() {
            return None;
        }
        let lease = self.caller.pool.lease_other(&tried)?;
        self.caller.counters.hedges.count();
        Some(lease)
    }

    /// The answer to a request that is sent again where that may help.
    async fn repeated<T: Message + Default + 'static>(
        &self,
        first: Option<Lease>,
    ) -> Result<Reply<T>, Error> {
        let mut lease = first;
        loop {
            let taken = match lease.take() {
                Some(lease) => lease,
                None => self.caller.pool.lease(&self.tried()).ok_or(Error::NoEndpoint)?,
            };
            let failure = match self.once(taken).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            let situation = Situation {
                attempts: self.attempts.load(Ordering::Relaxed),
                most_attempts: self.caller.most_attempts,
                is_safe_twice: self.purpose.is_safe_twice(),
                has_other: self.caller.pool.has_other(&self.tried()),
                has_untried: self.caller.pool.has_untried(&self.tried()),
                jitter: fastrand::f64(),
            };
            let Next::After { wait, costs } = repeat::next(&failure.cause, &situation) else {
                return Err(self.error(failure));
            };
            if Instant::now() + wait >= self.until || costs && !self.spend() {
                return Err(self.error(failure));
            }
            self.caller.counters.retries.count();
            sleep(wait).await;
        }
    }

    async fn once<T: Message + Default + 'static>(&self, lease: Lease) -> Result<Reply<T>, Failure> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner).push(lease.server());
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.caller.counters.attempts.count();
        let once = Once { token: &self.caller.token, body: self.body.clone(), until: self.until };
        match self.purpose {
            Purpose::Push(_) => once.push(lease).await,
            Purpose::Read => {
                // Also of one that is given up: it took longer than this.
                let _timed = self.caller.latencies.time();
                once.read(lease).await
            }
        }
    }

    fn tried(&self) -> Vec<usize> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn spend(&self) -> bool {
        let is_left = self.caller.budget.spend();
        if !is_left {
            self.caller.counters.over_budget.count();
        }
        is_left
    }

    fn error(&self, failure: Failure) -> Error {
        failure.into_error(self.purpose).unwrap_or_else(|| self.late())
    }

    fn late(&self) -> Error {
        let attempts = self.attempts.load(Ordering::Relaxed);
        self.purpose.late(self.deadline, attempts)
    }
}
