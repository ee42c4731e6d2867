//! Definitions that are refused: each by file and line, with what to change, and nothing changes.

use sqlx::SqliteConnection;

use crate::project::{Project, says};

/// An edit of the sample's definitions, and the parts of the message that it gives.
struct Case {
    from: &'static str,
    to: &'static str,
    says: &'static [&'static str],
}

const fn case(from: &'static str, to: &'static str, says: &'static [&'static str]) -> Case {
    Case { from, to, says }
}

const EDITS: [Case; 21] = [
    case("keys: {airport: string}\n", "keys: {airport: string\n", &[".yaml:7: this is not YAML"]),
    case("  origin: string", "\torigin: string", &[".yaml:20: this is not YAML", "tab"]),
    case("kind: source", "kind: sauce", &[".yaml:15: unknown kind `sauce`, did you mean `source`?"]),
    case("event_time:", "event_tim:", &[".yaml:26: unknown field `event_tim`", "did you mean `event_time`?"]),
    case(
        "flight_id: int64",
        "flight_id: int46",
        &[".yaml:18:", "`int46` is not a type", "did you mean `int64`?"],
    ),
    case(
        "assumed_delay: 2m",
        "assumed_delay: 2 minutes",
        &[".yaml:28:", "is not a duration", "did you mean `2m`?"],
    ),
    case("ttl: 7d", "ttl: 0s", &[".yaml:51: `ttl`", "`0s` is not a duration above zero"]),
    case("ttl: 7d", "ttl: 100000y", &[".yaml:51: `ttl`", "`100000y` is not a duration of at most 10000y"]),
    case(
        "latest: dest",
        "latest: \"date_part('hour', landed_at AT TIME ZONE dest)\"",
        &[".yaml:54: feature `last_dest`", "`AT TIME ZONE` takes one zone for all rows", "and not `dest`"],
    ),
    case("ttl: 7d", "ttl: 7", &[".yaml:51: `ttl`", "`7` is not a duration", "as in 90s, 5m, 1h"]),
    case(
        "source: landings",
        "source: landing",
        &[".yaml:35: unknown source `landing`", ".yaml:50:", "`landings`?"],
    ),
    case(
        "entity: airport",
        "entity: aeroport",
        &[".yaml:34: unknown entity `aeroport`, did you mean `airport`?"],
    ),
    case(
        "latest: dest",
        "latest: dst",
        &[".yaml:54: feature `last_dest`", "unknown column `dst`", "`dest`?"],
    ),
    case(
        "latest: dest",
        "latest: zebra",
        &[".yaml:54: feature `last_dest`", "unknown column `zebra`: there is flight_id, landed_at, "],
    ),
    case("mean(arr_delay)", "mean(tailnum)", &[".yaml:44:", "mean does not take string"]),
    case(
        "mean(arr_delay)",
        "meen(arr_delay)",
        &[".yaml:44:", "unknown aggregate `meen`, did you mean `mean`?"],
    ),
    case("latest: dest", "latest: \"nope(dest)\"", &[".yaml:54:", "unknown function `nope`"]),
    case("latest: dest", "latest: \"dest > 5\"", &[".yaml:54: feature `last_dest`", "type error", "string"]),
    case(
        "dest_mean_delay_1d /",
        "dest_mean_delay /",
        &[".yaml:64:", "unknown column `dest_mean_delay`", "_1d`?"],
    ),
    case(
        "airport_arrivals@1, on: {airport: dest}, prefix",
        "airport_arrivals@3, on: {airport: dest}, prefix",
        &[".yaml:71: there is no view `airport_arrivals@3`"],
    ),
    case(
        "airport_arrivals@1, on: {airport: dest}, prefix",
        "airport_arrivals@1, on: {airprt: dest}, prefix",
        &[".yaml:71:", "airprt"],
    ),
];

