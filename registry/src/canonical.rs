//! The canonical form of a definition: exactly what its version may never change, as JSON that is
//! the same however the definition is written. Its SHA-256 is the semantic hash.
//!
//! The form carries a format number. A change of the form would change every hash, so the samples
//! in the tests pin it.

use std::collections::BTreeMap;
use std::fmt;

use feature::{
    DataType, Expectation, ExpectationStage, Fold, Name, OnDemandView, Source, SourceTime, Take, View,
    hexadecimal,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::body::Body;
use crate::keys::Kind;

/// The number of the canonical form, part of it and so of every hash.
const FORMAT: u64 = 1;

/// A canonical form: JSON with sorted keys and no spaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Canonical(Value);

impl Canonical {
    pub(crate) fn parse(text: &str) -> Result<Canonical, serde_json::Error> {
        serde_json::from_str(text).map(Canonical)
    }

    pub(crate) fn value(&self) -> &Value {
        &self.0
    }

    /// The SHA-256 of the text, in hexadecimal.
    pub(crate) fn hash(&self) -> String {
        hexadecimal(&Sha256::digest(self.to_string()))
    }

    fn new(kind: Kind, parts: impl IntoIterator<Item = (&'static str, Value)>) -> Canonical {
        let head = [("format", json!(FORMAT)), ("kind", json!(kind.name()))];
        Canonical(head.into_iter().chain(parts).map(|(key, value)| (key.to_owned(), value)).collect())
    }
}

impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_sorted(&self.0, f)
    }
}

fn write_sorted(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            f.write_str("{")?;
            for (i, (key, value)) in sorted.into_iter().enumerate() {
                let comma = if i > 0 { "," } else { "" };
                write!(f, "{comma}{}:", Value::from(key.as_str()))?;
                write_sorted(value, f)?;
            }
            f.write_str("}")
        }
        Value::Array(items) => {
            f.write_str("[")?;
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    f.write_str(",")?;
                }
                write_sorted(item, f)?;
            }
            f.write_str("]")
        }
        scalar => write!(f, "{scalar}"),
    }
}

/// The canonical form of an entity or a source: what it says but who answers for it.
pub(crate) fn unversioned(body: &Body) -> Canonical {
    match body {
        Body::Entity(entity) => Canonical::new(Kind::Entity, [("keys", json!(entity.keys))]),
        Body::Source { source, .. } => Canonical::new(Kind::Source, [("source", json!(source))]),
        Body::FeatureView(_) | Body::OnDemandView(_) | Body::FeatureService(_) => {
            Canonical::new(body.id().kind, [])
        }
    }
}

/// The canonical form of a view over a source, of which it reads the columns `used`. A derived view reads the rows of an
/// input, whose meaning is a part of its own.
pub(crate) fn view(
    view: &View,
    source: &Source,
    input: Option<&View>,
    used: &BTreeMap<Name, DataType>,
) -> Canonical {
    let mut read = source_part(source, used);
    // A key that is not there changes no hash of a view of a source.
    if let (Some(input), Value::Object(map)) = (input, &mut read) {
        map.insert("view".to_owned(), json!(input.id));
        map.insert("hash".to_owned(), json!(input.hash));
    }
    let keys: Map<String, Value> = view
        .keys
        .iter()
        .zip(&view.key_expressions)
        .map(|(key, expression)| (key.name.to_string(), json!(sql(expression))))
        .collect();
    let mut conditions: Vec<String> =
        view.expectations.iter().filter(|e| e.rejects()).map(condition).collect();
    conditions.sort();
    conditions.dedup();
    Canonical::new(
        Kind::FeatureView,
        [
            ("entity", json!({"name": view.entity, "keys": view.keys})),
            ("expect", json!(conditions)),
            ("features", view_features(view)),
            ("keys", Value::Object(keys)),
            ("retention", json!(view.retention.and_then(|retention| retention.online))),
            ("source", read),
            ("ttl", json!(view.ttl)),
            ("where", json!(view.filter.as_deref().map(sql))),
        ],
    )
}

/// A condition; one on transformed rows is unlike any on rows of the source.
fn condition(expectation: &Expectation) -> String {
    let condition = sql(&expectation.condition);
    match expectation.stage {
        ExpectationStage::Source => condition,
        stage => format!("{}: {condition}", stage.name()),
    }
}

