//! Lineage: what a feature comes from down to its columns, who reads it, and runs as they were recorded.

use feature::{AsOf, Micros, Provenance};

use super::{Home, base, on_both};
use crate::{
    Job, Lineage, LineageKind, LoadedFile, ReadView, Registered, Registry, RegistryError, Rollout, RowCounts,
    RunId, RunOutcome, RunRecord, RunState, Runtime,
};

fn registered() -> Registered {
    Registered::new(
        1,
        base().iter().cloned().collect(),
        [("late_arrival".parse().unwrap(), Rollout::of("late_arrival@1".parse().unwrap()))].into(),
    )
}

fn at(seconds: i64) -> Micros {
    Micros::new(1_370_000_000_000_000 + seconds * 1_000_000).unwrap()
}

fn run(job: Job, subject: &str, started: i64, outcome: Option<RunOutcome>) -> RunRecord {
    RunRecord {
        id: RunId::new(at(started)),
        job,
        subject: subject.parse().unwrap(),
        hash: "ab".to_owned(),
        runtime: Runtime {
            twinstore: "0.1.0".to_owned(),
            datafusion: "55.2.0".to_owned(),
            actor: None,
            process: None,
        },
        started_at: at(started),
        updated_at: at(started),
        state: RunState::Running,
        error: None,
        outcome,
    }
}

fn load(started: i64) -> RunRecord {
    let files = vec![LoadedFile { name: "a.parquet".to_owned(), content: "00".to_owned(), rows: 3 }];
    let outcome = RunOutcome::Load {
        files,
        more_files: 0,
        quarantined: Vec::new(),
        more_quarantined: 0,
        table_version: None,
        provenance: Provenance::Simulated,
        assumed_delay: None,
        measured_delay: None,
        rows: RowCounts {
            read: 3,
            loaded: 2,
            refused: [("null_time".to_owned(), 1)].into(),
            ..RowCounts::default()
        },
        log_version: Some(4),
    };
    run(Job::Backfill, "airport_arrivals@1", started, Some(outcome))
}

fn training_set(started: i64) -> RunRecord {
    let views =
        vec![ReadView { view: "airport_arrivals@1".parse().unwrap(), hash: "ab".to_owned(), log_version: 4 }];
    let outcome = RunOutcome::TrainingSet {
        file: "train.parquet".to_owned(),
        sha256: "cd".to_owned(),
        manifest_sha256: "0123456789abcdef".to_owned(),
        spine: "spine.csv".to_owned(),
        as_of: AsOf::Available,
        rows: 1_000,
        views,
    };
    run(Job::TrainingSet, "late_arrival@1", started, Some(outcome))
}

/// Everything upstream or downstream of the first node, as the names of nodes, in the order of the graph.
fn reached(lineage: &Lineage, is_upstream: bool) -> Vec<&str> {
    let mut names = Vec::new();
    let mut open: Vec<&str> = lineage.of.iter().map(String::as_str).collect();
    while let Some(id) = open.pop() {
        let next: Vec<_> = match is_upstream {
            true => lineage.inputs(id).map(|(node, _)| node).collect(),
            false => lineage.outputs(id).map(|(node, _)| node).collect(),
        };
        for node in next.into_iter().filter(|node| !names.contains(&node.name.as_str())).collect::<Vec<_>>() {
            names.push(&node.name);
            open.push(&node.id);
        }
    }
    names.sort_unstable();
    names
}

