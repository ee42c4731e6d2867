//! `feast.serving.ServingService`.

use std::sync::Arc;

use feature::{Micros, Status as FeatureStatus, shown};
use online::Reader;
use prost_types::Timestamp;
use proto::feast::serving::get_online_features_request::Kind;
use proto::feast::serving::get_online_features_response::FeatureVector;
use proto::feast::serving::serving_service_server::ServingService;
use proto::feast::serving::{
    FeatureList, FeatureViewMetadata, FieldStatus, GetFeastServingInfoRequest, GetFeastServingInfoResponse,
    GetOnlineFeaturesRequest, GetOnlineFeaturesResponse, GetOnlineFeaturesResponseMetadata,
};
use tonic::{Request, Response, Status};

use super::refusal::sentence;
use super::values::{FeastColumn, to_feast};
use super::{FeastAnswer, FeastRequest, Selection, answer};
use crate::call::{Arrived, Call};
use crate::error::ServeError;
use crate::grpc::{to_status, with_metadata};
use crate::metrics::{Protocol, Stage};
use crate::request_fault::RequestFault;
use crate::serving::Serving;

/// Feast's service on top of what all protocols share.
pub(crate) struct FeastMethods<R>(pub Arc<Serving<R>>);

#[tonic::async_trait]
impl<R: Reader + 'static> ServingService for FeastMethods<R> {
    async fn get_feast_serving_info(
        &self,
        _request: Request<GetFeastServingInfoRequest>,
    ) -> Result<Response<GetFeastServingInfoResponse>, Status> {
        let version = concat!("twinstore ", env!("CARGO_PKG_VERSION")).to_owned();
        Ok(Response::new(GetFeastServingInfoResponse { version }))
    }

    async fn get_online_features(
        &self,
        request: Request<GetOnlineFeaturesRequest>,
    ) -> Result<Response<GetOnlineFeaturesResponse>, Status> {
        let arrived = Arrived::of(request.extensions().get());
        let call = self.0.calls().begin(Protocol::FeastGrpc, &arrived);
        let answer = self.answer(&call, request.into_inner()).await;
        call.ended(&answer);
        answer.map(|answer| with_metadata(&call, answer)).map_err(|error| {
            let status = to_status(&error);
            Status::with_metadata(status.code(), shown(&sentence(&error)), status.metadata().clone())
        })
    }
}

impl<R: Reader> FeastMethods<R> {
    async fn answer(
        &self,
        call: &Call,
        request: GetOnlineFeaturesRequest,
    ) -> Result<GetOnlineFeaturesResponse, ServeError> {
        let selection = match request.kind {
            Some(Kind::FeatureService(name)) => Selection::Service(name),
            Some(Kind::Features(list)) if !list.val.is_empty() => Selection::Features(list.val),
            _ => {
                let needed = "it names neither `features` nor a `feature_service`".to_owned();
                return Err(RequestFault::Malformed(needed).into());
            }
        };
        let columns = request.entities.into_iter().chain(request.request_context);
        let mut columns: Vec<_> = columns.map(|(name, values)| (name, FeastColumn(values))).collect();
        // A map has no order of its own, and an answer should.
        columns.sort_by(|(a, _), (b, _)| a.cmp(b));
        let feast_request = FeastRequest { selection, columns, full_names: request.full_feature_names };
        let answer = answer(&self.0, call, feast_request).await?;
        let response = response(&answer, request.include_feature_view_version_metadata);
        call.end_of(Stage::Encode);
        Ok(response)
    }
}

fn response(answer: &FeastAnswer, with_views: bool) -> GetOnlineFeaturesResponse {
    let rows = answer.rows();
    let entities = answer.entities.iter().map(|column| FeatureVector {
        values: (0..rows)
            .map(|row| transform::value_at(&column.values, row, column.data_type))
            .map(|value| to_feast(&value, column.data_type))
            .collect(),
        statuses: vec![FieldStatus::Present.into(); rows],
        event_timestamps: vec![Timestamp::default(); rows],
    });
    let features = answer.columns().map(|column| FeatureVector {
        values: (0..rows)
            .map(|row| transform::value_at(&column.values, row, column.data_type))
            .map(|value| to_feast(&value, column.data_type))
            .collect(),
        statuses: column.statuses.iter().map(|status| to_feast_status(*status).into()).collect(),
        event_timestamps: answer
            .features()
            .times_of(column)
            .iter()
            .map(|times| times.map(|times| timestamp(times.event_time)).unwrap_or_default())
            .collect(),
    });
    let view = |id: &feature::VersionId| FeatureViewMetadata {
        name: id.name.to_string(),
        version: i32::try_from(id.version).unwrap_or(i32::MAX),
    };
    let metadata = GetOnlineFeaturesResponseMetadata {
        feature_names: Some(FeatureList { val: answer.names().map(str::to_owned).collect() }),
        feature_view_metadata: answer.views.iter().filter(|_| with_views).map(view).collect(),
    };
    GetOnlineFeaturesResponse {
        metadata: Some(metadata),
        results: entities.chain(features).collect(),
        status: false,
    }
}

/// Feast knows no breakers: a value is one, and null is null.
fn to_feast_status(status: FeatureStatus) -> FieldStatus {
    match status {
        FeatureStatus::Present | FeatureStatus::LastKnownGood => FieldStatus::Present,
        FeatureStatus::NullValue | FeatureStatus::BreakerOpen => FieldStatus::NullValue,
        FeatureStatus::NotFound => FieldStatus::NotFound,
        FeatureStatus::OutsideMaxAge => FieldStatus::OutsideMaxAge,
    }
}

fn timestamp(moment: Micros) -> Timestamp {
    let micros = moment.get();
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32 }
}
