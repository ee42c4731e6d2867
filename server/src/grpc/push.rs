//! `FeatureStore/Push`: rows of a source, in columns.

use online::Reader;
use proto::v1::push_request::Wait as WaitFor;
use proto::v1::{FilteredRows, PushResponse, RefusedRow};

use super::requests::RowsRequest;
use crate::call::Call;
use crate::error::ServeError;
use crate::metrics::Stage;
use crate::push::{self, AtLeast, PushOptions, PushSource, Table, Wait};
use crate::request_fault::RequestFault;
use crate::serving::Serving;

pub(super) async fn answer<R: Reader>(
    serving: &Serving<R>,
    call: &Call,
    request: RowsRequest,
) -> Result<PushResponse, ServeError> {
    let RowsRequest { source, columns, json_rows, wait } = request;
    let wait = match wait {
        WaitFor::Durable => Wait::Durable,
        WaitFor::Online => Wait::Online,
    };
    let at_least = if json_rows.is_empty() { AtLeast::OneRow } else { AtLeast::Nothing };
    let table = |source: &PushSource| match (json_rows.is_empty(), columns.is_empty()) {
        (true, _) => Table::of_columns(source, columns),
        (false, true) => Ok(Table::of_texts(source, json_rows)),
        (false, false) => {
            let both = "the request has both columns and rows in JSON".to_owned();
            Err(RequestFault::misfit_rows(&source.name, vec![both]).into())
        }
    };
    let options = PushOptions { source: &source, wait, at_least, view: None };
    let pushed = push::push(serving, call, &options, table).await?;
    let refused = pushed.refused.into_iter().map(|row| RefusedRow {
        index: row.index as u32,
        reason: row.reason,
        view: row.view.map(|view| view.to_string()).unwrap_or_default(),
    });
    let filtered = pushed.filtered.into_iter();
    let filtered = filtered.map(|(view, rows)| FilteredRows { view: view.to_string(), rows: rows as u32 });
    let response = PushResponse {
        taken: pushed.taken as u32,
        refused: refused.collect(),
        topic: pushed.source.topic.clone(),
        first_offset: pushed.first_offset,
        filtered: filtered.collect(),
    };
    call.end_of(Stage::Encode);
    Ok(response)
}
