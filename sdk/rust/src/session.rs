//! What all requests of one client share: its connections and its cache.

use std::sync::Arc;
use std::time::Duration;

use proto::v1;
use tokio::time::Instant;

use crate::answer::{Answer, Features};
use crate::cache::Cache;
use crate::calls::{Caller, Method, Reply};
use crate::error::Error;
use crate::requests::{Columns, Wanted, encoded_rows};

/// The header in which a server says that something in an answer is deprecated.
const DEPRECATED: &str = "x-twinstore-deprecated";

#[derive(Debug)]
pub(crate) struct Session {
    pub caller: Caller,
    pub cache: Option<Cache>,
    /// How long a call may take that does not say so itself.
    pub deadline: Duration,
}

/// How a read may be answered.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Allowed {
    pub deadline: Option<Duration>,
    /// How long ago an answer may have been requested.
    pub staleness: Option<Duration>,
}

impl Session {
    pub async fn read(&self, wanted: Wanted, allowed: Allowed) -> Result<Features, Error> {
        let is_at_chosen = wanted.at_us.is_some();
        let request = wanted.encoded();
        let requested = Instant::now();
        if let Some(cache) = &self.cache {
            if let Some((answer, age)) = cache.get(&request, requested, allowed.staleness) {
                self.caller.counters.cache_hits.count();
                return Ok(Features::new(answer, Some(age)));
            }
            self.caller.counters.cache_misses.count();
        }
        let deadline = allowed.deadline.unwrap_or(self.deadline);
        let reply = self.caller.call(Method::Read, request.clone(), deadline).await?;
        let Reply { message, metadata, endpoint } = reply;
        let deprecated = metadata.get(DEPRECATED).and_then(|said| said.to_str().ok()).map(str::to_owned);
        let bytes = bytes_of(&message);
        let answer = Answer::of(message, is_at_chosen, deprecated, Arc::clone(&endpoint))
            .map_err(|why| Error::UnreadableAnswer { endpoint: endpoint.to_string(), why })?;
        let answer = Arc::new(answer);
        if let Some(cache) = &self.cache {
            // No value is newer than the request: the server read it after that.
            cache.put(request, Arc::clone(&answer), requested, bytes);
        }
        Ok(Features::new(answer, None))
    }

    pub async fn push(
        &self,
        source_name: String,
        columns: Columns,
        wait: v1::push_request::Wait,
        deadline: Option<Duration>,
    ) -> Result<v1::PushResponse, Error> {
        let body = encoded_rows(source_name.clone(), columns, wait);
        let method = Method::Push { source_name: &source_name };
        Ok(self.caller.call(method, body, deadline.unwrap_or(self.deadline)).await?.message)
    }
}

/// About how much memory an answer takes once it is unpacked: each of its values has a mark whether it is null, and each
/// of its texts a head.
fn bytes_of(message: &v1::GetFeaturesResponse) -> usize {
    const BYTES_OF_ONE: usize = 32;
    let cells: usize = message.columns.iter().map(|column| column.statuses.len()).sum();
    prost::Message::encoded_len(message) + cells * BYTES_OF_ONE
}
