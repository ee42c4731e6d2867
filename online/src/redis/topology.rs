//! Finding and connecting the servers that hold the rows: the one named, the master that Sentinels
//! name, or the primaries of a cluster with their slots.

use std::ops::RangeInclusive;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, TlsCertificates, Value, cmd,
};
use std::sync::Arc;

use super::address::{Deployment, Node, RedisUrl};
use super::failure::Failure;
use super::server::{Expected, Refusal, check};
use crate::error::OnlineError;

/// The largest file of certificates, in bytes.
const MOST_CA_BYTES: u64 = 1 << 20;

/// The servers at one time, each with a connection that all calls share.
#[derive(Clone)]
pub(super) struct Topology {
    nodes: Vec<(Node, MultiplexedConnection)>,
    /// Of a cluster: which node has which slots.
    slots: Option<Vec<(RangeInclusive<u16>, usize)>>,
}

impl Topology {
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().map(|(node, _)| node)
    }

    /// The index of the node that has a slot; `None` while nobody has it.
    pub(super) fn of_slot(&self, slot: u16) -> Option<usize> {
        match &self.slots {
            None => Some(0),
            Some(slots) => slots.iter().find(|(range, _)| range.contains(&slot)).map(|(_, node)| *node),
        }
    }

    pub(super) fn index_of(&self, node: &Node) -> Option<usize> {
        self.nodes().position(|other| other == node)
    }

    pub(super) fn connection(&self, index: usize) -> Option<MultiplexedConnection> {
        self.nodes.get(index).map(|(_, connection)| connection.clone())
    }
}

/// The primaries of a cluster, and which of them has which slots.
pub(super) struct Primaries {
    pub(super) nodes: Vec<Node>,
    slots: Vec<(RangeInclusive<u16>, usize)>,
}

/// Makes connections.
pub(super) struct Dialer {
    url: RedisUrl,
    /// What errors call the store.
    address: String,
    certificates: TlsCertificates,
    wait: Duration,
}

