//! Versions are immutable: what counts as a change, how it is named, and what stays the same.

use proptest::prelude::*;

use super::{BASE, base, definitions, edited, plan_of};
use crate::body::Body;
use crate::{Action, Definitions, FirstUse, Kind, Plan, Registered, Rollout};

fn registered() -> Registered {
    let live = [("late_arrival".parse().unwrap(), Rollout::of("late_arrival@1".parse().unwrap()))].into();
    let used = FirstUse { at: feature::Micros::MIN, by: "backfill".to_owned() };
    let base = base();
    let uses = base.iter().map(crate::Definition::id).filter(|id| id.version.is_some());
    Registered::new(1, base.iter().cloned().collect(), live)
        .with_uses(uses.map(|id| (id, used.clone())).collect())
}

fn plan(text: &str) -> Plan {
    let registered = registered();
    plan_of(&definitions(text, &registered), &registered)
}

fn refusals(text: &str) -> Vec<String> {
    plan(text).refused.iter().map(ToString::to_string).collect()
}

#[test]
fn an_edit_of_a_version_is_refused_with_every_change_named() {
    let text = edited("{aggregate: count, window: 1h}", "{aggregate: count, window: 2h}")
        .replace("ttl: 2d", "ttl: 3d")
        .replace("between: [-120, 1500]", "between: [-60, 1500]");
    assert_eq!(
        refusals(&text),
        [
            "features/base.yaml:44: feature_view `airport_arrivals`: version 1 is registered and never changes \
          (expectation `arr_delay between - 120 and 1500` removed; expectation `arr_delay between - 60 and 1500` added; \
          window of arrivals_1h: 1h → 2h; ttl: 2d → 3d): undo that, and add version 2 instead"
        ]
    );
    assert_eq!(plan(&text).count(Action::Refuse), 1);
}

#[test]
fn a_used_version_keeps_the_condition_that_an_earlier_release_wrote_for_a_value() {
    // As that release wrote it, and as it is written in the definition.
    let earlier =
        edited("{column: arr_delay, between: [-120, 1500]}", "{sql: \"arr_delay BETWEEN 0 AND 0.1\"}");
    let now = edited("between: [-120, 1500]", "between: [0, 0.1]");
    let earlier = definitions(&earlier, &Registered::default());
    let registered = |is_used: bool| {
        let used = FirstUse { at: feature::Micros::MIN, by: "backfill".to_owned() };
        let ids = earlier.iter().map(crate::Definition::id).filter(|id| is_used && id.version.is_some());
        let uses = ids.map(|id| (id, used.clone())).collect();
        Registered::new(1, earlier.iter().cloned().collect(), Default::default()).with_uses(uses)
    };
    for (is_used, condition) in
        [(true, "arr_delay BETWEEN 0 AND 0.1"), (false, "arr_delay BETWEEN 0 AND 0.10000000149011612")]
    {
        let registered = registered(is_used);
        let read = definitions(&now, &registered);
        let conditions: Vec<&str> = read
            .iter()
            .filter_map(|definition| match &definition.body {
                Body::FeatureView(view) if view.id.to_string() == "airport_arrivals@1" => Some(view),
                _ => None,
            })
            .flat_map(|view| view.expectations.iter().map(|one| one.condition.as_str()))
            .collect();
        assert!(conditions.contains(&condition), "{is_used}: {conditions:?}");
        let refused = plan_of(&read, &registered).refused.to_string();
        assert!(refused.is_empty(), "{is_used}: {refused}");
    }
}

