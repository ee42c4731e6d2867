//! The connections to all servers, and which of them a request takes: of two that are drawn the one with fewer requests
//! without an answer. Servers that cannot be reached, and those that said when to come back, are left alone as long as there
//! are others.

mod address;
mod dial;
mod slot;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tonic::transport::Channel;

pub(crate) use address::Address;
pub(crate) use dial::Tls;
use slot::{Ended, Slot, Standing};

use crate::error::{Error, root};

/// Connections of one client.
pub(crate) const MOST_CONNECTIONS: usize = 1_024;

/// How servers are reached.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub tls: Arc<Tls>,
    /// Until a connection is made.
    pub timeout: Duration,
    /// Connections to each server.
    pub connections: usize,
}

#[derive(Debug)]
pub(crate) struct Pool {
    slots: Vec<Arc<Slot>>,
    servers: usize,
}

impl Pool {
    /// Connections to these servers, none of which is made yet.
    pub fn new(addresses: &[Address], reach: &Reach) -> Result<Self, Error> {
        let connections = addresses.len().saturating_mul(reach.connections);
        if connections == 0 {
            return Err(Error::NoEndpoint);
        }
        if connections > MOST_CONNECTIONS {
            return Err(Error::Connections { connections, most: MOST_CONNECTIONS });
        }
        let of_one = |address: &Address| Slot::new(address, &reach.tls, reach.timeout).map(Arc::new);
        let slots = (0..reach.connections).flat_map(|_| addresses.iter().map(of_one));
        Ok(Self { slots: slots.collect::<Result<_, _>>()?, servers: addresses.len() })
    }

    /// Connects to all servers, and returns once the first has answered. The others are tried on.
    pub async fn connected(&self) -> Result<(), Error> {
        let mut trials = JoinSet::new();
        for slot in &self.slots {
            let slot = Arc::clone(slot);
            trials.spawn(async move { slot.try_once().await.map_err(|why| (slot.endpoint(), why)) });
        }
        let mut last = Err(Error::NoEndpoint);
        while let Some(tried) = trials.join_next().await {
            match tried {
                Ok(Ok(())) => {
                    last = Ok(());
                    break;
                }
                Ok(Err((endpoint, status))) => {
                    let (endpoint, why) = (endpoint.to_string(), root(&status));
                    last = Err(Error::Unreachable { endpoint, why, source: Box::new(status) });
                }
                Err(_) => {}
            }
        }
        if last.is_ok() {
            self.slots.iter().filter(|slot| !slot.standing().is_up()).for_each(|slot| slot.watch());
        }
        last
    }

    /// A connection for a request that was sent to these servers already.
    pub fn lease(&self, tried: &[usize]) -> Option<Lease> {
        self.leased(choose(&self.seen(tried), fastrand::usize)?)
    }

    /// The same where there is one that is ready and leads to another server.
    pub fn lease_other(&self, tried: &[usize]) -> Option<Lease> {
        let seen = self.seen(tried);
        let index = choose(&seen, fastrand::usize)?;
        // A better rank is chosen where there is one.
        let is_ready = seen.get(index).is_some_and(|seen| seen.rank == Rank::Ready);
        if is_ready { self.leased(index) } else { None }
    }

    /// Whether there is one that is ready and leads to another server.
    pub fn has_other(&self, tried: &[usize]) -> bool {
        self.seen(tried).iter().any(|seen| seen.rank == Rank::Ready)
    }

    /// Whether there is another server, ready or not.
    pub fn has_untried(&self, tried: &[usize]) -> bool {
        (0..self.servers).any(|server| !tried.contains(&server))
    }

    /// The server to which a connection leads, by its index.
    fn server(&self, slot: usize) -> usize {
        slot % self.servers
    }

    fn seen(&self, tried: &[usize]) -> Vec<Seen> {
        let seen = |(index, slot): (usize, &Arc<Slot>)| {
            let standing = slot.standing();
            Seen { rank: Rank::of(standing, tried.contains(&self.server(index))), load: standing.load() }
        };
        self.slots.iter().enumerate().map(seen).collect()
    }

