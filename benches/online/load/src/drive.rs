//! One thread that asks and listens without ever sleeping, on a core of its own.
//!
//! Open loop: every request is due at a moment that was fixed before, and its latency counts from that
//! moment, also where it had to wait because no connection had capacity. Closed loop: every answer is
//! followed by the next request at once, which finds how much a server can do, and says nothing of
//! latency.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use crate::connection::{Broken, Connection};
use crate::question::{EncodedRequest, Question};
use crate::wire::Unexpected;

/// How long answers are waited for after the last request.
const GRACE: Duration = Duration::from_secs(5);
/// The longest latency that is distinguished from longer ones.
const LONGEST_US: u64 = 120_000_000;

/// How requests are sent to a server.
#[derive(Clone, Copy)]
pub struct Manner {
    pub connections: usize,
    /// Requests in flight on one connection; HTTP/1.1 has one.
    pub streams: usize,
    /// One answer of so many is decoded and its values checked; none where 0.
    pub check_every: u64,
}

/// When requests are sent.
pub enum Pace<'a> {
    /// As soon as there is capacity, for so long.
    Closed(Duration),
    /// At these moments from the start.
    Open(&'a [Duration]),
}

/// What one run saw.
pub struct Seen {
    pub answered: u64,
    pub refused: u64,
    /// Sent or due, and without an answer when the grace was over; they count in `latency`.
    pub unfinished: u64,
    pub checked: u64,
    /// From the first request to the last answer.
    pub took: Duration,
    /// In microseconds, from when a request was due (open) or sent (closed).
    pub latency: Histogram<u64>,
    /// In microseconds, from when a request was due until this thread saw that it was (open only): how
    /// late the generator itself was, whether or not there was capacity to send.
    pub own_delay: Histogram<u64>,
    /// How much of the time this thread had something to do. Near 1, the server was not the limit.
    pub busy: f64,
    /// An answer, as it came.
    pub sample: Vec<u8>,
}

/// A server and what to ask it.
pub struct Driver<'a> {
    question: &'a Question,
    requests: &'a [EncodedRequest],
    manner: Manner,
    poll: Poll,
    connections: Vec<Connection>,
    flights: Flights,
    next_connection: usize,
    next_request: usize,
}

/// How far a run is, in requests.
#[derive(Default)]
struct Progress {
    /// Those that this thread has seen to be due.
    seen: usize,
    sent: usize,
}

/// One request in flight, under its ticket.
#[derive(Clone, Copy)]
struct Flight {
    /// Its latency counts from here.
    from: Instant,
    request: usize,
}

impl<'a> Driver<'a> {
    /// Opens the connections.
    pub fn connect(
        to: std::net::SocketAddr,
        question: &'a Question,
        requests: &'a [EncodedRequest],
        manner: Manner,
    ) -> Result<Self, Broken> {
        let poll = Poll::new()?;
        let connections = (0..manner.connections)
            .map(|number| {
                Connection::open(to, question.protocol, manner.streams, (poll.registry(), Token(number)))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            question,
            requests,
            manner,
            poll,
            connections,
            flights: Flights::default(),
            next_connection: 0,
            next_request: 0,
        })
    }

    /// Asks at this pace, and waits for the answers.
    pub fn run(&mut self, pace: &Pace<'_>) -> Result<Seen, Broken> {
        let mut seen = Seen::new()?;
        let mut events = Events::with_capacity(self.connections.len().max(16));
        let mut space = vec![0; 256 << 10];
        let start = Instant::now();
        let mut now = start;
        let mut busy = Duration::ZERO;
        let mut progress = Progress::default();
        loop {
            let mut worked = self.send(pace, start, &mut progress, &mut seen)?;
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            for event in &events {
                worked |= event.is_readable();
                self.receive(event.token(), &mut space, &mut seen)?;
            }
            let before = std::mem::replace(&mut now, Instant::now());
            if worked {
                busy += now - before;
            }
            let (is_over, last) = pace.is_over(now - start, progress.sent);
            if is_over && (self.flights.in_flight == 0 || now - start > last + GRACE) {
                break;
            }
        }
        seen.took = now - start;
        seen.busy = busy.as_secs_f64() / seen.took.as_secs_f64();
        for flight in self.flights.given_up() {
            seen.unfinished += 1;
            record(&mut seen.latency, now - flight.from);
        }
        Ok(seen)
    }

