//! Sources in CSV and JSON lines, as strangers write them: capitals in the header, times in epoch milliseconds,
//! folders that give a column. One row that is wrong is refused by itself.

use crate::project::{Project, says};

const EVENTS: &str = r#"
kind: entity
name: user
keys: {user_id: int64}
---
kind: source
name: events
schema:
  user_id: {type: int64, column: userId}
  ts: int64
  amount: {type: float32, column: Amount}
  note: string
  country: string
  extra: {type: string, optional: true}
event_time: {sql: "to_timestamp_millis(ts)"}
batch: {path: data}
---
kind: feature_view
name: v
version: 1
entity: user
source: events
features:
  amount: {latest: amount}
  note: {latest: note}
  country: {latest: country}
  extra: {latest: extra}
---
kind: feature_service
name: svc
version: 1
features: [{from: v@1}]
"#;

const CSV: &str = "userId,ts,Amount,note\n1,1704067200000,2.5,\"a, \"\"b\"\"\"\n2,1704153600000,,\"\"\n\
                   3,xx,1,z\n4,1704153600000,1e50,y\n";
const JSON: &str = r#"{"userId": 1, "ts": 1704067200000, "Amount": 2.5, "note": "a, \"b\""}
{"userId": 2, "ts": 1704153600000, "note": ""}
{"userId": 3, "ts": "xx", "Amount": 1, "note": "z"}
{"userId": 4, "ts": 1704153600000, "Amount": 1e50, "note": "y"}
"#;

#[test]
fn text_of_a_stranger_is_loaded_and_read_as_it_lies() {
    for (file, text) in [("data/country=DE/a.csv", CSV), ("data/country=DE/a.jsonl", JSON)] {
        let project = Project::empty();
        project.write("features/all.yaml", EVENTS);
        project.write(file, text);
        project.write("data/readme.txt", "no data");
        project.ok("apply");
        let loaded = &project.json("backfill --all")["views"][0];
        assert_eq!((&loaded["rows_read"], &loaded["rows_loaded"]), (&4.into(), &2.into()), "{file}");
        assert_eq!(loaded["files_unread"][0], "readme.txt");
        let values = |user: u32| {
            let features = project.json(&format!("get svc user_id={user}"))["features"].clone();
            ["amount", "note", "country", "extra"].map(|name| features[name]["value"].to_string())
        };
        assert_eq!(values(1), ["2.5", r#""a, \"b\"""#, r#""DE""#, "null"], "{file}");
        assert_eq!(values(2), ["null", r#""""#, r#""DE""#, "null"], "{file}");
        says(&project.ok("dead-letter list"), &["row 3", "`ts`", "row 4", "`amount`", "float32"]);
        assert_eq!(project.json("backfill --all")["views"][0]["rows_loaded"], 0, "{file}");
    }
}
