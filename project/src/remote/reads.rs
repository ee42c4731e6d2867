//! A server as a program reads it: one connection for many requests, opened with the first of them and again after it
//! broke; columns go and come packed.

use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::concat;
use feature::{DataType, Micros, Scalar, Times, VersionId};
use proto::v1::{self, feature_store_client::FeatureStoreClient};
use read::{FeatureColumn, FeatureRequest, Features};
use tokio::sync::Mutex;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use super::column::{RemoteColumn, packed_rows};
use super::dial::{ClientAccess, connect};
use super::packed::{status, unpacked};
use super::shown_by;
use crate::error::ProjectError;
use crate::server_error::{ServerError, is_busy};
use crate::serving::ReadEntities;
use crate::settings::ClientToken;

/// The header in which a server says that something in an answer is deprecated.
const DEPRECATED: &str = "x-twinstore-deprecated";

/// How the library of messages begins what it says of one that it cannot decode.
const UNDECODABLE: &str = "failed to decode Protobuf message";

/// Bytes of one answer: a server takes less in a request, so this is never what bounds a read.
const MOST_BYTES: usize = 1 << 30;

/// Entities of one request, as many as a server takes unless it is set otherwise.
const MOST_ENTITIES: usize = 10_000;

/// A server, by the address of its gRPC.
#[derive(Debug)]
pub struct RemoteReads {
    pub(super) address: String,
    pub(super) access: ClientAccess,
    channel: Mutex<Option<Channel>>,
}

/// The features that a server answered, and what it says of deprecated ones.
#[derive(Clone, Debug)]
pub struct RemoteAnswer {
    /// The features.
    pub features: Features,
    /// What is deprecated among the versions that were read.
    pub notice: Option<String>,
}

impl RemoteReads {
    /// The server at this `HOST:PORT`, or over TLS at this `grpcs://HOST:PORT`. No connection is made yet.
    pub fn at(address: impl Into<String>) -> Self {
        Self { address: address.into(), access: ClientAccess::default(), channel: Mutex::default() }
    }

    /// The same, which shows this token; none where it is empty.
    #[must_use]
    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self { access: ClientAccess { token: ClientToken::new(token), ..self.access }, ..self }
    }

    /// The same, which trusts the authorities of this file, where the address is one of TLS; those of the system where it is
    /// empty.
    #[must_use]
    pub fn with_authorities(self, ca: impl Into<String>) -> Self {
        Self { access: ClientAccess { ca: ca.into(), ..self.access }, ..self }
    }

    /// Reads the features of entities: in several requests where there are more than a server takes in one. All of them are
    /// answered by the version that answered the first, each at its own moment unless one was named; the last one is given
    /// back.
    pub async fn read(&self, read: ReadEntities<RemoteColumn>) -> Result<RemoteAnswer, ProjectError> {
        let rows = match one_length(&read.request) {
            Some(rows) => rows,
            // The server names the columns that do not fit together.
            None => usize::MAX,
        };
        let (mut from, mut at_once) = (0, MOST_ENTITIES);
        let mut service = read.service.clone();
        let mut parts: Vec<RemoteAnswer> = Vec::new();
        while from < rows || parts.is_empty() {
            let count = if rows == usize::MAX { rows } else { at_once.min(rows - from) };
            let request = v1::GetFeaturesRequest {
                service: service.clone(),
                features: read.request.features.clone(),
                entities: packed_rows(&read.request.entities, from, count)?,
                request: packed_rows(&read.request.request, from, count)?,
                at_us: read.at.map(Micros::get),
                trained_on: read.trained_on.clone(),
            };
            match self.read_once(request).await {
                Err(error) if is_too_large(&error) && rows != usize::MAX && count > 1 => {
                    at_once = count.div_ceil(2);
                }
                answer => {
                    let answer = answer?;
                    service = answer.features.service.to_string();
                    parts.push(answer);
                    from = from.saturating_add(count);
                }
            }
        }
        joined(parts).map_err(|why| self.unreadable(why))
    }

    async fn read_once(&self, request: v1::GetFeaturesRequest) -> Result<RemoteAnswer, ProjectError> {
        let mut client = self.client().await?;
        let answer = self.answered(client.get_features(shown_by(request, &self.access.token)?).await).await?;
        let notice = answer.metadata().get(DEPRECATED).and_then(|said| said.to_str().ok()).map(str::to_owned);
        Ok(RemoteAnswer { features: self.features(answer.into_inner())?, notice })
    }

    pub(super) async fn client(&self) -> Result<FeatureStoreClient<Channel>, ProjectError> {
        let mut channel = self.channel.lock().await;
        let channel = match &*channel {
            Some(channel) => channel.clone(),
            None => channel.insert(connect(&self.address, &self.access).await?).clone(),
        };
        Ok(FeatureStoreClient::new(channel).max_decoding_message_size(MOST_BYTES))
    }

    /// An answer; where the connection broke, the next request opens another one.
    pub(super) async fn answered<T>(
        &self,
        answer: Result<Response<T>, Status>,
    ) -> Result<Response<T>, ProjectError> {
        let status = match answer {
            Ok(answer) => return Ok(answer),
            Err(status) => Box::new(status),
        };
        let address = self.address.clone();
        // What the server itself refuses has no cause on this side.
        if std::error::Error::source(&*status).is_some() {
            *self.channel.lock().await = None;
            return Err(ServerError::Disconnected { address, status }.into());
        }
        let error = match status.code() {
            Code::Unimplemented => ServerError::OtherServer { address, status },
            // One side cannot read what the other wrote.
            Code::Internal if status.message().starts_with(UNDECODABLE) => {
                ServerError::OtherServer { address, status }
            }
            _ => ServerError::Refused { status },
        };
        Err(error.into())
    }

    pub(super) fn unreadable(&self, why: String) -> ProjectError {
        ServerError::UnreadableAnswer { address: self.address.clone(), source: why.into() }.into()
    }

    fn features(&self, answer: v1::GetFeaturesResponse) -> Result<Features, ProjectError> {
        let unreadable = |why: String| self.unreadable(why);
        let service: VersionId =
            answer.service.parse().map_err(|error: feature::NameError| unreadable(error.to_string()))?;
        let moment = |micros: i64| Micros::new(micros).map_err(|error| unreadable(error.to_string()));
        let mut columns = Vec::with_capacity(answer.columns.len());
        for column in answer.columns {
            let statuses: Option<Arc<[_]>> = column.statuses().map(status).collect();
            let statuses =
                statuses.ok_or_else(|| unreadable(format!("`{}` has no status in a row", column.name)))?;
            let (values, data_type) = match &column.values {
                Some(values) => unpacked(values),
                None => (transform::array_of([], Scalar::String.into()), DataType::from(Scalar::String)),
            };
            if values.len() != statuses.len() {
                return Err(unreadable(format!(
                    "`{}` has another number of values than statuses",
                    column.name
                )));
            }
            let times = column.times as usize;
            columns.push(FeatureColumn { name: column.name, data_type, values, statuses, times });
        }
        let rows = columns.first().map_or(0, |column| column.statuses.len());
        let mut times: Vec<Arc<[Option<Times>]>> = Vec::with_capacity(answer.times.len());
        for group in answer.times {
            let mut of_rows = Vec::with_capacity(rows);
            let pairs = group.event_times_us.iter().zip(&group.available_ats_us);
            for (row, (event_time, available_at)) in pairs.enumerate() {
                let is_null = group.nulls.binary_search(&(row as u32)).is_ok();
                of_rows.push(match is_null {
                    true => None,
                    false => {
                        Some(Times { event_time: moment(*event_time)?, available_at: moment(*available_at)? })
                    }
                });
            }
            times.push(of_rows.into());
        }
        Ok(Features { service, at: moment(answer.at_us)?, rows, columns, times })
    }
}

