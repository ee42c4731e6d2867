//! A server as a program reads it: one connection for many requests, opened with the first of them and again after it
//! broke; columns go and come packed.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use feature::{DataType, Micros, Scalar, Times, VersionId};
use proto::v1::{self, feature_store_client::FeatureStoreClient};
use read::{FeatureColumn, Features};
use tokio::sync::Mutex;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use super::dial::{ClientAccess, connect};
use super::packed::{packed, status, unpacked};
use super::shown_by;
use crate::error::ProjectError;
use crate::serving::ReadEntities;
use crate::settings::ClientToken;

/// The header in which a server says that something in an answer is deprecated.
const DEPRECATED: &str = "x-twinstore-deprecated";

/// How the library of messages begins what it says of one that it cannot decode.
const UNDECODABLE: &str = "failed to decode Protobuf message";

/// Bytes of one answer: a server takes less in a request, so this is never what bounds a read.
const MOST_BYTES: usize = 1 << 30;

/// A server, by the address of its gRPC.
#[derive(Debug)]
pub struct RemoteReads {
    address: String,
    access: ClientAccess,
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

/// The outcome for rows that were pushed to a server.
#[derive(Clone, Debug)]
pub struct RemotePushed {
    /// The topic that they are in.
    pub topic: String,
    /// How many were taken.
    pub taken: u32,
    /// The offset of the first of them.
    pub first_offset: u64,
    /// Those that were refused, each with its row from 1 and why.
    pub refused: Vec<(usize, String)>,
    /// How many rows do not pass the `where` of a view.
    pub filtered: Vec<(String, u32)>,
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

    /// Reads the features of entities.
    pub async fn read(&self, read: ReadEntities<ArrayRef>) -> Result<RemoteAnswer, ProjectError> {
        let request = v1::GetFeaturesRequest {
            service: read.service,
            features: read.request.features,
            entities: packed(read.request.entities)?,
            request: packed(read.request.request)?,
            at_us: read.at.map(Micros::get),
            trained_on: read.trained_on,
        };
        let mut client = self.client().await?;
        let answer = self.answered(client.get_features(shown_by(request, &self.access.token)?).await).await?;
        let notice = answer.metadata().get(DEPRECATED).and_then(|said| said.to_str().ok()).map(str::to_owned);
        Ok(RemoteAnswer { features: self.features(answer.into_inner())?, notice })
    }

    /// Pushes rows, all columns of one length. They are durable once it returns.
    pub async fn push(
        &self,
        source: String,
        columns: Vec<(String, ArrayRef)>,
    ) -> Result<RemotePushed, ProjectError> {
        let rows = columns.first().map_or(0, |(_, column)| column.len());
        let request = v1::PushRequest { source, columns: packed(columns)?, wait: 0 };
        let mut client = self.client().await?;
        let answer =
            self.answered(client.push(shown_by(request, &self.access.token)?).await).await?.into_inner();
        // A row that one view refuses and another takes is both taken and listed.
        let refused: BTreeSet<u32> = answer.refused.iter().map(|row| row.index).collect();
        let taken = answer.taken as usize;
        if taken > rows || taken + refused.len() < rows {
            let why = format!("of {rows} rows it says that {taken} were taken and {} refused", refused.len());
            return Err(ProjectError::UnreadableAnswer { address: self.address.clone(), source: why.into() });
        }
        let refused = answer.refused.into_iter().map(|row| {
            let view = if row.view.is_empty() { String::new() } else { format!("{}: ", row.view) };
            (row.index as usize + 1, format!("{view}{}", row.reason))
        });
        Ok(RemotePushed {
            topic: answer.topic,
            taken: answer.taken,
            first_offset: answer.first_offset,
            refused: refused.collect(),
            filtered: answer.filtered.into_iter().map(|one| (one.view, one.rows)).collect(),
        })
    }

    async fn client(&self) -> Result<FeatureStoreClient<Channel>, ProjectError> {
        let mut channel = self.channel.lock().await;
        let channel = match &*channel {
            Some(channel) => channel.clone(),
            None => channel.insert(connect(&self.address, &self.access).await?).clone(),
        };
        Ok(FeatureStoreClient::new(channel).max_decoding_message_size(MOST_BYTES))
    }

    /// An answer; where the connection broke, the next request opens another one.
    async fn answered<T>(&self, answer: Result<Response<T>, Status>) -> Result<Response<T>, ProjectError> {
        let status = match answer {
            Ok(answer) => return Ok(answer),
            Err(status) => Box::new(status),
        };
        let address = self.address.clone();
        // What the server itself refuses has no cause on this side.
        if std::error::Error::source(&*status).is_some() {
            *self.channel.lock().await = None;
            return Err(ProjectError::Disconnected { address, status });
        }
        Err(match status.code() {
            Code::Unimplemented => ProjectError::OtherServer { address, status },
            // One side cannot read what the other wrote.
            Code::Internal if status.message().starts_with(UNDECODABLE) => {
                ProjectError::OtherServer { address, status }
            }
            _ => ProjectError::RefusedByServer { status },
        })
    }

    fn features(&self, answer: v1::GetFeaturesResponse) -> Result<Features, ProjectError> {
        let unreadable = |why: String| ProjectError::UnreadableAnswer {
            address: self.address.clone(),
            source: why.into(),
        };
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
