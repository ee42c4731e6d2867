//! No file of a crate uses, directly or through others, a file that uses it: each can be read by itself, from the
//! bottom up.

use std::collections::{BTreeMap, BTreeSet};

use super::code::product_crates;
use super::modules::{ModulePath, Modules};
use super::tree::{Tree, Violation};
use super::{hold, in_samples};

fn files_do_not_use_each_other(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for krate in product_crates(tree) {
        let modules = Modules::of(tree, krate);
        let uses = modules.uses();
        for cycle in cycles(&uses) {
            let names: Vec<String> = cycle.iter().map(|path| format!("`{}`", path.join("::"))).collect();
            found.push(modules.all[cycle[0]].file.at(
                1,
                format!("{} use each other: move what they share into a file below them", names.join(", ")),
            ));
        }
    }
    found
}

/// The sets of modules of which each uses, directly or through others, all others.
fn cycles<'a>(uses: &BTreeMap<&'a ModulePath, BTreeSet<&'a ModulePath>>) -> Vec<Vec<&'a ModulePath>> {
    let reachable: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> =
        uses.keys().map(|path| (*path, reached(path, uses))).collect();
    let mut found = Vec::new();
    let mut seen: BTreeSet<&ModulePath> = BTreeSet::new();
    for path in uses.keys().filter(|path| reachable[*path].contains(*path)) {
        if seen.contains(path) {
            continue;
        }
        let others = reachable[path].iter().filter(|other| reachable[*other].contains(path));
        let cycle: Vec<&'a ModulePath> = others.copied().collect();
        seen.extend(&cycle);
        found.push(cycle);
    }
    found
}

fn reached<'a>(
    from: &'a ModulePath,
    uses: &BTreeMap<&'a ModulePath, BTreeSet<&'a ModulePath>>,
) -> BTreeSet<&'a ModulePath> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(path) = open.pop() {
        open.extend(uses[path].iter().copied().filter(|used| reached.insert(*used)));
    }
    reached
}

#[test]
fn no_two_files_of_a_crate_use_each_other() {
    hold(files_do_not_use_each_other);
}

#[test]
fn a_cycle_is_found_through_reexports_and_in_inline_paths() {
    let lib = ("x/src/lib.rs", "mod a;\nmod b;\npub use a::A;\n");
    let cargo = ("x/Cargo.toml", "");
    let nested = ("x/src/a/mod.rs", "mod c;\npub use c::C;\n");
    for (a, b) in [
        ("use crate::b::B;", "use crate::a::A;"),
        ("fn f() { crate::b::g() }", "use super::a::{self, A};"),
        ("use crate::b;\nfn f() { b::g() }", "use crate::A;"),
    ] {
        let files = [cargo, lib, ("x/src/a.rs", a), ("x/src/b.rs", b)];
        let found = in_samples(files_do_not_use_each_other, &files);
        assert_eq!(found.len(), 1, "{a} {b}");
        assert!(found[0].starts_with("x/src/a.rs:1: `a`, `b` use each other"), "{found:?}");
    }
    let files =
        [cargo, lib, nested, ("x/src/a/c.rs", "use crate::b::B;"), ("x/src/b.rs", "use crate::a::C;")];
    let found = in_samples(files_do_not_use_each_other, &files);
    assert!(found[0].contains("`a::c`, `b` use each other"), "{found:?}");
}

#[test]
fn reexports_of_children_uses_in_tests_and_uses_downwards_are_no_cycle() {
    let files = [
        ("x/Cargo.toml", ""),
        ("x/src/lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;\n"),
        ("x/src/a.rs", "use crate::b::{B, c::C};\n// use crate::a\n"),
        ("x/src/b.rs", "mod c;\npub use c::C;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n"),
        ("x/src/b/c.rs", "use std::fmt;\n"),
    ];
    assert_eq!(in_samples(files_do_not_use_each_other, &files), Vec::<String>::new());
}
