//! How a client is set up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::cache::{Cache, CacheBounds};
use crate::calls::{Caller, Hedging, RetryBudget};
use crate::client::Client;
use crate::error::Error;
use crate::pool::{Address, Pool, Reach, Tls};
use crate::session::Session;
use crate::token::Token;

/// A client that is being set up.
#[derive(Clone, Debug)]
#[must_use = "nothing is connected before `connect`"]
pub struct ClientBuilder {
    endpoints: Vec<String>,
    tls: Tls,
    token: Option<TokenSource>,
    connect_timeout: Duration,
    connections: usize,
    deadline: Duration,
    attempts: u32,
    budget: RetryBudget,
    hedging: Hedging,
    cache: Option<CacheBounds>,
}

#[derive(Clone)]
enum TokenSource {
    Value(String),
    File(PathBuf),
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TokenSource::Value(_) => f.write_str("…"),
            TokenSource::File(path) => path.fmt(f),
        }
    }
}

impl Client {
    /// A client of these servers, each `host:port`, or `grpcs://host:port` for TLS, with the settings of
    /// [`Client::builder`].
    pub async fn connect(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, Error> {
        Self::builder(endpoints).connect().await
    }

    /// Sets up a client of these servers, each `host:port`, or `grpcs://host:port` for TLS. All of them serve the same project.
    pub fn builder(endpoints: impl IntoIterator<Item = impl Into<String>>) -> ClientBuilder {
        ClientBuilder {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            tls: Tls::default(),
            token: None,
            connect_timeout: Duration::from_secs(1),
            connections: 1,
            deadline: Duration::from_secs(1),
            attempts: 3,
            budget: RetryBudget::default(),
            hedging: Hedging::Never,
            cache: None,
        }
    }
}

impl ClientBuilder {
    /// Trusts the authorities of this file, in PEM, instead of those of the system.
    pub fn authorities(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls.authorities = Some(file.into());
        self
    }

    /// Shows this certificate, with those that lead from it to an authority, and proves it by this key, both in PEM. The
    /// files are read again for each new connection.
    pub fn certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Shows this token.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(TokenSource::Value(token.into()));
        self
    }

    /// Shows the token in this file. It is read again every ten seconds, and when a server refuses the token.
    pub fn token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.token = Some(TokenSource::File(file.into()));
        self
    }

    /// How long making a connection may take; 1 second.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How many connections there are to each server; 1. One carries many requests at once, and more of them use more
    /// cores.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// How long a call may take that does not say so itself, with all that is repeated in it; 1 second. A server gives up what
    /// it cannot answer until then.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How often a request is sent at most, hedges not counted; 3. With 1 nothing is repeated, but for what could not be sent.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Bounds what is repeated and hedged.
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Hedges reads; [`Hedging::Never`].
    pub fn hedging(mut self, hedging: Hedging) -> Self {
        self.hedging = hedging;
        self
    }

    /// Uses answers again within these bounds; never where this is not called.
    pub fn cache(mut self, bounds: CacheBounds) -> Self {
        self.cache = Some(bounds);
        self
    }

    /// The client, once one of the servers has answered. The others are tried on.
    pub async fn connect(self) -> Result<Client, Error> {
        let session = self.session().await?;
        session.caller.pool.connected().await?;
        Ok(Client::new(session))
    }

    /// The client, without waiting for a server: the first requests make the connections.
    pub async fn connect_later(self) -> Result<Client, Error> {
        Ok(Client::new(self.session().await?))
    }

    async fn session(self) -> Result<Session, Error> {
        let addresses = self.endpoints.iter().map(|endpoint| Address::parse(endpoint));
        let addresses: Vec<Address> = addresses.collect::<Result<_, _>>()?;
        let speaks_tls = addresses.iter().any(|address| address.is_tls);
        let (tls, source) = (Arc::new(self.tls), self.token);
        let checked = Arc::clone(&tls);
        let read = move || {
            // What is wrong with the files is said here, and not by the first connection.
            if speaks_tls {
                checked.config()?;
            }
            match source {
                None => Ok(Token::None),
                Some(TokenSource::Value(value)) => Token::value(&value),
                Some(TokenSource::File(path)) => Token::file(&path, Instant::now()),
            }
        };
        let token = spawn_blocking(read).await.map_err(|error| Error::Token { why: error.to_string() })??;
        let reach = Reach { tls, timeout: self.connect_timeout, connections: self.connections };
        let mut caller = Caller::new(Pool::new(&addresses, &reach)?, token).within(self.budget);
        caller.hedging = self.hedging;
        caller.most_attempts = self.attempts;
        Ok(Session { caller, cache: self.cache.map(Cache::new), deadline: self.deadline })
    }
}
