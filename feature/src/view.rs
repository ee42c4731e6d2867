//! What is defined, resolved and checked: sources, feature views and on-demand views.
//!
//! The registry makes these from definition files; every other crate reads them as they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aggregate::Function;
use crate::batch::Batch;
use crate::breaker::Breaker;
use crate::expectation::{BatchLimits, Expectation, OnFailure};
use crate::expected_change::ExpectedChange;
use crate::lateness::Lateness;
use crate::name::{Name, VersionId};
use crate::row::Provenance;
use crate::time::{Micros, Span};
use crate::value::{DataType, Field, Value};
use crate::view_source::ViewSource;
use crate::window::Window;

/// Where rows come from, and what their columns and times are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Source {
    /// What it is called.
    pub name: Name,
    /// Its columns.
    pub schema: Vec<Field>,
    /// Where columns lie under another name than their own, or are not in every file or record.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stored: BTreeMap<Name, StoredColumn>,
    /// What says when a row happened; `None` for a static source.
    pub event_time: Option<SourceTime>,
    /// What declares when a row of history could first have been read.
    pub available_at: Option<SourceTime>,
    /// How long after its event a row of history could first have been read, where no column
    /// declares it. None means at once.
    pub assumed_delay: Option<Span>,
    /// How late a row may be before it is flagged and counted as late.
    pub allowed_lateness: Option<Lateness>,
    /// How far ahead of its load (or of the broker's timestamp) a row may be.
    pub max_ahead: Span,
    /// Where its history lies.
    pub batch: Option<Batch>,
    /// Where its live rows come from.
    pub stream: Option<Stream>,
}

impl Source {
    /// The name that a column has in files and records.
    pub fn stored_name<'a>(&'a self, name: &'a Name) -> &'a str {
        let stored = self.stored.get(name).and_then(|stored| stored.column.as_deref());
        stored.unwrap_or(name.as_str())
    }

    /// Whether files may lack a column.
    pub fn is_optional(&self, name: &Name) -> bool {
        self.stored.get(name).is_some_and(|stored| stored.optional)
    }

    /// How it is known when its rows of history became available.
    pub fn provenance_of_history(&self) -> Provenance {
        match self.available_at {
            Some(_) => Provenance::Declared,
            None => Provenance::Simulated,
        }
    }

    /// The delay that is assumed of rows with this provenance; `None` if none is.
    pub fn delay_assumed_by(&self, provenance: Provenance) -> Option<Span> {
        self.assumed_delay.filter(|_| provenance == Provenance::Simulated)
    }

    /// How far ahead a row may be where the source names nothing.
    pub const DEFAULT_MAX_AHEAD: Span = Span::HOUR;

    /// The type of a column; `None` if the source has no such column.
    pub fn column(&self, name: &str) -> Option<DataType> {
        self.schema.iter().find(|field| field.name.as_str() == name).map(|field| field.data_type)
    }
}

/// How a column lies in files and records, where that is not just under its own name.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct StoredColumn {
    /// The name that it has there; `None` means its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Whether files may lack it: it is null there.
    #[serde(default)]
    pub optional: bool,
}

/// A time of a source's rows: a timestamp column, or a SQL expression over the columns.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SourceTime {
    /// The column of this name.
    Column(Name),
    /// What an expression gives.
    Sql {
        /// The expression, as its author wrote it.
        sql: String,
    },
}

impl SourceTime {
    /// The expression as SQL: of a column its quoted name.
    pub fn sql(&self) -> String {
        match self {
            SourceTime::Column(name) => format!("\"{name}\""),
            SourceTime::Sql { sql } => sql.clone(),
        }
    }
}

impl std::fmt::Display for SourceTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SourceTime::Column(name) => write!(f, "{name}"),
            SourceTime::Sql { sql } => write!(f, "{sql}"),
        }
    }
}

impl From<Name> for SourceTime {
    fn from(name: Name) -> Self {
        SourceTime::Column(name)
    }
}

