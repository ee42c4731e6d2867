//! From the description of a repository to definitions that the registry takes: what it refuses is taken out, and
//! listed with its reason.

use std::collections::{BTreeMap, BTreeSet};

use feature::{Name, Scalar};
use serde::Serialize;

use crate::definitions::Definitions;
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::problem::Problems;
use crate::registered::Registered;

use super::carried::{Carried, CarriedBody, CarriedDefinition};
use super::carried_text::{CarriedFile, LineOf, files};
use super::code_line::CodeLine;
use super::feast_functions::{self, FunctionContext};
use super::feast_services::{self, ServiceNames};
use super::feast_sources::{self, SourceColumns};
use super::feast_types;
use super::feast_views::{self, DUMMY, JoinKey, ViewContext};
use super::finding::{FeastFinding, FeastOutcome};
use super::naming::Naming;
use super::repository::{Described, FORMAT, FeastEntity, FeastSource, Head, Repository};

/// Definitions from a Feast repository, which the registry has checked.
#[derive(Clone, Debug, Serialize)]
pub struct FeastImport {
    /// The version of Feast that read the repository.
    pub feast: String,
    /// The name of the repository's project; empty if it has none.
    pub project: String,
    /// The brokers of its topics.
    pub brokers: Vec<String>,
    /// Whether rows are pushed into a source.
    pub is_pushed_to: bool,
    /// The files by their paths: definitions, and schemas that they name.
    #[serde(skip)]
    pub files: BTreeMap<String, String>,
    /// What has a definition.
    pub carried: Vec<CarriedObject>,
    /// What has none, or another meaning, in the order of the repository's files.
    pub findings: Vec<FeastFinding>,
}

/// An object of Feast with a definition.
#[derive(Clone, Debug, Serialize)]
pub struct CarriedObject {
    /// Where it is in the repository.
    pub at: Option<CodeLine>,
    /// What Feast calls it.
    pub object: String,
    /// The kind of its definition.
    pub kind: Kind,
    /// The name of its definition, with a version where it has one.
    pub name: String,
}

/// Reads the description of a repository, and makes definitions of what it can. `path_of` says where a path of the
/// repository lies, as definitions name it.
pub fn import_feast(document: &str, path_of: &dyn Fn(&str) -> String) -> Result<FeastImport, RegistryError> {
    let unreadable = |error: serde_json::Error| {
        RegistryError::Feast(format!("what it was described as cannot be read: {error}"))
    };
    let head: Head = serde_json::from_str(document).map_err(unreadable)?;
    if head.format != FORMAT {
        let what = format!("it was described in format {}, and format {FORMAT} is read here", head.format);
        return Err(RegistryError::Feast(what));
    }
    if let Some(failed) = head.failed {
        let at = failed.at.map(|at| format!(" at {at}")).unwrap_or_default();
        return Err(RegistryError::Feast(format!(
            "its Python code failed{at} with {}: {}",
            failed.error, failed.message
        )));
    }
    let repository: Repository = serde_json::from_str(document).map_err(unreadable)?;
    let mut carried = convert(&repository, path_of);
    let definitions = check(&mut carried)?;
    Ok(imported(&repository, carried, definitions))
}

fn convert(repository: &Repository, path_of: &dyn Fn(&str) -> String) -> Carried {
    let mut carried = Carried::default();
    let (mut views, mut key_names) = (Naming::default(), Naming::default());
    let keys = join_keys(repository, &mut key_names, &mut carried);
    let entities = entities(repository, &keys, &mut carried);
    let shared = Shared { keys: &keys, entities: &entities, path_of };
    read_views(repository, shared, &mut views, &mut carried);
    for view in &repository.on_demand_views {
        let context = FunctionContext { views: &mut views, keys: &key_names, feast_views: &repository.views };
        feast_functions::add(view, context, &mut carried);
    }
    let mut services = Naming::default();
    for service in &repository.services {
        let names = ServiceNames { services: &mut services, views: &views, keys: &key_names };
        feast_services::add(service, names, &mut carried);
    }
    for view in &repository.label_views {
        let (object, what) = (
            format!("label view `{}`", view.described.name),
            "labels are columns of a spine here: write them to a file, with the join keys and a time",
        );
        carried.note(&view.described.at, &object, FeastOutcome::NotCarried, what);
    }
    if repository.permissions > 0 {
        carried.note(
            &None,
            "permissions",
            FeastOutcome::NotCarried,
            "who may read what is not a part of definitions",
        );
    }
    for (kind, naming) in [("view", &views), ("service", &services), ("join key", &key_names)] {
        for (given, name) in naming.changed() {
            let object = format!("{kind} `{given}`");
            carried.note(&None, &object, FeastOutcome::Differs, format!("it is called `{name}` here"));
        }
    }
    carried
}

