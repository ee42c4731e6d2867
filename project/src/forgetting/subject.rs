//! The entity that is forgotten: its key, and how texts name it.

use std::collections::BTreeSet;

use feature::{EntityKey, Field, Name, Value};
use read::json::{AsJson, from_json, from_text};
use registry::{Body, Reason, Registered};
use serde_json::Value as Json;

use crate::error::ProjectError;

/// The fewest bytes of a text that is looked for in files as they are: fewer are met by chance.
const LEAST_BYTES: usize = 5;

/// Which entity to forget.
#[derive(Clone, Debug)]
pub struct Forget {
    /// Its join keys by name, each with a value; of an entity with one key the entity's own name will do.
    pub keys: Vec<(String, String)>,
    /// The entity, where several have these join keys.
    pub entity: Option<Name>,
    /// Whether nothing is removed, and only what would be is said.
    pub dry_run: bool,
    /// Why, for the audit log.
    pub reason: Option<Reason>,
}

/// The entity that is forgotten.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) entity: Name,
    pub(crate) keys: Vec<Field>,
    pub(crate) values: Vec<Value>,
    pub(crate) key: EntityKey,
    /// For each key the names under which JSON has it: its own, its column in sources, its roles in services.
    pub(crate) names: Vec<BTreeSet<String>>,
}

impl Subject {
    pub(super) fn find(registered: &Registered, forget: &Forget) -> Result<Self, ProjectError> {
        let given: BTreeSet<&str> = forget.keys.iter().map(|(name, _)| name.as_str()).collect();
        let entities = registered.definitions().filter_map(|definition| match &definition.body {
            Body::Entity(entity) => Some(entity),
            _ => None,
        });
        let is_meant = |entity: &&registry::Entity| {
            let by_keys = entity.keys.len() == given.len()
                && entity.keys.iter().all(|key| given.contains(key.name.as_str()));
            let by_name = entity.keys.len() == 1 && given.iter().eq([&entity.name.as_str()]);
            forget.entity.as_ref().is_none_or(|name| *name == entity.name)
                && (by_keys || by_name)
                && forget.keys.len() == entity.keys.len()
        };
        let all: Vec<&registry::Entity> = entities.collect();
        let mut meant: Vec<&registry::Entity> = all.iter().copied().filter(is_meant).collect();
        if meant.len() > 1 && given.len() == 1 {
            // The entity's own name means it before the key of another one.
            meant.retain(|entity| given.contains(entity.name.as_str()));
        }
        let [entity] = meant.as_slice() else {
            return Err(ProjectError::NoSuchEntity {
                given: forget.keys.iter().map(|(name, _)| name.clone()).collect(),
                entities: all.iter().map(|entity| described(entity)).collect(),
                is_ambiguous: meant.len() > 1,
            });
        };
        let value = |key: &Field| {
            let text = forget.keys.iter().find(|(name, _)| name == key.name.as_str());
            let (_, text) = text.or(forget.keys.first())?;
            Some(from_text(text, key.data_type))
        };
        let mut values = Vec::new();
        for key in &entity.keys {
            let value = value(key).expect("invariant: each key of the entity was given");
            values.push(value.map_err(|why| ProjectError::KeyValue { key: key.name.clone(), why })?);
        }
        let key = EntityKey::encode(&entity.keys, &values)
            .map_err(|error| ProjectError::KeyValue { key: entity.name.clone(), why: error.to_string() })?;
        let names = entity.keys.iter().map(|key| BTreeSet::from([key.name.to_string()])).collect();
        let mut subject = Self { entity: entity.name.clone(), keys: entity.keys.clone(), values, key, names };
        subject.add_names(registered)?;
        Ok(subject)
    }

    /// Adds the columns of sources and the roles of services in which the keys lie.
    fn add_names(&mut self, registered: &Registered) -> Result<(), ProjectError> {
        for view in registered.views().filter(|view| view.entity == self.entity && !view.is_derived()) {
            let source = registered.source_of(view)?;
            for (names, expression) in self.names.iter_mut().zip(&view.key_expressions) {
                let column = expression.trim().trim_matches('"');
                if let Some(field) = source.schema.iter().find(|field| field.name.as_str() == column) {
                    names.insert(column.to_owned());
                    names.insert(source.stored_name(&field.name).to_owned());
                }
            }
        }
        let services: Vec<_> = registered.services().map(|service| service.id.clone()).collect();
        for id in services {
            let Ok(plan) = registered.service_plan(&feature::ServiceRef::Exact(id)) else { continue };
            for lookup in plan.lookups.iter().filter(|lookup| lookup.view.entity == self.entity) {
                for (names, key) in self.names.iter_mut().zip(&lookup.keys) {
                    names.extend(plan.keys.get(*key).map(|role| role.name.to_string()));
                }
            }
        }
        Ok(())
    }

    /// Whether a text of JSON has an object that names this key, at whatever depth. A text that is none does if it holds
    /// every part of the key as a string in quotes.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        match serde_json::from_str::<Json>(text) {
            Ok(json) => self.is_in_json(&json),
            Err(_) => {
                let quoted = self.quoted();
                quoted.len() == self.values.len() && quoted.iter().all(|part| text.contains(part))
            }
        }
    }

    pub(crate) fn is_in_json(&self, json: &Json) -> bool {
        match json {
            Json::Object(members) => {
                let is_here = |(index, names): (usize, &BTreeSet<String>)| {
                    let mut found = names.iter().filter_map(|name| members.get(name));
                    found.any(|json| self.is_value(index, json))
                };
                self.names.iter().enumerate().all(is_here)
                    || members.values().any(|member| self.is_in_json(member))
            }
            Json::Array(items) => items.iter().any(|item| self.is_in_json(item)),
            // The value of a record, as dead letters hold it.
            Json::String(text) if text.trim_start().starts_with('{') => self.is_in(text),
            _ => false,
        }
    }

    fn is_value(&self, index: usize, json: &Json) -> bool {
        let (Some(key), Some(value)) = (self.keys.get(index), self.values.get(index)) else { return false };
        // Refused rows of files are kept as texts.
        let of_text = || json.as_str().and_then(|text| from_text(text, key.data_type).ok());
        from_json(json, key.data_type).ok().or_else(of_text).as_ref() == Some(value)
    }

    /// Parts of the key that are strings, as JSON writes them.
    fn quoted(&self) -> Vec<String> {
        let json = |value: &Value| serde_json::to_string(&AsJson(value)).ok();
        let texts = self.values.iter().filter(|value| matches!(value, Value::String(_) | Value::Bytes(_)));
        texts.filter_map(json).collect()
    }

    /// Parts of the key that are strings.
    pub(super) fn strings(&self) -> Vec<String> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.to_string()),
            _ => None,
        };
        self.values.iter().filter_map(text).collect()
    }

    /// The texts for which commits are searched.
    pub(super) fn texts(&self) -> Vec<String> {
        self.quoted().into_iter().filter(|text| text.len() >= LEAST_BYTES).collect()
    }

    /// What is looked for in the bytes of files, whatever they hold: the key as the stores encode it, where it has a
    /// string, and its texts.
    pub(super) fn patterns(&self) -> Vec<Vec<u8>> {
        let mut patterns: Vec<Vec<u8>> = self.texts().into_iter().map(String::into_bytes).collect();
        if !patterns.is_empty() {
            patterns.push(self.key.as_bytes().to_vec());
        }
        patterns
    }
}

fn described(entity: &registry::Entity) -> String {
    let keys: Vec<&str> = entity.keys.iter().map(|key| key.name.as_str()).collect();
    format!("{} ({})", entity.name, keys.join(", "))
}
