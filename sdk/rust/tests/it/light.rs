//! The client is light: what its users have to compile.

use std::collections::BTreeSet;
use std::process::Command;

/// What computes features, and is no part of a client.
const HEAVY: [&str; 7] =
    ["arrow", "datafusion", "deltalake-core", "heed", "object_store", "parquet", "twinstore-feature"];

#[test]
fn neither_arrow_nor_datafusion_is_in_the_tree_of_the_client() {
    let cargo = std::env::var("CARGO").expect("cargo runs the tests");
    let arguments =
        ["tree", "--offline", "--locked", "--package", "twinstore-client", "--edges", "normal,build"];
    let tree = Command::new(cargo).args(arguments).args(["--prefix", "none"]).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name);
    let names: BTreeSet<&str> = names.collect();
    println!("the client's tree has {} crates", names.len());
    assert!(names.contains("tonic") && names.len() < 120, "{} crates", names.len());
    let heavy: Vec<_> =
        names.iter().filter(|name| HEAVY.iter().any(|heavy| name.starts_with(heavy))).collect();
    assert!(heavy.is_empty(), "{heavy:?}");
}
