//! The promises of every online store, kept by a real Redis and a real cluster.

mod behind;
mod deployments;
mod faults;
mod following;
mod lying;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::*;
use crate::contract::wait_for;
use test_support::{RedisCluster, RedisServer};

/// A project that no other test uses.
fn project() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What tests that run at the same time share; it ends with the last of them.
struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    const fn new() -> Self {
        Shared(Mutex::new(Weak::new()))
    }

    fn get(&self, start: impl Fn() -> T) -> Arc<T> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(start());
            *shared = Arc::downgrade(&started);
            started
        })
    }
}

static SERVER: Shared<RedisServer> = Shared::new();
static CLUSTER: Shared<RedisCluster> = Shared::new();

fn opened(url: &str) -> Redis {
    wait_for(Redis::open(&RedisUrl::parse(url).unwrap(), &project())).unwrap()
}

fn refused(url: &str) -> OnlineError {
    wait_for(Redis::open(&RedisUrl::parse(url).unwrap(), &project())).unwrap_err()
}

fn one() -> (Arc<RedisServer>, Redis) {
    let server = SERVER.get(|| RedisServer::start(&[]));
    let store = opened(&server.url());
    (server, store)
}

fn cluster() -> (Arc<RedisCluster>, Redis) {
    let cluster = CLUSTER.get(RedisCluster::start);
    let store = opened(&cluster.url());
    (cluster, store)
}

mod on_one_server {
    crate::mending_tests!(super::one());
    crate::contract_tests!(super::one());
}

mod on_a_cluster {
    crate::mending_tests!(super::cluster());
    crate::contract_tests!(super::cluster());
}

mod behind_the_choice_of_store {
    crate::contract_tests!({
        let (server, store) = super::one();
        (server, crate::Store::Redis(store))
    });
}