#[test]
fn what_changes_nothing_that_is_computed_is_a_revision() {
    for (from, to, said) in [
        ("owner: arrivals-team", "owner: delay-team", "owner: arrivals-team → delay-team"),
        ("objective: 1m", "objective: 2m", "freshness objective: 1m → 2m"),
        ("tags: {domain: operations}", "", "tags domain: operations → none"),
        ("topic: landings", "topic: landed", "stream topic: landings → landed"),
        ("path: data/landings.parquet", "path: s3://b/l", "batch path: data/landings.parquet → s3://b/l"),
        ("allowed_lateness: 1h", "allowed_lateness: 2h", "allowed_lateness: 1h → 2h"),
        ("seats: int32", "seats: int64", "type of column seats: int32 → int64"),
        ("model: late-arrival-xgb", "model: other", "consumer model: late-arrival-xgb → other"),
        (
            "air_time > 0",
            "air_time > 1",
            "expectation `air_time > 0` removed; expectation `air_time > 1` added",
        ),
        (
            "between: [-120, 1500]}",
            "between: [-120, 1500], on_failure: quarantine}\n  - {rows: {least: 9}, on_failure: warn}",
            "expectations that quarantine: none → arr_delay BETWEEN -120 AND 1500, \
             at least 9 rows: at least 9 rows (only warns)",
        ),
        ("# What every case may refer to.", "# Other words.", "comments or layout"),
        ("where: arr_delay IS NOT NULL", "where: arr_delay   is not NULL", "comments or layout"),
    ] {
        let plan = plan(&edited(from, to));
        assert!(plan.refused.is_empty(), "{from}: {}", plan.refused);
        let revised: Vec<_> = plan.changes.iter().filter(|c| c.action == Action::Revise).collect();
        assert_eq!(revised.len(), 1, "{from}: {plan}");
        let found: Vec<String> = revised[0].differences.iter().map(ToString::to_string).collect();
        assert_eq!(found.join("; "), said);
    }
}

#[test]
fn a_moment_is_shown_as_its_author_writes_it() {
    let from = "stream: {topic: landings, format: json, from: 2014-01-02T00:00:00Z}";
    let plan = plan(&edited("stream: {topic: landings, format: json}", from));
    assert!(plan.to_string().contains("stream from: none → 2014-01-02T00:00:00Z"), "{plan}");
}

#[test]
fn a_source_with_history_that_says_nothing_of_its_delay_is_noted() {
    let first = plan_of(
        &definitions(&edited("assumed_delay: 2m\n", ""), &Registered::default()),
        &Registered::default(),
    );
    let note = "note: features/base.yaml:24: source `landings` has history and no `assumed_delay`";
    assert!(first.to_string().contains(note), "{first}");
    assert_eq!(first.notes.len(), 1, "a static source needs none: {first}");
    for said in ["assumed_delay: 1us", "available_at: loaded_at"] {
        let text = edited("assumed_delay: 2m", said);
        let first = plan_of(&definitions(&text, &Registered::default()), &Registered::default());
        assert!(first.notes.is_empty(), "{first}");
    }
}

#[test]
fn a_default_is_part_of_what_a_version_computes_and_none_leaves_the_hash_as_it_was() {
    let with = |default: &str| {
        plan(&edited(
            "worst_7d: {aggregate: max(arr_delay), window: 7d",
            &format!("worst_7d: {{aggregate: max(arr_delay), window: 7d{default}"),
        ))
    };
    assert!(with("").is_empty());
    let refused = with(", default: -0.0").refused.to_string();
    assert!(refused.contains("(default of worst_7d: none → -0)"), "{refused}");
}

#[test]
fn a_change_of_a_source_that_a_registered_view_computes_with_names_the_views() {
    let refusals =
        refusals(&edited("arr_delay: float32", "arr_delay: float64").replace("assumed_delay: 2m", ""));
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    let expected = "source `landings`: this changes what airport_arrivals@1 computes \
        (assumed_delay: 2m → none; type of source column arr_delay: float32 → float64): undo that";
    assert!(refusals[0].contains(expected), "{refusals:?}");
}

