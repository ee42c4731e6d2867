//! The modules of a crate as its `mod` lines declare them, without those of tests, and which module uses which.

use std::collections::{BTreeMap, BTreeSet};

use super::code::bare;
use super::tree::{File, Tree};

/// The path of a module from the root of its crate; empty for the root itself.
pub(super) type ModulePath = Vec<String>;

/// The modules of one crate.
pub(super) struct Modules<'a> {
    pub(super) all: BTreeMap<ModulePath, Module<'a>>,
}

/// One module: a file.
pub(super) struct Module<'a> {
    pub(super) file: &'a File,
    /// Its code outside of tests, as words, `::` and single signs.
    tokens: Vec<String>,
    /// What its `use` lines name, by the name under which it is known here.
    imports: BTreeMap<String, ModulePath>,
    /// Re-exports of its own children.
    reexports: BTreeSet<ModulePath>,
}

impl<'a> Modules<'a> {
    /// The modules of the crate in this folder, from its `lib.rs` or `main.rs` on.
    pub(super) fn of(tree: &'a Tree, krate: &str) -> Self {
        let mut modules = Self { all: BTreeMap::new() };
        for root in ["lib.rs", "main.rs"] {
            if let Some(file) = tree.file(&format!("{krate}/src/{root}")) {
                modules.add(tree, file, &format!("{krate}/src"), Vec::new());
                break;
            }
        }
        let paths: BTreeSet<ModulePath> = modules.all.keys().cloned().collect();
        for (path, module) in &mut modules.all {
            module.read_imports(path, &paths);
        }
        modules
    }

    fn add(&mut self, tree: &'a Tree, file: &'a File, folder: &str, path: ModulePath) {
        let tokens = without_tests(tokens(&bare(&file.text)));
        for declared in tokens.windows(3).filter(|window| window[0] == "mod" && window[2] == ";") {
            let name = &declared[1];
            let below = format!("{folder}/{name}");
            let child = tree.file(&format!("{below}.rs")).or_else(|| tree.file(&format!("{below}/mod.rs")));
            if let Some(child) = child {
                self.add(tree, child, &below, joined(&path, std::slice::from_ref(name)));
            }
        }
        self.all.insert(path, Module { file, tokens, imports: BTreeMap::new(), reexports: BTreeSet::new() });
    }

    /// The modules whose items each module uses. A re-export of an own child is no use of it, and what is used by
    /// way of a re-export is a use of the module that has it.
    pub(super) fn uses(&self) -> BTreeMap<&ModulePath, BTreeSet<&ModulePath>> {
        self.all
            .iter()
            .map(|(path, module)| {
                let imports = module.imports.values().filter(|used| !module.reexports.contains(*used));
                let inline = inline_paths(&module.tokens).into_iter();
                let inline = inline.filter_map(|used| self.absolute(path, module, &used));
                let used = imports.cloned().chain(inline).filter_map(|used| self.owner(&used));
                (path, used.filter(|used| *used != path).collect())
            })
            .collect()
    }

    /// A path in code, from the crate's root; `None` for what another crate has.
    fn absolute(&self, of: &ModulePath, module: &Module<'_>, used: &[String]) -> Option<ModulePath> {
        if let Some(path) = rooted(of, used) {
            return Some(path);
        }
        let child = joined(of, &used[..1]);
        if self.all.contains_key(&child) {
            return Some(joined(of, used));
        }
        let imported = module.imports.get(&used[0])?;
        self.all.contains_key(imported).then(|| joined(imported, &used[1..]))
    }

    /// The module that has what a path names, through re-exports.
    fn owner(&self, path: &[String]) -> Option<&ModulePath> {
        let mut path = path.to_vec();
        // A chain of re-exports is shorter than this.
        for _ in 0..16 {
            let depth = (0..=path.len()).rev().find(|depth| self.all.contains_key(&path[..*depth]))?;
            let (module, found) = self.all.get_key_value(&path[..depth])?;
            match path.get(depth).and_then(|name| found.imports.get(name)) {
                Some(target) if *target != path => path = joined(target, &path[depth + 1..]),
                _ => return Some(module),
            }
        }
        None
    }
}