#[test]
fn every_mistake_is_named_with_its_file_its_line_and_what_to_change() {
    for Case { from, to, says: parts } in EDITS {
        let project = Project::applied();
        project.edit("features/flights.yaml", from, to);
        for command in ["plan", "apply"] {
            let message = project.refused(command);
            says(&message, &["features/flights.yaml:"]);
            says(&message, parts);
        }
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let project = Project::applied();
    let edits = EDITS.iter().filter(|case| case.from.starts_with("latest") || case.from.starts_with("ttl"));
    for Case { from, to, .. } in edits {
        if project.read("features/flights.yaml").contains(from) {
            project.edit("features/flights.yaml", from, to);
        }
    }
    says(&project.refused("plan"), &[".yaml:51:", ".yaml:54:"]);
}

#[test]
fn a_name_is_defined_once_whatever_the_file() {
    let project = Project::applied();
    project.write("features/more.yaml", "kind: entity\nname: airport\nkeys: {airport: string}\n");
    says(
        &project.refused("plan"),
        &["features/more.yaml:2: entity `airport` is defined twice, first in features/flights.yaml:6"],
    );
}

#[test]
fn an_output_name_is_given_once_in_a_service() {
    let project = Project::applied();
    let service = "kind: feature_service\nname: two\nversion: 1\nfeatures:\n  \
                   - {from: airport_arrivals@1, on: {airport: dest}}\n  \
                   - {from: airport_arrivals@1, on: {airport: origin}, take: [last_delay]}\n";
    project.write("features/two.yaml", service);
    says(&project.refused("plan"), &["features/two.yaml:6:", "`last_delay`", "line 5", "`prefix`"]);
}

#[test]
fn a_cycle_is_shown_as_a_path() {
    let project = Project::applied();
    let view = |name: &str, other: &str, feature: &str, expression: &str| {
        format!(
            "kind: on_demand_view\nname: {name}\nversion: 1\ninputs: [{{from: {other}@1}}]\n\
             features:\n  {feature}: {{expression: \"{expression} + 1\"}}\n"
        )
    };
    project.write("features/a.yaml", view("a", "b", "x", "y"));
    project.write("features/b.yaml", view("b", "a", "y", "x"));
    says(&project.refused("plan"), &["features/", "a cycle", "a@1", "b@1", "take one of them out"]);
}

#[test]
fn a_project_without_definitions_says_where_they_belong_and_makes_nothing() {
    let project = Project::sample();
    std::fs::remove_dir_all(project.path("features")).unwrap();
    says(&project.refused("plan"), &["features: there is no such folder", "twinstore init"]);
    says(&project.refused("get late_arrival dest=LAX"), &["nothing is registered", "twinstore apply"]);
    says(&project.refused("--project nowhere plan"), &["there is no folder nowhere", "--project"]);
}

#[test]
fn a_registry_that_a_newer_version_wrote_is_left_alone() {
    let project = Project::loaded();
    claim_schema(&project, 1_000);
    for command in ["plan", "apply", "backfill --all", "registry list", "serve"] {
        says(&project.refused(command), &["was written by a newer twinstore", "upgrade twinstore"]);
    }
}

#[test]
fn settings_that_are_wrong_are_named_by_their_key() {
    let cases: [(&str, &[&str]); 5] = [
        ("serve.grcp = \"x\"\n", &["twinstore.toml: `serve.grcp`: unknown field", "`grpc`, `http`"]),
        ("nonsense\n", &["twinstore.toml: TOML parse error at line 1"]),
        ("registry.url = \"mysql://x\"\n", &["`mysql://x` is no registry", "sqlite://PATH"]),
        ("online.url = \"red://x\"\n", &["`red://x` is no online store", "embedded://path"]),
        ("serve.grpc = \"here\"\n", &["`serve.grpc` is `here`", "127.0.0.1:6566"]),
    ];
    for (settings, parts) in cases {
        let project = Project::loaded();
        project.write("twinstore.toml", settings);
        says(&project.refused("serve"), parts);
    }
}

/// Makes the registry say that its tables are of this schema.
fn claim_schema(project: &Project, schema: i64) {
    project.registry(async |connection: &mut SqliteConnection| {
        let claim = sqlx::query("UPDATE registry SET schema_version = $1").bind(schema);
        assert_eq!(claim.execute(connection).await.unwrap().rows_affected(), 1);
    });
}
