//! The protocols of a Feast server, so that a program written for Feast reads from here unchanged: the same names, shapes
//! and statuses. Where Feast gives an answer that is wrong, this server gives the right one; `docs/from-feast.md` says where that is.

mod choice;
mod feast_exchange;
mod grpc;
mod http;
mod json;
mod refusal;
mod values;
mod write;

use std::collections::HashMap;

use access::Action;
use arrow::array::ArrayRef;
use axum::response::Response;
use feature::{DataType, VersionId};
use online::Reader;
use read::{FeatureColumn, FeatureRequest, Features, MOST_COLUMNS, RequestColumn, RequestError};

use self::choice::Choice;
pub(crate) use self::choice::{FeastRequest, Selection};
pub(crate) use self::grpc::FeastMethods;
pub(crate) use self::http::routes;
use crate::call::Call;
use crate::error::ServeError;
use crate::request_fault::RequestFault;
use crate::serving::Serving;

/// An answer as Feast gives it: the columns of join keys, in the order of the request, then those of
/// features, in the order in which they were requested.
pub(crate) struct FeastAnswer {
    pub entities: Vec<EntityColumn>,
    features: Features,
    /// The name of each feature, and the index of its column.
    named: Vec<(String, usize)>,
    /// The views that were read, each once, in the order in which they were requested.
    pub views: Vec<VersionId>,
}

/// One join key of every entity.
pub(crate) struct EntityColumn {
    pub name: String,
    pub data_type: DataType,
    pub values: ArrayRef,
}

impl FeastAnswer {
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// How many entities there are.
    pub fn rows(&self) -> usize {
        self.features.rows
    }

    /// The names of all columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let entities = self.entities.iter().map(|column| column.name.as_str());
        entities.chain(self.named.iter().map(|(name, _)| name.as_str()))
    }

    /// The columns of features.
    pub fn columns(&self) -> impl Iterator<Item = &FeatureColumn> {
        self.named.iter().filter_map(|(_, index)| self.features.columns.get(*index))
    }
}

/// That a request is not answered, as Feast's client reads it.
pub(crate) fn refusal_response(error: &ServeError) -> Response {
    refusal::of_error(error)
}

/// Reads what a Feast client asks for, now.
pub(crate) async fn answer<R: Reader, C: RequestColumn + Clone>(
    serving: &Serving<R>,
    call: &Call,
    request: FeastRequest<C>,
) -> Result<FeastAnswer, ServeError> {
    let label = match &request.selection {
        Selection::Service(name) => name.clone(),
        Selection::Features(_) => "views".to_owned(),
    };
    let read = async {
        if request.columns.len() > MOST_COLUMNS {
            let (given, limit) = (request.columns.len(), MOST_COLUMNS);
            return Err(RequestError::TooManyNames { given, limit, what: "columns" }.into());
        }
        let services = serving.catalog().services();
        let choice = Choice::of(&services, &request);
        let choice = choice.map_err(|error| serving.unknown(call, Action::ReadOnline, &label, error))?;
        serving.permit(call, Action::ReadOnline, choice.reader.resources())?;
        match &request.selection {
            Selection::Service(_) => call.is_of(choice.reader.metrics()),
            Selection::Features(_) => call.is_of(serving.of_views()),
        }
        let plan = choice.reader.plan();
        let key_index = |name: &str| plan.keys.iter().position(|key| key.name.as_str() == name);
        let keys: Vec<usize> = request.columns.iter().filter_map(|(name, _)| key_index(name)).collect();
        let is_request = |name: &str| plan.request.iter().any(|field| field.name.as_str() == name);
        let (entities, others): (Vec<_>, Vec<_>) =
            request.columns.into_iter().partition(|(name, _)| key_index(name).is_some());
        let requested = FeatureRequest {
            features: choice.outputs.iter().map(|(_, output)| output.clone()).collect(),
            entities,
            request: others.into_iter().filter(|(name, _)| is_request(name)).collect(),
        };
        let validated = choice.reader.reader().validate(requested, serving.limits().max_entities)?;
        let features = serving.read(call, &choice.reader, &validated, None).await?.into_features();
        let entity = |index: usize| {
            let (key, values) = (plan.keys.get(index)?, validated.key(index)?);
            Some(EntityColumn {
                name: key.name.to_string(),
                data_type: key.data_type,
                values: values.clone(),
            })
        };
        let entities: Vec<EntityColumn> = keys.into_iter().filter_map(entity).collect();
        let views = choice.views();
        let column_of: HashMap<&str, usize> = features
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column.name.as_str(), index))
            .collect();
        let named = choice.outputs.into_iter();
        let named =
            named.filter_map(|(name, output)| Some((name, *column_of.get(output.as_str())?))).collect();
        let answer = FeastAnswer { entities, named, views, features };
        answer.names_differ()?;
        Ok(answer)
    };
    serving.admitted(call, &label, read).await
}

impl FeastAnswer {
    fn names_differ(&self) -> Result<(), ServeError> {
        let mut seen = std::collections::HashSet::new();
        match self.names().find(|name| !seen.insert(*name)) {
            Some(name) => Err(RequestFault::Collision(name.to_owned()).into()),
            None => Ok(()),
        }
    }
}
