//! Views of Feast as feature views: each field the latest value of a column, each aggregation an aggregate.

use std::collections::{BTreeMap, BTreeSet};

use feature::{DataType, Name, Scalar, Span, Window};

use super::carried::{Carried, CarriedBody, CarriedDefinition, CarriedFeature, CarriedView, FeatureValue};
use super::column_sql::ColumnSql;
use super::feast_sources::{SourceColumns, legal_name_or_same};
use super::feast_types;
use super::finding::FeastOutcome;
use super::function_body;
use super::naming::Naming;
use super::python_value::Frame;
use super::repository::{FeastAggregation, FeastField, FeastView};

/// The entity of views that have none.
pub(crate) const DUMMY: &str = "__dummy";

/// The entity of a view, and the names and types that views share.
pub(crate) struct ViewContext<'a> {
    pub(crate) entity: Name,
    pub(crate) views: &'a mut Naming,
    /// For each entity of Feast its join key as Feast calls it, and here with its type.
    pub(crate) keys: &'a BTreeMap<String, JoinKey>,
}

/// The join key of an entity.
#[derive(Clone)]
pub(crate) struct JoinKey {
    pub(crate) feast: String,
    pub(crate) name: Name,
    pub(crate) data_type: DataType,
}

/// What Feast calls a view.
pub(crate) fn object(view: &FeastView) -> String {
    let kind = match view.class.as_str() {
        "StreamFeatureView" => "stream feature view",
        "BatchFeatureView" => "batch feature view",
        _ => "feature view",
    };
    format!("{kind} `{}`", view.described.name)
}

/// Why a view has no definition here, whatever its columns are.
pub(crate) fn refused(view: &FeastView) -> Option<&'static str> {
    if view.entities.iter().any(|entity| entity == DUMMY) {
        return Some(
            "it has no entity: give its rows a column that is the same for all, and an entity with that key",
        );
    }
    if !view.views.is_empty() {
        return Some("it reads the rows of other views: write it with `source: {view: name@1}`");
    }
    match view.batch.is_none() && view.stream.is_none() {
        true => Some("it has no source"),
        false => None,
    }
}

/// Adds the definition of a view, whose columns are added to those of its source.
pub(crate) fn add(
    view: &FeastView,
    source: &mut SourceColumns<'_>,
    context: ViewContext<'_>,
    carried: &mut Carried,
) {
    let (object, at) = (object(view), &view.described.at);
    let mut keys = Vec::new();
    for key in view.entities.iter().filter_map(|entity| context.keys.get(entity)) {
        match source.column(&key.feast, Some(key.data_type)) {
            Ok(column) => {
                let column = if column.data_type == key.data_type {
                    column
                } else {
                    key.data_type.scalar().map_or(column.clone(), |scalar| column.cast(scalar))
                };
                if column.sql != key.name.as_str() {
                    keys.push((key.name.clone(), column.sql));
                }
            }
            Err(why) => {
                return carried.note(at, &object, FeastOutcome::NotCarried, format!("its join key: {why}"));
            }
        }
    }
    let frame = match frame(view, source) {
        Ok(frame) => frame,
        Err(why) => return carried.note(at, &object, FeastOutcome::NotCarried, why),
    };
    let mut features =
        Features { view, object: &object, taken: BTreeSet::new(), found: Vec::new(), windows: Vec::new() };
    let own_keys = view.entities.iter().filter_map(|entity| context.keys.get(entity));
    features.taken.extend(own_keys.map(|key| key.name.to_string()));
    match view.aggregations.as_slice() {
        [] => features.latest(source, frame.as_ref(), context.keys, carried),
        aggregations => {
            aggregations.iter().for_each(|a| features.aggregate(a, source, frame.as_ref(), carried));
            features.say_of_windows(carried);
        }
    }
    let is_latest = view.aggregations.is_empty();
    let ttl = view.ttl_us.filter(|_| is_latest).and_then(|us| Span::of(us, Span::MICROSECOND));
    carried.definitions.push(CarriedDefinition {
        name: context.views.of(&view.described.name, "view"),
        described: view.described.clone(),
        notes: Vec::new(),
        body: CarriedBody::View(CarriedView {
            entity: context.entity,
            source: source.name.clone(),
            keys,
            ttl: ttl.map(|ttl| ttl.to_string()),
            features: features.found,
        }),
        object,
    });
}

