//! Calls to the servers: each command goes to the server that has its key, those for one server as one
//! pipeline, all servers at once. Every call may be repeated, as no command here does more the second
//! time; how often, and when not any more, the breaker says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use redis::{Cmd, Pipeline, RedisError, ServerErrorKind, Value, cmd};
use tokio::sync::OnceCell;

use super::address::Node;
use super::breaker::{Breaker, Limits};
use super::failure::Failure;
use super::script::Scripts;
use super::topology::{Dialer, Topology};
use crate::error::OnlineError;

/// How long things are waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a connection, and each answer while it is set up.
    pub(super) connect: Duration,
    /// For the answer to a read.
    pub(super) read: Duration,
    /// For the answer to a write.
    pub(super) write: Duration,
    /// How often one call is made at most.
    pub(super) attempts: u32,
    /// Before the first repeat; then twice as long each time.
    pub(super) pause: Duration,
    /// When the servers are left alone.
    pub(super) limits: Limits,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            read: Duration::from_secs(1),
            write: Duration::from_secs(10),
            attempts: 4,
            pause: Duration::from_millis(20),
            limits: Limits { failures: 8, open_for: Duration::from_secs(1) },
        }
    }
}

/// Who a command is for.
#[derive(Clone, Debug)]
pub(super) enum To {
    /// The server that has this slot.
    Slot(u16),
    /// This server.
    Node(Node),
}

/// A command and who it is for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) to: To,
    pub(super) command: Cmd,
}

/// The way to the servers.
pub(super) struct Calls {
    dialer: Dialer,
    scripts: Scripts,
    pub(super) patience: Patience,
    breaker: Mutex<Breaker>,
    began: Instant,
    /// Made by the first who needs it; another replaces it when it is of no use any more.
    topology: Mutex<Arc<OnceCell<Topology>>>,
}

impl Calls {
    pub(super) fn new(dialer: Dialer, patience: Patience) -> Self {
        Self {
            dialer,
            scripts: Scripts::new(),
            patience,
            breaker: Mutex::new(Breaker::new(patience.limits)),
            began: Instant::now(),
            topology: Mutex::default(),
        }
    }

    pub(super) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    pub(super) fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// The servers now.
    pub(super) async fn nodes(&self) -> Result<Vec<Node>, OnlineError> {
        // An empty call connects, with all that belongs to a call.
        self.ask(&[], self.patience.read).await?;
        Ok(self.cell().get().map(|topology| topology.nodes().cloned().collect()).unwrap_or_default())
    }

