//! What can be read, by name and version, and how a service over it is resolved into a plan of
//! lookups and computations.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use feature::{
    Computation, DataType, Field, Lookup, Name, OnDemandView, Origin, Output, Service, ServicePlan, Take,
    VersionId, View,
};

/// A view of either kind.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Readable {
    View(Arc<View>),
    OnDemand(Arc<OnDemandView>),
}

impl Readable {
    /// The names and types of its features, in its order.
    pub(crate) fn features(&self) -> Vec<(&Name, DataType)> {
        match self {
            Readable::View(view) => view.features.iter().map(|f| (&f.name, f.data_type)).collect(),
            Readable::OnDemand(view) => view.features.iter().map(|f| (&f.name, f.data_type)).collect(),
        }
    }

    pub(crate) fn hash(&self) -> &str {
        match self {
            Readable::View(view) => &view.hash,
            Readable::OnDemand(view) => &view.hash,
        }
    }
}

/// Every view and on-demand view that can be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    readable: BTreeMap<VersionId, Readable>,
    /// What on-demand views need that were resolved from files.
    needed: BTreeMap<VersionId, Arc<NeededColumns>>,
}

/// The columns that an on-demand view needs, by itself or through those that it reads.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct NeededColumns {
    keys: Vec<Field>,
    request: Vec<Field>,
}

impl Catalog {
    pub(crate) fn insert_view(&mut self, view: View) {
        self.readable.insert(view.id.clone(), Readable::View(Arc::new(view)));
    }

    /// Inserts an on-demand view whose inputs are there. What it needs is worked out once: a view that reads it does
    /// not look through all that lies below.
    pub(crate) fn insert_resolved(&mut self, view: OnDemandView) {
        let mut planner = Planner::of_columns(self);
        let view = Arc::new(view);
        if planner.computation(&view).is_ok() {
            let needed = NeededColumns { keys: planner.keys, request: planner.request };
            self.needed.insert(view.id.clone(), Arc::new(needed));
        }
        self.readable.insert(view.id.clone(), Readable::OnDemand(view));
    }

    pub(crate) fn insert_on_demand(&mut self, view: OnDemandView) {
        self.readable.insert(view.id.clone(), Readable::OnDemand(Arc::new(view)));
    }