/// The columns that a view's function gives; `None` where it has none.
fn frame(view: &FeastView, source: &mut SourceColumns<'_>) -> Result<Option<Frame>, String> {
    let Some(function) = &view.function else { return Ok(None) };
    let mut inputs = Frame::default();
    let mut names = source.known();
    if names.is_empty() {
        names.extend(view.fields.iter().map(|field| field.name.clone()));
        names.extend(view.aggregations.iter().map(|aggregation| aggregation.column.clone()));
    }
    for name in names {
        let declared = view.fields.iter().find(|field| field.name == name);
        let declared = declared.and_then(|field| feast_types::of_feast(&field.value_type, field.length));
        if let Ok(column) = source.column(&name, declared) {
            inputs.set(&name, Ok(column));
        }
    }
    let returned = function_body::returned(function, inputs);
    let returned = returned.map_err(|refused| {
        format!(
            "line {}: {} has no translation: compute the columns before they are loaded",
            refused.line, refused.what
        )
    })?;
    Ok(Some(returned))
}

/// The features of a view, while they are collected.
struct Features<'a> {
    view: &'a FeastView,
    object: &'a str,
    taken: BTreeSet<String>,
    found: Vec<CarriedFeature>,
    /// Those with a window.
    windows: Vec<String>,
}

impl Features<'_> {
    fn lost(&self, name: &str, why: &str, carried: &mut Carried) {
        let what = format!("feature `{name}`: {why}");
        carried.note(&self.view.described.at, self.object, FeastOutcome::NotCarried, what);
    }

    fn differs(&self, name: &str, how: &str, carried: &mut Carried) {
        let what = format!("feature `{name}`: {how}");
        carried.note(&self.view.described.at, self.object, FeastOutcome::Differs, what);
    }

    fn say_of_windows(&self, carried: &mut Carried) {
        if !self.windows.is_empty() {
            let what = format!(
                "the windows of {} end at the moment of the read and their tails move in hops, where Feast's end with their last slide",
                self.windows.join(", ")
            );
            carried.note(&self.view.described.at, self.object, FeastOutcome::Differs, what);
        }
    }

    fn push(&mut self, feast: &str, description: &str, value: FeatureValue, carried: &mut Carried) {
        let name = legal_name_or_same(feast, "value", &mut self.taken);
        if name.as_str() != feast {
            self.differs(feast, &format!("it is called `{name}` here"), carried);
        }
        let (feast, description) = (feast.to_owned(), description.to_owned());
        self.found.push(CarriedFeature { name, feast, value, description });
    }

    fn latest(
        &mut self,
        source: &mut SourceColumns<'_>,
        frame: Option<&Frame>,
        keys: &BTreeMap<String, JoinKey>,
        carried: &mut Carried,
    ) {
        for field in &self.view.fields {
            match column(field, source, frame) {
                Ok(column) => {
                    let stored = source.column(&field.name, None).ok().and_then(|column| column.scalar());
                    let is_narrowed =
                        stored == Some(Scalar::Float64) && column.scalar() == Some(Scalar::Float32);
                    if frame.is_none() && is_narrowed {
                        let how = "its files have float64: a training set has the float32 that is served, where Feast's has what the files have";
                        self.differs(&field.name, how, carried);
                    }
                    self.push(&field.name, &field.description, FeatureValue::Latest(column.sql), carried);
                }
                Err(why) => self.lost(&field.name, &why, carried),
            }
        }
        if !self.view.fields.is_empty() {
            return;
        }
        // Without a schema, Feast takes all columns but the keys and times.
        let times: Vec<String> = source.times().into_iter().map(str::to_owned).collect();
        for name in source.known() {
            let is_key =
                self.view.entities.iter().filter_map(|entity| keys.get(entity)).any(|key| key.feast == name);
            if is_key || times.contains(&name) {
                continue;
            }
            match source.column(&name, None) {
                Ok(column) => self.push(&name, "", FeatureValue::Latest(column.sql), carried),
                Err(why) => self.lost(&name, &why, carried),
            }
        }
    }

    fn aggregate(
        &mut self,
        given: &FeastAggregation,
        source: &mut SourceColumns<'_>,
        frame: Option<&Frame>,
        carried: &mut Carried,
    ) {
        let name = self.aggregate_name(given);
        let column = match frame.and_then(|frame| frame.get(&given.column)) {
            Some(Ok(column)) => Ok(column.clone()),
            Some(Err(refused)) => Err(format!("line {}: {} has no translation", refused.line, refused.what)),
            None => source.column_or(&given.column, Scalar::Float64.into()).map(|(column, unknown)| {
                if let Some(why) = unknown {
                    let why = format!("{why}: float64 is assumed, correct it in the source");
                    self.differs(&name, &why, carried);
                }
                column
            }),
        };
        let column = match column {
            Ok(column) => column,
            Err(why) => return self.lost(&name, &why, carried),
        };
        let aggregate = match aggregate_of(&given.function, &column.sql) {
            Some(aggregate) => aggregate,
            None => return self.lost(&name, &format!("there is no aggregate `{}`", given.function), carried),
        };
        if aggregate.starts_with("approx_") {
            self.differs(&name, "it is exact for up to 128 values and approximate beyond", carried);
        }
        let length = given.window_us.and_then(|us| Span::of(us, Span::MICROSECOND));
        let slide = given.slide_us.filter(|slide| Some(*slide) != given.window_us);
        let hop = length.and_then(|length| hop(length, slide.and_then(|us| Span::of(us, Span::MICROSECOND))));
        if length.is_some() {
            self.windows.push(name.clone());
        }
        let (window, hop) = (length.map(|span| span.to_string()), hop.map(|span| span.to_string()));
        let fields = &self.view.fields;
        let description =
            fields.iter().find(|field| field.name == name).map(|field| field.description.clone());
        let value = FeatureValue::Aggregate { aggregate, window, hop };
        self.push(&name, &description.unwrap_or_default(), value, carried);
    }

    /// Its own name, or the one of Feast's names for it that is declared.
    fn aggregate_name(&self, given: &FeastAggregation) -> String {
        if !given.name.is_empty() {
            return given.name.clone();
        }
        let plain = format!("{}_{}", given.function, given.column);
        let of_window = given.window_us.map(|us| format!("{plain}_{}s", us / 1_000_000));
        let declared = |name: &String| self.view.fields.iter().any(|field| field.name == *name);
        match of_window {
            Some(of_window) if declared(&of_window) || !declared(&plain) => of_window,
            _ => plain,
        }
    }
}

