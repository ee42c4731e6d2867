//! Training sets that hold rows of forgotten entities: they are the user's and stay, and cannot be made again to the bit.

use std::path::Path;

use arrow::array::RecordBatch;
use feature::{EntityKey, ServicePlan, ServiceRef};
use offline::{Forgotten, Manifest, ManifestForgotten, read_file};
use registry::{Registered, Registry};

use super::report::{ForgetReport, HoldingTrainingSet};
use super::subject::Subject;
use crate::error::ProjectError;
use crate::project::Project;
use crate::run::blocking;

/// The recorded training sets that hold the entity. Where it was removed, their manifests say so from now on.
pub(super) async fn reached(
    project: &Project,
    registry: &Registry,
    registered: &Registered,
    (subject, report): (&Subject, &ForgetReport),
) -> Result<Vec<HoldingTrainingSet>, ProjectError> {
    let mut found = Vec::new();
    for set in registry.training_sets().await? {
        let Ok(plan) = registered.service_plan(&ServiceRef::Exact(set.service.clone())) else { continue };
        if plan.lookups.iter().all(|lookup| lookup.view.entity != subject.entity) {
            continue;
        }
        let file = project.folder.join(&set.file);
        let list = Forgotten::default().with(&subject.entity, subject.key.as_bytes(), feature::Micros::MAX);
        let marks = report.hash.clone().zip(report.until);
        let (entity, name) = (subject.entity.clone(), set.file.clone());
        let holding = blocking(move || {
            let rows = read_file(&file).ok().map(|batch| rows_forgotten_in(&batch, &plan, &list));
            if rows == Some(0) {
                return Ok::<_, ProjectError>(None);
            }
            let is_marked = match marks.filter(|_| rows.is_some()) {
                Some((hash, until)) => {
                    let forgotten = ManifestForgotten { entity, hash, until, rows: rows.unwrap_or(0) };
                    mark(&file, forgotten)?
                }
                None => false,
            };
            Ok(Some(HoldingTrainingSet { file: name, service: plan.id.clone(), rows, is_marked }))
        });
        found.extend(holding.await??);
    }
    Ok(found)
}

/// Adds a mark to the manifest of a training set; `false` if it has none.
fn mark(file: &Path, forgotten: ManifestForgotten) -> Result<bool, ProjectError> {
    match Manifest::read(file) {
        Ok(manifest) => {
            Ok(manifest.marked(forgotten).map_or(Ok(true), |marked| marked.replace(file).map(|()| true))?)
        }
        Err(_) => Ok(false),
    }
}

/// How many rows of a training set or its spine are of forgotten entities, whatever their times.
pub(crate) fn rows_forgotten_in(batch: &RecordBatch, plan: &ServicePlan, list: &Forgotten) -> u64 {
    let is_one = |row: usize| {
        plan.lookups.iter().any(|lookup| {
            let view = &lookup.view;
            let roles = lookup.keys.iter().map(|key| plan.keys.get(*key));
            let values = roles.zip(&view.keys).map(|(role, key)| {
                let column = batch.column_by_name(role?.name.as_str())?;
                let typed =
                    arrow::compute::cast(&column.slice(row, 1), &transform::arrow_type(key.data_type));
                Some(transform::value_at(typed.ok()?.as_ref(), 0, key.data_type))
            });
            let key = values.collect::<Option<Vec<_>>>().and_then(|v| EntityKey::encode(&view.keys, &v).ok());
            key.is_some_and(|key| list.until(&view.entity, key.as_bytes()).is_some())
        })
    };
    if plan.lookups.iter().all(|lookup| list.has_none_of(&lookup.view.entity)) {
        return 0;
    }
    (0..batch.num_rows()).filter(|row| is_one(*row)).count() as u64
}