    pub(crate) fn get(&self, id: &VersionId) -> Option<&Readable> {
        self.readable.get(id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &VersionId> {
        self.readable.keys()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&VersionId, &Readable)> {
        self.readable.iter()
    }

    pub(crate) fn remove(&mut self, id: &VersionId) {
        self.readable.remove(id);
        self.needed.remove(id);
    }
}

/// What a choice of features gives: for each its name with the prefix, its type and its origin.
pub(crate) type Taken = Vec<(String, DataType, Origin)>;

/// Resolves choices of features, one after the other, into one plan.
pub(crate) struct Planner<'a> {
    catalog: &'a Catalog,
    pub(crate) keys: Vec<Field>,
    pub(crate) request: Vec<Field>,
    lookups: Vec<Lookup>,
    computations: Vec<Computation>,
    /// The index of each on-demand view among the computations.
    computed: HashMap<VersionId, usize>,
    /// Whether only the columns are requested that are needed.
    is_of_columns: bool,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(catalog: &'a Catalog) -> Planner<'a> {
        let (keys, request) = (Vec::new(), Vec::new());
        Planner {
            catalog,
            keys,
            request,
            lookups: Vec::new(),
            computations: Vec::new(),
            computed: HashMap::new(),
            is_of_columns: false,
        }
    }

    /// One that finds out which columns are needed, and makes no plan.
    pub(crate) fn of_columns(catalog: &'a Catalog) -> Planner<'a> {
        Planner { is_of_columns: true, ..Planner::new(catalog) }
    }

    /// Adds a choice of features; the error says in one sentence what cannot go together.
    pub(crate) fn take(&mut self, take: &Take) -> Result<Taken, String> {
        let catalog = self.catalog;
        let readable = catalog.get(&take.from).ok_or_else(|| format!("there is no view `{}`", take.from))?;
        let origin: Box<dyn Fn(usize) -> Origin> = match readable {
            Readable::View(view) => {
                let lookup = self.lookup(view, take)?;
                Box::new(move |feature| Origin::Stored { lookup, feature })
            }
            Readable::OnDemand(view) => {
                let computation = self.computation(view)?;
                Box::new(move |feature| Origin::Computed { computation, feature })
            }
        };
        let features = readable.features();
        let chosen: Vec<usize> = match &take.take {
            None => (0..features.len()).collect(),
            Some(names) => names
                .iter()
                .map(|name| {
                    let index = features.iter().position(|(feature, _)| *feature == name);
                    index.ok_or_else(|| format!("`{}` has no feature `{name}`", take.from))
                })
                .collect::<Result<_, _>>()?,
        };
        let named = chosen.into_iter().filter_map(|i| {
            let (name, data_type) = features.get(i)?;
            Some((format!("{}{name}", take.prefix), *data_type, origin(i)))
        });
        Ok(named.collect())
    }

    fn lookup(&mut self, view: &Arc<View>, take: &Take) -> Result<usize, String> {
        let mut keys = Vec::with_capacity(view.keys.len());
        for key in &view.keys {
            let role = take.on.get(&key.name).unwrap_or(&key.name).clone();
            let field = Field { name: role, data_type: key.data_type };
            if let Some(request) = self.request.iter().find(|request| request.name == field.name) {
                return Err(both(&request.name));
            }
            keys.push(index(&mut self.keys, field, "key column")?);
        }
        let same = |lookup: &Lookup| lookup.view.id == view.id && lookup.keys == keys;
        if let Some(found) = self.lookups.iter().position(same) {
            return Ok(found);
        }
        self.lookups.push(Lookup { view: view.clone(), keys });
        Ok(self.lookups.len() - 1)
    }

    /// An on-demand view brings its own roles, so it is computed once however often it is chosen.
    fn computation(&mut self, view: &Arc<OnDemandView>) -> Result<usize, String> {
        let mut last = 0;
        for view in self.not_computed(view) {
            last = self.one_computation(&view)?;
        }
        Ok(self.computed.get(&view.id).copied().unwrap_or(last))
    }

    /// The on-demand views that have to be computed for this one, each behind those that it reads, itself last. A
    /// chain of any length takes no stack.
    fn not_computed(&self, view: &Arc<OnDemandView>) -> Vec<Arc<OnDemandView>> {
        let mut found = Vec::new();
        let mut seen: HashSet<VersionId> = HashSet::new();
        let mut open = vec![(view.clone(), false)];
        while let Some((view, is_entered)) = open.pop() {
            if is_entered {
                found.push(view);
                continue;
            }
            if self.computed.contains_key(&view.id) || !seen.insert(view.id.clone()) {
                continue;
            }
            open.push((view.clone(), true));
            if self.is_of_columns && self.catalog.needed.contains_key(&view.id) {
                continue;
            }
            for take in view.inputs.iter().rev() {
                if let Some(Readable::OnDemand(input)) = self.catalog.get(&take.from) {
                    open.push((input.clone(), false));
                }
            }
        }
        found
    }

    /// Adds the columns that a view needs of which that is known.
    fn add_columns(&mut self, needed: &NeededColumns) -> Result<(), String> {
        for key in &needed.keys {
            if self.request.iter().any(|request| request.name == key.name) {
                return Err(both(&key.name));
            }
            index(&mut self.keys, key.clone(), "key column")?;
        }
        for field in &needed.request {
            if self.keys.iter().any(|key| key.name == field.name) {
                return Err(both(&field.name));
            }
            index(&mut self.request, field.clone(), "request column")?;
        }
        Ok(())
    }

    fn one_computation(&mut self, view: &Arc<OnDemandView>) -> Result<usize, String> {
        if self.is_of_columns
            && let Some(needed) = self.catalog.needed.get(&view.id).cloned()
        {
            self.add_columns(&needed)?;
            let next = self.computed.len();
            self.computed.insert(view.id.clone(), next);
            return Ok(next);
        }
        let mut inputs = Vec::new();
        for take in &view.inputs {
            for (name, data_type, origin) in self.take(take)? {
                let name = name.parse().map_err(|error| format!("{error}"))?;
                inputs.push((Field { name, data_type }, origin));
            }
        }
        let mut request = Vec::with_capacity(view.request.len());
        for field in &view.request {
            if self.keys.iter().any(|key| key.name == field.name) {
                return Err(both(&field.name));
            }
            request.push(index(&mut self.request, field.clone(), "request column")?);
        }
        self.computations.push(Computation { view: view.clone(), inputs, request });
        let next = self.computed.len();
        self.computed.insert(view.id.clone(), next);
        Ok(next)
    }

    /// The plan of a service with these outputs.
    pub(crate) fn finish(self, id: VersionId, hash: String, outputs: Vec<Output>) -> ServicePlan {
        ServicePlan {
            id,
            hash,
            keys: self.keys,
            request: self.request,
            lookups: self.lookups,
            computations: self.computations,
            outputs,
        }
    }
}

/// The plan of a service that was checked; the error says what the catalog lacks.
pub(crate) fn service_plan(service: &Service, catalog: &Catalog) -> Result<ServicePlan, String> {
    let mut planner = Planner::new(catalog);
    let mut outputs = Vec::new();
    for take in &service.features {
        let taken = planner.take(take)?;
        outputs.extend(taken.into_iter().map(|(name, data_type, origin)| Output { name, data_type, origin }));
    }
    Ok(planner.finish(service.id.clone(), service.hash.clone(), outputs))
}

/// The plan of a read of whole views, each under its own join keys; the error says what cannot be read
/// together.
pub(crate) fn views_plan(
    id: VersionId,
    views: &[VersionId],
    catalog: &Catalog,
) -> Result<ServicePlan, String> {
    let mut planner = Planner::new(catalog);
    let mut outputs = Vec::new();
    for view in views {
        let take = Take { from: view.clone(), on: BTreeMap::new(), take: None, prefix: format!("{view}:") };
        let taken = planner.take(&take)?;
        outputs.extend(taken.into_iter().map(|(name, data_type, origin)| Output { name, data_type, origin }));
    }
    Ok(planner.finish(id, String::new(), outputs))
}

/// The index of a column among those that there are; a new one is added.
fn index(columns: &mut Vec<Field>, field: Field, what: &str) -> Result<usize, String> {
    match columns.iter().position(|column| column.name == field.name) {
        None => {
            columns.push(field);
            Ok(columns.len() - 1)
        }
        Some(i) => match columns.get(i) {
            Some(column) if column.data_type != field.data_type => Err(format!(
                "the {what} `{}` is {} here and {} elsewhere: give one of them another name",
                field.name, field.data_type, column.data_type
            )),
            _ => Ok(i),
        },
    }
}

fn both(name: &Name) -> String {
    format!("`{name}` is both a key column and a request column: give one of them another name")
}