#[test]
fn a_change_of_an_entity_with_registered_views_names_them() {
    let refusals = refusals(
        &edited("{tailnum: string}\n---", "{tailnum: bytes}\n---")
            .replace("schema: {tailnum: string, manu", "schema: {tailnum: bytes, manu"),
    );
    assert!(
        refusals.iter().any(|r| r.contains("entity `aircraft`: this changes the join keys of aircraft@1")),
        "{refusals:?}"
    );
}

#[test]
fn a_view_without_a_file_guards_its_source_too() {
    let registered = registered();
    let source: String =
        BASE.split("---\n").filter(|d| d.contains("kind: source")).collect::<Vec<_>>().join("---\n");
    let files = definitions(&source.replace("event_time: landed_at", "event_time: loaded_at"), &registered);
    let plan = plan_of(&files, &registered);
    assert!(plan.refused.to_string().contains("event_time: landed_at → loaded_at"), "{plan}");
    assert_eq!(plan.count(Action::Gone), 6, "{plan}");
}

#[test]
fn the_next_version_may_be_anything_and_services_follow_when_they_pin_it() {
    let next = "kind: feature_view\nname: airport_arrivals\nversion: 2\nentity: airport\nsource: landings\n\
        keys: {airport: dest}\nfeatures: {arrivals_1h: {aggregate: count, window: 2h}}\n";
    let text = format!("{BASE}---\n{next}");
    let plan = plan(&text);
    assert!(plan.refused.is_empty(), "{plan}");
    let added: Vec<String> =
        plan.changes.iter().filter(|c| c.action == Action::Add).map(|c| c.id.to_string()).collect();
    assert_eq!(added, ["feature_view airport_arrivals@2"]);
}

#[test]
fn a_view_keeps_its_kind_under_a_version() {
    let registered = registered();
    let other = "kind: on_demand_view\nname: aircraft\nversion: 1\nfeatures: {a: {expression: '1'}}\n";
    let plan = plan_of(&definitions(other, &registered), &registered);
    let expected =
        "features/base.yaml:1: on_demand_view `aircraft`: aircraft@1 is registered as a feature_view";
    assert!(plan.refused.to_string().starts_with(expected), "{plan}");
}

