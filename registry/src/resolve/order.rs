//! The order in which views are resolved: each after those that it reads. Those that close a cycle are reported.

use std::collections::{BTreeMap, BTreeSet};

use feature::VersionId;

use crate::draft::Draft;
use crate::keys::Kind;
use crate::problem::{Mark, Problem, Report};

/// How views of one kind read others of it.
pub(super) struct Reading {
    pub(super) kind: Kind,
    /// What several of them are called in a message.
    pub(super) called: &'static str,
    /// What one reads, with where it names it.
    pub(super) of: fn(&Draft) -> Vec<(VersionId, Mark)>,
}

/// The views of this kind among the drafts, each after those that it reads, and those that close a cycle, which are
/// reported.
pub(super) fn in_order<'d>(
    drafts: &'d [Draft],
    reading: &Reading,
    problems: &mut Vec<Problem>,
) -> (Vec<&'d Draft>, Vec<&'d Draft>) {
    let views = drafts.iter().filter(|draft| draft.id.kind == reading.kind);
    let views: BTreeMap<VersionId, &Draft> = views.map(|draft| (draft.version_id(), draft)).collect();
    let (found, broken) = (Vec::new(), Vec::new());
    let mut order = Order { views: &views, reading, done: BTreeSet::new(), found, broken, problems };
    for id in views.keys() {
        order.visit(id, &mut Vec::new());
    }
    (order.found, order.broken)
}

struct Order<'d, 'r> {
    views: &'r BTreeMap<VersionId, &'d Draft>,
    reading: &'r Reading,
    done: BTreeSet<VersionId>,
    found: Vec<&'d Draft>,
    broken: Vec<&'d Draft>,
    problems: &'r mut Vec<Problem>,
}

impl Order<'_, '_> {
    fn visit(&mut self, id: &VersionId, path: &mut Vec<VersionId>) {
        let Some(draft) = self.views.get(id).copied() else { return };
        if self.done.contains(id) {
            return;
        }
        path.push(id.clone());
        let mut is_broken = false;
        for (from, at) in (self.reading.of)(draft) {
            match path.iter().position(|seen| *seen == from) {
                Some(start) => {
                    is_broken = true;
                    let mut round: Vec<String> = path.iter().skip(start).map(ToString::to_string).collect();
                    round.push(from.to_string());
                    let (called, round) = (self.reading.called, round.join(" reads "));
                    let what = format!("a cycle of {called}: {round}: take one of them out");
                    Report::new(&draft.document.file, self.problems).at(at, what);
                }
                None => self.visit(&from, path),
            }
        }
        path.pop();
        self.done.insert(id.clone());
        if is_broken {
            self.broken.push(draft);
        } else {
            self.found.push(draft);
        }
    }
}
