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
    let mut order = Order { views: &views, reading, done: BTreeMap::new(), found, broken, problems };
    for id in views.keys() {
        order.visit(id);
    }
    (order.found, order.broken)
}

struct Order<'d, 'r> {
    views: &'r BTreeMap<VersionId, &'d Draft>,
    reading: &'r Reading,
    /// Those that were followed, with the length of their longest chain.
    done: BTreeMap<VersionId, usize>,
    found: Vec<&'d Draft>,
    broken: Vec<&'d Draft>,
    problems: &'r mut Vec<Problem>,
}

/// The longest chain of views each of which reads the one before.
const LONGEST_CHAIN: usize = 2_500;

/// A view whose reads are being followed.
struct Visit<'d> {
    draft: &'d Draft,
    id: VersionId,
    reads: std::vec::IntoIter<(VersionId, Mark)>,
    is_broken: bool,
    /// The views below it, in the longest chain.
    below: usize,
}

impl<'d> Order<'d, '_> {
    fn enter(&self, id: &VersionId) -> Option<Visit<'d>> {
        let draft = self.views.get(id).copied().filter(|_| !self.done.contains_key(id))?;
        let reads = (self.reading.of)(draft).into_iter();
        Some(Visit { draft, id: id.clone(), reads, is_broken: false, below: 0 })
    }

    /// Follows what a view reads, without the stack: a chain may be long.
    fn visit(&mut self, id: &VersionId) {
        let mut path: Vec<Visit<'d>> = self.enter(id).into_iter().collect();
        let mut on_path: BTreeSet<VersionId> = path.iter().map(|visit| visit.id.clone()).collect();
        while let Some(visit) = path.last_mut() {
            match visit.reads.next() {
                Some((from, at)) if on_path.contains(&from) => {
                    visit.is_broken = true;
                    let draft = visit.draft;
                    let round = path.iter().map(|visit| &visit.id).skip_while(|id| **id != from);
                    let mut round: Vec<String> = round.map(ToString::to_string).collect();
                    round.push(from.to_string());
                    let (called, round) = (self.reading.called, round.join(" reads "));
                    let what = format!("a cycle of {called}: {round}: take one of them out");
                    Report::new(&draft.document.file, self.problems).at(at, what);
                }
                Some((from, _)) => match self.enter(&from) {
                    Some(next) => {
                        on_path.insert(from);
                        path.push(next);
                    }
                    None => visit.below = visit.below.max(self.done.get(&from).copied().unwrap_or(0)),
                },
                None => {
                    let Some(visit) = path.pop() else { break };
                    on_path.remove(&visit.id);
                    let length = self.leave(visit);
                    if let Some(reader) = path.last_mut() {
                        reader.below = reader.below.max(length);
                    }
                }
            }
        }
    }

    /// All that a view reads is followed; gives the length of its longest chain.
    fn leave(&mut self, visit: Visit<'d>) -> usize {
        let length = visit.below + 1;
        let is_too_long = length == LONGEST_CHAIN + 1;
        if is_too_long {
            let what = format!(
                "{} is the end of a chain of more than {LONGEST_CHAIN} {}: let it read one nearer to the source",
                visit.id, self.reading.called
            );
            Report::new(&visit.draft.document.file, self.problems).at(visit.draft.at(), what);
        }
        self.done.insert(visit.id, length);
        if visit.is_broken || length > LONGEST_CHAIN {
            self.broken.push(visit.draft);
        } else {
            self.found.push(visit.draft);
        }
        length
    }
}
