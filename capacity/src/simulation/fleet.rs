//! The servers: who works on what, who waits, who is alive, and who is chosen.

use std::collections::VecDeque;

use crate::random::Random;
use crate::tier::{Balance, Tier};

/// What a server does with a request that it is sent.
pub enum Taken {
    /// It works on it, in this life of its.
    Started {
        life: u32,
    },
    Waits,
    Refused,
    /// It is gone; a client waits for so long until it tries another one.
    Silent {
        silence: f64,
    },
}

/// The servers.
#[derive(Debug)]
pub struct Fleet {
    servers: Vec<Server>,
    /// Those that clients choose from.
    chosen_from: Vec<usize>,
}

#[derive(Debug, Default)]
struct Server {
    is_gone: bool,
    /// Grows when it fails: what it was working on before is not answered.
    life: u32,
    working_on: Vec<usize>,
    waiting: VecDeque<usize>,
    /// Requests that clients have no answer to.
    unanswered: usize,
}

impl Fleet {
    pub fn new(servers: usize) -> Self {
        Self {
            servers: (0..servers).map(|_| Server::default()).collect(),
            chosen_from: (0..servers).collect(),
        }
    }

    fn server(&mut self, server: usize) -> &mut Server {
        self.servers.get_mut(server).expect("invariant: a request names a server of the fleet")
    }

    /// A server for a request; one that said nothing is not tried twice in a row, if there is another.
    pub fn choose(&mut self, random: &mut Random, balance: Balance, not: Option<usize>) -> usize {
        let one = self.draw(random, not);
        match balance {
            Balance::Random => one,
            Balance::LeastOfTwo => {
                let other = self.draw(random, Some(one));
                let has_fewer = self.server(other).unanswered < self.server(one).unanswered;
                if has_fewer && Some(other) != not { other } else { one }
            }
        }
    }

    fn draw(&self, random: &mut Random, not: Option<usize>) -> usize {
        let count = self.chosen_from.len();
        let at = |index: usize| {
            let server = self.chosen_from.get(index % count.max(1)).copied();
            server.expect("invariant: some server is always in rotation")
        };
        let index = random.index(count);
        let drawn = at(index);
        if Some(drawn) != not || count < 2 {
            return drawn;
        }
        // Any of the others, each as probable.
        at(index + 1 + random.index(count - 1))
    }

    /// A client sends a request.
    pub fn take(&mut self, server: usize, request: usize, tier: &Tier) -> Taken {
        let server = self.server(server);
        server.unanswered += 1;
        if server.is_gone {
            let silence = tier.failure.map_or(0.0, |failure| failure.silence);
            return Taken::Silent { silence };
        }
        if server.working_on.len() < tier.workers {
            server.working_on.push(request);
            return Taken::Started { life: server.life };
        }
        if server.waiting.len() >= tier.waiting {
            server.unanswered -= 1;
            return Taken::Refused;
        }
        server.waiting.push_back(request);
        Taken::Waits
    }

    /// Whether an answer comes: not of a life that has ended.
    pub fn finish(&mut self, server: usize, request: usize, life: u32) -> bool {
        let server = self.server(server);
        if server.life != life {
            return false;
        }
        server.working_on.retain(|one| *one != request);
        server.unanswered -= 1;
        true
    }

    /// The request that has waited longest; it waits no more.
    pub fn next_waiting(&mut self, server: usize) -> Option<usize> {
        self.server(server).waiting.pop_front()
    }

    /// A worker begins with a request that waited.
    pub fn begin(&mut self, server: usize, request: usize) -> u32 {
        let server = self.server(server);
        server.working_on.push(request);
        server.life
    }

    /// A client has no more to expect for one request.
    pub fn release(&mut self, server: usize) {
        self.server(server).unanswered -= 1;
    }

    /// The first ones fail; returns the requests that they had.
    pub fn fail(&mut self, servers: usize) -> Vec<usize> {
        let mut had = Vec::new();
        for server in self.servers.iter_mut().take(servers) {
            server.is_gone = true;
            server.life += 1;
            had.append(&mut server.working_on);
            had.extend(server.waiting.drain(..));
        }
        had
    }

    /// Clients stop choosing the first ones.
    pub fn leave(&mut self, servers: usize) {
        self.chosen_from.retain(|server| *server >= servers);
    }

    /// The first ones are back.
    pub fn come_back(&mut self, servers: usize) {
        self.servers.iter_mut().take(servers).for_each(|server| server.is_gone = false);
        self.chosen_from = (0..self.servers.len()).collect();
    }
}