impl Dialer {
    /// For an address; the certificate file that it names is read. A connection and each answer of its
    /// set-up are waited for so long.
    pub(super) fn new(url: RedisUrl, wait: Duration) -> Result<Dialer, OnlineError> {
        let address = url.to_string();
        let unreadable = |error: std::io::Error| OnlineError::Unusable {
            path: address.clone().into(),
            reason: format!("the file that `ca` names cannot be read ({error}): correct `online.url`"),
        };
        let root_cert =
            url.ca.as_ref().map(|path| files::read(path, MOST_CA_BYTES)).transpose().map_err(unreadable)?;
        if url.tls {
            // Of the two providers in the tree one has to be chosen; another choice before this one stands.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Ok(Dialer { url, address, certificates: TlsCertificates { client_tls: None, root_cert }, wait })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.url.deployment == Deployment::Cluster
    }

    /// Finds and connects the servers; refuses those that may not hold features.
    pub(super) async fn connect(&self) -> Result<Topology, Failure> {
        self.connect_with(None).await
    }

    /// The same; what the servers push is given to this sender.
    pub(super) async fn connect_with(
        &self,
        push: Option<Arc<dyn AsyncPushSender>>,
    ) -> Result<Topology, Failure> {
        let (nodes, slots) = match &self.url.deployment {
            Deployment::One => (self.url.nodes.clone(), None),
            Deployment::Sentinel { master } => (vec![self.master(master).await?], None),
            Deployment::Cluster => {
                let Primaries { nodes, slots } = self.primaries().await?;
                (nodes, Some(slots))
            }
        };
        let connect = async |node: Node| {
            let connection = self.dial(&node, push.clone()).await?;
            self.check(&node, connection.clone()).await?;
            Ok((node, connection))
        };
        Ok(Topology { nodes: try_join_all(nodes.into_iter().map(connect)).await?, slots })
    }

    /// Refuses a server that may not hold features.
    pub(super) async fn check(&self, node: &Node, connection: MultiplexedConnection) -> Result<(), Failure> {
        let info = self.call(connection, &cmd("INFO")).await?;
        let info = match &info {
            Value::BulkString(text) => String::from_utf8_lossy(text).into_owned(),
            Value::VerbatimString { text, .. } => text.clone(),
            _ => String::new(),
        };
        check(&info, Expected { cluster: self.is_cluster() }).map_err(|refusal| match refusal {
            Refusal::Unfit(reason) => {
                let path = if self.is_cluster() {
                    format!("{} ({node})", self.address)
                } else {
                    self.address.clone()
                };
                Failure::Final(OnlineError::Unusable { path: path.into(), reason })
            }
            Refusal::Replica => Failure::Lost(format!("{node} is a replica now")),
        })
    }

    /// Asks the Sentinels, all at once, for the master; the first that is sure is believed.
    async fn master(&self, name: &str) -> Result<Node, Failure> {
        let answers = self.url.nodes.iter().map(async |sentinel| {
            let connection = self.dial_sentinel(sentinel).await?;
            let mut command = cmd("SENTINEL");
            command.arg("get-master-addr-by-name").arg(name);
            match self.call(connection, &command).await? {
                Value::Array(parts) => match parts.as_slice() {
                    [host, port] => node(host, port, sentinel),
                    _ => None,
                },
                Value::Nil => {
                    return Err(Failure::Final(OnlineError::Unusable {
                        path: self.address.as_str().into(),
                        reason: format!(
                            "its Sentinels know no master `{name}`: correct its name in `online.url`"
                        ),
                    }));
                }
                _ => None,
            }
            .ok_or_else(|| Failure::Lost("a Sentinel's answer was not understood".to_owned()))
        });
        first(join_all(answers).await)
    }

    /// Asks the named nodes of a cluster, all at once, for its primaries; the first answer is taken.
    pub(super) async fn primaries(&self) -> Result<Primaries, Failure> {
        let answers = self.url.nodes.iter().map(async |seed| {
            let connection = self.dial(seed, None).await?;
            // It may be a replica, but not of something else than a cluster.
            if let Err(Failure::Final(unfit)) = self.check(seed, connection.clone()).await {
                return Err(Failure::Final(unfit));
            }
            let mut command = cmd("CLUSTER");
            command.arg("SLOTS");
            let slots = self.call(connection, &command).await?;
            read_slots(&slots, seed).ok_or_else(|| Failure::Busy(format!("{seed} knows no slots yet")))
        });
        first(join_all(answers).await)
    }

    pub(super) async fn dial(
        &self,
        node: &Node,
        push: Option<Arc<dyn AsyncPushSender>>,
    ) -> Result<MultiplexedConnection, Failure> {
        let mut login = RedisConnectionInfo::default().set_db(self.url.database);
        if let Some(user) = &self.url.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.url.password {
            login = login.set_password(password);
        }
        if push.is_some() {
            login = login.set_protocol(ProtocolVersion::RESP3);
        }
        self.dial_as(node, login, push).await
    }

    /// Sentinels have users of their own; none is named to them.
    async fn dial_sentinel(&self, node: &Node) -> Result<MultiplexedConnection, Failure> {
        self.dial_as(node, RedisConnectionInfo::default(), None).await
    }

    async fn dial_as(
        &self,
        node: &Node,
        login: RedisConnectionInfo,
        push: Option<Arc<dyn AsyncPushSender>>,
    ) -> Result<MultiplexedConnection, Failure> {
        let client = self.client(node, login).map_err(|error| Failure::of(&self.address, &error))?;
        // Each call waits as long as it may, which its caller says.
        let mut config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(self.wait)).set_response_timeout(None);
        if let Some(push) = push {
            config = config.set_push_sender(push);
        }
        match tokio::time::timeout(self.wait, client.get_multiplexed_async_connection_with_config(&config))
            .await
        {
            Ok(connected) => connected.map_err(|error| match Failure::of(&self.address, &error) {
                Failure::Lost(reason) | Failure::Late(reason) => Failure::Lost(format!("{node}: {reason}")),
                failure => failure,
            }),
            Err(_) => Err(Failure::Late(format!("{node} did not answer in time"))),
        }
    }

