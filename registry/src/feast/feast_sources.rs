//! A source for views of Feast: the columns that they read, as they lie in its files and messages.

use std::collections::BTreeSet;

use feature::{DataType, Name, Scalar, Span};

use crate::outline::legal_name::legal_name;

use super::carried::{
    Carried, CarriedBody, CarriedColumn, CarriedDefinition, CarriedSource, CarriedStream, CarriedTime,
};
use super::column_sql::ColumnSql;
use super::feast_types;
use super::finding::FeastOutcome;
use super::repository::{FeastSource, Repository};

/// A source that views are read from, while its columns are collected.
pub(crate) struct SourceColumns<'a> {
    pub(crate) name: Name,
    batch: Option<&'a FeastSource>,
    stream: Option<&'a FeastSource>,
    /// The columns that lie in the files or messages, where that is known.
    stored: Option<Vec<(String, Option<DataType>)>>,
    columns: Vec<CarriedColumn>,
    taken: BTreeSet<String>,
    event_time: String,
}

impl<'a> SourceColumns<'a> {
    /// A source of history, of messages, or of both: then the messages come after the history.
    pub(crate) fn new(
        name: Name,
        batch: Option<&'a FeastSource>,
        stream: Option<&'a FeastSource>,
        event_time: &str,
    ) -> Self {
        let of_files = batch.and_then(|batch| batch.columns.as_ref()).map(|columns| {
            columns
                .iter()
                .map(|(name, arrow)| (name.clone(), feast_types::of_arrow(arrow)))
                .collect::<Vec<_>>()
        });
        let message = stream.and_then(|stream| stream.message.as_ref());
        let of_messages = message.map(|message| feast_types::of_message(&message.class, &message.text));
        let of_messages = of_messages.filter(|columns| !columns.is_empty());
        let of_messages = of_messages
            .map(|columns| columns.into_iter().map(|(name, data_type)| (name, Some(data_type))).collect());
        let named = [batch, stream].into_iter().flatten().map(|source| source.event_time.as_str());
        let event_time =
            named.chain([event_time]).find(|name| !name.is_empty()).unwrap_or_default().to_owned();
        let stored = of_files.or(of_messages);
        Self { name, batch, stream, stored, columns: Vec::new(), taken: BTreeSet::new(), event_time }
    }

    /// What Feast calls a column's values, to how the column is called in the files.
    fn stored_name(&self, given: &str) -> String {
        let mapped = [self.batch, self.stream].into_iter().flatten().flat_map(|source| &source.field_mapping);
        mapped
            .into_iter()
            .find(|(_, to)| *to == given)
            .map_or_else(|| given.to_owned(), |(from, _)| from.clone())
    }

    /// The column of this name as an expression; it is declared where it is not yet. Of a column of which no file tells
    /// the type, it is the one that is declared.
    pub(crate) fn column(&mut self, given: &str, declared: Option<DataType>) -> Result<ColumnSql, String> {
        let stored = self.stored_name(given);
        if let Some(column) = self.columns.iter().find(|column| column.stored == stored) {
            return Ok(ColumnSql::column(&column.name, column.data_type));
        }
        let data_type = match (self.type_in_files(&stored)?, declared) {
            (Some(file), Some(declared)) if feast_types::reads(file, declared) => declared,
            (Some(file), _) => file,
            (None, Some(declared)) => declared,
            (None, None) => return Err(unknown_type(&stored)),
        };
        let name = legal_name_or_same(given, "column", &mut self.taken);
        let column = ColumnSql::column(&name, data_type);
        self.columns.push(CarriedColumn { name, stored, data_type });
        Ok(column)
    }

    /// The same, of a type that is assumed where nothing says which it has; then with what is not known.
    pub(crate) fn column_or(
        &mut self,
        given: &str,
        assumed: DataType,
    ) -> Result<(ColumnSql, Option<String>), String> {
        let stored = self.stored_name(given);
        let is_known = self.columns.iter().any(|column| column.stored == stored)
            || self.type_in_files(&stored)?.is_some();
        let column = self.column(given, (!is_known).then_some(assumed))?;
        Ok((column, (!is_known).then(|| unknown_type(&stored))))
    }

