//! `import feast`: repositories of the shapes that Feast's users have, read by the real Feast. Where both can read the same
//! files, every value of training sets and online reads is compared with what Feast gives.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::project::{Done, Project, says};

/// The repositories, and the programs that write their data and compare values.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/feast_repositories")
}

/// The Python that `scripts/feast` installs.
fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.twinstore/feast/bin/python");
    assert!(python.exists(), "Feast is not installed: run scripts/install-test-needs");
    python
}

fn run_python(words: &[&Path]) -> String {
    let done = Command::new(python())
        .args(["-W", "ignore"])
        .args(words)
        .env("FEAST_USAGE", "False")
        .output()
        .unwrap();
    let (said, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}\n{errors}");
    said.into_owned()
}

/// A copy of the repository with the files that it reads, in `repositories/NAME` of a folder of its own.
fn copied(name: &str) -> Project {
    let project = Project::empty();
    for entry in std::fs::read_dir(folder().join(name)).unwrap() {
        let file = entry.unwrap().path();
        let to = format!("repositories/{name}/{}", file.file_name().unwrap().to_string_lossy());
        if file.is_file() {
            project.write(&to, std::fs::read(&file).unwrap());
        }
    }
    project
}

fn with_data(name: &str) -> Project {
    let project = copied(name);
    for other in ["quick_start", "driver_ranking", "credit_scoring", "fraud", "streaming", "functions"] {
        std::fs::create_dir_all(project.path("repositories").join(other)).unwrap();
    }
    run_python(&[&folder().join("data.py"), &project.path("repositories")]);
    project
}

/// Imports the repository into the folder `project`. Gives what the command said.
fn import(project: &Project, name: &str) -> String {
    project.ok(&format!("import feast repositories/{name} --out project --python {}", python().display()))
}

fn refused(project: &Project, words: &str) -> String {
    let done = Done::of(project.command(words).output().unwrap());
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    done.stderr
}

/// Loads the imported project, and compares its values with Feast's. Gives how many lines of comparisons there were.
fn compare(name: &str, load: &str) -> usize {
    let project = with_data(name);
    import(&project, name);
    project.ok("--project project apply");
    project.ok(&format!("--project project backfill {load}"));
    let (compare, repository) = (folder().join("compare.py"), project.path("repositories").join(name));
    let twinstore = Path::new(env!("CARGO_BIN_EXE_twinstore"));
    let said = run_python(&[&compare, &repository, twinstore, &project.path("project")]);
    said.lines().filter(|line| line.ends_with("are equal")).count()
}

#[test]
fn the_quick_start_gives_the_values_that_feast_gives() {
    assert_eq!(compare("quick_start", "driver_hourly_stats@1"), 4);
}

#[test]
fn roles_and_composite_keys_give_the_values_that_feast_gives() {
    assert_eq!(compare("driver_ranking", "--all"), 4);
}

#[test]
fn python_functions_of_lists_give_the_values_that_feast_gives() {
    assert_eq!(compare("credit_scoring", "zipcode_features@1 credit_history@1"), 2);
}

#[test]
fn pandas_functions_over_two_views_give_the_values_that_feast_gives() {
    assert_eq!(compare("fraud", "user_counts@1 account@1"), 2);
}

#[test]
fn every_form_of_a_function_that_is_carried_gives_the_values_that_feast_gives() {
    assert_eq!(compare("functions", "--all"), 3);
}

#[test]
fn a_number_of_pandas_that_is_compared_with_none_is_listed() {
    let said = import(&with_data("functions"), "functions");
    says(
        &said,
        &["feature `margin_none`: line ", "a number that is missing is NaN in pandas and never None"],
    );
}

#[test]
fn streams_with_windows_and_functions_of_spark_become_definitions() {
    let project = copied("streaming");
    let said = import(&project, "streaming");
    says(
        &said,
        &[
            "1 entity, 3 sources, 5 feature views, 1 feature service",
            "clicks.py:100: stream feature view `pages_seen`: line 109: `df.groupBy('visitor_id')` has no translation",
            "rows of a KinesisSource are not followed",
            "gs://shop/searches cannot be read from here",
            "the windows of mean_dwell_3600s, clicks_1d, max_price_600s, stddev_dwell end at the moment of the read",
        ],
    );
    says(
        &project.read("project/features/clicks.yaml"),
        &[
            "allowed_lateness: 5m",
            "stream: {topic: \"clicks\", format: json}",
            "stream: {topic: \"orders\", format: avro, schema: \"schemas/orders.avsc\"}",
            "  max_price_600s: {aggregate: max(price), window: 10m, hop: 1m}",
            "  dwell_minutes: {latest: \"cast(dwell / 60.0 as real)\"}",
            "  is_dear: {latest: \"CASE WHEN price > 100.0 THEN 1 ELSE 0 END\"}",
        ],
    );
    says(&project.read("project/twinstore.toml"), &["stream.brokers = \"localhost:9092\""]);
    project.ok("--project project plan");
}

