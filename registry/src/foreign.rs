//! Names that other feature stores give to what is called otherwise here, for messages about unknown ones.

use crate::keys::{Kind, record_of};

/// A name of Feast's, Chronon's or Tecton's, and what it may be called here: the first that there is where it
/// stands is meant.
const KEYS: [(&str, &[&str]); 52] = [
    ("timestamp_field", &["event_time"]),
    ("event_timestamp_column", &["event_time"]),
    ("event_timestamp", &["event_time"]),
    ("timestamp_key", &["event_time"]),
    ("timecolumn", &["event_time"]),
    ("time_column", &["event_time"]),
    ("timestamp_column", &["event_time"]),
    ("created_timestamp_column", &["available_at"]),
    ("created_timestamp", &["available_at"]),
    ("batch_source", &["batch", "source"]),
    ("stream_source", &["stream", "source"]),
    ("sources", &["source", "inputs"]),
    ("join_keys", &["keys"]),
    ("join_key", &["keys"]),
    ("keycolumns", &["keys"]),
    ("key_columns", &["keys"]),
    ("primary_key", &["keys"]),
    ("entities", &["entity"]),
    ("groupby", &["features"]),
    ("group_by", &["features"]),
    ("group_bys", &["features"]),
    ("joinparts", &["features"]),
    ("join_parts", &["features"]),
    ("aggregations", &["features"]),
    ("feature_views", &["features"]),
    ("field_mapping", &["schema"]),
    ("columns", &["schema"]),
    ("fields", &["schema", "features"]),
    ("schema", &["features"]),
    ("data_source", &["source"]),
    ("view", &["from"]),
    ("feature_view", &["from"]),
    ("join_key_map", &["on"]),
    ("keymapping", &["on"]),
    ("key_mapping", &["on"]),
    ("names", &["take"]),
    ("name_alias", &["prefix"]),
    ("operation", &["aggregate"]),
    ("function", &["aggregate"]),
    ("agg", &["aggregate"]),
    ("inputcolumn", &["aggregate", "latest"]),
    ("input_column", &["aggregate", "latest"]),
    ("time_window", &["window"]),
    ("windows", &["window"]),
    ("aggregation_interval", &["hop"]),
    ("wheres", &["where"]),
    ("filter", &["where"]),
    ("table", &["path", "batch"]),
    ("query", &["sql"]),
    ("database", &["connection"]),
    ("message_format", &["format"]),
    ("team", &["owner"]),
];

/// A kind as others call it.
const KINDS: [(&str, Kind); 13] = [
    ("featureview", Kind::FeatureView),
    ("batch_feature_view", Kind::FeatureView),
    ("stream_feature_view", Kind::FeatureView),
    ("groupby", Kind::FeatureView),
    ("group_by", Kind::FeatureView),
    ("ondemandfeatureview", Kind::OnDemandView),
    ("on_demand_feature_view", Kind::OnDemandView),
    ("featureservice", Kind::FeatureService),
    ("join", Kind::FeatureService),
    ("file_source", Kind::Source),
    ("filesource", Kind::Source),
    ("push_source", Kind::Source),
    ("postgresqlsource", Kind::Source),
];

/// What another store's key is called among these keys.
pub(crate) fn key<'a>(given: &str, keys: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let given = given.to_lowercase();
    let (_, ours) = KEYS.iter().find(|(foreign, _)| *foreign == given)?;
    ours.iter().find_map(|ours| keys.clone().find(|key| key == ours))
}

/// What a key that does not stand where it is given is called, and the kind of definition that has it: a key of
/// another store's, or of ours.
pub(crate) fn elsewhere(given: &str) -> Option<(&'static str, Kind)> {
    let lower = given.to_lowercase();
    let foreign = KEYS.iter().find(|(foreign, _)| *foreign == lower).map_or(&[][..], |(_, ours)| ours);
    let of_kind = |name: &str| {
        Kind::ALL.into_iter().find_map(|kind| {
            let key = record_of(kind).keys.iter().find(|key| key.name == name)?;
            Some((key.name, kind))
        })
    };
    foreign.iter().find_map(|ours| of_kind(ours)).or_else(|| of_kind(given))
}

/// What another store's kind is called.
pub(crate) fn kind(given: &str) -> Option<Kind> {
    let given = given.to_lowercase();
    KINDS.iter().find(|(foreign, _)| *foreign == given).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(given: &str, kind: Kind) -> Option<&'static str> {
        key(given, record_of(kind).keys.iter().map(|key| key.name))
    }

    #[test]
    fn names_of_other_stores_mean_what_is_there() {
        assert_eq!(meant("timestamp_field", Kind::Source), Some("event_time"));
        assert_eq!(meant("batch_source", Kind::Source), Some("batch"));
        assert_eq!(meant("batch_source", Kind::FeatureView), Some("source"));
        assert_eq!(meant("join_keys", Kind::Entity), Some("keys"));
        assert_eq!(meant("entities", Kind::FeatureView), Some("entity"));
        assert_eq!(meant("timeColumn", Kind::Source), Some("event_time"));
        assert_eq!(meant("groupBy", Kind::FeatureService), Some("features"));
        assert_eq!(meant("time_column", Kind::Source), Some("event_time"));
        assert_eq!(meant("timestamp_column", Kind::Source), Some("event_time"));
        assert_eq!(meant("entities", Kind::Source), None);
        assert_eq!(elsewhere("timestamp_field"), Some(("event_time", Kind::Source)));
        assert_eq!(elsewhere("consumer"), Some(("consumer", Kind::FeatureService)));
        assert_eq!(elsewhere("sawtooth"), None);
        assert_eq!(kind("FeatureView"), Some(Kind::FeatureView));
        assert_eq!(kind("group_by"), Some(Kind::FeatureView));
    }

    #[test]
    fn every_name_that_is_proposed_is_a_key_somewhere() {
        fn all(record: &'static crate::record::Record, found: &mut Vec<&'static str>) {
            use crate::record::Shape;
            for key in record.keys {
                found.push(key.name);
                match &key.shape {
                    Shape::Record(inner)
                    | Shape::List(Shape::Record(inner))
                    | Shape::Map(Shape::Record(inner)) => all(inner, found),
                    _ => {}
                }
            }
        }
        let mut known = Vec::new();
        Kind::ALL.iter().for_each(|kind| all(record_of(*kind), &mut known));
        for ours in KEYS.iter().flat_map(|(_, ours)| ours.iter()) {
            assert!(known.contains(ours), "{ours}");
        }
    }
}
