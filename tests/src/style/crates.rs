//! The tree is the architecture: which crate may depend on which, and what the crate of the laws keeps out.

use super::tree::{File, Tree, Violation};
use super::{hold, in_sample, in_samples};

/// Each crate with the crates that it may depend on. A new crate gets a line here.
const CRATES: [(&str, &[&str]); 33] = [
    ("capacity", &[]),
    ("feature", &[]),
    ("exposition", &[]),
    ("files", &[]),
    ("locks", &["feature"]),
    ("access", &["feature"]),
    ("monitor", &["feature"]),
    ("proto", &[]),
    ("transform", &["feature"]),
    ("registry", &["access", "feature", "files", "locks", "transform"]),
    ("offline", &["feature", "files", "locks", "transform"]),
    ("online", &["feature", "files", "locks"]),
    (
        "materializer",
        &["exposition", "feature", "files", "locks", "monitor", "transform", "offline", "online"],
    ),
    ("read", &["feature", "transform", "online"]),
    ("server", &["access", "exposition", "feature", "monitor", "transform", "online", "read", "proto"]),
    (
        "project",
        &[
            "access",
            "exposition",
            "feature",
            "files",
            "monitor",
            "transform",
            "registry",
            "offline",
            "online",
            "materializer",
            "read",
            "proto",
            "server",
        ],
    ),
    ("pages", &["feature", "project"]),
    ("cli", &["capacity", "feature", "files", "pages", "project"]),
    ("sdk/python", &["feature", "transform", "read", "project", "cli"]),
    ("sdk/rust", &["proto"]),
    ("tests", &["feature", "materializer", "offline", "online", "project", "registry", "server"]),
    ("fuzz", &["feature", "materializer", "offline", "online", "project", "registry", "server"]),
    ("test-support", &[]),
    ("tests/faults", &["feature", "registry", "offline", "online", "project", "test-support"]),
    ("examples/replay", &["feature"]),
    ("benches/get", &["proto"]),
    ("benches/hot", &["feature", "online"]),
    ("benches/join/scan", &[]),
    ("benches/redis", &["feature", "online"]),
    ("benches/stream", &["feature"]),
    ("benches/tier", &["feature", "online"]),
    ("benches/online/echo", &["proto"]),
    ("benches/online/load", &["proto"]),
];

/// What `feature` never depends on: it has no I/O, no async and no columns.
const NOT_IN_FEATURE: [&str; 9] =
    ["arrow", "datafusion", "deltalake-core", "futures", "heed", "object_store", "parquet", "sqlx", "tokio"];

/// A line of a manifest that declares a dependency: where, the section and the name.
struct Dependency<'a> {
    line: usize,
    section: &'a str,
    name: &'a str,
}

fn dependencies(manifest: &File) -> Vec<Dependency<'_>> {
    let mut section = "";
    let mut found = Vec::new();
    for (index, line) in manifest.text.lines().enumerate() {
        let line = line.trim();
        let table = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let in_a_table = section.split('.').any(|part| part.ends_with("dependencies"));
        if let Some(table) = table {
            section = table;
            // `[dependencies.name]` declares one as a table.
            if let Some((before, name)) = table.rsplit_once('.')
                && before.ends_with("dependencies")
            {
                found.push(Dependency { line: index + 1, section: before, name });
                section = "";
            }
        } else if let Some((key, _)) = line.split_once('=')
            && in_a_table
            && !line.starts_with('#')
        {
            let name = key.trim().split('.').next().unwrap_or_default().trim_matches('"');
            found.push(Dependency { line: index + 1, section, name });
        }
    }
    found
}

fn dependencies_point_down(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (member, manifest) in tree.manifests() {
        let Some((_, allowed)) = CRATES.iter().find(|(name, _)| *name == member) else {
            found.push(
                manifest.at(1, format!("say in the style test what the crate `{member}` may depend on")),
            );
            continue;
        };
        for Dependency { line, section, name } in dependencies(manifest) {
            let name = match name {
                // The library that users name.
                "twinstore" => "project",
                name => name.strip_prefix("twinstore-").unwrap_or(name),
            };
            // A test may reach sideways: what it needs is no part of the crate.
            let counts = !section.ends_with("dev-dependencies");
            if counts && CRATES.iter().any(|(other, _)| *other == name) && !allowed.contains(&name) {
                found.push(manifest.at(
                    line,
                    format!("`{member}` may not know `{name}`: move what it needs down, or its use up"),
                ));
            }
        }
    }
    found
}

