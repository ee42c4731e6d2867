//! What a derived view reads of its input: a source whose columns are the input's join keys and features, and whose
//! times are those of the input's rows.

use std::collections::BTreeMap;

use crate::name::Name;
use crate::value::{Field, Scalar};
use crate::view::{Source, SourceTime, View};

/// The column of a derived view's source that says when the row of the input happened.
const EVENT_TIME: &str = "event_time";
/// The column that says when the row of the input could first have been read.
const AVAILABLE_AT: &str = "available_at";

impl View {
    /// The rows of this view as the source of a derived view: its join keys, its features as a reader sees them from
    /// the moment on that a row is visible, and the times of the row, `event_time` and `available_at`.
    pub fn as_source(&self) -> Source {
        let [event_time, available_at] = Self::row_times();
        let features = self.features.iter().map(|feature| (feature.name.clone(), feature.data_type));
        let features = features.map(|(name, data_type)| Field { name, data_type });
        let times = [&event_time, &available_at];
        let times =
            times.map(|name| Field { name: name.clone(), data_type: Scalar::Timestamp.into() }).into_iter();
        Source {
            name: self.id.name.clone(),
            schema: self.keys.iter().cloned().chain(features).chain(times).collect(),
            stored: BTreeMap::new(),
            event_time: Some(SourceTime::Column(event_time)),
            available_at: Some(SourceTime::Column(available_at)),
            assumed_delay: None,
            allowed_lateness: None,
            max_ahead: Source::DEFAULT_MAX_AHEAD,
            batch: None,
            stream: None,
        }
    }

    /// What the times of its rows are called where they are columns: event time, then availability.
    pub fn row_times() -> [Name; 2] {
        [EVENT_TIME, AVAILABLE_AT].map(|name| name.parse().expect("invariant: both are names"))
    }

    /// Whether its rows are those of another view.
    pub fn is_derived(&self) -> bool {
        self.source.input().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::History;

    #[test]
    fn the_columns_of_a_derived_view_are_keys_features_and_times() {
        let view = History::generate(1, 0).view;
        let source = view.as_source();
        let types: Vec<_> = view.keys.iter().map(|key| (&key.name, key.data_type)).collect();
        let features: Vec<_> =
            view.features.iter().map(|feature| (&feature.name, feature.data_type)).collect();
        for (name, data_type) in types.into_iter().chain(features) {
            assert_eq!(source.column(name.as_str()), Some(data_type), "{name}");
        }
        for time in [&source.event_time, &source.available_at] {
            let name = time.as_ref().unwrap().to_string();
            assert_eq!(source.column(&name), Some(Scalar::Timestamp.into()), "{name}");
        }
        assert_eq!(source.schema.len(), view.keys.len() + view.features.len() + 2);
        assert!(!view.is_derived());
    }
}
