//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::drive::Manner;
use crate::question::{Protocol, Question};
use crate::schedule::Arrivals;

/// Bytes of requests that are prepared, about: enough that no cache holds what they ask.
const PREPARED_BYTES: usize = 16 << 20;

/// Asks a server for features, at a pace that the server does not set.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    /// Which protocol of the server is used.
    #[arg(long, value_enum, default_value = "grpc")]
    protocol: Protocol,
    /// Where it listens.
    #[arg(long)]
    pub address: SocketAddr,
    /// The feature service.
    #[arg(long)]
    service: String,
    /// Its join key, an int64.
    #[arg(long, default_value = "entity_id")]
    key: String,
    /// Keys are drawn from 0 to one less than this.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    entities: u64,
    /// Entities in one request.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// A float64 column that requests bring.
    #[arg(long)]
    request_column: Option<String>,
    /// The moment to read at, in microseconds since 1970; now, where none is given.
    #[arg(long)]
    at_us: Option<i64>,
    /// Connections.
    #[arg(long, default_value_t = 8)]
    pub connections: usize,
    /// Requests in flight on each connection (gRPC only; HTTP/1.1 has one).
    #[arg(long, default_value_t = 8)]
    streams: usize,
    /// Seconds without pause that are not counted, first.
    #[arg(long, default_value_t = 2.0)]
    pub warm_up: f64,
    /// Seconds without pause that find the capacity.
    #[arg(long, default_value_t = 5.0)]
    pub capacity_seconds: f64,
    /// Fractions of the capacity to ask at, then.
    #[arg(long, value_delimiter = ',', value_parser = positive, default_value = "0.5")]
    fractions: Vec<f64>,
    /// Requests a second to ask at, instead of finding the capacity.
    #[arg(long, value_delimiter = ',', value_parser = positive)]
    pub rates: Vec<f64>,
    /// Seconds at each rate.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// How the moments of sending lie.
    #[arg(long, value_enum, default_value = "poisson")]
    pub arrivals: Arrivals,
    /// One answer of so many is decoded and its values are checked; 0 for none.
    #[arg(long, default_value_t = 256)]
    check_every: u32,
    /// Where to write one answer, for `bench-echo`.
    #[arg(long)]
    pub save_answer: Option<PathBuf>,
    /// Entities and moments follow from it.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "a number above 0 is needed".to_owned())
}

impl Arguments {
    /// What is requested.
    pub fn question(&self) -> Question {
        Question {
            protocol: self.protocol,
            service: self.service.clone(),
            key: self.key.clone(),
            entities: self.entities,
            batch: self.batch,
            request_column: self.request_column.clone(),
            at_us: self.at_us,
        }
    }

    /// How many requests are prepared.
    pub fn requests(&self) -> usize {
        (PREPARED_BYTES / (64 + self.batch * 16)).clamp(64, 1 << 17)
    }

    /// How it is requested.
    pub fn manner(&self) -> Manner {
        Manner {
            connections: self.connections.max(1),
            streams: if self.protocol == Protocol::Grpc { self.streams.max(1) } else { 1 },
            check_every: u64::from(self.check_every),
        }
    }

    /// The rates to ask at.
    pub fn rates(&self, capacity: Option<f64>) -> Vec<f64> {
        match capacity {
            Some(capacity) => self.fractions.iter().map(|fraction| fraction * capacity).collect(),
            None => self.rates.clone(),
        }
    }

    /// The protocol, as it is written on the command line.
    pub fn protocol_name(&self) -> String {
        self.protocol.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