impl std::str::FromStr for SourceTime {
    type Err = <Name as std::str::FromStr>::Err;

    /// The column of this name.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        name.parse().map(SourceTime::Column)
    }
}

/// Where a source's live rows come from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stream {
    /// The Kafka topic.
    pub topic: String,
    /// How its values are encoded.
    pub format: StreamFormat,
    /// From when it counts: earlier events are history's. None means the time of its first position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Micros>,
    /// The file that says what its values are; a relative path is taken from the project's folder. Of
    /// Avro a schema in JSON, of protobuf a `.proto` file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Of protobuf the message; `None` means the file's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How the values of a stream are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamFormat {
    /// A JSON object per record.
    Json,
    /// An Avro record.
    Avro,
    /// A protobuf message.
    Protobuf,
}

/// One version of a feature view: the folds over one source, or over the rows of one other view, for one entity.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct View {
    /// Its name and version.
    pub id: VersionId,
    /// The entity that it describes.
    pub entity: Name,
    /// The entity's join keys and their types, in the entity's order.
    pub keys: Vec<Field>,
    /// Where its rows come from.
    pub source: ViewSource,
    /// For each join key the SQL expression that gives it from a row of the source.
    pub key_expressions: Vec<String>,
    /// Which rows of the source it takes; `None` means all.
    pub filter: Option<String>,
    /// What each row of its log holds: the distinct arguments of its features.
    pub columns: Vec<Column>,
    /// Its features, in the order of their definition.
    pub features: Vec<Feature>,
    /// What its rows must satisfy.
    pub expectations: Vec<Expectation>,
    /// What a file of its history must satisfy.
    #[serde(default, skip_serializing_if = "BatchLimits::is_empty")]
    pub batches: BatchLimits,
    /// How long a latest value lives; `None` means forever.
    pub ttl: Option<Span>,
    /// Whether its source has no event time.
    pub is_static: bool,
    /// How long rows are kept; `None` means forever.
    pub retention: Option<Retention>,
    /// How fresh it is to be kept.
    pub freshness: Option<Freshness>,
    /// When readers are kept from what its rows give; `None` means only by a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Box<Breaker>>,
    /// How fresh some of its features are to be kept, by name, where that is not how fresh the view is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_freshness: BTreeMap<Name, Freshness>,
    /// Who answers for it, and what it is.
    pub about: About,
    /// The semantic hash of what it computes, in hexadecimal.
    pub hash: String,
}

impl View {
    /// A view that takes every row of its source, whose keys are columns of the same names, and that has
    /// neither columns nor features yet: what a definition adds to.
    pub fn bare(id: VersionId, entity: Name, keys: Vec<Field>, source: Name) -> View {
        View {
            key_expressions: keys.iter().map(|key| key.name.to_string()).collect(),
            id,
            entity,
            keys,
            source: ViewSource::Named(source),
            filter: None,
            columns: Vec::new(),
            features: Vec::new(),
            expectations: Vec::new(),
            batches: BatchLimits::default(),
            ttl: None,
            is_static: false,
            retention: None,
            freshness: None,
            breaker: None,
            feature_freshness: BTreeMap::new(),
            about: About::default(),
            hash: String::new(),
        }
    }

    /// Whether a file of its history may be quarantined, or is checked as a whole at all.
    pub fn checks_batches(&self) -> bool {
        let quarantines = |expectation: &Expectation| expectation.on_failure == OnFailure::Quarantine;
        self.expectations.iter().any(quarantines) || !self.batches.expectations.is_empty()
    }

    /// What a transformed row holds beside its times: the join keys, and the columns of the log.
    pub fn row_fields(&self) -> Vec<Field> {
        let columns = self.columns.iter();
        let columns = columns.map(|column| Field { name: column.name.clone(), data_type: column.data_type });
        self.keys.iter().cloned().chain(columns).collect()
    }

    /// The index of a feature among the view's features.
    pub fn feature(&self, name: &str) -> Option<usize> {
        self.features.iter().position(|feature| feature.name.as_str() == name)
    }