    /// Sends what is due and fits; says whether there was any.
    fn send(
        &mut self,
        pace: &Pace<'_>,
        start: Instant,
        progress: &mut Progress,
        seen: &mut Seen,
    ) -> Result<bool, Broken> {
        let now = Instant::now();
        let mut worked = false;
        while let Some(moment) = pace.seen_due(now - start, progress.seen) {
            record(&mut seen.own_delay, now - start - moment);
            progress.seen += 1;
        }
        while let Some(from) = pace.next(now - start, progress.sent) {
            let index = self.next_request % self.requests.len();
            let Some(request) = self.requests.get(index) else { break };
            let Some(connection) =
                with_capacity(&mut self.connections, &mut self.next_connection, &request.body)
            else {
                break;
            };
            let from = from.map_or(now, |moment| start + moment);
            connection.send(self.flights.take_off(Flight { from, request: index }), &request.body);
            self.next_request += 1;
            progress.sent += 1;
            worked = true;
        }
        for connection in self.connections.iter_mut().filter(|connection| connection.has_output()) {
            connection.flush()?;
        }
        Ok(worked)
    }

    fn receive(&mut self, token: Token, space: &mut [u8], seen: &mut Seen) -> Result<(), Broken> {
        let Some(connection) = self.connections.get_mut(token.0) else { return Ok(()) };
        let (question, requests, every) = (self.question, self.requests, self.manner.check_every);
        let flights = &mut self.flights;
        let mut wrong = None;
        connection.receive(space, &mut |answer| {
            let Some(flight) = flights.land(answer.ticket) else { return };
            record(&mut seen.latency, flight.from.elapsed());
            let Some(body) = answer.body else {
                seen.refused += 1;
                return;
            };
            if seen.sample.is_empty() {
                seen.sample = body.to_vec();
            }
            if every > 0
                && seen.answered.is_multiple_of(every)
                && let Some(request) = requests.get(flight.request)
            {
                wrong = question.check(request, body).err().or(wrong.take());
                seen.checked += 1;
            }
            seen.answered += 1;
        })?;
        wrong.map_or(Ok(()), |wrong| Err(Unexpected(wrong).into()))
    }
}

/// The next connection in turn that takes one more request.
fn with_capacity<'c>(
    connections: &'c mut [Connection],
    next: &mut usize,
    body: &[u8],
) -> Option<&'c mut Connection> {
    let count = connections.len();
    let found = (0..count)
        .map(|step| (*next + step) % count)
        .find(|index| connections.get(*index).is_some_and(|connection| connection.has_capacity(body)))?;
    *next = (found + 1) % count;
    connections.get_mut(found)
}

impl Pace<'_> {
    /// The request that is due now, after so many: when it was, for a fixed moment.
    fn next(&self, elapsed: Duration, sent: usize) -> Option<Option<Duration>> {
        match self {
            Self::Closed(length) => (elapsed < *length).then_some(None),
            Self::Open(_) => self.seen_due(elapsed, sent).map(Some),
        }
    }

    /// The fixed moment after so many, where it is over.
    fn seen_due(&self, elapsed: Duration, seen: usize) -> Option<Duration> {
        match self {
            Self::Closed(_) => None,
            Self::Open(moments) => moments.get(seen).copied().filter(|moment| *moment <= elapsed),
        }
    }

    /// Whether there is nothing more to send, and when the last was to be sent. What was due and found
    /// no capacity in the time of grace is given up.
    fn is_over(&self, elapsed: Duration, sent: usize) -> (bool, Duration) {
        match self {
            Self::Closed(length) => (elapsed >= *length, *length),
            Self::Open(moments) => {
                let last = moments.last().copied().unwrap_or_default();
                (sent >= moments.len() || elapsed > last + GRACE, last)
            }
        }
    }
}

impl Seen {
    fn new() -> Result<Self, Broken> {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 3)?;
        Ok(Self {
            answered: 0,
            refused: 0,
            unfinished: 0,
            checked: 0,
            took: Duration::ZERO,
            latency: histogram.clone(),
            own_delay: histogram,
            busy: 0.0,
            sample: Vec::new(),
        })
    }
}

fn record(histogram: &mut Histogram<u64>, duration: Duration) {
    histogram.saturating_record(u64::try_from(duration.as_micros()).unwrap_or(LONGEST_US).max(1));
}

/// What is in flight; a ticket is an index into the slots, reused after landing.
#[derive(Default)]
struct Flights {
    slots: Vec<Option<Flight>>,
    free: Vec<u32>,
    in_flight: usize,
}

impl Flights {
    fn take_off(&mut self, flight: Flight) -> u32 {
        self.in_flight += 1;
        let ticket = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        if let Some(slot) = self.slots.get_mut(ticket as usize) {
            *slot = Some(flight);
        }
        ticket
    }

    fn land(&mut self, ticket: u32) -> Option<Flight> {
        let flight = self.slots.get_mut(ticket as usize)?.take()?;
        self.free.push(ticket);
        self.in_flight -= 1;
        Some(flight)
    }

    /// What nobody waits for any more. An answer that still comes finds its slot empty, and the slot
    /// is not used again, so that it cannot be taken for another's.
    fn given_up(&mut self) -> Vec<Flight> {
        self.in_flight = 0;
        self.slots.iter_mut().filter_map(Option::take).collect()
    }
}
