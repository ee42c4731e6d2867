//! Validation of a request: every column there, of its type, and as long as the others. All problems of a
//! request are found at once.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use feature::{Field, ServicePlan, excerpt, nearest};

use crate::error::RequestError;
use crate::reader::FeatureReader;
use crate::request_column::RequestColumn;
use crate::scope::Scope;

/// Columns that one request may bring.
pub const MOST_COLUMNS: usize = 1_024;
/// Features that one request may name.
pub const MOST_FEATURES: usize = 4_096;
/// The longest of what a message shows of a name.
const LONGEST_SHOWN_CHARS: usize = 80;

/// The body of a request, its columns as they arrived.
#[derive(Clone, Debug)]
pub struct FeatureRequest<C> {
    /// Which features; empty for all of the service's.
    pub features: Vec<String>,
    /// The columns of join keys.
    pub entities: Vec<(String, C)>,
    /// The columns that on-demand features read.
    pub request: Vec<(String, C)>,
}

/// A request that fits its service.
#[derive(Clone, Debug)]
pub struct ValidatedRequest {
    pub(crate) scope: Arc<Scope>,
    pub(crate) rows: usize,
    /// The columns of join keys, in the plan's order; those that are not needed are not there.
    pub(crate) keys: Vec<Option<ArrayRef>>,
    /// The request columns, likewise.
    pub(crate) request: Vec<Option<ArrayRef>>,
}

impl FeatureReader {
    /// Validates a request of at most `max_entities` against the service; all of its problems are found
    /// at once.
    pub fn validate<C: RequestColumn>(
        &self,
        requested: FeatureRequest<C>,
        max_entities: usize,
    ) -> Result<ValidatedRequest, RequestError> {
        let plan = &*self.plan;
        let columns = requested.entities.len() + requested.request.len();
        for (given, limit, what) in
            [(columns, MOST_COLUMNS, "columns"), (requested.features.len(), MOST_FEATURES, "features")]
        {
            if given > limit {
                return Err(RequestError::TooManyNames { given, limit, what });
            }
        }
        let given = requested.entities.iter().chain(&requested.request);
        let longest = given.map(|(_, column)| column.rows()).max().unwrap_or(0);
        if longest > max_entities {
            return Err(RequestError::TooManyEntities { given: longest, limit: max_entities });
        }
        let mut problems = Problems::default();
        let scope = problems.scope(self, &requested.features);
        problems.lengths(&requested);
        let keys = Side { plan, fields: &plan.keys, needed: &scope.keys, kind: "join key", at: "entities" };
        let request = Side {
            plan,
            fields: &plan.request,
            needed: &scope.request,
            kind: "request column",
            at: "request",
        };
        let keys = problems.columns(&keys, requested.entities);
        let request = problems.columns(&request, requested.request);
        if problems.shown.is_empty() {
            Ok(ValidatedRequest { scope, rows: longest, keys, request })
        } else {
            Err(RequestError::Misfit { service: plan.id.clone(), problems: problems.into_list() })
        }
    }
}

impl ValidatedRequest {
    /// The column of the join key at this index in the plan; `None` if it was not given.
    pub fn key(&self, index: usize) -> Option<&ArrayRef> {
        self.keys.get(index)?.as_ref()
    }

    /// The request column at this index in the plan; `None` if it was not given.
    pub(crate) fn column(&self, index: usize) -> Option<&ArrayRef> {
        self.request.get(index)?.as_ref()
    }

    /// How many entities the request has.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// Join keys or request columns: what the service takes of them, and what a message calls them.
struct Side<'a> {
    plan: &'a ServicePlan,
    fields: &'a [Field],
    needed: &'a [bool],
    kind: &'static str,
    at: &'static str,
}

impl Side<'_> {
    /// What is wrong with a column that the service does not take on this side.
    fn unknown(&self, name: &str) -> String {
        let Side { kind, at, .. } = self;
        if let Some(field) = self.plan.column(name) {
            let other = if *at == "entities" { "request" } else { "entities" };
            return format!("`{}` is no {kind}: move it from `{at}` to `{other}`", field.name);
        }
        let shown = excerpt(name, LONGEST_SHOWN_CHARS);
        match nearest(name, self.fields.iter().map(|field| field.name.as_str())) {
            Some(meant) => format!("the {kind} `{shown}` is unknown, did you mean `{meant}`?"),
            None => format!("the {kind} `{shown}` is unknown"),
        }
    }
}