#[test]
fn a_feature_comes_from_the_columns_of_its_expression_and_of_what_chooses_its_rows() {
    let lineage = registered().lineage("airport_arrivals@1:mean_delay_1d", &[]).unwrap();
    let inputs = lineage.inputs("feature:airport_arrivals@1:mean_delay_1d");
    let inputs: Vec<_> = inputs.map(|(node, edge)| (node.name.as_str(), edge.direct)).collect();
    assert_eq!(
        inputs,
        [("landings:arr_delay", true), ("landings:dest", false), ("landings:landed_at", false)]
    );
    assert_eq!(
        reached(&lineage, true),
        [
            "data/landings.parquet",
            "landings",
            "landings",
            "landings:arr_delay",
            "landings:dest",
            "landings:landed_at"
        ]
        .into_iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
    assert_eq!(
        reached(&lineage, false),
        [
            "late-arrival-xgb",
            "late_arrival@1",
            "late_arrival@1:delay_per_100_miles",
            "late_arrival@1:dest_mean_delay_1d",
            "late_arrival@1:origin_mean_delay_1d",
            "route@1:delay_per_100_miles",
        ]
    );
}

#[test]
fn a_count_of_rows_comes_from_what_chooses_them_alone() {
    let lineage = registered().lineage("arrivals_1h", &[]).unwrap();
    let inputs: Vec<_> = lineage.inputs("feature:airport_arrivals@1:arrivals_1h").collect();
    assert!(inputs.iter().all(|(_, edge)| !edge.direct));
    // `arr_delay` stands in `where` and in an expectation that rejects rows; `air_time` in one that only warns.
    let names: Vec<&str> = inputs.iter().map(|(node, _)| node.name.as_str()).collect();
    assert_eq!(names, ["landings:arr_delay", "landings:dest", "landings:landed_at"]);
}

#[test]
fn a_source_reaches_views_services_models_and_training_sets() {
    let lineage = registered().lineage("landings", &[training_set(0)]).unwrap();
    assert_eq!(
        reached(&lineage, false),
        [
            "airport_arrivals@1",
            "late-arrival-xgb",
            "late_arrival@1",
            "route@1",
            "train.parquet (0123456789ab)",
        ]
    );
    assert_eq!(lineage.of, ["source:landings"], "the topic of the same name is another node: {lineage:?}");
    assert!(lineage.nodes.iter().any(|node| node.kind == LineageKind::TrainingSet));
    assert!(!lineage.nodes.iter().any(|node| node.name.starts_with("aircraft")), "{lineage:?}");
}

#[test]
fn a_name_that_means_nothing_is_answered_with_the_nearest() {
    let refused = registered().lineage("airport_arivals", &[]).unwrap_err().to_string();
    assert!(refused.contains("airport_arivals") && refused.contains("airport_arrivals"), "{refused}");
}

#[test]
fn a_flowchart_cannot_be_broken_by_a_name() {
    let mut run = training_set(0);
    if let Some(RunOutcome::TrainingSet { file, .. }) = &mut run.outcome {
        *file = "a\"]; click n0 \"javascript:x\n<b>".to_owned();
    }
    let chart = registered().lineage("late_arrival", &[run]).unwrap().mermaid();
    let line = chart.lines().find(|line| line.contains("javascript")).unwrap();
    assert_eq!(line.matches('"').count(), 2, "{line}");
    assert!(!line.contains("<b>") && line.ends_with("</i>\"]"), "{line}");
}

async fn runs_are_read_back_newest_first_and_replaced_as_they_go_on(home: &Home) {
    let registry = Registry::open(&home.url()).await.unwrap();
    let generation = registry.generation().await.unwrap();
    let (first, mut second, set) = (load(0), load(60), training_set(120));
    for run in [&first, &second, &set] {
        registry.record_run(run).await.unwrap();
    }
    (second.state, second.updated_at) = (RunState::Failed, at(61));
    second.error = Some("the disk is full".to_owned());
    registry.record_run(&second).await.unwrap();
    let view = "airport_arrivals@1".parse().unwrap();
    assert_eq!(registry.runs_of_view(&view, 5).await.unwrap(), [set.clone(), second.clone(), first]);
    assert_eq!(registry.runs_of_view(&view, 1).await.unwrap(), [set.clone(), second], "one of each job");
    assert_eq!(registry.training_sets_of(&"late_arrival@1".parse().unwrap(), 5).await.unwrap(), [set]);
    assert_eq!(registry.runs_of_view(&"airport_arrivals@2".parse().unwrap(), 5).await.unwrap(), []);
    assert_eq!(
        registry.generation().await.unwrap(),
        generation,
        "a run is nothing that a server reads again"
    );
}

async fn a_run_that_is_not_what_was_recorded_is_refused_by_its_identity(home: &Home) {
    let registry = Registry::open(&home.url()).await.unwrap();
    let run = load(0);
    registry.record_run(&run).await.unwrap();
    let view = "airport_arrivals@1".parse().unwrap();
    for damage in [
        "UPDATE runs SET body = replace(body, '\"loaded\":2', '\"loaded\":3')",
        "UPDATE runs SET state = 'complete'",
        "UPDATE runs SET started_at = started_at + 1",
    ] {
        registry.record_run(&run).await.unwrap();
        sqlx::query(damage).execute(&registry.pool().await.unwrap()).await.unwrap();
        let refused = registry.runs_of_view(&view, 5).await.unwrap_err();
        assert!(matches!(&refused, RegistryError::File { .. } | RegistryError::Contents { .. }), "{refused}");
        assert!(refused.to_string().contains(&run.id.to_string()), "{refused}");
        assert!(registry.integrity().await.is_err());
        sqlx::query("DELETE FROM runs").execute(&registry.pool().await.unwrap()).await.unwrap();
    }
}

#[test]
fn a_feature_of_a_derived_view_comes_through_its_input_from_the_columns_of_the_source() {
    let text = format!(
        "{}---\nkind: feature_view\nname: busy\nversion: 1\nentity: airport\nsource: {{view: airport_arrivals@1}}\n\
         where: last_delay > 0\nfeatures: {{peak: {{aggregate: max(arrivals_1h), window: 7d}}}}\n",
        super::BASE
    );
    let definitions = super::definitions(&text, &Registered::default());
    let registered = Registered::new(1, definitions.iter().cloned().collect(), [].into());
    let lineage = registered.lineage("busy@1", &[]).unwrap();
    let has = |lineage: &Lineage, kind: LineageKind, name: &str| {
        lineage.nodes.iter().any(|node| node.kind == kind && node.name == name)
    };
    assert!(
        has(&lineage, LineageKind::FeatureView, "airport_arrivals@1")
            && has(&lineage, LineageKind::Source, "landings")
    );
    let lineage = registered.lineage("busy@1:peak", &[]).unwrap();
    for (kind, name) in [
        (LineageKind::Feature, "airport_arrivals@1:arrivals_1h"),
        (LineageKind::Feature, "airport_arrivals@1:last_delay"),
        (LineageKind::Column, "airport_arrivals@1:airport"),
        (LineageKind::Column, "airport_arrivals@1:event_time"),
        (LineageKind::Column, "landings:dest"),
        (LineageKind::Column, "landings:landed_at"),
        (LineageKind::Batch, "data/landings.parquet"),
    ] {
        assert!(has(&lineage, kind, name), "no {name}: {lineage:?}");
    }
    let edge = |from: &str| {
        let of = |id: &str| lineage.node(id).map(|node| node.name.clone()).unwrap_or_default();
        lineage
            .edges
            .iter()
            .find(|edge| of(&edge.from) == from && of(&edge.to) == "busy@1:peak")
            .map(|edge| edge.direct)
    };
    assert_eq!(
        (edge("airport_arrivals@1:arrivals_1h"), edge("airport_arrivals@1:last_delay")),
        (Some(true), Some(false))
    );
}

on_both!(
    runs_are_read_back_newest_first_and_replaced_as_they_go_on,
    a_run_that_is_not_what_was_recorded_is_refused_by_its_identity
);
