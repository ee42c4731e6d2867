//! The incident that versions are for: a 30-day z-score becomes a 7-day min-max under one name. Edited in place it is
//! refused; as the next version it stands beside the old one, waits for its gates, answers for some consumers and then for
//! all, and goes back to the old values to the bit. Every step is in the audit log.

use serde_json::Value;

use crate::project::{Project, says};
use crate::served::Server;

/// What is the same in every version.
const SHARED: &str = "kind: entity
name: account
keys: {account: string}
---
kind: source
name: payments
schema: {paid_at: timestamp, account: string, amount: float64}
event_time: paid_at
batch: {path: payments.csv}
assumed_delay: 1m
";

const VERSION_1: &str = "kind: feature_view
name: spending
version: 1
entity: account
source: payments
features:
  last: {latest: amount}
  mean: {aggregate: mean(amount), window: 30d}
  spread: {aggregate: stddev(amount), window: 30d}
---
kind: on_demand_view
name: normalized
version: 1
inputs:
  - {from: spending@1}
features:
  score: {expression: \"(last - mean) / spread\"}
---
kind: feature_service
name: fraud
version: 1
consumer: {model: fraud-net, owner: risk-team}
features:
  - {from: normalized@1}
---
kind: feature_service
name: credit
version: 1
consumer: {model: credit-tree, owner: credit-team}
features:
  - {from: normalized@1}
";

const VERSION_2: &str = "kind: feature_view
name: spending
version: 2
entity: account
source: payments
features:
  last: {latest: amount}
  low: {aggregate: min(amount), window: 7d}
  high: {aggregate: max(amount), window: 7d}
---
kind: on_demand_view
name: normalized
version: 2
inputs:
  - {from: spending@2}
features:
  score: {expression: \"(last - low) / (high - low)\"}
---
kind: feature_service
name: fraud
version: 2
consumer: {model: fraud-net, owner: risk-team}
features:
  - {from: normalized@2}
---
kind: feature_service
name: credit
version: 2
consumer: {model: credit-tree, owner: credit-team}
features:
  - {from: normalized@2}
";

const ACCOUNTS: [&str; 6] = ["a1", "a2", "a3", "a4", "a5", "a6"];
const AT: &str = "2026-03-01T00:00:00Z";

/// 45 days of payments, several a day for each account.
fn payments() -> String {
    let mut text = String::from("paid_at,account,amount\n");
    for day in 0..45_u32 {
        for (index, account) in ACCOUNTS.iter().enumerate() {
            let (month, day_of_month) = if day < 31 { (1, day + 1) } else { (2, day - 30) };
            let amount = f64::from((day * 37 + index as u32 * 101) % 997) / 7.0;
            text += &format!("2026-{month:02}-{day_of_month:02}T0{index}:00:00Z,{account},{amount}\n");
        }
    }
    text
}

fn scores(project: &Project, service: &str) -> Vec<String> {
    let read = |account| project.ok(&format!("get {service} account={account} --at {AT} --format json"));
    ACCOUNTS.into_iter().map(read).collect()
}

#[test]
fn a_score_that_is_computed_otherwise_replaces_the_old_one_step_by_step_and_goes_back_to_the_bit() {
    let project = Project::empty();
    project.write("payments.csv", payments());
    project.write("features/shared.yaml", SHARED);
    project.write("features/version_1.yaml", VERSION_1);
    project.ok("apply");
    project.ok("backfill --all");
    let old = [scores(&project, "fraud"), scores(&project, "credit")];
    assert!(old.iter().flatten().all(|score| score.contains("PRESENT")), "{old:?}");

    // Edited in place it is refused, with whom it would reach.
    let edited = VERSION_1
        .replace("mean: {aggregate: mean(amount), window: 30d}", "mean: {aggregate: min(amount), window: 7d}")
        .replace(
            "spread: {aggregate: stddev(amount), window: 30d}",
            "spread: {aggregate: max(amount), window: 7d}",
        );
    project.write("features/version_1.yaml", edited);
    let refused = project.refused("plan");
    says(&refused, &["version 1 is registered and never changes", "30d → 7d", "add version 2 instead"]);
    project.write("features/version_1.yaml", VERSION_1);

    // As the next version it stands beside the old one, and nothing that is served changes.
    project.write("features/version_2.yaml", VERSION_2);
    says(&project.ok("plan"), &["fraud@2 (fraud-net)", "credit@2 (credit-tree)"]);
    project.ok("apply");
    let server = Server::start(&project);
    says(&project.refused("cutover fraud@2"), &["spending@2 has no row in its log"]);
    project.ok("backfill spending@2");
    // A gate holds it: first as nobody compared them, then as they differ.
    says(
        &project.refused("cutover fraud@2"),
        &["fraud@2 was never compared with fraud@1", "twinstore parity"],
    );
    assert_eq!(project.run("parity fraud@1 fraud@2").code, Some(1));
    says(&project.refused("cutover fraud@2"), &["fraud@2 is outside its bounds beside fraud@1"]);
    assert_eq!([scores(&project, "fraud"), scores(&project, "credit")], old);
    let new = [scores(&project, "fraud@2"), scores(&project, "credit@2")];
    assert!(new.iter().flatten().zip(old.iter().flatten()).all(|(new, old)| new != old));

    // The owner decides; the consumers move one by one.
    let owner = |words: &str| {
        let done = project.command(words).env("TWINSTORE_ACTOR", "risk-team").output().unwrap();
        assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
    };
    owner("cutover fraud@2 --override the-shift-is-meant --reason min-max");
    assert_eq!([scores(&project, "fraud"), scores(&project, "credit")], [new[0].clone(), old[1].clone()]);
    project.ok("cutover credit@2 --override the-shift-is-meant");
    assert_eq!([scores(&project, "fraud"), scores(&project, "credit")], new);
    says(&project.refused("retire spending@2"), &["fraud@2 (model fraud-net, owner risk-team, live)"]);

    // Something is wrong: one command each, and the old values are back to the bit, in every server too.
    owner("rollback fraud --reason model-degraded");
    project.ok("rollback credit --reason model-degraded");
    assert_eq!([scores(&project, "fraud"), scores(&project, "credit")], old);
    let body = serde_json::json!({"service": "fraud", "entities": {"account": ["a1"]}, "at": AT});
    let served = server.waits_for(&body, |_, answer| answer["service"] == "fraud@1");
    let value =
        |text: &str| serde_json::from_str::<Value>(text).unwrap()["features"]["score"]["value"].clone();
    assert_eq!(served["columns"]["score"]["values"][0], value(&old[0][0]));
    assert_eq!(server.terminate().0, Some(0));

    // Every step is on record.
    let log = project.json("audit");
    assert_eq!(log["damaged"], serde_json::json!([]));
    let overridden = log["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == "override");
    let said: Vec<String> =
        overridden.map(|entry| format!("{} {}", entry["reason"], entry["detail"])).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    says(&said[0], &["the-shift-is-meant", "fraud@2 is outside its bounds beside fraud@1"]);
    says(&said[1], &["the-shift-is-meant", "credit@2 was never compared with credit@1"]);
    let moved = |entry: &&Value| ["cutover", "rollback"].contains(&entry["action"].as_str().unwrap());
    let moves: Vec<String> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(moved)
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap().to_owned();
            format!("{} {} → {}: {}", text("action"), text("from"), text("to"), text("reason"))
        })
        .collect();
    assert_eq!(
        moves,
        [
            "cutover fraud@1 → fraud@2: min-max",
            "cutover credit@1 → credit@2: the-shift-is-meant",
            "rollback fraud@2 → fraud@1: model-degraded",
            "rollback credit@2 → credit@1: model-degraded",
        ]
    );
    let actors = project.ok("audit fraud");
    assert!(actors.matches("risk-team").count() >= 2, "{actors}");
}
