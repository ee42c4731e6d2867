//! What connections to a registry have in common, whichever database keeps it.

use std::time::Duration;

use sqlx::any::AnyPoolOptions;

/// How long a writer waits for another one.
pub(crate) const BUSY: Duration = Duration::from_secs(10);
/// The most connections that a process opens to one registry.
pub(super) const CONNECTIONS: u32 = 8;

/// A pool whose connections stay open: the last one of a file that is closed removes its log. For such a pool SQLx starts no
/// maintenance task: the task's count of idle connections may wrap below 0 while another task takes one, and its loop over
/// them then never ends, nor does the process.
pub(super) fn pool_options(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(connections).idle_timeout(None).max_lifetime(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pool_has_a_maintenance_task() {
        let options = pool_options(1);
        assert_eq!((options.get_idle_timeout(), options.get_max_lifetime()), (None, None));
    }
}
