//! What is requested, encoded once before the clock starts, and what an answer must hold.
//!
//! The values of the benchmark's data follow from the entity and the feature, so an answer can be
//! checked without a copy of the data: feature `f3` of entity 17 is (17 * 32 + 3) / 7.

use clap::ValueEnum;
use prost::Message;
use proto::v1::values::Kind;
use proto::v1::{Float64s, GetFeaturesRequest, Int64s, Values};
use serde_json::{Value, json};

/// Which protocol of a server is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Protocol {
    /// `twinstore.v1.FeatureStore/GetFeatures`.
    Grpc,
    /// `POST /v1/features`.
    Http,
    /// `POST /get-online-features`, as Feast has it.
    Feast,
}

impl Protocol {
    /// The path of a request.
    pub fn path(self) -> &'static str {
        match self {
            Self::Grpc => "/twinstore.v1.FeatureStore/GetFeatures",
            Self::Http => "/v1/features",
            Self::Feast => "/get-online-features",
        }
    }
}

/// What one run asks.
#[derive(Clone, Debug)]
pub struct Question {
    pub protocol: Protocol,
    pub service: String,
    /// The join key, an int64.
    pub key: String,
    /// Keys lie from 0 to one less than this.
    pub entities: u64,
    /// Entities in one request.
    pub batch: usize,
    /// A float64 column of the request, for on-demand features.
    pub request_column: Option<String>,
    pub at_us: Option<i64>,
}

/// One encoded request and the entities in it.
pub struct EncodedRequest {
    pub body: Vec<u8>,
    entities: Vec<u64>,
}

impl Question {
    /// So many requests of entities drawn at random.
    pub fn requests(&self, count: usize, seed: u64) -> Vec<EncodedRequest> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..count)
            .map(|_| {
                let entities: Vec<u64> = (0..self.batch).map(|_| random.u64(0..self.entities)).collect();
                EncodedRequest { body: self.encoded(&entities), entities }
            })
            .collect()
    }

    fn encoded(&self, entities: &[u64]) -> Vec<u8> {
        let given = entities.iter().map(|entity| *entity as f64 / 3.0);
        match self.protocol {
            Protocol::Grpc => {
                let keys = Int64s { values: entities.iter().map(|entity| *entity as i64).collect() };
                let values = |kind| Values { nulls: Vec::new(), kind: Some(kind) };
                let column = |name: &String| {
                    (name.clone(), values(Kind::Float64s(Float64s { values: given.clone().collect() })))
                };
                GetFeaturesRequest {
                    service: self.service.clone(),
                    features: Vec::new(),
                    entities: [(self.key.clone(), values(Kind::Int64s(keys)))].into(),
                    request: self.request_column.iter().map(column).collect(),
                    at_us: self.at_us,
                    trained_on: None,
                }
                .encode_to_vec()
            }
            Protocol::Http => {
                let mut body = json!({"service": self.service, "entities": {&self.key: entities}});
                if let (Some(name), Some(body)) = (&self.request_column, body.as_object_mut()) {
                    body.insert("request".to_owned(), json!({name: given.collect::<Vec<f64>>()}));
                }
                body.to_string().into_bytes()
            }
            Protocol::Feast => {
                let mut columns = json!({&self.key: entities});
                if let (Some(name), Some(columns)) = (&self.request_column, columns.as_object_mut()) {
                    columns.insert(name.clone(), json!(given.collect::<Vec<f64>>()));
                }
                json!({"feature_service": self.service, "entities": columns}).to_string().into_bytes()
            }
        }
    }

    /// Whether an answer has a value for every entity and feature, and the right one where it follows
    /// from the name of the feature.
    pub fn check(&self, request: &EncodedRequest, answer: &[u8]) -> Result<(), String> {
        let columns = match self.protocol {
            Protocol::Grpc => columns_of_message(answer),
            Protocol::Http => columns_of_json(answer),
            Protocol::Feast => columns_of_feast(answer),
        }
        .ok_or("the answer is not of the shape that was expected")?;
        let mut checked = 0;
        for (name, values) in columns {
            if name == self.key {
                continue;
            }
            if values.len() != request.entities.len() {
                return Err(format!("{name} has {} values of {}", values.len(), request.entities.len()));
            }
            for (entity, value) in request.entities.iter().zip(values) {
                let Some(value) = value else {
                    return Err(format!("{name} of entity {entity} has no value"));
                };
                let expected = value_of(*entity, &name);
                if expected.is_some_and(|expected| (value - expected).abs() > expected.abs() * 1e-12) {
                    return Err(format!("{name} of entity {entity} is {value}, not {expected:?}"));
                }
            }
            checked += 1;
        }
        if checked == 0 { Err("the answer has no features".to_owned()) } else { Ok(()) }
    }
}