/// The first block of this language behind the words "One project in both".
fn documented(page: &str, language: &str) -> String {
    let behind = page.split_once("One project in both:").unwrap().1;
    let block = behind.split_once(&format!("```{language}\n")).unwrap().1;
    block.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_project_of_the_documentation_is_imported_as_it_says() {
    const IMPORTS: &str = "import numpy as np\nimport pandas as pd\nfrom datetime import timedelta\nfrom feast import *\n\
         from feast.on_demand_feature_view import on_demand_feature_view\nfrom feast.types import *\n";
    const HOURLY: &str = "import sys, numpy, pandas\n\
         pandas.DataFrame({'event_timestamp': pandas.to_datetime(['2024-01-01'], utc=True), 'driver_id': [1],\n\
         'conv_rate': numpy.array([0.5], 'float32'), 'trips': [4]}).to_parquet(sys.argv[1])\n";
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/from-feast.md")).unwrap();
    let project = Project::empty();
    project.write("feature_repo/feature_store.yaml", "project: drivers\nregistry: r.db\nprovider: local\n");
    project.write("feature_repo/drivers.py", format!("{IMPORTS}{}", documented(&page, "python")));
    project.write("feature_repo/data/.gitkeep", "");
    project.write("hourly.py", HOURLY);
    run_python(&[&project.path("hourly.py"), &project.path("feature_repo/data/hourly.parquet")]);
    // The repository is found in the folder around it.
    project.ok(&format!("import feast . --out project --python {}", python().display()));
    let written = project.read("project/features/drivers.yaml");
    let (_, definitions) = written.split_once("---\n").unwrap();
    let folder = std::fs::canonicalize(project.path("feature_repo")).unwrap();
    assert_eq!(definitions.replace(folder.to_str().unwrap(), "/srv/feature_repo"), documented(&page, "yaml"));
}

#[test]
fn the_list_is_given_as_json_with_the_lines_of_the_repository() {
    let project = copied("quick_start");
    let words = format!(
        "import feast repositories/quick_start --out project --python {} --format json",
        python().display()
    );
    let done = Done::of(project.command(&words).output().unwrap());
    says(&done.stderr, &["running the Python code of", "repositories/quick_start with"]);
    let listed: Value = serde_json::from_str(&done.stdout).unwrap();
    let map = listed["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["what"].as_str().unwrap().contains("`vehicle`"));
    assert_eq!(map.unwrap()["outcome"], "not_carried");
    assert_eq!(map.unwrap()["at"], serde_json::json!({"file": "stats.py", "line": 28}));
    assert!(
        listed["carried"].as_array().unwrap().iter().any(|object| object["name"] == "driver_activity_v1@1")
    );
    assert!(
        !project.path("repositories/quick_start/__pycache__").exists(),
        "nothing is written into the repository"
    );
}

#[test]
fn what_stands_in_the_way_is_said_and_nothing_is_written_over() {
    let project = copied("quick_start");
    let python = python();
    let import = |more: &str| format!("import feast repositories/quick_start --out project {more}");
    says(&refused(&project, "import feast repositories"), &["holds no `feature_store.yaml`"]);
    says(
        &refused(&project, &import("--python /bin/false")),
        &["Feast is not installed for /bin/false", "--python"],
    );
    project.write("repositories/quick_start/broken.py", "x = 1\nimport no_such_module\n");
    let named = format!("--python {}", python.display());
    says(
        &refused(&project, &import(&named)),
        &["its Python code failed at broken.py:2 with ModuleNotFoundError: No module named 'no_such_module'"],
    );
    assert!(!project.path("project").exists());
    project.write("repositories/quick_start/broken.py", "print('a line on stdout')\n");
    project.write("project/features/stats.yaml", "# mine\n");
    says(&refused(&project, &import(&named)), &["already has features/stats.yaml"]);
    assert_eq!(project.read("project/features/stats.yaml"), "# mine\n");
}
