//! A Feast repository as Feast's own code describes it: the document that a small Python program writes, format 1.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::code_line::CodeLine;
use super::python_tree::PythonFunction;

/// The format of the document that is read here.
pub(crate) const FORMAT: u32 = 1;

/// The head of a document, by which it is known whether the rest can be read.
#[derive(Deserialize)]
pub(crate) struct Head {
    pub(crate) format: u32,
    #[serde(default)]
    pub(crate) failed: Option<Failed>,
}

/// Why the repository cannot be described: its own code failed.
#[derive(Deserialize)]
pub(crate) struct Failed {
    pub(crate) error: String,
    pub(crate) message: String,
    pub(crate) at: Option<CodeLine>,
}

/// Everything that a repository defines.
#[derive(Deserialize)]
pub(crate) struct Repository {
    pub(crate) feast: String,
    pub(crate) project: String,
    pub(crate) entities: Vec<FeastEntity>,
    pub(crate) sources: Vec<FeastSource>,
    pub(crate) views: Vec<FeastView>,
    pub(crate) on_demand_views: Vec<FeastOnDemand>,
    pub(crate) services: Vec<FeastService>,
    pub(crate) label_views: Vec<FeastLabelView>,
    pub(crate) permissions: u32,
}

/// What every object of Feast has.
#[derive(Clone, Deserialize)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) owner: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) at: Option<CodeLine>,
}

#[derive(Deserialize)]
pub(crate) struct FeastEntity {
    #[serde(flatten)]
    pub(crate) described: Described,
    pub(crate) join_key: String,
    #[serde(rename = "type")]
    pub(crate) value_type: String,
}

#[derive(Deserialize)]
pub(crate) struct FeastLabelView {
    #[serde(flatten)]
    pub(crate) described: Described,
    pub(crate) source: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct FeastField {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) value_type: String,
    pub(crate) length: u32,
    pub(crate) description: String,
}

#[derive(Deserialize)]
pub(crate) struct FeastSource {
    #[serde(flatten)]
    pub(crate) described: Described,
    pub(crate) class: String,
    pub(crate) event_time: String,
    pub(crate) created: String,
    /// The feature's name of a column that is called otherwise in the files.
    pub(crate) field_mapping: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) batch: Option<String>,
    #[serde(default)]
    pub(crate) topic: Option<String>,
    #[serde(default)]
    pub(crate) brokers: Option<String>,
    #[serde(default)]
    pub(crate) message: Option<MessageFormat>,
    #[serde(default)]
    pub(crate) lateness_us: Option<i64>,
    #[serde(default)]
    pub(crate) path: Option<String>,
    #[serde(default)]
    pub(crate) file_format: String,
    /// The names and Arrow types of the files' columns, where they can be read.
    #[serde(default)]
    pub(crate) columns: Option<Vec<(String, String)>>,
    #[serde(default)]
    pub(crate) table: Option<String>,
    #[serde(default)]
    pub(crate) query: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct MessageFormat {
    pub(crate) class: String,
    pub(crate) text: String,
}

#[derive(Deserialize)]
pub(crate) struct FeastView {
    #[serde(flatten)]
    pub(crate) described: Described,
    pub(crate) class: String,
    pub(crate) entities: Vec<String>,
    pub(crate) key_fields: Vec<FeastField>,
    pub(crate) fields: Vec<FeastField>,
    pub(crate) ttl_us: Option<i64>,
    pub(crate) batch: Option<String>,
    pub(crate) stream: Option<String>,
    /// The views whose rows it reads.
    pub(crate) views: Vec<String>,
    pub(crate) event_time: String,
    pub(crate) aggregations: Vec<FeastAggregation>,
    pub(crate) function: Option<PythonFunction>,
}

#[derive(Deserialize)]
pub(crate) struct FeastAggregation {
    pub(crate) column: String,
    pub(crate) function: String,
    pub(crate) window_us: Option<i64>,
    pub(crate) slide_us: Option<i64>,
    pub(crate) name: String,
}

#[derive(Deserialize)]
pub(crate) struct FeastOnDemand {
    #[serde(flatten)]
    pub(crate) described: Described,
    pub(crate) inputs: Vec<Projection>,
    pub(crate) request: Vec<FeastField>,
    pub(crate) fields: Vec<FeastField>,
    pub(crate) aggregations: Vec<FeastAggregation>,
    pub(crate) function: Option<PythonFunction>,
    /// Whether its values are written to the online store instead of computed at a read.
    pub(crate) stored: bool,
}

#[derive(Deserialize)]
pub(crate) struct Projection {
    pub(crate) view: String,
    pub(crate) alias: String,
    pub(crate) features: Vec<String>,
    /// For each join key the column that holds it.
    pub(crate) join_key_map: BTreeMap<String, String>,
    pub(crate) version: Option<u32>,
}

#[derive(Deserialize)]
pub(crate) struct FeastService {
    #[serde(flatten)]
    pub(crate) described: Described,
    pub(crate) projections: Vec<Projection>,
    /// What it names by text, as `view:feature`.
    pub(crate) references: Vec<String>,
    pub(crate) logged: bool,
}
