//! What definitions resolve to.

use feature::{Fold, HelpTopic, Origin, ServiceRef};

use super::{BASE, base, definitions, plan_of};
use crate::{Body, Definitions, Kind, Registered, Rollout, reference};

fn registered() -> Registered {
    registered_from(&base())
}

fn registered_from(definitions: &Definitions) -> Registered {
    let live = definitions.iter().map(|d| d.id()).filter(|id| id.kind == Kind::FeatureService);
    let live = live.map(|id| (id.name.clone(), Rollout::of(id.version_id().unwrap()))).collect();
    Registered::new(1, definitions.iter().cloned().collect(), live)
}

#[test]
fn a_view_keeps_each_distinct_argument_once() {
    let registered = registered();
    let view = registered.view(&"airport_arrivals@1".parse().unwrap()).unwrap();
    let columns: Vec<&str> = view.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["arr_delay"]);
    assert!(matches!(view.features[0].fold, Fold::Latest { column: 0 }));
    assert!(matches!(view.features[1].fold, Fold::Aggregate { column: None, .. }));
    assert_eq!(view.features[2].data_type.to_string(), "float64");
    assert_eq!(view.expectations[0].condition, "arr_delay BETWEEN -120 AND 1500");
    assert!(view.expectations[0].rejects() && !view.expectations[1].rejects());
    assert_eq!(view.key_expressions, ["dest"]);
}

#[test]
fn columns_are_called_after_the_bare_column_or_the_first_feature() {
    let sound = include_str!("../../cases/sound.yaml");
    let files = [("base.yaml", BASE), ("sound.yaml", sound)];
    let registered = registered_from(&Definitions::of(files, &Registered::default()).unwrap());
    let view = registered.view(&"flights@2".parse().unwrap()).unwrap();
    let columns: Vec<(&str, String)> =
        view.columns.iter().map(|column| (column.name.as_str(), column.data_type.to_string())).collect();
    let expected =
        [("number", "int64"), ("arr_delay", "float32"), ("late", "bool"), ("embedding", "list<float32>[4]")];
    assert_eq!(columns, expected.map(|(name, t)| (name, t.to_owned())));
    assert_eq!(view.expectations[0].condition, "dest BETWEEN 'AAA' AND 'ZZZ'");
    assert_eq!(view.key_expressions, ["carrier", "flight_id"]);
}

#[test]
fn a_join_key_that_is_called_as_a_word_of_sql_is_the_column_of_that_name() {
    let text = "
kind: entity
name: person
keys: {user: int64, order: string, plain: int64}
---
kind: source
name: visits
schema: {user: int64, order: string, plain: int64, at: timestamp}
event_time: at
stream: {topic: visits, format: json}
---
kind: feature_view
name: visits
version: 1
entity: person
source: visits
features: {visits: {aggregate: count}}
";
    let definitions = Definitions::of([("visits.yaml", text)], &Registered::default()).unwrap();
    let view = registered_from(&definitions).view(&"visits@1".parse().unwrap()).unwrap();
    assert_eq!(view.key_expressions, ["\"user\"", "order", "plain"]);
}

#[test]
fn a_service_looks_each_view_up_once_for_each_role_and_computes_after_its_inputs() {
    let plan = registered().service_plan(&"late_arrival".parse().unwrap()).unwrap();
    let names = |fields: &[feature::Field]| fields.iter().map(|f| f.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&plan.keys), ["dest", "origin", "tailnum"]);
    assert_eq!(names(&plan.request), ["distance"]);
    let lookups: Vec<(String, Vec<usize>)> =
        plan.lookups.iter().map(|lookup| (lookup.view.id.to_string(), lookup.keys.clone())).collect();
    let expected = [("airport_arrivals@1", 0), ("airport_arrivals@1", 1), ("aircraft@1", 2)];
    assert_eq!(lookups, expected.map(|(view, key)| (view.to_owned(), vec![key])));
    let outputs: Vec<&str> = plan.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(
        outputs,
        [
            "dest_mean_delay_1d",
            "dest_arrivals_1h",
            "origin_last_delay",
            "origin_arrivals_1h",
            "origin_mean_delay_1d",
            "origin_worst_7d",
            "manufacturer",
            "delay_per_100_miles",
        ]
    );
    let route = &plan.computations[0];
    assert_eq!(route.inputs[0].0.name.as_str(), "dest_mean_delay_1d");
    assert_eq!(route.inputs[0].1, Origin::Stored { lookup: 0, feature: 2 });
    assert_eq!(plan.outputs[7].origin, Origin::Computed { computation: 0, feature: 0 });
    assert_eq!(plan.lookups_of(plan.outputs[7].origin), [0]);
}

