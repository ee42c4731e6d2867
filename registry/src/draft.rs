//! Documents sorted by what they define: known kinds, good names, each once.

use std::collections::BTreeMap;
use std::sync::Arc;

use feature::{About, Name, VersionId, excerpt};

use crate::body::DefinitionId;
use crate::foreign;
use crate::keys::{Kind, record_of};
use crate::nearest::did_you_mean_or_list;
use crate::problem::{Mark, Problem, Report};
use crate::shape::check_record;
use crate::yaml::{Document, Node};

/// The longest of what a message shows of a name.
const LONGEST_SHOWN_CHARS: usize = 80;

/// A document that says what it defines. What it says beyond that may still be wrong.
pub(crate) struct Draft {
    pub(crate) id: DefinitionId,
    pub(crate) document: Document,
    /// Whether the document has the shape that its kind wants.
    pub(crate) is_sound: bool,
}

impl Draft {
    pub(crate) fn root(&self) -> &Node {
        &self.document.root
    }

    pub(crate) fn at(&self) -> Mark {
        self.root().at
    }

    /// As messages name it: "feature_view `airport_arrivals`".
    pub(crate) fn context(&self) -> String {
        format!("{} `{}`", self.id.kind.name(), self.id.name)
    }

    /// The version of a draft that has one, which those of views and services do.
    pub(crate) fn version_id(&self) -> VersionId {
        VersionId { name: self.id.name.clone(), version: self.id.version.unwrap_or(1) }
    }

    /// Who answers for it, and what it is.
    pub(crate) fn about(&self) -> About {
        let root = self.root();
        let tags = root.get("tags").map(Node::entries).unwrap_or_default();
        About {
            owner: root.string("owner"),
            description: root.string("description"),
            tags: tags
                .iter()
                .filter_map(|tag| Some((tag.key.clone(), tag.value.text()?.to_owned())))
                .collect(),
            expect_change: BTreeMap::new(),
        }
    }
}

/// The drafts of these documents. A document without a kind, a name or a version is reported and
/// left out, and the second answer is false; one that defines what another defines is reported and
/// left out too.
pub(crate) fn drafts(documents: Vec<Document>, problems: &mut Vec<Problem>) -> (Vec<Draft>, bool) {
    let mut defined_at: BTreeMap<(bool, DefinitionId), (Arc<str>, Mark)> = BTreeMap::new();
    let (mut drafts, mut all_say) = (Vec::new(), true);
    for document in documents {
        let file = document.file.clone();
        let mut report = Report::new(&file, problems);
        let Some(draft) = draft(document, &mut report) else {
            all_say = false;
            continue;
        };
        let is_view = matches!(draft.id.kind, Kind::FeatureView | Kind::OnDemandView);
        let kind = if is_view { Kind::FeatureView } else { draft.id.kind };
        let named = (is_view, DefinitionId { kind, ..draft.id.clone() });
        if let Some((other, at)) = defined_at.get(&named) {
            let what = format!(
                "{} `{}` is defined twice, first in {other}:{}: rename one or give it another version",
                draft.id.kind.name(),
                draft.id.reference(),
                at.line
            );
            report.at(name_at(&draft.document.root), what);
            continue;
        }
        defined_at.insert(named, (file, name_at(&draft.document.root)));
        drafts.push(draft);
    }
    (drafts, all_say)
}

fn name_at(root: &Node) -> Mark {
    root.get("name").map_or(root.at, |name| name.at)
}

fn draft(document: Document, report: &mut Report<'_>) -> Option<Draft> {
    let root = &document.root;
    let kinds = || Kind::ALL.iter().map(|kind| kind.name());
    if root.entries().is_empty() {
        let what = format!("this document is {}: make it a map that begins with `kind:`", root.is_a());
        report.at(root.at, what);
        return None;
    }
    let Some(kind) = root.get("kind") else {
        let kinds: Vec<&str> = kinds().collect();
        report.at(root.at, format!("this document has no `kind`: add one of {}", kinds.join(", ")));
        return None;
    };
    let given = kind.text().unwrap_or_default();
    let Some(known) = Kind::named(given) else {
        let near = match foreign::kind(given) {
            Some(ours) => format!(", which is called `{}` here", ours.name()),
            None => did_you_mean_or_list(given, kinds()),
        };
        report.at(kind.at, format!("unknown kind `{given}`{near}"));
        return None;
    };
    let name = root.string("name").map(|name| excerpt(&name, LONGEST_SHOWN_CHARS).into_owned());
    let context = match &name {
        Some(name) => format!("{} `{name}`", known.name()),
        None => format!("this {}", known.name()),
    };
    check_record(record_of(known), root, &context, report);
    let name: Name = name?.parse().ok()?;
    let version = match known.is_versioned() {
        true => Some(root.parse::<u32>("version").filter(|version| *version > 0)?),
        false => None,
    };
    let id = DefinitionId { kind: known, name, version };
    let is_sound = !report.has_problems();
    Some(Draft { id, document, is_sound })
}
