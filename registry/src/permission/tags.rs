//! The tags of what can be read: its own, and those of everything that it is made from. A protected tag cannot be left
//! behind by deriving a view, computing a feature or choosing it into a service.

use access::Tags;
use feature::{About, ServicePlan, VersionId, View, ViewSource};

use crate::body::{Body, DefinitionId};
use crate::error::RegistryError;
use crate::keys::Kind;
use crate::registered::Registered;

impl Registered {
    /// The tags of a service and of all that it reads.
    pub fn tags_of_service(&self, plan: &ServicePlan) -> Tags {
        let mut tags = self.tags_of_plan(plan);
        let id = DefinitionId::versioned(Kind::FeatureService, &plan.id);
        if let Some(Body::FeatureService(service)) = self.definition(&id).map(|found| &found.body) {
            add(&mut tags, &service.about);
        }
        tags
    }

    /// The tags of a view, or of an on-demand view, and of all that it is made from.
    pub fn tags_of_view(&self, id: &VersionId) -> Result<Tags, RegistryError> {
        Ok(self.tags_of_plan(&self.views_plan(id.clone(), std::slice::from_ref(id))?))
    }

    /// The tags of a source.
    pub fn tags_of_source(&self, name: &feature::Name) -> Tags {
        let mut tags = Tags::new();
        let id = DefinitionId { kind: Kind::Source, name: name.clone(), version: None };
        if let Some(Body::Source { about, .. }) = self.definition(&id).map(|found| &found.body) {
            add(&mut tags, about);
        }
        tags
    }

    fn tags_of_plan(&self, plan: &ServicePlan) -> Tags {
        let mut tags = Tags::new();
        for lookup in &plan.lookups {
            self.add_view(&mut tags, &lookup.view);
        }
        for computation in &plan.computations {
            add(&mut tags, &computation.view.about);
        }
        tags
    }

    /// Those of a view, of its entity, and of the source or the chain of views that it reads.
    fn add_view(&self, tags: &mut Tags, view: &View) {
        let mut next = Some(view);
        while let Some(view) = next {
            add(tags, &view.about);
            let entity = DefinitionId { kind: Kind::Entity, name: view.entity.clone(), version: None };
            if let Some(Body::Entity(entity)) = self.definition(&entity).map(|found| &found.body) {
                add(tags, &entity.about);
            }
            next = match &view.source {
                ViewSource::Named(source) => {
                    tags.extend(self.tags_of_source(source));
                    None
                }
                ViewSource::View { view } => {
                    let id = DefinitionId::versioned(Kind::FeatureView, view);
                    match self.definition(&id).map(|found| &found.body) {
                        Some(Body::FeatureView(view)) => Some(view),
                        _ => None,
                    }
                }
            };
        }
    }
}

fn add(tags: &mut Tags, about: &About) {
    tags.extend(about.tags.iter().map(|(label, text)| (label.clone(), text.clone())));
}