    /// The type of a column in the files; `None` if none is there to look at.
    fn type_in_files(&self, stored: &str) -> Result<Option<DataType>, String> {
        let Some(columns) = &self.stored else { return Ok(None) };
        match columns.iter().find(|(name, _)| *name == stored) {
            Some((_, Some(data_type))) => Ok(Some(*data_type)),
            Some((_, None)) => Err(format!("the column `{stored}` has a type that does not exist here")),
            None => Err(format!("there is no column `{stored}`")),
        }
    }

    /// Every column that is known to lie in the files or messages, by the name that Feast gives it.
    pub(crate) fn known(&self) -> Vec<String> {
        let mapping: Vec<_> =
            [self.batch, self.stream].into_iter().flatten().flat_map(|s| &s.field_mapping).collect();
        let mapped = |stored: &String| {
            mapping
                .iter()
                .find(|(from, _)| *from == stored)
                .map_or_else(|| stored.clone(), |(_, to)| (*to).clone())
        };
        self.stored.iter().flatten().map(|(name, _)| mapped(name)).collect()
    }

    /// The columns that are times of the rows, and no features of them.
    pub(crate) fn times(&self) -> Vec<&str> {
        let created = [self.batch, self.stream].into_iter().flatten().map(|source| source.created.as_str());
        created.chain([self.event_time.as_str()]).filter(|name| !name.is_empty()).collect()
    }

    /// The definition, once all its columns are collected. `path_of` says where a path of the repository lies.
    pub(crate) fn finish(mut self, path_of: &dyn Fn(&str) -> String, carried: &mut Carried) {
        let Some(source) = self.stream.or(self.batch) else { return };
        let object = object(source);
        let at = source.described.at.clone();
        let event_time = match self.event_time() {
            Ok(time) => time,
            Err(why) => return carried.note(&at, &object, FeastOutcome::NotCarried, why),
        };
        let created = [self.batch, self.stream].into_iter().flatten().map(|source| source.created.as_str());
        let created = created.filter(|name| !name.is_empty()).map(str::to_owned).next();
        let created = created.and_then(|name| {
            self.column(&name, Some(Scalar::Timestamp.into())).ok()?;
            self.columns.last().filter(|column| column.stored == name).map(|column| column.name.clone())
        });
        if let (Some(created), Some(source)) = (&created, self.batch.or(self.stream)) {
            let what = format!(
                "`created_timestamp_column`: Feast takes the row with the latest `{created}` of several with one event time, and here the one that comes last in the files counts; if the column says when a row could first be read, name it as `available_at`"
            );
            carried.note(&source.described.at, &self::object(source), FeastOutcome::Differs, what);
        }
        let batch = self.batch.map(|batch| batch_of(batch, path_of, carried));
        let stream = self.stream.and_then(|stream| stream_of(stream, carried));
        if batch.is_none() && stream.is_none() {
            return;
        }
        let mut described = source.described.clone();
        if described.description.is_empty() {
            described.description =
                self.batch.map(|batch| batch.described.description.clone()).unwrap_or_default();
        }
        let lateness =
            self.stream.and_then(|stream| stream.lateness_us).and_then(|us| Span::of(us, Span::MICROSECOND));
        carried.definitions.push(CarriedDefinition {
            name: self.name,
            object,
            described,
            notes: Vec::new(),
            body: CarriedBody::Source(CarriedSource {
                columns: self.columns,
                event_time,
                created,
                batch,
                stream,
                lateness: lateness.map(|span| span.to_string()),
            }),
        });
    }

    fn event_time(&mut self) -> Result<CarriedTime, String> {
        if self.event_time.is_empty() {
            // Feast takes the only one that there is.
            let times = self.stored.iter().flatten().filter(|(_, t)| *t == Some(Scalar::Timestamp.into()));
            let times: Vec<String> = times.map(|(name, _)| name.clone()).collect();
            match <[String; 1]>::try_from(times) {
                Ok([only]) => self.event_time = only,
                Err(_) => return Err("it names no `timestamp_field`: name it, and import again".to_owned()),
            }
        }
        let name = self.event_time.clone();
        let column = self.column(&name, Some(Scalar::Timestamp.into()))?;
        match column.scalar() {
            Some(Scalar::Timestamp) => self
                .columns
                .iter()
                .find(|column| column.stored == self.stored_name(&name))
                .map(|column| CarriedTime::Column(column.name.clone()))
                .ok_or_else(|| format!("there is no column `{name}`")),
            Some(Scalar::String) => Ok(CarriedTime::Sql(format!("to_timestamp({})", column.sql))),
            _ => Err(format!("its `timestamp_field` `{name}` is {}, and no time", column.data_type)),
        }
    }
}