/// The join key of each entity, by the entity's name. Its type is that of the entity, of a view's schema or of a file,
/// the first that says one.
fn join_keys(
    repository: &Repository,
    names: &mut Naming,
    carried: &mut Carried,
) -> BTreeMap<String, JoinKey> {
    let mut keys = BTreeMap::new();
    for entity in repository.entities.iter().filter(|entity| entity.described.name != DUMMY) {
        let key = &entity.join_key;
        let own = feast_types::of_feast(&entity.value_type, 0);
        let fields = repository.views.iter().flat_map(|view| &view.key_fields);
        let of_field = fields
            .into_iter()
            .filter(|field| field.name == *key)
            .find_map(|field| feast_types::of_feast(&field.value_type, 0));
        let columns = repository.sources.iter().filter_map(|source| source.columns.as_ref()).flatten();
        let of_file = columns
            .into_iter()
            .filter(|(name, _)| name == key)
            .find_map(|(_, arrow)| feast_types::of_arrow(arrow));
        let data_type = own.or(of_field).or(of_file).unwrap_or_else(|| {
            let what =
                format!("nothing says the type of its join key `{key}`: string is assumed, as Feast does");
            carried.note(&entity.described.at, &object(entity), FeastOutcome::Differs, what);
            Scalar::String.into()
        });
        let (feast, name) = (key.clone(), names.of(key, "key"));
        keys.insert(entity.described.name.clone(), JoinKey { feast, name, data_type });
    }
    keys
}

fn object(entity: &FeastEntity) -> String {
    format!("entity `{}`", entity.described.name)
}

/// The definitions of entities: those of Feast, and one for each set of several that a view has.
fn entities(
    repository: &Repository,
    keys: &BTreeMap<String, JoinKey>,
    carried: &mut Carried,
) -> BTreeMap<Vec<String>, Name> {
    let mut naming = Naming::default();
    let mut found = BTreeMap::new();
    for entity in repository.entities.iter().filter(|entity| entity.described.name != DUMMY) {
        let name = naming.of(&entity.described.name, "entity");
        let key = keys.get(&entity.described.name).map(|key| (key.name.clone(), key.data_type));
        found.insert(vec![entity.described.name.clone()], name.clone());
        carried.definitions.push(CarriedDefinition {
            name,
            object: object(entity),
            described: entity.described.clone(),
            notes: Vec::new(),
            body: CarriedBody::Entity { keys: key.into_iter().collect() },
        });
    }
    for view in repository.views.iter().filter(|view| view.entities.len() > 1) {
        if found.contains_key(&view.entities) || !view.entities.iter().all(|entity| keys.contains_key(entity))
        {
            continue;
        }
        let name = naming.of(&view.entities.join("_"), "entity");
        found.insert(view.entities.clone(), name.clone());
        let described = Described {
            name: name.to_string(),
            description: String::new(),
            owner: String::new(),
            tags: BTreeMap::new(),
            at: view.described.at.clone(),
        };
        let keys = view.entities.iter().filter_map(|entity| keys.get(entity));
        carried.definitions.push(CarriedDefinition {
            name,
            object: format!(
                "entities {}",
                view.entities.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
            ),
            described,
            notes: vec!["Several entities of one view are one with several join keys.".to_owned()],
            body: CarriedBody::Entity { keys: keys.map(|key| (key.name.clone(), key.data_type)).collect() },
        });
    }
    found
}

/// What all views are read with.
struct Shared<'a> {
    keys: &'a BTreeMap<String, JoinKey>,
    entities: &'a BTreeMap<Vec<String>, Name>,
    /// Where a path of the repository lies.
    path_of: &'a dyn Fn(&str) -> String,
}