    fn client(&self, node: &Node, login: RedisConnectionInfo) -> Result<Client, RedisError> {
        let (host, port) = (node.host.clone(), node.port);
        if !self.url.tls {
            return Client::open(
                ConnectionAddr::Tcp(host, port).into_connection_info()?.set_redis_settings(login),
            );
        }
        let address = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
        let info = address.into_connection_info()?.set_redis_settings(login);
        Client::build_with_tls(info, self.certificates.clone())
    }

    async fn call(&self, mut connection: MultiplexedConnection, command: &Cmd) -> Result<Value, Failure> {
        let answer = tokio::time::timeout(self.wait, connection.send_packed_command(command)).await;
        let answer = answer.map_err(|_| Failure::late())?;
        match answer.and_then(|value| match value {
            Value::ServerError(error) => Err(RedisError::from(error)),
            value => Ok(value),
        }) {
            Ok(value) => Ok(value),
            Err(error) => Err(Failure::of(&self.address, &error)),
        }
    }
}

/// The first answer; where there is none, the last failure.
fn first<T>(answers: Vec<Result<T, Failure>>) -> Result<T, Failure> {
    let nobody = || Failure::Lost(RedisError::from((ErrorKind::Client, "no server is named")).to_string());
    answers.into_iter().reduce(|before, after| before.or(after)).unwrap_or_else(|| Err(nobody()))
}

/// A host that is empty or missing is that of the server which answered.
fn node(host: &Value, port: &Value, answered_by: &Node) -> Option<Node> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Nil => Some(String::new()),
        _ => None,
    };
    let host = Some(text(host)?).filter(|host| !host.is_empty()).unwrap_or_else(|| answered_by.host.clone());
    Some(Node { host, port: text(port)?.parse().ok()? })
}

/// Reads the answer to `CLUSTER SLOTS`: of each range of slots the first server named is the primary.
fn read_slots(value: &Value, answered_by: &Node) -> Option<Primaries> {
    let Value::Array(ranges) = value else { return None };
    let mut nodes: Vec<Node> = Vec::new();
    let mut slots = Vec::new();
    for range in ranges {
        let Value::Array(parts) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = parts.as_slice() else {
            return None;
        };
        let [host, port, ..] = primary.as_slice() else { return None };
        let node = node(host, port, answered_by)?;
        let index = nodes.iter().position(|other| *other == node).unwrap_or_else(|| {
            nodes.push(node);
            nodes.len() - 1
        });
        slots.push((u16::try_from(*first).ok()?..=u16::try_from(*last).ok()?, index));
    }
    (!nodes.is_empty()).then_some(Primaries { nodes, slots })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_read_and_a_missing_host_is_the_one_that_answered() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range = |first, last, node| Value::Array(vec![Value::Int(first), Value::Int(last), node]);
        let answer = Value::Array(vec![
            range(0, 99, node(text("a"), 1)),
            range(100, 199, node(Value::Nil, 2)),
            range(300, 16383, node(text("a"), 1)),
        ]);
        let answered_by = Node { host: "seed".to_owned(), port: 9 };
        let Primaries { nodes, slots } = read_slots(&answer, &answered_by).unwrap();
        assert_eq!(nodes.iter().map(Node::to_string).collect::<Vec<_>>(), ["a:1", "seed:2"]);
        assert_eq!(slots, [(0..=99, 0), (100..=199, 1), (300..=16383, 0)]);
        assert!(read_slots(&Value::Array(Vec::new()), &answered_by).is_none());
    }
}