/// A name that is legal as it is, or else the legal one that is nearest; other than all that are taken.
pub(crate) fn legal_name_or_same(given: &str, fallback: &str, taken: &mut BTreeSet<String>) -> Name {
    if let Ok(name) = given.parse::<Name>()
        && taken.insert(given.to_owned())
    {
        return name;
    }
    legal_name(given, fallback, taken).expect("invariant: some number behind a legal name is free")
}

/// What Feast calls a source.
pub(crate) fn object(source: &FeastSource) -> String {
    format!("{} `{}`", source.class, source.described.name)
}

fn batch_of(
    source: &FeastSource,
    path_of: &dyn Fn(&str) -> String,
    carried: &mut Carried,
) -> (String, Option<&'static str>) {
    let (at, object) = (&source.described.at, object(source));
    let formats = ["parquet", "delta", "csv", "json"];
    let format = formats.into_iter().find(|format| source.file_format.to_lowercase().contains(format));
    match source.path.as_deref() {
        Some(path) if source.query.is_none() => {
            let is_remote = path.contains("://");
            if is_remote && !path.starts_with("s3://") {
                let what = format!(
                    "{path} cannot be read from here: copy it to a disk or to S3, and write its `batch.path`"
                );
                carried.note(at, &object, FeastOutcome::ToDo, what);
            }
            let is_plain =
                [".parquet", ".parq", ".pq", ".csv", ".json"].iter().any(|end| path.ends_with(end));
            (
                path_of(path),
                format
                    .filter(|format| !is_plain && *format != "delta")
                    .or((format == Some("delta")).then_some("delta")),
            )
        }
        _ => {
            let path = format!(
                "data/{}.parquet",
                source.described.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
            );
            let rows = match (&source.table, &source.query) {
                (_, Some(_)) => "the rows of its query".to_owned(),
                (Some(table), None) => format!("the rows of the table {table}"),
                (None, None) => "its rows".to_owned(),
            };
            let what =
                format!("{rows} cannot be read from here: write them to {path}, or write its `batch.path`");
            carried.note(at, &object, FeastOutcome::ToDo, what);
            (path, None)
        }
    }
}

fn stream_of(source: &FeastSource, carried: &mut Carried) -> Option<CarriedStream> {
    let (at, object) = (&source.described.at, object(source));
    let topic = source.topic.clone().unwrap_or_else(|| source.described.name.clone());
    match source.class.as_str() {
        "PushSource" => return Some(CarriedStream { topic, format: "json", schema: None }),
        "KafkaSource" => {}
        class => {
            let what =
                format!("rows of a {class} are not followed: push them, or bring them into a topic of Kafka");
            carried.note(at, &object, FeastOutcome::NotCarried, what);
            return None;
        }
    }
    let message = source.message.as_ref();
    let (format, schema) = match message.map(|message| (message.class.as_str(), &message.text)) {
        Some(("AvroFormat", text)) => {
            ("avro", Some((format!("schemas/{}.avsc", source.described.name), text.clone())))
        }
        Some(("ProtoFormat", text)) => {
            let what = format!(
                "its messages are `{text}` of protobuf: write the `.proto` file that says so as `stream.schema`"
            );
            carried.note(at, &object, FeastOutcome::ToDo, what);
            ("protobuf", Some((format!("schemas/{}.proto", source.described.name), String::new())))
        }
        _ => ("json", None),
    };
    Some(CarriedStream { topic, format, schema })
}

/// Sources that no view reads have no definition. Those of a view that is not carried go without a word of their own.
pub(crate) fn unread(repository: &Repository, carried: &mut Carried) {
    let of_views = repository.views.iter().flat_map(|view| [&view.batch, &view.stream]).flatten();
    let of_labels = repository.label_views.iter().filter_map(|view| view.source.as_ref());
    let mut read: BTreeSet<&String> = of_views.chain(of_labels).collect();
    read.extend(repository.sources.iter().filter_map(|source| source.batch.as_ref()));
    for source in repository.sources.iter().filter(|source| !read.contains(&source.described.name)) {
        if source.class != "RequestSource" {
            let what = "no view reads it".to_owned();
            carried.note(&source.described.at, &object(source), FeastOutcome::NotCarried, what);
        }
    }
}

fn unknown_type(stored: &str) -> String {
    format!("the type of the column `{stored}` is not known")
}