fn feature_has_no_effects(tree: &Tree) -> Vec<Violation> {
    let Some(manifest) = tree.file("feature/Cargo.toml") else { return Vec::new() };
    let declared = dependencies(manifest).into_iter();
    declared
        .filter(|dependency| NOT_IN_FEATURE.contains(&dependency.name))
        .map(|Dependency { line, name, .. }| {
            manifest.at(line, format!("`feature` is pure and may not depend on `{name}`"))
        })
        .collect()
}

fn every_crate_is_on_the_map(tree: &Tree) -> Vec<Violation> {
    let map = tree.file("docs/ARCHITECTURE.md").map(|file| file.text.as_str()).unwrap_or_default();
    tree.manifests()
        .filter(|(member, _)| !map.contains(&format!("`{member}/`")))
        .map(|(member, manifest)| {
            manifest.at(1, format!("docs/ARCHITECTURE.md does not say what `{member}/` is"))
        })
        .collect()
}

#[test]
fn dependencies_between_crates_point_down() {
    hold(dependencies_point_down);
}

#[test]
fn the_laws_depend_on_nothing_with_effects() {
    hold(feature_has_no_effects);
}

#[test]
fn the_map_names_every_crate() {
    hold(every_crate_is_on_the_map);
}

#[test]
fn a_dependency_sideways_or_up_is_found_in_every_spelling() {
    for (member, line) in [
        ("online", "registry.workspace = true"),
        ("feature", "transform = { path = \"../transform\" }"),
        ("server", "\"offline\" = \"1\""),
        ("materializer", "twinstore-cli.workspace = true"),
        ("server", "twinstore.workspace = true"),
        ("cli", "registry.workspace = true"),
    ] {
        let manifest = format!("[package]\nname = \"x\"\n\n[dependencies]\nserde = \"1\"\n{line}\n");
        let found = in_sample(dependencies_point_down, &format!("{member}/Cargo.toml"), &manifest);
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(found[0].starts_with(&format!("{member}/Cargo.toml:6: ")), "{found:?}");
    }
    let table =
        "[dependencies.offline]\npath = \"../offline\"\n[target.'cfg(unix)'.dependencies]\ncli = \"1\"\n";
    let found = in_sample(dependencies_point_down, "online/Cargo.toml", table);
    assert!(found[0].contains(":1: `online` may not know `offline`"), "{found:?}");
    assert!(found[1].contains(":4: `online` may not know `cli`"), "{found:?}");
}

#[test]
fn a_dependency_down_and_one_of_a_test_are_not_found() {
    let manifest =
        "[dependencies]\nfeature.workspace = true\n[dev-dependencies]\nregistry.workspace = true\n";
    assert!(in_sample(dependencies_point_down, "online/Cargo.toml", manifest).is_empty());
}

#[test]
fn a_crate_without_a_rule_is_found() {
    let found = in_sample(dependencies_point_down, "attic/Cargo.toml", "[package]\n");
    assert_eq!(found, ["attic/Cargo.toml:1: say in the style test what the crate `attic` may depend on"]);
}

#[test]
fn a_runtime_among_the_laws_is_found() {
    let found = in_sample(feature_has_no_effects, "feature/Cargo.toml", "[dependencies]\ntokio = \"1\"\n");
    assert_eq!(found, ["feature/Cargo.toml:2: `feature` is pure and may not depend on `tokio`"]);
}

#[test]
fn a_crate_that_is_not_on_the_map_is_found() {
    let files = [("docs/ARCHITECTURE.md", "- `feature/`: the laws"), ("attic/Cargo.toml", "[package]")];
    assert_eq!(in_samples(every_crate_is_on_the_map, &files).len(), 1);
    let files = [("docs/ARCHITECTURE.md", "- `attic/`: what is old"), ("attic/Cargo.toml", "[package]")];
    assert!(in_samples(every_crate_is_on_the_map, &files).is_empty());
}
