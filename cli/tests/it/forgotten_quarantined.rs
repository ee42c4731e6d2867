//! An entity is forgotten while files with rows of it are in quarantine: what describes them stays, without its rows.

use serde_json::Value;

use crate::project::{Project, says};

const DEFINITIONS: &str = "
kind: entity
name: user
keys: {user_id: int64}
---
kind: source
name: events
schema: {user_id: int64, ts: timestamp, x: float64}
event_time: ts
assumed_delay: 1m
batch: {path: data}
---
kind: feature_view
name: seen
version: 1
entity: user
source: events
expect: [{column: x, between: [0, 10], on_failure: quarantine}]
features:
  x: {latest: x}
---
kind: feature_service
name: known
version: 1
features: [{from: seen@1}]
";

fn list(project: &Project) -> Vec<Value> {
    project.json("quality quarantine list seen")["quarantined"].as_array().unwrap().clone()
}

fn file(project: &Project, name: &str, rows: &[(i64, f64)]) {
    let rows: String = rows.iter().map(|(user, x)| format!("{user},2024-01-01T00:00:00Z,{x}\n")).collect();
    project.write(&format!("data/{name}.csv"), format!("user_id,ts,x\n{rows}"));
}

#[test]
fn a_batch_of_which_no_row_is_left_to_load_is_released() {
    let project = Project::empty();
    project.write("features/all.yaml", DEFINITIONS);
    file(&project, "b", &[(1, 1.0), (2, 999.0)]);
    project.ok("apply");
    project.ok("backfill seen@1");
    project.ok("forget user_id=1 --yes");
    let said = project.ok("quality quarantine release seen 0 --reason mended");
    says(&said, &["0 rows loaded"]);
    assert_eq!(list(&project)[0]["decision"], "released");
}

#[test]
fn files_in_quarantine_stay_described_without_the_forgotten_entity_and_are_released() {
    let project = Project::empty();
    project.write("features/all.yaml", DEFINITIONS);
    file(&project, "a", &[(9, 1.0)]);
    project.ok("apply");
    project.ok("backfill seen@1");
    // Both by one load.
    file(&project, "b", &[(1, 1.0), (2, 999.0), (3, 998.0)]);
    file(&project, "c", &[(4, 4.0), (2, 999.0)]);
    project.ok("backfill seen@1");
    let before = list(&project);
    project.ok("forget user_id=2 --yes");
    let after = list(&project);
    assert_eq!(before.len(), 2);
    for (was, is) in before.iter().zip(&after) {
        for what in ["batch", "file", "rows", "failing", "why", "decision"] {
            assert_eq!(was[what], is[what], "{was} {is}");
        }
    }
    assert_eq!(after.len(), 2);
    let examples = |batch: &Value| {
        let shown = project.json(&format!("quality quarantine show seen {}", batch["batch"]));
        shown["examples"].to_string()
    };
    says(&examples(&after[0]), &["998"]);
    for batch in &after {
        assert!(!examples(batch).contains("999"), "{batch}");
        project.ok(&format!("quality quarantine release seen {} --reason mended", batch["batch"]));
    }
    for (user, value) in [(1, "1.0"), (4, "4.0")] {
        let read = project.json(&format!("get known user_id={user}"));
        assert_eq!(read["features"]["x"]["value"].to_string(), value, "{read}");
    }
    let forgotten = project.json("get known user_id=2");
    assert_eq!(forgotten["features"]["x"]["status"], "NOT_FOUND");
}