fn read_views(repository: &Repository, shared: Shared<'_>, views: &mut Naming, carried: &mut Carried) {
    let Shared { keys, entities, path_of } = shared;
    let mut naming = Naming::default();
    let mut sources: BTreeMap<String, SourceColumns<'_>> = BTreeMap::new();
    let source = |name: &Option<String>| -> Option<&FeastSource> {
        let name = name.as_ref()?;
        repository.sources.iter().find(|source| source.described.name == *name)
    };
    for view in &repository.views {
        let refused = |why: &str, carried: &mut Carried| {
            carried.note(&view.described.at, &feast_views::object(view), FeastOutcome::NotCarried, why);
        };
        if let Some(why) = feast_views::refused(view) {
            refused(why, carried);
            continue;
        }
        let Some(entity) = entities.get(&view.entities) else {
            refused("an entity of it is not in the repository", carried);
            continue;
        };
        let stream = source(&view.stream);
        let batch = source(&view.batch).or_else(|| source(&stream?.batch));
        let Some(main) = stream.or(batch) else {
            refused("its source is not in the repository", carried);
            continue;
        };
        let name = &main.described.name;
        let columns = sources.entry(name.clone()).or_insert_with(|| {
            SourceColumns::new(naming.of(name, "source"), batch, stream, &view.event_time)
        });
        feast_views::add(view, columns, ViewContext { entity: entity.clone(), views, keys }, carried);
    }
    sources.into_values().for_each(|columns| columns.finish(path_of, carried));
    feast_sources::unread(repository, carried);
}

/// Definitions as the registry takes them; what it refuses is taken out of them.
fn check(carried: &mut Carried) -> Result<BTreeMap<String, CarriedFile>, RegistryError> {
    loop {
        carried.settle();
        let files = files(&carried.definitions);
        let texts = files.iter().map(|(name, file)| (name.as_str(), file.text.as_str()));
        let problems = match Definitions::of(texts, &Registered::default()) {
            Ok(_) => return Ok(files),
            Err(problems) => problems,
        };
        // What reads a definition that is refused may be refused for that alone.
        let found = refused(&problems, &files);
        let first = found
            .iter()
            .filter_map(|(of, _)| carried.definitions.get(of.0))
            .map(CarriedDefinition::kind)
            .min();
        let mut found: Vec<(LineOf, String)> = found
            .into_iter()
            .filter(|(of, _)| carried.definitions.get(of.0).map(CarriedDefinition::kind) == first)
            .collect();
        if found.is_empty() {
            return Err(RegistryError::Feast(format!("its definitions are refused: {problems}")));
        }
        // From the last to the first, so that no index moves.
        found.sort_by_key(|(of, _)| std::cmp::Reverse(*of));
        found.dedup_by_key(|(of, _)| *of);
        let whole: BTreeSet<usize> =
            found.iter().filter(|(of, _)| of.1.is_none()).map(|(of, _)| of.0).collect();
        for ((definition, feature), why) in found {
            if feature.is_none() || !whole.contains(&definition) {
                carried.take_out(definition, feature, &why);
            }
        }
    }
}

fn refused(problems: &Problems, files: &BTreeMap<String, CarriedFile>) -> Vec<(LineOf, String)> {
    let of = |problem: &crate::problem::Problem| {
        let file = files.get(&*problem.file)?;
        let line = usize::try_from(problem.at.line).ok()?.checked_sub(1)?;
        Some(((*file.lines.get(line)?)?, problem.message.clone()))
    };
    problems.iter().filter_map(of).collect()
}