#[test]
fn on_demand_views_are_computed_after_those_that_they_read_in_whatever_order_they_stand() {
    let chain = "kind: on_demand_view\nname: a\nversion: 1\ninputs: [{from: b@1}]\nfeatures: {x: {expression: y + 1}}\n---\n\
        kind: on_demand_view\nname: b\nversion: 1\nrequest: {n: int64}\nfeatures: {y: {expression: n * 2}}\n---\n\
        kind: feature_service\nname: s\nversion: 3\nfeatures: [{from: a@1}, {from: b@1, prefix: p_}]\n";
    let registered = registered_from(&definitions(chain, &Registered::default()));
    let plan = registered.service_plan(&"s@3".parse().unwrap()).unwrap();
    let computed: Vec<String> = plan.computations.iter().map(|c| c.view.id.to_string()).collect();
    assert_eq!(computed, ["b@1", "a@1"]);
}

#[test]
fn an_unknown_name_proposes_the_nearest() {
    let registered = registered();
    let message = |reference: &str| {
        registered.service(&reference.parse::<ServiceRef>().unwrap()).unwrap_err().to_string()
    };
    assert_eq!(message("late_arival"), "there is no service `late_arival`, did you mean `late_arrival`?");
    assert_eq!(
        message("late_arrival@2"),
        "there is no service `late_arrival@2`, did you mean `late_arrival@1`?"
    );
    let error = registered.view(&"airport_arival@1".parse().unwrap()).unwrap_err();
    assert!(error.to_string().ends_with("did you mean `airport_arrivals@1`?"), "{error}");
    let error = Registered::default().source(&"landings".parse().unwrap()).unwrap_err();
    assert_eq!(error.help(), Some(HelpTopic::RegisterDefinitions), "{error}");
}

#[test]
fn a_plan_shows_what_each_change_reaches() {
    let plan = plan_of(&base(), &Registered::default());
    insta::assert_snapshot!(plan, @r"
    + entity aircraft → aircraft@1, late_arrival@1 (late-arrival-xgb)
    + entity airport → airport_arrivals@1, route@1, late_arrival@1 (late-arrival-xgb)
    + source landings → airport_arrivals@1, route@1, late_arrival@1 (late-arrival-xgb)
    + source planes → aircraft@1, late_arrival@1 (late-arrival-xgb)
    + view aircraft@1 (1 feature) → late_arrival@1 (late-arrival-xgb)
    + view airport_arrivals@1 (4 features) → route@1, late_arrival@1 (late-arrival-xgb)
    + on-demand view route@1 (1 feature) → late_arrival@1 (late-arrival-xgb)
    + service late_arrival@1
    8 to add
    ");
}

#[test]
fn files_are_read_in_any_depth_and_a_missing_folder_is_said() {
    let project = tempfile::tempdir().unwrap();
    let error = Definitions::read(project.path(), &Registered::default()).unwrap_err();
    assert_eq!(error.help(), Some(HelpTopic::NewProject), "{error}");
    std::fs::create_dir_all(project.path().join("features/deep/.hidden")).unwrap();
    let write =
        |name: &str, text: &str| std::fs::write(project.path().join("features").join(name), text).unwrap();
    write("deep/base.yml", BASE);
    write("deep/.hidden/other.yaml", "not read");
    write("readme.md", "not read");
    let definitions = Definitions::read(project.path(), &Registered::default()).unwrap();
    assert_eq!(definitions.len(), base().len());
    assert_eq!(&*definitions.iter().next().unwrap().file, "features/deep/base.yml");
    std::fs::write(project.path().join("features/bytes.yaml"), [0xff, 0xfe, 0xfd]).unwrap();
    let error = Definitions::read(project.path(), &Registered::default()).unwrap_err();
    assert!(error.to_string().starts_with("features/bytes.yaml: the file cannot be read"), "{error}");
}

#[test]
fn the_reference_names_every_key_type_aggregate_and_function() {
    let text = reference();
    for kind in Kind::ALL {
        assert!(text.contains(&format!("## `{}`", kind.name())), "{}", kind.name());
    }
    for function in feature::Function::ALL {
        assert!(text.contains(&format!("| `{}` |", function.usage())), "{}", function.name());
    }
    assert!(text.contains("| `max_ahead` | a duration | 1h |"), "{text}");
    assert_eq!(text.matches("`choice`\n").count(), 1);
    for expected in
        ["| under 12 hours | 5m |", "| `list<float32>[64]`", "int64 for integers, float64 for floats"]
    {
        assert!(text.contains(expected), "{expected}");
    }
}

#[test]
fn a_source_without_an_event_time_makes_its_views_static() {
    let registered = registered();
    assert!(registered.view(&"aircraft@1".parse().unwrap()).unwrap().is_static);
    let definition = registered.definitions().find(|d| d.id().name.as_str() == "planes").unwrap();
    assert!(matches!(&definition.body, Body::Source { source, .. } if source.event_time.is_none()));
}
