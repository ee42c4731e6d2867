//! On-demand views of Feast: the function of each is followed, and every column that it returns is an expression.

use std::collections::BTreeSet;

use feature::Name;

use super::carried::{Carried, CarriedBody, CarriedDefinition, CarriedFeature, Choice, FeatureValue};
use super::column_sql::ColumnSql;
use super::feast_sources::legal_name_or_same;
use super::feast_types;
use super::finding::FeastOutcome;
use super::function_body;
use super::naming::Naming;
use super::python_value::Frame;
use super::repository::{FeastOnDemand, FeastView, Projection};

/// What on-demand views read.
pub(crate) struct FunctionContext<'a> {
    pub(crate) views: &'a mut Naming,
    pub(crate) keys: &'a Naming,
    pub(crate) feast_views: &'a [FeastView],
}

/// Adds the definition of an on-demand view.
pub(crate) fn add(view: &FeastOnDemand, context: FunctionContext<'_>, carried: &mut Carried) {
    let object = format!("on-demand view `{}`", view.described.name);
    let at = &view.described.at;
    let lost = |what: &str, carried: &mut Carried| carried.note(at, &object, FeastOutcome::NotCarried, what);
    let Some(function) = &view.function else {
        return lost("it has no function: write its features as expressions", carried);
    };
    if !view.aggregations.is_empty() {
        return lost("it aggregates the rows of a request: compute that before the request", carried);
    }
    if view.stored {
        let what = "`write_to_online_store`: it is computed at each read here, from the same expressions";
        carried.note(at, &object, FeastOutcome::Differs, what);
    }
    let (mut frame, mut inputs) = (Frame::default(), Vec::new());
    let reading = Reading { view, context: &context };
    for projection in &view.inputs {
        reading
            .input(projection, carried, &mut frame)
            .map_or_else(|why| lost(&why, carried), |choice| inputs.push(choice));
    }
    if inputs.len() < view.inputs.len() {
        return lost("a view that it reads is not carried", carried);
    }
    let mut request = Vec::new();
    let mut taken = BTreeSet::new();
    for field in &view.request {
        match feast_types::of_feast(&field.value_type, field.length) {
            Some(data_type) => {
                let name = legal_name_or_same(&field.name, "value", &mut taken);
                frame.set(&field.name, Ok(ColumnSql::column(&name, data_type)));
                request.push((name, data_type));
            }
            None => lost(
                &format!(
                    "request column `{}`: there is no type {}",
                    field.name,
                    field.value_type.to_lowercase()
                ),
                carried,
            ),
        }
    }
    let returned = match function_body::returned(function, frame) {
        Ok(returned) => returned,
        Err(refused) => {
            let what = format!(
                "line {}: {} has no translation: write its features as expressions",
                refused.line, refused.what
            );
            return lost(&what, carried);
        }
    };
    let mut features = Vec::new();
    let mut taken = BTreeSet::new();
    for field in &view.fields {
        let declared = feast_types::of_feast(&field.value_type, field.length);
        let column = match (returned.get(&field.name), declared) {
            (Some(Ok(column)), Some(declared)) => column.declared(declared),
            (Some(Ok(_)), None) => Err(format!("there is no type {}", field.value_type.to_lowercase())),
            (Some(Err(refused)), _) => Err(format!(
                "line {}: {} has no translation: write its expression",
                refused.line, refused.what
            )),
            (None, _) => Err("its function returns no such column".to_owned()),
        };
        match column {
            Ok(column) => features.push(CarriedFeature {
                name: legal_name_or_same(&field.name, "value", &mut taken),
                feast: field.name.clone(),
                value: FeatureValue::Expression(column.sql),
                description: field.description.clone(),
            }),
            Err(why) => lost(&format!("feature `{}`: {why}", field.name), carried),
        }
    }
    carried.definitions.push(CarriedDefinition {
        name: context.views.of(&view.described.name, "view"),
        object,
        described: view.described.clone(),
        notes: Vec::new(),
        body: CarriedBody::OnDemand { request, inputs, features },
    });
}

/// An on-demand view whose inputs are read.
struct Reading<'a> {
    view: &'a FeastOnDemand,
    context: &'a FunctionContext<'a>,
}

impl Reading<'_> {
    /// A choice of the features of a view; they are columns of the frame by the names that Feast gives them.
    fn input(&self, projection: &Projection, carried: &Carried, frame: &mut Frame) -> Result<Choice, String> {
        let Reading { view, context } = self;
        let from = context.views.known(&projection.view).filter(|name| carried.view(name.as_str()).is_some());
        let from = from.ok_or_else(|| format!("`{}`, which it reads, is not carried", projection.view))?;
        let there = carried.view(from.as_str()).map(CarriedDefinition::features).unwrap_or_default();
        let feast = context.feast_views.iter().find(|feast| feast.described.name == projection.view);
        let others = || view.inputs.iter().filter(|other| other.view != projection.view);
        let is_shared =
            |feature: &str| others().any(|other| other.features.iter().any(|name| name == feature));
        let is_prefixed = projection.features.iter().any(|feature| is_shared(feature));
        let alias = if projection.alias.is_empty() { &projection.view } else { &projection.alias };
        let prefix = if is_prefixed {
            format!("{}__", legal_name_or_same(alias, "view", &mut BTreeSet::new()))
        } else {
            String::new()
        };
        let mut take: Vec<Name> = Vec::new();
        for feature in
            there.iter().filter(|f| projection.features.is_empty() || projection.features.contains(&f.feast))
        {
            let field = feast.and_then(|feast| feast.fields.iter().find(|field| field.name == feature.feast));
            let data_type = field.and_then(|field| feast_types::of_feast(&field.value_type, field.length));
            take.push(feature.name.clone());
            let (Some(data_type), Ok(name)) =
                (data_type, format!("{prefix}{}", feature.name).parse::<Name>())
            else {
                continue;
            };
            let column = ColumnSql::column(&name, data_type);
            frame.set(&format!("{}__{}", projection.view, feature.feast), Ok(column.clone()));
            if !is_shared(&feature.feast) {
                frame.set(&feature.feast, Ok(column));
            }
        }
        Ok(Choice { from: from.clone(), on: roles(projection, context.keys), take, prefix })
    }
}

/// For each join key the column that holds it, where it is another.
pub(crate) fn roles(projection: &Projection, keys: &Naming) -> Vec<(Name, Name)> {
    let role = |(key, column): (&String, &String)| {
        let key = keys.known(key)?.clone();
        Some((key, legal_name_or_same(column, "key", &mut BTreeSet::new())))
    };
    projection.join_key_map.iter().filter_map(role).collect()
}