type Columns = Vec<(String, Vec<Option<f64>>)>;

/// The value that the data holds for a feature named `f` and a number.
fn value_of(entity: u64, feature: &str) -> Option<f64> {
    let number: u64 = feature.strip_prefix('f')?.parse().ok()?;
    Some((entity * 32 + number) as f64 / 7.0)
}

fn columns_of_message(answer: &[u8]) -> Option<Columns> {
    let answer = proto::v1::GetFeaturesResponse::decode(answer).ok()?;
    let column = |column: proto::v1::Column| {
        let values = column.values?;
        let mut cells: Vec<Option<f64>> = match values.kind? {
            Kind::Float64s(found) => found.values.into_iter().map(Some).collect(),
            Kind::Int64s(found) => found.values.into_iter().map(|value| Some(value as f64)).collect(),
            _ => return None,
        };
        for null in values.nulls {
            *cells.get_mut(null as usize)? = None;
        }
        Some((column.name, cells))
    };
    answer.columns.into_iter().map(column).collect()
}

fn columns_of_json(answer: &[u8]) -> Option<Columns> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let columns = answer.get("columns")?.as_object()?.iter();
    columns.map(|(name, column)| Some((name.clone(), numbers(column.get("values")?)?))).collect()
}

fn columns_of_feast(answer: &[u8]) -> Option<Columns> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let names = answer.get("metadata")?.get("feature_names")?.as_array()?.iter();
    let results = answer.get("results")?.as_array()?.iter();
    names
        .zip(results)
        .map(|(name, of)| Some((name.as_str()?.to_owned(), numbers(of.get("values")?)?)))
        .collect()
}

fn numbers(values: &Value) -> Option<Vec<Option<f64>>> {
    Some(values.as_array()?.iter().map(Value::as_f64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(protocol: Protocol) -> Question {
        Question {
            protocol,
            service: "s".to_owned(),
            key: "entity_id".to_owned(),
            entities: 100,
            batch: 2,
            request_column: None,
            at_us: None,
        }
    }

    fn encoded_request() -> EncodedRequest {
        EncodedRequest { body: Vec::new(), entities: vec![0, 10] }
    }

    #[test]
    fn a_right_answer_of_every_protocol_passes() {
        let feast = br#"{"metadata": {"feature_names": ["entity_id", "f7"]},
            "results": [{"values": [0, 10]}, {"values": [1.0, 46.714285714285715]}]}"#;
        question(Protocol::Feast).check(&encoded_request(), feast).unwrap();
        let http =
            br#"{"columns": {"f7": {"values": [1.0, 46.714285714285715]}, "other": {"values": [1, 2]}}}"#;
        question(Protocol::Http).check(&encoded_request(), http).unwrap();
        let column = proto::v1::Column {
            name: "f7".to_owned(),
            values: Some(Values {
                nulls: Vec::new(),
                kind: Some(Kind::Float64s(Float64s { values: vec![1.0, 327.0 / 7.0] })),
            }),
            ..Default::default()
        };
        let message = proto::v1::GetFeaturesResponse { columns: vec![column], ..Default::default() };
        question(Protocol::Grpc).check(&encoded_request(), &message.encode_to_vec()).unwrap();
    }

    #[test]
    fn a_null_a_wrong_value_a_missing_row_and_no_feature_are_found() {
        for (values, complaint) in [
            ("[1.0, null]", "no value"),
            ("[1.0, 46.0]", "is 46"),
            ("[1.0]", "1 values of 2"),
            ("1", "not of the shape"),
        ] {
            let answer = format!(r#"{{"columns": {{"f7": {{"values": {values}}}}}}}"#);
            let error = question(Protocol::Http).check(&encoded_request(), answer.as_bytes()).unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
        assert!(question(Protocol::Http).check(&encoded_request(), br#"{"columns": {}}"#).is_err());
    }

    #[test]
    fn the_same_seed_asks_the_same() {
        let bodies = |seed| -> Vec<Vec<u8>> {
            question(Protocol::Http).requests(5, seed).into_iter().map(|request| request.body).collect()
        };
        assert_eq!(bodies(1), bodies(1));
        assert_ne!(bodies(1), bodies(2));
    }
}
