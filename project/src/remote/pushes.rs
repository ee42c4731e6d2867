//! Pushes into a server over gRPC: rows as JSON objects, as they are pushed in every other way.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::BufRead;

use feature::{Name, VersionId};
use proto::v1;
use serde_json::value::RawValue;
use server::{PushedRows, RefusedRow};
use tonic::{Code, ConnectError};

use super::reads::RemoteReads;
use super::shown_by;
use crate::error::ProjectError;
use crate::pushing::{Pushed, push_remotely};
use crate::server_error::ServerError;

impl RemoteReads {
    /// Pushes rows into the stream of a source, a JSON object on each line. All that are taken are durable once it returns.
    pub async fn push(&self, source: &Name, lines: impl BufRead) -> Result<Pushed, ProjectError> {
        push_remotely(self, source, lines).await
    }

    /// Pushes rows at once. The topic that they are in, and their outcome.
    pub(crate) async fn push_rows(
        &self,
        source: &Name,
        rows: &[Box<RawValue>],
    ) -> Result<(String, PushedRows), ProjectError> {
        let request = v1::PushRequest {
            source: source.to_string(),
            json_rows: rows.iter().map(|row| row.get().to_owned()).collect(),
            ..v1::PushRequest::default()
        };
        let mut client = self.client().await?;
        let answer = self.answered(client.push(shown_by(request, &self.access.token)?).await).await;
        let answer = answer.map_err(|error| self.unknown(error))?.into_inner();
        // A row that one view refuses and another takes is both taken and listed.
        let refused: BTreeSet<u32> = answer.refused.iter().map(|row| row.index).collect();
        let taken = answer.taken as usize;
        if taken > rows.len() || taken + refused.len() < rows.len() {
            return Err(self.unreadable(format!(
                "of {} rows it says that {taken} were taken and {} refused; check that client and server are of one version",
                rows.len(),
                refused.len()
            )));
        }
        let view = |view: &str| view.parse::<VersionId>().map_err(|error| self.unreadable(error.to_string()));
        let mut outcome = PushedRows { taken, ..PushedRows::default() };
        outcome.first_offset = (taken > 0).then_some(answer.first_offset);
        for row in answer.refused {
            let by = if row.view.is_empty() { None } else { Some(view(&row.view)?) };
            outcome.refused.push(RefusedRow { index: row.index as usize, view: by, reason: row.reason });
        }
        for one in answer.filtered {
            outcome.filtered.push((view(&one.view)?, one.rows.into()));
        }
        Ok((answer.topic, outcome))
    }

    /// What is said of a push after which nobody knows whether its rows were taken.
    fn unknown(&self, error: ProjectError) -> ProjectError {
        let status = match &error {
            ProjectError::Server(ServerError::Disconnected { status, .. }) if !was_not_sent(&**status) => {
                status
            }
            ProjectError::Server(ServerError::Refused { status })
                if status.code() == Code::DeadlineExceeded =>
            {
                status
            }
            _ => return error,
        };
        let source = status.message().to_owned().into();
        ServerError::PushUnknown { address: self.address.clone(), source }.into()
    }
}

/// Whether there was no connection, so that no server saw the request.
fn was_not_sent(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<ConnectError>() {
            return true;
        }
        next = error.source();
    }
    false
}
