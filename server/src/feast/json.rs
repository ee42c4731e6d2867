//! How values look in the JSON of a Feast server. It differs from that of `/v1/features` in two
//! types: a float32 is printed as the float64 that it widens to, a timestamp as whole seconds.

use arrow::array::ArrayRef;
use feature::{DataType, Micros, Scalar, Status, Times, Value, VersionId};
use read::{RequestColumn, json::AsJson};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value as Json;

use super::FeastAnswer;

/// A column of a request, in whatever way Feast's clients write its values.
#[derive(Clone)]
pub(crate) struct FeastJson(pub Vec<Json>);

impl RequestColumn for FeastJson {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn read(self, data_type: DataType) -> Result<ArrayRef, String> {
        let values: Vec<Json> = match data_type {
            DataType::Scalar(Scalar::String) => self.0.into_iter().map(text).collect(),
            DataType::Scalar(Scalar::Timestamp) => self.0.into_iter().map(moment).collect(),
            _ => self.0,
        };
        values.read(data_type)
    }
}

/// Feast takes a number where a string is needed.
fn text(json: Json) -> Json {
    match json {
        Json::Number(number) if !number.is_f64() => Json::String(number.to_string()),
        other => other,
    }
}

/// Feast writes a moment as seconds since 1970-01-01T00:00:00Z.
fn moment(json: Json) -> Json {
    let micros = json.as_i64().and_then(|seconds| seconds.checked_mul(1_000_000));
    match micros.and_then(|micros| Micros::new(micros).ok()) {
        Some(moment) => Json::String(moment.to_string()),
        None => json,
    }
}

/// The body of an answer.
pub(crate) struct AnswerBody<'a> {
    pub answer: &'a FeastAnswer,
    pub with_views: bool,
}

impl Serialize for AnswerBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(Some(2))?;
        body.serialize_entry("results", &Results(self.answer))?;
        body.serialize_entry("metadata", &Metadata(self))?;
        body.end()
    }
}

struct Metadata<'a>(&'a AnswerBody<'a>);

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AnswerBody { answer, with_views } = self.0;
        let mut metadata = serializer.serialize_map(None)?;
        metadata.serialize_entry("feature_names", &answer.names().collect::<Vec<_>>())?;
        if *with_views {
            let views: Vec<ViewBody<'_>> = answer.views.iter().map(ViewBody).collect();
            metadata.serialize_entry("feature_view_metadata", &views)?;
        }
        metadata.end()
    }
}

struct ViewBody<'a>(&'a VersionId);

impl Serialize for ViewBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut view = serializer.serialize_map(Some(2))?;
        view.serialize_entry("name", &self.0.name)?;
        view.serialize_entry("version", &self.0.version)?;
        view.end()
    }
}

struct Results<'a>(&'a FeastAnswer);

/// What Feast shows of a row that has no event time.
const EPOCH: &str = "1970-01-01T00:00:00Z";

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (answer, features) = (self.0, self.0.features());
        // Many columns share their times, so each is written out once.
        let shown = |times: &Option<Times>| {
            times.map_or_else(|| EPOCH.to_owned(), |times| times.event_time.to_string())
        };
        let times: Vec<Vec<String>> =
            features.times.iter().map(|times| times.iter().map(shown).collect()).collect();
        let no_times = vec![EPOCH; answer.rows()];
        let present = vec!["PRESENT"; answer.rows()];
        let mut results = serializer.serialize_seq(None)?;
        for column in &answer.entities {
            let values = Values { values: &column.values, data_type: column.data_type };
            results.serialize_element(&Vector { values, statuses: &present, times: &no_times })?;
        }
        for column in answer.columns() {
            let values = Values { values: &column.values, data_type: column.data_type };
            let times = times.get(column.times).map_or(&[][..], Vec::as_slice);
            let statuses: Vec<&str> = column.statuses.iter().map(|status| status_name(*status)).collect();
            results.serialize_element(&Vector { values, statuses: &statuses, times })?;
        }
        results.end()
    }
}

/// A status by the name that Feast has for it: it knows no breakers.
const fn status_name(status: Status) -> &'static str {
    match status {
        Status::LastKnownGood => Status::Present.name(),
        Status::BreakerOpen => Status::NullValue.name(),
        status => status.name(),
    }
}

struct Vector<'a, S, T> {
    values: Values<'a>,
    statuses: &'a [S],
    times: &'a [T],
}

impl<S: Serialize, T: Serialize> Serialize for Vector<'_, S, T> {
    fn serialize<O: Serializer>(&self, serializer: O) -> Result<O::Ok, O::Error> {
        let mut vector = serializer.serialize_map(Some(3))?;
        vector.serialize_entry("values", &self.values)?;
        vector.serialize_entry("statuses", self.statuses)?;
        vector.serialize_entry("event_timestamps", self.times)?;
        vector.end()
    }
}

struct Values<'a> {
    values: &'a ArrayRef,
    data_type: DataType,
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = 0..self.values.len();
        serializer.collect_seq(rows.map(|row| Cell(transform::value_at(self.values, row, self.data_type))))
    }
}

struct Cell(Value);

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Value::Float32(x) => AsJson(&Value::Float64(f64::from(*x))).serialize(serializer),
            Value::Timestamp(moment) => serializer.serialize_i64(seconds(*moment)),
            Value::List(items) => serializer.collect_seq(items.iter().cloned().map(Cell)),
            other => AsJson(other).serialize(serializer),
        }
    }
}

/// Whole seconds since 1970-01-01T00:00:00Z.
pub(super) fn seconds(moment: Micros) -> i64 {
    moment.get().div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value) -> String {
        serde_json::to_string(&Cell(value)).unwrap()
    }

    #[test]
    fn values_look_as_a_feast_server_shows_them() {
        assert_eq!(shown(Value::Float32(0.1)), "0.10000000149011612");
        assert_eq!(shown(Value::Float32(f32::NEG_INFINITY)), "\"-Infinity\"");
        assert_eq!(shown(Value::Float64(f64::NAN)), "\"NaN\"");
        assert_eq!(shown(Value::Timestamp("1969-12-31T23:59:59.5Z".parse().unwrap())), "-1");
        assert_eq!(shown(Value::List([Value::Float32(0.5), Value::Null].into())), "[0.5,null]");
        assert_eq!(shown(Value::Bytes([0, 255].as_slice().into())), "\"AP8=\"");
    }

    #[test]
    fn keys_are_taken_as_feast_takes_them() {
        let read = |json: Json, data_type: &str| {
            let data_type: DataType = data_type.parse().unwrap();
            let Json::Array(values) = json else { panic!() };
            let array = FeastJson(values).read(data_type)?;
            Ok::<_, String>(
                (0..array.len()).map(|row| transform::value_at(&array, row, data_type)).collect::<Vec<_>>(),
            )
        };
        let text = |text: &str| Value::String(text.into());
        assert_eq!(
            read(serde_json::json!(["JFK", 7, null]), "string"),
            Ok(vec![text("JFK"), text("7"), Value::Null])
        );
        assert_eq!(read(serde_json::json!([7.0, null]), "int64"), Ok(vec![Value::Int64(7), Value::Null]));
        assert!(read(serde_json::json!([7.5]), "int64").unwrap_err().contains("a whole number"));
        let moments = read(serde_json::json!([1, "1970-01-01T00:00:01Z"]), "timestamp").unwrap();
        assert_eq!(moments[0], moments[1]);
    }
}