fn imported(repository: &Repository, carried: Carried, files: BTreeMap<String, CarriedFile>) -> FeastImport {
    let mut texts: BTreeMap<String, String> =
        files.into_iter().map(|(name, file)| (name, file.text)).collect();
    let mut is_pushed_to = false;
    for definition in &carried.definitions {
        let CarriedBody::Source(source) = &definition.body else { continue };
        let Some(stream) = &source.stream else { continue };
        is_pushed_to |= definition.object.starts_with("PushSource");
        if let Some((file, text)) = stream.schema.as_ref().filter(|(_, text)| !text.is_empty()) {
            texts.insert(file.clone(), text.clone());
        }
    }
    let brokers: BTreeSet<&String> =
        repository.sources.iter().filter_map(|source| source.brokers.as_ref()).collect();
    let mut objects: Vec<CarriedObject> = carried
        .definitions
        .iter()
        .map(|definition| CarriedObject {
            at: definition.described.at.clone(),
            object: definition.object.clone(),
            kind: definition.kind(),
            name: definition.reference(),
        })
        .collect();
    objects.sort_by(|a, b| (&a.at, a.kind, &a.name).cmp(&(&b.at, b.kind, &b.name)));
    let mut findings = carried.findings;
    findings.sort();
    findings.dedup();
    FeastImport {
        feast: repository.feast.clone(),
        project: repository.project.clone(),
        brokers: brokers.into_iter().cloned().collect(),
        is_pushed_to,
        files: texts,
        carried: objects,
        findings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository as the first format described it: its files could not be read.
    const FORMAT_1: &str = include_str!("format_1.json");

    fn import(document: &str) -> Result<FeastImport, RegistryError> {
        import_feast(document, &|path| format!("there/{path}"))
    }

    #[test]
    fn a_description_in_the_first_format_is_still_read() {
        let imported = import(FORMAT_1).unwrap();
        let [(file, text)] =
            <[(String, String); 1]>::try_from(imported.files.into_iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(file, "features/transactions.yaml");
        for line in [
            "keys: {user_id: string}",
            "batch: {path: \"there/data/user_counts.parquet\"}",
            "ttl: 7d",
            "  risk_vector: {latest: risk_vector}",
            "  merchants: {aggregate: approx_count_distinct(merchant), window: 7d}",
            "  amount_share: {expression: \"amount / (coalesce(CASE WHEN isnan(spent_7d) THEN NULL ELSE spent_7d END, 0.0) + amount)\"}",
            "  is_large: {expression: \"coalesce(CASE WHEN isnan(amount) THEN NULL ELSE amount END > 500.0, false)\"}",
            "  home: {expression: lower(country)}",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let listed: Vec<String> = imported
            .findings
            .iter()
            .filter(|finding| finding.outcome == FeastOutcome::NotCarried)
            .map(|finding| format!("{} {}", finding.at.as_ref().unwrap(), finding.what))
            .collect();
        let has = |part: &str| listed.iter().any(|finding| finding.contains(part));
        assert!(has("line 86: `inputs['amount'].rank(pct=True)` has no translation"), "{listed:?}");
        assert!(has("there is no aggregate `skew`") && has("it has no entity"), "{listed:?}");
    }

    #[test]
    fn what_the_registry_refuses_is_taken_out_and_listed() {
        // A request column of the name of an input: Feast takes the one, and there is no telling which.
        let document = FORMAT_1.replace(
            "\"name\": \"merchant\", \"type\": \"STRING\"",
            "\"name\": \"country\", \"type\": \"STRING\"",
        );
        let imported = import(&document).unwrap();
        assert!(!imported.carried.iter().any(|object| object.name == "scored@1"), "{:?}", imported.carried);
        let refused =
            imported.findings.iter().find(|finding| finding.what.contains("has the name of an input"));
        assert_eq!(refused.unwrap().object, "on-demand view `scored`");
        let of_service =
            imported.findings.iter().filter(|finding| finding.object == "feature service `fraud_v1`");
        let said: Vec<&str> = of_service.map(|finding| finding.what.as_str()).collect();
        assert!(said.contains(&"it is without the views that are not carried"), "{said:?}");
    }

    #[test]
    fn a_description_that_cannot_be_read_says_why() {
        let said = |document: &str| import(document).unwrap_err().to_string();
        assert!(said("{\"format\": 2}").contains("it was described in format 2, and format 1 is read here"));
        assert!(said("").contains("cannot be read"));
        let failed = "{\"format\": 1, \"failed\": {\"error\": \"ImportError\", \"message\": \"no x\", \"at\": {\"file\": \"a.py\", \"line\": 3}}}";
        assert!(
            said(failed).ends_with("its Python code failed at a.py:3 with ImportError: no x"),
            "{}",
            said(failed)
        );
    }
}