/// The value of a field, of its declared type.
fn column(
    field: &FeastField,
    source: &mut SourceColumns<'_>,
    frame: Option<&Frame>,
) -> Result<ColumnSql, String> {
    let declared = feast_types::of_feast(&field.value_type, field.length);
    let declared = declared.ok_or_else(|| {
        format!(
            "there is no type {}: carry its parts as columns of their own",
            field.value_type.to_lowercase()
        )
    })?;
    let column = match frame.map(|frame| frame.get(&field.name)) {
        Some(Some(Ok(column))) => column.clone(),
        Some(Some(Err(refused))) => {
            return Err(format!("line {}: {} has no translation", refused.line, refused.what));
        }
        Some(None) => return Err("its function returns no such column".to_owned()),
        None => source.column(&field.name, Some(declared))?,
    };
    match (column.data_type, declared) {
        (DataType::List(one, _), DataType::List(other, _)) if one == other => Ok(column),
        _ => column.declared(declared),
    }
}

/// The aggregate of a column that Feast calls so.
fn aggregate_of(function: &str, column: &str) -> Option<String> {
    let ours = match function {
        "count" | "sum" | "min" | "max" | "mean" | "first" | "last" => function,
        "avg" => "mean",
        "std" | "stddev" | "stddev_samp" => "stddev",
        "stddev_pop" | "var_pop" => function,
        "var" | "variance" | "var_samp" => "variance",
        "count_distinct" | "nunique" | "approx_count_distinct" => "approx_count_distinct",
        "median" => return Some(format!("approx_percentile({column}, 0.5)")),
        _ => return None,
    };
    Some(format!("{ours}({column})"))
}

/// The hop of a window: Feast's slide, or one that divides a length that the default hop does not.
fn hop(length: Span, slide: Option<Span>) -> Option<Span> {
    let divides = |hop: &Span| Window::new(length, Some(*hop)).is_ok();
    if let Some(slide) = slide.filter(divides) {
        return Some(slide);
    }
    if Window::new(length, None).is_ok() {
        return None;
    }
    [Span::DAY, Span::HOUR, Span::MINUTE, Span::SECOND, Span::MICROSECOND].into_iter().find(divides)
}