/// What is wrong with a request, as much of it as fits into an answer.
#[derive(Default)]
struct Problems {
    shown: Vec<String>,
    more: usize,
}

impl Problems {
    const MOST: usize = 20;
    const LONGEST_CHARS: usize = 240;

    fn push(&mut self, problem: String) {
        self.push_with(|| problem);
    }

    /// Adds a problem whose sentence takes work, which is done only where it is shown.
    fn push_with(&mut self, problem: impl FnOnce() -> String) {
        if self.shown.len() < Self::MOST {
            self.shown.push(excerpt(&problem(), Self::LONGEST_CHARS).into_owned());
        } else {
            self.more += 1;
        }
    }

    fn into_list(mut self) -> Vec<String> {
        if self.more > 0 {
            self.shown.push(format!("and {} more", self.more));
        }
        self.shown
    }

    /// What the features need; where some are unknown, what the others do.
    fn scope(&mut self, reader: &FeatureReader, features: &[String]) -> Arc<Scope> {
        let unknown = match reader.scopes.of(features) {
            Ok(scope) => return scope,
            Err(unknown) => unknown,
        };
        let names = || reader.plan.outputs.iter().map(|output| output.name.as_str());
        for name in &unknown {
            self.push_with(|| {
                let shown = excerpt(name, LONGEST_SHOWN_CHARS);
                match nearest(name, names()) {
                    Some(meant) => format!("the feature `{shown}` is unknown, did you mean `{meant}`?"),
                    None => format!("the feature `{shown}` is unknown"),
                }
            });
        }
        let unknown: HashSet<String> = unknown.into_iter().collect();
        let known: Vec<String> = features.iter().filter(|name| !unknown.contains(*name)).cloned().collect();
        // Without a feature that is known nothing is needed, which is not the same as no choice.
        if known.is_empty() { Arc::default() } else { reader.scopes.of(&known).unwrap_or_default() }
    }

    fn lengths<C: RequestColumn>(&mut self, requested: &FeatureRequest<C>) {
        let mut given =
            requested.entities.iter().chain(&requested.request).map(|(name, column)| (name, column.rows()));
        if let Some((first, rows)) = given.next() {
            for (name, other) in given.filter(|(_, other)| *other != rows) {
                self.push_with(|| {
                    let (first, name) =
                        (excerpt(first, LONGEST_SHOWN_CHARS), excerpt(name, LONGEST_SHOWN_CHARS));
                    format!(
                        "`{first}` has {rows} rows and `{name}` has {other}: each entity takes one row of every column"
                    )
                });
            }
        }
    }

    fn columns<C: RequestColumn>(
        &mut self,
        side: &Side<'_>,
        given: Vec<(String, C)>,
    ) -> Vec<Option<ArrayRef>> {
        let mut columns: Vec<Option<ArrayRef>> = vec![None; side.fields.len()];
        let mut seen = vec![false; side.fields.len()];
        for (name, column) in given {
            let index = side.fields.iter().position(|field| field.name.as_str() == name);
            let Some((index, field)) = index.and_then(|index| Some((index, side.fields.get(index)?))) else {
                self.push_with(|| side.unknown(&name));
                continue;
            };
            if seen.get_mut(index).is_some_and(|seen| std::mem::replace(seen, true)) {
                self.push(format!("the {} `{name}` is given twice", side.kind));
                continue;
            }
            match (column.read(field.data_type), columns.get_mut(index)) {
                (Ok(array), Some(slot)) => *slot = Some(array),
                (Ok(_), None) => {}
                (Err(problem), _) => self.push(format!("the {} `{name}` {problem}", side.kind)),
            }
        }
        for ((field, seen), needed) in side.fields.iter().zip(seen).zip(side.needed) {
            if *needed && !seen {
                self.push(format!(
                    "the {} `{}` is missing: add its column ({}) to `{}`",
                    side.kind, field.name, field.data_type, side.at
                ));
            }
        }
        columns
    }
}