#[test]
fn a_refusal_shows_whom_the_edit_would_have_reached() {
    insta::assert_snapshot!(plan(&edited("{aggregate: count, window: 1h}", "{aggregate: count, window: 2h}")), @r"
    ! view airport_arrivals@1 → route@1, late_arrival@1 (late-arrival-xgb)
    features/base.yaml:51: feature_view `airport_arrivals`: version 1 is registered and never changes (window of arrivals_1h: 1h → 2h): undo that, and add version 2 instead
    7 unchanged, 1 refused
    ");
}

#[test]
fn a_service_may_pin_a_view_that_is_registered_and_has_no_file() {
    let registered = registered();
    let service = "kind: feature_service\nname: late_arrival\nversion: 2\nfeatures: [{from: aircraft@1}]\n";
    let files = definitions(service, &registered);
    let plan = plan_of(&files, &registered);
    assert!(plan.refused.is_empty(), "{plan}");
    assert_eq!((plan.count(Action::Add), plan.count(Action::Gone)), (1, base().len()));
}

#[test]
fn another_order_of_features_keeps_the_layout_that_is_registered() {
    let last = "  last_delay: {latest: arr_delay, unit: minutes}\n";
    let worst = "  worst_7d: {aggregate: max(arr_delay), window: 7d}\n";
    let text = edited(last, "").replace(worst, &format!("{worst}{last}"));
    let registered = registered();
    let files = definitions(&text, &registered);
    let id = |d: &&crate::Definition| {
        d.id().kind == Kind::FeatureView && d.id().name.as_str() == "airport_arrivals"
    };
    let (new, old) = (files.iter().find(id).unwrap(), registered.definitions().find(id).unwrap());
    assert_eq!(new.body, old.body);
}

/// Hashes are stored beside data: these must never change by accident.
#[test]
fn the_semantic_hashes_and_the_canonical_form_are_pinned() {
    let base = base();
    let view = base.iter().find(|d| d.id().reference() == "airport_arrivals@1").unwrap();
    insta::assert_snapshot!(view.canonical, @r#"{"entity":{"keys":[{"data_type":"string","name":"airport"}],"name":"airport"},"expect":["arr_delay between - 120 and 1500"],"features":{"arrivals_1h":{"argument":null,"fold":"count","hop":"5m","type":"int64","unit":null,"window":"1h"},"last_delay":{"argument":"arr_delay","fold":"latest","hop":null,"type":"float32","unit":"minutes","window":null},"mean_delay_1d":{"argument":"arr_delay","fold":"mean","hop":"1h","type":"float64","unit":"minutes","window":"1d"},"worst_7d":{"argument":"arr_delay","fold":"max","hop":"1h","type":"float32","unit":null,"window":"7d"}},"format":1,"keys":{"airport":"dest"},"kind":"feature_view","retention":null,"source":{"assumed_delay":"2m","available_at":null,"columns":{"arr_delay":"float32","dest":"string"},"event_time":"landed_at","max_ahead":"1h"},"ttl":"2d","where":"arr_delay is not null"}"#);
    let hashes: Vec<String> = base.iter().map(|d| format!("{} {}", d.id(), d.hash)).collect();
    insta::assert_snapshot!(hashes.join("\n"), @r"
    entity aircraft 1d24c6ab3c87f06abbf3c003b1a2275fb7669bcb52ad493db7e6211f61531bf0
    entity airport 16d983b8acecfacdfec4bd60a88d60b1dfea3cf5375d955861c21f4d8e3820c4
    source landings ae861e54879f69f7216e1ee7a629b341316515bc36cd15781ac6d4650be069a1
    source planes 5540360e8220fe43588f126b18fbde6584dc59a05e016eeabc65abc6f22e6fd5
    feature_view aircraft@1 8f723408c88cbf52b94f843bde4ec4985f2cf3c42dddeaee36a25216f9c91db9
    feature_view airport_arrivals@1 1e9a5fa65faee5eec33eb2f27803745a513ea51b7795de8d64ab46ea17f1a775
    on_demand_view route@1 6ac0dfe100d94d95a8ceddd8949a03ba770d76c47a28510f1c34ae8a6155d334
    feature_service late_arrival@1 6a0022f9405bcd4e2ad32858bc8ceb727a19106822f8e89621fb5b09186ee284
    ");
}

/// The lines of a document that stand at its top level, each with what is indented below it.
fn blocks(document: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    for line in document.lines() {
        match blocks.last_mut() {
            Some(block) if line.starts_with(' ') => {
                block.push('\n');
                block.push_str(line);
            }
            _ => blocks.push(line.to_owned()),
        }
    }
    blocks
}

proptest! {
    #[test]
    fn comments_layout_and_the_order_of_keys_change_no_hash(
        seed in any::<u64>(),
        comment in "[ -~]{0,20}",
        blank in 0_usize..3,
    ) {
        let mut state = seed;
        let mut next = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let mut documents: Vec<String> = BASE.split("---\n").map(|document| {
            let mut blocks = blocks(document);
            for i in (1..blocks.len()).rev() {
                blocks.swap(i, next(i + 1));
            }
            let between = format!("\n{}# {comment}\n", "\n".repeat(blank));
            blocks.join(&between).replace("mean(arr_delay)", "mean(  Arr_Delay )").replace("ttl: 2d", "ttl: 48h")
        }).collect();
        for i in (1..documents.len()).rev() {
            documents.swap(i, next(i + 1));
        }
        let text = documents.join("\n---\n");
        let hashes = |definitions: &Definitions| -> Vec<String> {
            definitions.iter().map(|d| format!("{} {}", d.id(), d.hash)).collect()
        };
        prop_assert_eq!(hashes(&definitions(&text, &Registered::default())), hashes(&base()));
    }
}