fn view_features(view: &View) -> Value {
    let argument = |column: Option<usize>| {
        let column = column.and_then(|column| view.columns.get(column));
        column.map(|column| sql(&column.expression))
    };
    let feature = |feature: &feature::Feature| {
        let (fold, argument, window) = match feature.fold {
            Fold::Latest { column } => ("latest".to_owned(), argument(Some(column)), None),
            Fold::Aggregate { function, column, window } => (function.to_string(), argument(column), window),
        };
        let form = json!({
            "fold": fold,
            "argument": argument,
            "window": window.map(|window| window.length()),
            "hop": window.map(|window| window.hop()),
            "type": feature.data_type,
            "unit": feature.unit,
        });
        defaulted(form, feature.default.as_ref())
    };
    view.features.iter().map(|f| (f.name.to_string(), feature(f))).collect::<Map<_, _>>().into()
}

/// The form of a feature with its default. One without stays as it was before there were any: a key that is
/// not there changes no hash.
fn defaulted(mut form: Value, default: Option<&feature::Value>) -> Value {
    if let (Some(default), Value::Object(map)) = (default, &mut form) {
        map.insert("default".to_owned(), json!(canonical_text(default)));
    }
    form
}

/// A default in the one way in which the canonical form writes it; its type stands beside it there.
fn canonical_text(value: &feature::Value) -> String {
    match value {
        feature::Value::List(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| match item {
                    feature::Value::String(text) => Value::from(&**text).to_string(),
                    item => item.to_string(),
                })
                .collect();
            format!("[{}]", items.join(", "))
        }
        value => value.to_string(),
    }
}

/// A column's name, as it has always been, or the normal form of an expression.
fn time(time: &SourceTime) -> Value {
    match time {
        SourceTime::Column(name) => json!(name),
        SourceTime::Sql { sql: text } => json!({"sql": sql(text)}),
    }
}

/// What a source contributes to the hash of a view that reads these columns of it.
pub(crate) fn source_part(source: &Source, used: &BTreeMap<Name, DataType>) -> Value {
    json!({
        "event_time": source.event_time.as_ref().map(time),
        "available_at": source.available_at.as_ref().map(time),
        "assumed_delay": source.assumed_delay,
        "max_ahead": source.max_ahead,
        "columns": used.iter().map(|(name, t)| (name.to_string(), json!(t))).collect::<Map<_, _>>(),
    })
}

/// One feature that is read from another view: its name there and here, and whose it is.
pub(crate) struct Read<'a> {
    pub(crate) name: String,
    pub(crate) feature: &'a Name,
    pub(crate) take: &'a Take,
    pub(crate) hash: &'a str,
}

impl Read<'_> {
    fn json(&self) -> Value {
        json!({
            "view": self.take.from,
            "feature": self.feature,
            "hash": self.hash,
            "on": self.take.on,
        })
    }
}

/// The canonical form of an on-demand view that reads these features.
pub(crate) fn on_demand(view: &OnDemandView, reads: &[Read<'_>]) -> Canonical {
    let features = view.features.iter().map(|f| {
        let form = json!({"expression": sql(&f.expression), "type": f.data_type, "unit": f.unit});
        (f.name.to_string(), defaulted(form, f.default.as_ref()))
    });
    let request = view.request.iter().map(|field| (field.name.to_string(), json!(field.data_type)));
    let inputs = reads.iter().map(|read| (read.name.clone(), read.json()));
    Canonical::new(
        Kind::OnDemandView,
        [
            ("features", features.collect::<Map<_, _>>().into()),
            ("inputs", inputs.collect::<Map<_, _>>().into()),
            ("request", request.collect::<Map<_, _>>().into()),
        ],
    )
}

/// The canonical form of a service that gives these features, in this order.
pub(crate) fn service(reads: &[Read<'_>]) -> Canonical {
    let named = |read: &Read<'_>| {
        let mut output = read.json();
        if let Value::Object(map) = &mut output {
            map.insert("name".to_owned(), json!(read.name));
        }
        output
    };
    Canonical::new(Kind::FeatureService, [("outputs", reads.iter().map(named).collect())])
}

/// An expression that was compiled, in the one way in which its tokens can be written.
pub(crate) fn sql(text: &str) -> String {
    transform::canonical(text).unwrap_or_else(|_| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_sorted_keys_and_no_spaces() {
        let canonical = Canonical::parse(r#"{"b": [1, {"z": null, "a": "x\"y"}], "a": true}"#).unwrap();
        assert_eq!(canonical.to_string(), r#"{"a":true,"b":[1,{"a":"x\"y","z":null}]}"#);
    }
}
