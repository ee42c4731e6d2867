//! Entities forgotten in logs of regular rows: these are packed so well that rows with a gap take more bytes than rows
//! without, unless they are packed otherwise.

use std::fmt::Write;

use crate::project::Project;

const DEFINITIONS: &str = "
kind: entity
name: sensor
keys: {sensor: KEY}
---
kind: source
name: readings
schema: {sensor: KEY, at: timestamp, value: float64}
event_time: at
assumed_delay: 1s
batch: {path: data}
---
kind: feature_view
name: levels
version: 1
entity: sensor
source: readings
features:
  value: {latest: value}
  readings: {aggregate: count}
---
kind: feature_service
name: level
version: 1
features: [{from: levels@1}]
";

/// The key of a sensor.
fn named(key: &str, sensor: u64) -> String {
    if key == "string" { format!("s{sensor:05}") } else { sensor.to_string() }
}

/// The value at an hour of a sensor.
type Reading = fn(u64, u64) -> String;

/// A project with a reading of each sensor in each hour of a day: the value is a function of both.
fn regular(key: &str, sensors: u64, value: Reading) -> Project {
    let project = Project::empty();
    project.write("features/levels.yaml", DEFINITIONS.replace("KEY", key));
    let mut rows = "sensor,at,value\n".to_owned();
    for hour in 0..24 {
        for sensor in 0..sensors {
            let name = named(key, sensor);
            writeln!(rows, "{name},2020-01-01T{hour:02}:00:00Z,{}", value(hour, sensor)).unwrap();
        }
    }
    project.write("data/day.csv", rows);
    project.ok("apply");
    project.ok("backfill --all");
    project
}

#[test]
fn an_entity_of_regular_rows_is_forgotten_whatever_they_are() {
    let mixed: Reading = |hour, sensor| {
        let mixed = (hour * 7919 + sensor + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        format!("0.{:02}", mixed % 100)
    };
    let shapes: [(&str, u64, Reading); 6] = [
        ("int64", 900, mixed),
        ("int64", 900, |_, _| "1".to_owned()),
        ("int64", 4000, |_, sensor| sensor.to_string()),
        ("int64", 100, |hour, _| hour.to_string()),
        ("string", 900, |_, _| "1".to_owned()),
        ("string", 2000, mixed),
    ];
    for (shape, (key, sensors, value)) in shapes.into_iter().enumerate() {
        let project = regular(key, sensors, value);
        for sensor in [5, sensors - 1] {
            let name = named(key, sensor);
            project.ok(&format!("forget sensor={name} --reason ticket --yes"));
            let read = project.json(&format!("get level sensor={name}"));
            assert_eq!(read["features"]["readings"]["status"], "NOT_FOUND", "{shape}: {read}");
        }
        let read = project.json(&format!("get level sensor={}", named(key, 7)));
        assert_eq!(read["features"]["readings"]["value"], 24, "{shape}: {read}");
        project.ok("verify --deep");
    }
}
