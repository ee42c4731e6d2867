//! What was resolved so far, and how the next draft refers to it.

use std::collections::{BTreeMap, BTreeSet};

use feature::{Name, Source, VersionId};

use crate::body::Entity;
use crate::catalog::Catalog;
use crate::nearest::did_you_mean_or_list;
use crate::problem::Report;
use crate::registered::Registered;
use crate::yaml::Node;

/// What was resolved so far: what the next draft may refer to.
pub(super) struct Known<'a> {
    pub(super) registered: &'a Registered,
    /// The entities of the files; `None` for one that has a problem.
    pub(super) entities: BTreeMap<Name, Option<Entity>>,
    /// The sources of the files; `None` for one that has a problem.
    pub(super) sources: BTreeMap<Name, Option<Source>>,
    /// The views of the files, and the registered ones that have no file.
    pub(super) catalog: Catalog,
    /// The on-demand views of the files, which are resolved after feature views.
    pub(super) on_demand: BTreeSet<VersionId>,
    /// The views of the files that have a problem.
    pub(super) broken: BTreeSet<VersionId>,
    pub(super) is_complete: bool,
}

/// The definition that a key of a document refers to; `None` where it is missing, which is
/// reported, or has a problem of its own, which is not.
pub(super) fn referred<'k, T>(
    root: &Node,
    key: &str,
    among: &'k BTreeMap<Name, Option<T>>,
    is_complete: bool,
    report: &mut Report<'_>,
) -> Option<&'k T> {
    let node = root.get(key)?;
    let name = node.text()?;
    match among.get(name) {
        Some(known) => known.as_ref(),
        None => {
            if is_complete && name.parse::<Name>().is_ok() {
                let near = did_you_mean_or_list(name, among.keys().map(Name::as_str));
                report.at(node.at, format!("unknown {key} `{name}`{near}"));
            }
            None
        }
    }
}