/// How many rows all columns of a request have; `None` if they have different ones.
fn one_length(request: &FeatureRequest<RemoteColumn>) -> Option<usize> {
    let mut lengths = request.entities.iter().chain(&request.request).map(|(_, column)| column.rows());
    let first = lengths.next().unwrap_or(0);
    lengths.all(|length| length == first).then_some(first)
}

/// Whether a server would take a smaller request.
fn is_too_large(error: &ProjectError) -> bool {
    matches!(error, ProjectError::Server(ServerError::Refused { status })
        if status.code() == Code::ResourceExhausted && !is_busy(status))
}

/// Answers of one version, behind one another.
fn joined(parts: Vec<RemoteAnswer>) -> Result<RemoteAnswer, String> {
    let mut parts = parts.into_iter();
    let mut whole = parts.next().ok_or("there is no answer")?;
    let parts: Vec<RemoteAnswer> = parts.collect();
    let Some(last) = parts.last() else { return Ok(whole) };
    let features = &mut whole.features;
    features.at = last.features.at;
    let is_alike = |part: &RemoteAnswer| {
        let (columns, more) = (&features.columns, &part.features.columns);
        columns.len() == more.len()
            && columns.iter().zip(more).all(|(one, other)| one.name == other.name && one.times == other.times)
            && features.times.len() == part.features.times.len()
    };
    if !parts.iter().all(is_alike) {
        return Err("the parts of a large read have different features".to_owned());
    }
    for (index, column) in features.columns.iter_mut().enumerate() {
        let more = || parts.iter().filter_map(|part| part.features.columns.get(index));
        let values: Vec<&dyn Array> =
            std::iter::once(&*column.values).chain(more().map(|column| &*column.values)).collect();
        let values = concat(&values).map_err(|error| format!("`{}`: {error}", column.name))?;
        column.statuses =
            column.statuses.iter().chain(more().flat_map(|part| part.statuses.iter())).copied().collect();
        column.values = values;
    }
    for (index, times) in features.times.iter_mut().enumerate() {
        let more = parts.iter().filter_map(|part| part.features.times.get(index));
        *times = times.iter().chain(more.flat_map(|times| times.iter())).copied().collect();
    }
    features.rows += parts.iter().map(|part| part.features.rows).sum::<usize>();
    Ok(whole)
}