    /// The first eight bytes of the semantic hash: what a packed row calls its schema.
    ///
    /// # Panics
    ///
    /// If the view has no semantic hash: it was never resolved.
    pub fn schema_id(&self) -> u64 {
        let digits = self.hash.get(..16).expect("invariant: a resolved view has a semantic hash");
        u64::from_str_radix(digits, 16).expect("invariant: a semantic hash is hexadecimal")
    }

    /// The type of a feature's argument; `None` for a count of rows.
    pub fn argument(&self, feature: &Feature) -> Option<DataType> {
        self.columns.get(feature.fold.column()?).map(|column| column.data_type)
    }
}

/// One column of a view's log: a SQL expression over the source's columns.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Column {
    /// What the log calls it.
    pub name: Name,
    /// The expression that gives it.
    pub expression: String,
    /// Its type.
    pub data_type: DataType,
}

/// One feature of a view.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Feature {
    /// What it is called.
    pub name: Name,
    /// The type of its value.
    pub data_type: DataType,
    /// How its value comes from the rows.
    pub fold: Fold,
    /// What its value is measured in.
    pub unit: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// What replaces null where the status is `NULL_VALUE` (law 3); of its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// How a feature's value comes from the rows of an entity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fold {
    /// The value in the latest visible row (law 2).
    Latest {
        /// Which of the view's columns.
        column: usize,
    },
    /// A function of the visible rows in a window (laws 4 and 5).
    Aggregate {
        /// The function.
        function: Function,
        /// Which of the view's columns; none counts rows.
        column: Option<usize>,
        /// The window; `None` means the whole history.
        window: Option<Window>,
    },
}

impl Fold {
    /// Which of the view's columns it reads; `None` for a count of rows.
    pub const fn column(&self) -> Option<usize> {
        match self {
            Fold::Latest { column } => Some(*column),
            Fold::Aggregate { column, .. } => *column,
        }
    }
}

/// How long the rows of a view are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retention {
    /// At t, rows older than t − online are as if they had never been.
    pub online: Option<Span>,
    /// How long the log keeps them.
    pub offline: Option<Span>,
}

/// A freshness objective: how much of the time, in percent, rows are to be readable within it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Freshness {
    /// From a row's event to its being readable; a consumer that names none takes the view's.
    pub objective: Option<Span>,
    /// In percent, above 0 and below 100.
    pub target: f64,
}

/// What changes nothing that is computed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct About {
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// Labels for finding it.
    pub tags: BTreeMap<String, String>,
    /// Of a version, by how much its features may differ from those of the version before, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expect_change: BTreeMap<String, ExpectedChange>,
}

/// One version of an on-demand view: expressions over features and what a request brings.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OnDemandView {
    /// Its name and version.
    pub id: VersionId,
    /// The columns that a request or a spine brings.
    pub request: Vec<Field>,
    /// What it reads from other views.
    pub inputs: Vec<Take>,
    /// Its features, in the order of their definition.
    pub features: Vec<Computed>,
    /// Who answers for it, and what it is.
    pub about: About,
    /// The semantic hash of what it computes, in hexadecimal.
    pub hash: String,
}

/// One computed feature of an on-demand view.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Computed {
    /// What it is called.
    pub name: Name,
    /// The SQL expression over the view's inputs, by their prefixed names, and request columns.
    pub expression: String,
    /// The type of its value.
    pub data_type: DataType,
    /// What its value is measured in.
    pub unit: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// What replaces null (law 3); of its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// A choice of the features of one view, in one role, under one prefix.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Take {
    /// The view, or the on-demand view.
    pub from: VersionId,
    /// For each join key of the view, the spine's or the request's column that holds it. Empty for an
    /// on-demand view, which brings its own.
    pub on: BTreeMap<Name, Name>,
    /// Which features, in this order; `None` means all.
    pub take: Option<Vec<Name>>,
    /// What stands before their names.
    pub prefix: String,
}