impl Module<'_> {
    fn read_imports(&mut self, path: &ModulePath, modules: &BTreeSet<ModulePath>) {
        let mut at = 0;
        while let Some(found) = self.tokens[at..].iter().position(|token| token == "use") {
            let start = at + found + 1;
            let length = self.tokens[start..].iter().position(|token| token == ";").unwrap_or(0);
            let is_public = found + at > 0 && matches!(self.tokens[at + found - 1].as_str(), "pub" | ")");
            for (name, used) in use_tree(&self.tokens[start..start + length]) {
                let child = joined(path, &used[..1]);
                let absolute =
                    rooted(path, &used).or_else(|| modules.contains(&child).then(|| joined(path, &used)));
                if let Some(absolute) = absolute {
                    if is_public && absolute.starts_with(path) {
                        self.reexports.insert(absolute.clone());
                    }
                    self.imports.insert(name, absolute);
                }
            }
            at = start + length;
        }
    }
}

/// A path that begins with `crate`, `self` or `super`, from the crate's root.
fn rooted(of: &ModulePath, used: &[String]) -> Option<ModulePath> {
    match used[0].as_str() {
        "crate" => Some(used[1..].to_vec()),
        "self" => Some(joined(of, &used[1..])),
        "super" => {
            let ups = used.iter().take_while(|part| *part == "super").count();
            Some(joined(&of[..of.len().saturating_sub(ups)], &used[ups..]))
        }
        _ => None,
    }
}

fn joined(path: &[String], rest: &[String]) -> ModulePath {
    path.iter().chain(rest).cloned().collect()
}

/// The paths of one `use`, each with the name under which it is known.
fn use_tree(tokens: &[String]) -> Vec<(String, ModulePath)> {
    let mut found = Vec::new();
    let mut prefixes: Vec<ModulePath> = vec![Vec::new()];
    let mut path: ModulePath = Vec::new();
    let mut alias = None;
    let mut at = 0;
    let mut end = |path: &mut ModulePath, alias: &mut Option<String>, prefix: &ModulePath| {
        let mut whole = joined(prefix, path);
        if whole.last().is_some_and(|last| last == "self") {
            whole.pop();
        }
        if let (Some(last), false) = (whole.last().cloned(), path.is_empty()) {
            found.push((alias.take().unwrap_or(last), whole));
        }
        path.clear();
    };
    while at < tokens.len() {
        match tokens[at].as_str() {
            "::" => {}
            "{" => {
                let prefix = joined(prefixes.last().unwrap(), &path);
                prefixes.push(prefix);
                path.clear();
            }
            "," => end(&mut path, &mut alias, prefixes.last().unwrap()),
            "}" => {
                end(&mut path, &mut alias, prefixes.last().unwrap());
                prefixes.pop();
            }
            "as" => {
                at += 1;
                alias = tokens.get(at).cloned();
            }
            part => path.push(part.to_owned()),
        }
        at += 1;
    }
    end(&mut path, &mut alias, prefixes.last().unwrap());
    found
}

/// The paths of several parts that code names, outside of `use` lines.
fn inline_paths(tokens: &[String]) -> Vec<ModulePath> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at += tokens[at..].iter().position(|token| token == ";").unwrap_or(0);
        }
        let mut path = Vec::new();
        while is_word(&tokens[at]) {
            path.push(tokens[at].clone());
            match tokens.get(at + 1..at + 3) {
                Some([sign, next]) if sign == "::" && is_word(next) => at += 2,
                _ => break,
            }
        }
        if path.len() > 1 {
            found.push(path);
        }
        at += 1;
    }
    found
}

fn is_word(token: &str) -> bool {
    token.starts_with(|character: char| character.is_alphanumeric() || character == '_')
}

fn tokens(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ':' if rest.starts_with("::") => 2,
            _ if is_word(rest) => rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        found.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    found
}

/// The tokens without the items that are compiled for tests only.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].len() < TEST.len()
            || !tokens[at..].iter().zip(TEST).all(|(token, test)| token == test)
        {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        at += TEST.len();
        while at < tokens.len() {
            match tokens[at].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 && matches!(tokens[at - 1].as_str(), "}" | ";") {
                break;
            }
        }
    }
    kept
}
