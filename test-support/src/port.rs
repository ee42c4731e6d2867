//! Ports that nobody listens at: below 32768, from where connections get theirs by chance, so that a server that is
//! killed finds its own port free when it starts again.

use std::net::TcpListener;
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

/// A node of a Redis cluster has a second port, so much higher.
const CLUSTER_BUS: u16 = 10_000;

const PORTS: Range<u16> = 22_700..30_000;
const CLUSTER_PORTS: Range<u16> = 20_000..22_700;

/// A port that nobody listens at.
pub fn free_port() -> u16 {
    next_free(PORTS, is_free)
}

/// A port that nobody listens at, for a node of a Redis cluster.
pub(crate) fn free_cluster_port() -> u16 {
    next_free(CLUSTER_PORTS, |port| is_free(port) && is_free(port + CLUSTER_BUS))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// Processes begin at different ports, so that two that look at once rarely choose the same.
fn next_free(ports: Range<u16>, is_free: impl Fn(u16) -> bool) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = u32::from(ports.end - ports.start);
    let first = std::process::id().wrapping_mul(10);
    loop {
        let next = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).into());
        let port = ports.start + (next % count) as u16;
        if is_free(port) {
            return port;
        }
    }
}
