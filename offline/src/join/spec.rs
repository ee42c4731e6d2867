//! The description of a point-in-time join, in a form that another process can run.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use feature::{AsOf, Opening, View};
use serde::{Deserialize, Serialize};

use crate::log::columns::timestamp_type;
use crate::log::snapshot::LogSnapshot;

/// A point-in-time join of a spine with the logs of some views.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinSpec {
    /// The format of this spec, for processes of another version: [`JoinSpec::FORMAT`].
    pub format: u32,
    /// The spine's column of label times: timestamps of any unit, without nulls.
    pub time: String,
    /// Which rows a label may see.
    pub as_of: AsOf,
    /// Whether to add, for each feature, a column that says where an event-time join would have
    /// filled the cell from a row that was not yet available.
    pub leaks: bool,
    /// Whether to add, for each feature, a column that says where its default stands instead of null.
    #[serde(default)]
    pub filled: bool,
    /// The views, each in one role.
    pub lookups: Vec<JoinLookup>,
    /// How many threads read logs.
    pub threads: usize,
    /// Bytes that the labels in memory and what is known of them may take. A spine beyond it is joined
    /// in several parts, each of which reads the logs again. `None` means no bound.
    pub max_memory: Option<u64>,
}

/// One view in one role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinLookup {
    /// The view.
    pub view: Arc<View>,
    /// For each of its join keys the spine's column that holds it.
    pub keys: Vec<String>,
    /// The files of its log.
    pub log: LogSnapshot,
    /// Which of its features are wanted, and what their columns are called.
    pub features: Vec<(usize, String)>,
    /// What the columns of the latest row's times are called, where they are wanted:
    /// event time and availability.
    pub times: Option<(String, String)>,
    /// When the view's circuit breaker was open, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub openings: Vec<Opening>,
}

impl JoinSpec {
    /// The format that this version writes. It reads all formats from 1 on.
    pub const FORMAT: u32 = 4;

    /// Reads a spec of any known format, as the newest.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let spec: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match spec.format {
            1..=Self::FORMAT => Ok(Self { format: Self::FORMAT, ..spec }),
            format => Err(format!(
                "the join has format {format}, and this twinstore runs formats up to {}: run the same version everywhere",
                Self::FORMAT
            )),
        }
    }

    /// The columns that the join adds to those of the spine.
    pub(crate) fn added_fields(&self) -> Vec<FieldRef> {
        let mut fields = Vec::new();
        let mut add = |name: &str, ty: DataType| fields.push(Arc::new(Field::new(name, ty, true)));
        for lookup in &self.lookups {
            for (index, name) in &lookup.features {
                let feature = lookup.view.features.get(*index);
                add(name, feature.map_or(DataType::Null, |f| transform::arrow_type(f.data_type)));
            }
            if let Some((event_time, available_at)) = &lookup.times {
                add(event_time, timestamp_type());
                add(available_at, timestamp_type());
            }
            if self.leaks {
                lookup.features.iter().for_each(|(_, name)| add(&leak_name(name), DataType::Boolean));
            }
            if self.filled {
                lookup.features.iter().for_each(|(_, name)| add(&filled_name(name), DataType::Boolean));
            }
        }
        fields
    }

    /// The schema of the joined rows.
    pub(crate) fn schema(&self, spine: &Schema) -> SchemaRef {
        let fields: Vec<FieldRef> = spine.fields().iter().cloned().chain(self.added_fields()).collect();
        Arc::new(Schema::new(fields))
    }
}

/// What the column is called that says where a feature would have leaked.
pub(crate) fn leak_name(feature: &str) -> String {
    format!("{feature}.leaked")
}

/// What the column is called that says where a feature has its default.
pub(crate) fn filled_name(feature: &str) -> String {
    format!("{feature}.filled")
}

#[cfg(test)]
mod tests {
    use feature::OpenAnswer;

    use super::*;
    use crate::log::snapshot::LogFile;
    use crate::log::storage::TableLocation;

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/join-spec-4.json");

    /// A spec as format 3 had it.
    const FORMAT_3: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/join-spec-3.json");

    /// A spec as format 2 had it.
    const FORMAT_2: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/join-spec-2.json");

    /// A spec as the first release of format 1 wrote it.
    const FORMAT_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/join-spec-1.json");

    fn sample() -> JoinSpec {
        let view = feature::oracle::History::generate(0, 0).view;
        let file = LogFile {
            path: "_date=2013-06-01/part-0.parquet".to_owned(),
            bytes: 4096,
            rows: Some(100),
            date: Some("2013-06-01".to_owned()),
        };
        let lookup = JoinLookup {
            keys: view.keys.iter().map(|key| format!("spine_{}", key.name)).collect(),
            features: (0..view.features.len()).map(|index| (index, format!("@0.{index}"))).collect(),
            view: Arc::new(view),
            log: LogSnapshot {
                location: TableLocation::parse("/log").unwrap(),
                version: 7,
                files: vec![file],
            },
            times: Some(("@0.event_time".to_owned(), "@0.available_at".to_owned())),
            openings: Vec::new(),
        };
        JoinSpec {
            format: JoinSpec::FORMAT,
            time: "label_time".to_owned(),
            as_of: AsOf::Available,
            leaks: true,
            filled: false,
            lookups: vec![lookup],
            threads: 8,
            max_memory: Some(1 << 30),
        }
    }

    fn sample_with_openings() -> JoinSpec {
        let mut spec = sample();
        let opening = |answers, from: &str, until: Option<&str>| Opening {
            number: 3,
            view: spec.lookups[0].view.id.clone(),
            answers,
            from: from.parse().unwrap(),
            until: until.map(|until| until.parse().unwrap()),
            good_until: "2013-06-01T11:55:00Z".parse().unwrap(),
            features: Vec::new(),
        };
        let openings = vec![
            opening(OpenAnswer::LastKnownGood, "2013-06-01T12:00:00Z", Some("2013-06-01T13:00:00Z")),
            opening(OpenAnswer::NoValue, "2013-06-02T12:00:00Z", None),
        ];
        spec.lookups[0].openings = openings;
        spec
    }

    #[test]
    fn a_spec_of_this_format_is_read_as_it_was_written() {
        let sample = sample_with_openings;
        let written = serde_json::to_string_pretty(&sample()).unwrap() + "\n";
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(SAMPLE, &written).unwrap();
        }
        let pinned = std::fs::read_to_string(SAMPLE).unwrap();
        assert_eq!(JoinSpec::read(pinned.as_bytes()).unwrap(), sample());
        assert_eq!(pinned, written, "another form of a spec is another format");
        let with_filled = JoinSpec { filled: true, ..sample() };
        let written = serde_json::to_vec(&with_filled).unwrap();
        assert_eq!(JoinSpec::read(&written).unwrap(), with_filled);
    }

    #[test]
    fn a_spec_of_an_older_format_is_still_read() {
        for older in [FORMAT_1, FORMAT_2] {
            assert_eq!(JoinSpec::read(&std::fs::read(older).unwrap()).unwrap(), sample());
        }
        assert_eq!(JoinSpec::read(&std::fs::read(FORMAT_3).unwrap()).unwrap(), sample_with_openings());
    }

    #[test]
    fn a_spec_of_a_later_format_is_refused() {
        let later = JoinSpec { format: JoinSpec::FORMAT + 1, ..sample() };
        let error = JoinSpec::read(&serde_json::to_vec(&later).unwrap()).unwrap_err();
        assert!(error.contains("has format 5, and this twinstore runs formats up to 4"), "{error}");
    }
}