    /// The answers, in the order of the commands. An error that a server answers is an error of the call.
    pub(super) async fn ask(&self, requests: &[Request], wait: Duration) -> Result<Vec<Value>, OnlineError> {
        let mut pause = self.patience.pause;
        let mut attempt = 1;
        loop {
            if !self.breaker().admit(self.began.elapsed()) {
                return Err(OnlineError::Unavailable {
                    location: self.dialer.address().to_owned(),
                    reason: "it failed several times in a row and is left alone for a moment".to_owned(),
                });
            }
            let cell = self.cell();
            let failure = match self.once(&cell, requests, wait).await {
                Ok(values) => {
                    self.breaker().succeeded();
                    return Ok(values);
                }
                Err(failure) => failure,
            };
            let counts = !matches!(failure, Failure::Final(_) | Failure::NoScript);
            let opened = counts && self.breaker().failed(self.began.elapsed());
            if opened || matches!(failure, Failure::Lost(_)) {
                self.forget(&cell);
            }
            let again = match failure {
                Failure::Final(_) => {
                    self.breaker().succeeded();
                    false
                }
                // Who waited as long as one may waits no longer.
                Failure::Late(_) => false,
                Failure::Lost(_) | Failure::Busy(_) | Failure::NoScript => !opened,
            };
            if !again || attempt >= self.patience.attempts || !self.breaker().repeat(self.began.elapsed()) {
                return Err(failure.into_error(self.dialer.address()));
            }
            attempt += 1;
            if !matches!(failure, Failure::NoScript) {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
    }

    async fn once(
        &self,
        cell: &OnceCell<Topology>,
        requests: &[Request],
        wait: Duration,
    ) -> Result<Vec<Value>, Failure> {
        let topology = cell.get_or_try_init(|| self.dialer.connect()).await?;
        let mut of_nodes: Vec<(usize, Vec<usize>)> = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let node = match &request.to {
                To::Slot(slot) => topology
                    .of_slot(*slot)
                    .ok_or_else(|| Failure::Lost("nobody has some of the cluster's slots".to_owned()))?,
                To::Node(node) => topology
                    .index_of(node)
                    .ok_or_else(|| Failure::Lost(format!("{node} is not one of its servers any more")))?,
            };
            match of_nodes.iter_mut().find(|(other, _)| *other == node) {
                Some((_, indices)) => indices.push(index),
                None => of_nodes.push((node, vec![index])),
            }
        }
        let sent = of_nodes.iter().map(async |(node, indices)| {
            let mut pipeline = Pipeline::with_capacity(indices.len());
            for request in indices.iter().filter_map(|index| requests.get(*index)) {
                pipeline.add_command(request.command.clone());
            }
            match topology.connection(*node) {
                Some(mut connection) => connection.send_packed_commands(&pipeline, 0, indices.len()).await,
                None => Ok(Vec::new()),
            }
        });
        let answers = tokio::time::timeout(wait, join_all(sent)).await.map_err(|_| Failure::late())?;
        let mut values = vec![Value::Nil; requests.len()];
        for ((_, indices), answers) in of_nodes.iter().zip(answers) {
            let answers = answers.map_err(|error| Failure::of(self.dialer.address(), &error))?;
            if answers.len() != indices.len() {
                return Err(Failure::Lost("some commands were not answered".to_owned()));
            }
            for (index, answer) in indices.iter().zip(answers) {
                let answer = self.understood(topology, requests.get(*index), answer, wait).await?;
                if let Some(value) = values.get_mut(*index) {
                    *value = answer;
                }
            }
        }
        Ok(values)
    }

    /// An answer that is no error. A slot that is just moving to another server is requested there.
    async fn understood(
        &self,
        topology: &Topology,
        request: Option<&Request>,
        answer: Value,
        wait: Duration,
    ) -> Result<Value, Failure> {
        let Value::ServerError(error) = answer else { return Ok(answer) };
        let kind = error.kind();
        let error = RedisError::from(error);
        let server = self.dialer.address();
        if kind == Some(ServerErrorKind::Ask)
            && let (Some((address, _)), Some(request)) = (error.redirect_node(), request)
            && let Some(moving_to) = topology.nodes().position(|node| node.to_string() == address)
            && let Some(mut connection) = topology.connection(moving_to)
        {
            let mut pipeline = Pipeline::with_capacity(2);
            pipeline.add_command(cmd("ASKING")).add_command(request.command.clone());
            let answers = tokio::time::timeout(wait, connection.send_packed_commands(&pipeline, 1, 1));
            let answers = answers.await.map_err(|_| Failure::late())?;
            return match answers.map_err(|error| Failure::of(server, &error))?.pop() {
                Some(Value::ServerError(error)) => Err(Failure::of(server, &RedisError::from(error))),
                Some(value) => Ok(value),
                None => Err(Failure::Lost("some commands were not answered".to_owned())),
            };
        }
        let failure = Failure::of(server, &error);
        if matches!(failure, Failure::NoScript) {
            self.send_scripts(topology, wait).await?;
        }
        Err(failure)
    }

    async fn send_scripts(&self, topology: &Topology, wait: Duration) -> Result<(), Failure> {
        let loads = self.scripts.loads();
        let connections = (0..topology.nodes().count()).filter_map(|index| topology.connection(index));
        let sent = connections.map(async |mut connection| {
            let answers = connection.send_packed_commands(&loads, 0, loads.len()).await?;
            answers.into_iter().try_for_each(|answer| match answer {
                Value::ServerError(error) => Err(RedisError::from(error)),
                _ => Ok(()),
            })
        });
        let sent = tokio::time::timeout(wait, join_all(sent)).await.map_err(|_| Failure::late())?;
        let sent: Result<(), RedisError> = sent.into_iter().collect();
        sent.map_err(|error| Failure::of(self.dialer.address(), &error))
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cell(&self) -> Arc<OnceCell<Topology>> {
        self.topology.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next call finds and connects the servers again.
    fn forget(&self, used: &Arc<OnceCell<Topology>>) {
        let mut topology = self.topology.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&topology, used) {
            *topology = Arc::default();
        }
    }
}

/// A command whose only argument is a key.
pub(super) fn command(name: &str, key: &[u8]) -> Cmd {
    let mut command = cmd(name);
    command.arg(key);
    command
}
