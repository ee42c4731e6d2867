//! A tier of servers, simulated event by event: requests arrive at random, a client sends each to a server, which
//! answers, lets it wait or refuses it. Some servers fail silently, are noticed, and come back.
//!
//! Times are seconds. What is random is determined by the seed alone.

mod event;
mod fleet;
mod phase;

use serde::Serialize;

use self::event::{Event, Events};
use self::fleet::{Fleet, Taken};
pub use self::phase::Phase;
use self::phase::Recording;
use crate::random::Random;
use crate::tier::{Service, Tier};

/// A client tries a request at so many servers.
const ATTEMPTS: u32 = 3;

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// By the time of arrival: before the failure, until it is detected, until the servers are back, and then; one
    /// phase alone where nothing fails.
    pub phases: Vec<Phase>,
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
struct Request {
    arrived: f64,
    phase: usize,
    server: usize,
    queued: f64,
    attempt: u32,
}

/// Simulates a tier until every request that arrived is answered, refused or given up.
#[must_use]
pub fn simulate(tier: &Tier) -> Outcome {
    let mut simulation = Simulation {
        tier,
        random: Random::new(tier.seed),
        events: Events::default(),
        fleet: Fleet::new(tier.servers),
        requests: Vec::new(),
        free: Vec::new(),
        phases: Recording::of(tier),
        now: 0.0,
    };
    simulation.begin();
    simulation.run();
    Outcome { phases: simulation.phases.into_iter().map(Recording::end).collect() }
}

struct Simulation<'a> {
    tier: &'a Tier,
    random: Random,
    events: Events,
    fleet: Fleet,
    requests: Vec<Request>,
    free: Vec<usize>,
    phases: Vec<Recording>,
    now: f64,
}

impl Simulation<'_> {
    fn begin(&mut self) {
        self.arrive_later();
        if let Some(failure) = self.tier.failure {
            self.events.add(failure.at, Event::Fail);
            self.events.add(failure.detected, Event::Detect);
            self.events.add(failure.back, Event::Return);
        }
    }

    fn run(&mut self) {
        while let Some((time, event)) = self.events.next() {
            self.now = time;
            match event {
                Event::Arrive => {
                    let request = self.arrive();
                    self.send(request, None);
                    self.arrive_later();
                }
                Event::Finish { server, request, life } => self.finish(server, request, life),
                Event::GiveUp { request } => self.try_another(request),
                Event::Fail => self.fail(),
                Event::Detect => self.fleet.leave(self.failing()),
                Event::Return => self.fleet.come_back(self.failing()),
            }
        }
    }

    fn failing(&self) -> usize {
        self.tier.failure.map_or(0, |failure| failure.servers)
    }

    fn arrive_later(&mut self) {
        let next = self.now + self.random.exponential(1.0 / self.tier.arrivals);
        if next < self.tier.until {
            self.events.add(next, Event::Arrive);
        }
    }

    fn arrive(&mut self) -> usize {
        let phase = self.phases.iter().rposition(|phase| phase.from <= self.now);
        let phase = phase.expect("invariant: the warm-up is a phase, and begins at 0");
        self.phase(phase).arrived += 1;
        let request = Request { arrived: self.now, phase, server: 0, queued: self.now, attempt: 1 };
        match self.free.pop() {
            Some(index) => {
                *self.request(index) = request;
                index
            }
            None => {
                self.requests.push(request);
                self.requests.len() - 1
            }
        }
    }

    fn request(&mut self, index: usize) -> &mut Request {
        self.requests.get_mut(index).expect("invariant: a request has an index until it is released")
    }

    fn phase(&mut self, index: usize) -> &mut Recording {
        self.phases.get_mut(index).expect("invariant: a request has the index of a phase")
    }

    /// Sends a request to a server that is not the one that said nothing.
    fn send(&mut self, index: usize, not: Option<usize>) {
        let now = self.now;
        let server = self.fleet.choose(&mut self.random, self.tier.balance, not);
        let request = self.request(index);
        request.server = server;
        request.queued = now;
        match self.fleet.take(server, index, self.tier) {
            Taken::Started { life } => self.start(server, index, life),
            Taken::Waits => {}
            Taken::Refused => self.refuse(index),
            Taken::Silent { silence } => self.events.add(now + silence, Event::GiveUp { request: index }),
        }
    }

    fn start(&mut self, server: usize, index: usize, life: u32) {
        let now = self.now;
        let busy = match self.tier.service {
            Service::Fixed(time) => time,
            Service::Exponential(mean) => self.random.exponential(mean),
        };
        let request = *self.request(index);
        self.phase(request.phase).waits.push(now - request.queued);
        self.events.add(now + busy, Event::Finish { server, request: index, life });
    }

    fn finish(&mut self, server: usize, index: usize, life: u32) {
        // A server that failed meanwhile says nothing of what it was working on.
        if !self.fleet.finish(server, index, life) {
            return;
        }
        let (share, mean) = self.tier.store;
        let store = if self.random.share() < share { self.random.exponential(mean) } else { 0.0 };
        let request = *self.request(index);
        let taken = self.now + store - request.arrived;
        self.phase(request.phase).latencies.push(taken);
        self.free.push(index);
        while let Some(waiting) = self.fleet.next_waiting(server) {
            if self.now - self.request(waiting).queued > self.tier.longest_wait {
                self.fleet.release(server);
                self.refuse(waiting);
            } else {
                let life = self.fleet.begin(server, waiting);
                self.start(server, waiting, life);
                break;
            }
        }
    }

    fn refuse(&mut self, index: usize) {
        let phase = self.request(index).phase;
        self.phase(phase).refused += 1;
        self.free.push(index);
    }

    fn try_another(&mut self, index: usize) {
        let request = self.request(index);
        let (server, phase) = (request.server, request.phase);
        request.attempt += 1;
        let gives_up = request.attempt > ATTEMPTS;
        self.fleet.release(server);
        self.phase(phase).retried += 1;
        if gives_up {
            self.phase(phase).given_up += 1;
            self.free.push(index);
        } else {
            self.send(index, Some(server));
        }
    }

    fn fail(&mut self) {
        let Some(failure) = self.tier.failure else { return };
        for request in self.fleet.fail(failure.servers) {
            self.events.add(self.now + failure.silence, Event::GiveUp { request });
        }
    }
}
