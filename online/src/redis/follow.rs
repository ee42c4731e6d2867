//! Following what changes: each server tells of every key of the project that is written, on a
//! connection of its own (client tracking in broadcast mode, RESP3). A notification is no more than a
//! hint to read again; that nothing is reported while a connection is lost is why following then ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{PushInfo, PushKind, Value, cmd};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::Inner;
use super::failure::Failure;
use super::keys::KeyOwner;
use super::topology::Topology;
use crate::error::OnlineError;
use crate::store::Change;

/// Messages that wait to be reported. When there are more, everything may have changed.
const WAITING: usize = 65_536;
/// How often each connection is checked: a lost one is noticed within this and
/// the time that a read is waited for.
const HEARTBEAT: Duration = Duration::from_secs(1);

impl Inner {
    pub(super) async fn follow(&self, tell: &(dyn Fn(Change) + Send + Sync)) -> OnlineError {
        match self.try_follow(tell).await {
            Ok(never) => match never {},
            Err(failure) => failure.into_error(self.calls.dialer().address()),
        }
    }

    async fn try_follow(
        &self,
        tell: &(dyn Fn(Change) + Send + Sync),
    ) -> Result<std::convert::Infallible, Failure> {
        let (sender, mut pushes) = mpsc::channel::<PushInfo>(WAITING);
        let overflown = Arc::new(AtomicBool::new(false));
        let push = {
            let overflown = overflown.clone();
            move |push: PushInfo| match sender.try_send(push) {
                Ok(()) => Ok(()),
                Err(mpsc::error::TrySendError::Full(_)) => {
                    overflown.store(true, Ordering::Release);
                    Ok(())
                }
                Err(mpsc::error::TrySendError::Closed(_)) => Err(()),
            }
        };
        let topology = self.calls.dialer().connect_with(Some(Arc::new(push))).await?;
        self.track(&topology).await?;
        tell(Change::Everything);
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                push = pushes.recv() => {
                    let push = push.ok_or_else(lost)?;
                    if overflown.swap(false, Ordering::AcqRel) {
                        tell(Change::Everything);
                    }
                    self.tell(push, tell)?;
                }
                _ = heartbeat.tick() => self.still_there(&topology).await?,
            }
        }
    }

    async fn track(&self, topology: &Topology) -> Result<(), Failure> {
        let mut command = cmd("CLIENT");
        command.arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX").arg(self.keys.prefix());
        for index in 0..topology.nodes().count() {
            let Some(mut connection) = topology.connection(index) else { continue };
            let answer = connection.send_packed_command(&command);
            let answer = tokio::time::timeout(self.calls.patience.connect, answer).await;
            let answer = answer.map_err(|_| Failure::late())?;
            let failed = |error| Failure::of(self.calls.dialer().address(), &error);
            match answer.map_err(failed)? {
                Value::ServerError(error) => return Err(failed(error.into())),
                _ => continue,
            }
        }
        Ok(())
    }

    fn tell(&self, push: PushInfo, tell: &(dyn Fn(Change) + Send + Sync)) -> Result<(), Failure> {
        match push.kind {
            PushKind::Disconnection => return Err(lost()),
            PushKind::Invalidate => (),
            _ => return Ok(()),
        }
        for data in push.data {
            let Value::Array(keys) = data else {
                // No keys at all: the server was emptied.
                tell(Change::Everything);
                continue;
            };
            for key in keys {
                let owner = match &key {
                    Value::BulkString(key) => self.keys.owner_of(key),
                    _ => None,
                };
                match owner {
                    Some(KeyOwner::Row(view, key)) => tell(Change::Row { view, key }),
                    Some(KeyOwner::Applied(view)) => tell(Change::View(view)),
                    Some(KeyOwner::Other) => (),
                    None => tell(Change::Everything),
                }
            }
        }
        Ok(())
    }

    /// Whether the servers that are followed are still those that rows are written to.
    async fn still_there(&self, topology: &Topology) -> Result<(), Failure> {
        let dialer = self.calls.dialer();
        for (index, node) in topology.nodes().enumerate() {
            if let Some(connection) = topology.connection(index) {
                dialer.check(node, connection).await?;
            }
        }
        if dialer.is_cluster() {
            let now = dialer.primaries().await?.nodes;
            if now.len() != topology.nodes().count()
                || now.iter().any(|node| topology.index_of(node).is_none())
            {
                return Err(Failure::Lost("the cluster has other primaries now".to_owned()));
            }
        }
        Ok(())
    }
}

fn lost() -> Failure {
    Failure::Lost("the connection that tells of changes was lost".to_owned())
}