    fn leased(&self, index: usize) -> Option<Lease> {
        let slot = Arc::clone(self.slots.get(index)?);
        slot.standing().begin();
        Some(Lease { slot, server: self.server(index), ended: Ended::GivenUp })
    }
}

/// How willingly a connection is taken, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Rank {
    Ready,
    /// It is ready, and the request was sent to its server before.
    Tried,
    /// Its server said when to come back.
    HeldBack,
    /// It is not known to reach its server.
    Down,
    /// The same, and the request was sent to its server before.
    DownTried,
}

impl Rank {
    fn of(standing: &Standing, is_tried: bool) -> Self {
        match () {
            () if !standing.is_up() && is_tried => Rank::DownTried,
            () if !standing.is_up() => Rank::Down,
            () if standing.is_held_back() => Rank::HeldBack,
            () if is_tried => Rank::Tried,
            () => Rank::Ready,
        }
    }
}

/// A connection as it is when a request looks for one.
#[derive(Clone, Copy, Debug)]
struct Seen {
    rank: Rank,
    load: usize,
}

/// Of the connections of the best rank two are drawn, and the one with the smaller load is chosen (Mitzenmacher, "The power
/// of two choices in randomized load balancing", 2001). `draw` gives a number below its argument's end.
fn choose(seen: &[Seen], mut draw: impl FnMut(std::ops::Range<usize>) -> usize) -> Option<usize> {
    let best = seen.iter().map(|seen| seen.rank).min()?;
    let of_best: Vec<(usize, usize)> = seen
        .iter()
        .enumerate()
        .filter(|(_, seen)| seen.rank == best)
        .map(|(index, seen)| (index, seen.load))
        .collect();
    let first = draw(0..of_best.len());
    let (first_index, first_load) = *of_best.get(first)?;
    if of_best.len() == 1 {
        return Some(first_index);
    }
    // The second one is another one.
    let second = (first + 1 + draw(0..of_best.len() - 1)) % of_best.len();
    let (second_index, second_load) = *of_best.get(second)?;
    Some(if second_load < first_load { second_index } else { first_index })
}

/// A connection while a request is on it. One that is dropped without an answer counts against its server for a while: a
/// slow server would look idle otherwise, since its requests are given up.
#[derive(Debug)]
pub(crate) struct Lease {
    slot: Arc<Slot>,
    server: usize,
    ended: Ended,
}

impl Lease {
    /// The server to which it leads, by its index.
    pub fn server(&self) -> usize {
        self.server
    }

    pub fn channel(&self) -> Channel {
        self.slot.channel()
    }

    pub fn endpoint(&self) -> Arc<str> {
        self.slot.endpoint()
    }

    /// The server has answered, be it with a refusal.
    pub fn answered(mut self) {
        self.ended = Ended::Answered;
    }

    /// The server says that it has too much to do for so long.
    pub fn held_back(self, wait: Duration) {
        self.slot.standing().hold_back(wait);
        self.answered();
    }

    /// The connection was not made, or broke: it is tried apart from requests until it answers.
    pub fn broke(mut self) {
        self.ended = Ended::Broken;
        self.slot.watch();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.slot.standing().end(self.ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(seen: &[(Rank, usize)]) -> Vec<usize> {
        let seen: Vec<Seen> = seen.iter().map(|(rank, load)| Seen { rank: *rank, load: *load }).collect();
        let mut random = fastrand::Rng::with_seed(7);
        let mut counts = vec![0; seen.len()];
        for _ in 0..10_000 {
            counts[choose(&seen, |range| random.usize(range)).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn the_most_loaded_of_all_is_never_chosen_and_equal_ones_share() {
        let counts = chosen(&[(Rank::Ready, 3), (Rank::Ready, 9), (Rank::Ready, 3)]);
        assert_eq!(counts[1], 0);
        assert!(counts.iter().step_by(2).all(|count| (4_500..5_500).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_worse_rank_is_chosen_only_where_there_is_no_better_one() {
        let counts = chosen(&[(Rank::Down, 0), (Rank::Tried, 50), (Rank::HeldBack, 0)]);
        assert_eq!(counts, [0, 10_000, 0]);
        assert!(choose(&[], |_| 0).is_none());
    }
}
