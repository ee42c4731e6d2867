//! The logs and online rows of the views that have the entity, and of those whose rows were made of theirs.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use feature::{Micros, VersionId, View, counted};
use materializer::{Materializer, rows_of_source};
use offline::{ForgetRows, Forgotten, SearchedTable};
use online::{Read, Reader, Store};
use registry::Registry;

use super::report::{HoldingSource, NamingView, SearchedPart};
use super::search::{Found, Pass, Search};
use crate::breakers;
use crate::error::ProjectError;
use crate::targets::{target, targets_with};

impl Search<'_> {
    /// Logs and online rows. Derived rows first: which they are is known from the rows that they were made of.
    pub(super) async fn views(&self, pass: Pass, list: &Arc<Forgotten>) -> Result<Found, ProjectError> {
        let (offline, store) = (self.project.offline()?, self.project.online().await?);
        let registry = self.project.registry().await?;
        if pass == Pass::Remove {
            breakers::drop_unexplained(&registry, &store).await?;
        }
        let targets = targets_with(self.registered, &[], |_| true)?;
        let materializer = self.project.materializer(store, &targets, "forget").await?;
        let mut found = Found::default();
        let mut derived = Vec::new();
        for (view, from) in &self.affected.derived {
            let mut positions = HashSet::new();
            for input in from {
                positions.extend(offline.forgotten_positions(input, list.clone()).await?);
            }
            let rows = self.rows(pass, list, positions);
            self.view(pass, &materializer, view, rows.clone(), &mut found).await?;
            derived.push((view, rows));
        }
        for view in &self.affected.own {
            let rows = self.rows(pass, list, HashSet::new());
            self.view(pass, &materializer, view, rows, &mut found).await?;
        }
        if pass != Pass::Remove {
            self.unexplained(&registry, &materializer, &mut found).await?;
        }
        if pass == Pass::Remove {
            // A load that read the rows of the entity before they were removed may have derived some again.
            for (view, rows) in derived {
                self.view(pass, &materializer, view, rows, &mut found).await?;
            }
        }
        Ok(found)
    }

    fn rows(&self, pass: Pass, list: &Arc<Forgotten>, derived: HashSet<feature::Position>) -> ForgetRows {
        ForgetRows {
            list: list.clone(),
            derived: Arc::new(derived),
            texts: self.subject.texts(),
            removes: pass == Pass::Remove,
        }
    }

    async fn view(
        &self,
        pass: Pass,
        materializer: &Materializer<Store>,
        view: &Arc<View>,
        rows: ForgetRows,
        found: &mut Found,
    ) -> Result<(), ProjectError> {
        let key = (view.entity == self.subject.entity).then_some(&self.subject.key);
        let online = format!("online rows of {}", view.id);
        if pass == Pass::Remove {
            let done = materializer.forget(view, key, rows).await?;
            let registry = self.project.registry().await?;
            let kept = breakers::forget_kept(self.project, &registry, materializer, view, key).await?;
            if kept > 0 {
                found.parts.push(SearchedPart {
                    part: format!("last good online rows of {}", view.id),
                    found: kept,
                    removed: kept,
                    ..SearchedPart::default()
                });
            }
            let note = done.statistics_removed.then(|| {
                "its statistics were removed, and are counted again from the log once somebody asks"
                    .to_owned()
            });
            found.parts.push(removed_from(&done.log, format!("log of {}", view.id), note));
            found.parts.push(SearchedPart {
                part: online,
                found: done.online_rows,
                removed: done.online_rows,
                ..SearchedPart::default()
            });
            return Ok(());
        }
        let searched = materializer.offline.forget_rows(view, rows).await?;
        found.newest = found.newest.max(searched.newest);
        found.parts.push(searched_in(&searched, format!("log of {}", view.id)));
        let Some(key) = key else { return Ok(()) };
        let keys = [key.clone()];
        let registry = self.project.registry().await?;
        for opening in breakers::with_rows(&registry, &view.id).await? {
            let kept = opening.prepared().kept_rows();
            let read = materializer.online.read(&[Read { view: &kept, keys: &keys }]).await?;
            found.parts.push(SearchedPart {
                part: format!("last good online rows of {}", view.id),
                searched: "1 key".to_owned(),
                found: read.iter().flat_map(|read| read.rows()).flatten().count() as u64,
                ..SearchedPart::default()
            });
        }
        let read = materializer.online.read(&[Read { view: &view.id, keys: &keys }]).await?;
        let rows = read.iter().flat_map(|read| read.rows()).flatten().count() as u64;
        // Rows that happened later are the entity's new ones.
        let is_new = rows > 0 && pass == Pass::Prove && self.is_back(view, materializer).await?;
        let rows = if is_new { 0 } else { rows };
        found.parts.push(SearchedPart {
            part: online,
            searched: "1 key".to_owned(),
            found: rows,
            ..SearchedPart::default()
        });
        Ok(())
    }

    /// Online rows under the key that are of no opening of a breaker, as far as nobody knows whose they are.
    async fn unexplained(
        &self,
        registry: &Registry,
        materializer: &Materializer<Store>,
        found: &mut Found,
    ) -> Result<(), ProjectError> {
        let keys = [self.subject.key.clone()];
        for id in breakers::unexplained(registry, &materializer.online).await? {
            let read = materializer.online.read(&[Read { view: &id, keys: &keys }]).await?;
            let rows = read.iter().flat_map(|read| read.rows()).flatten().count() as u64;
            if rows > 0 {
                found.parts.push(SearchedPart {
                    part: format!("online rows of {id}, which are of no opening of a circuit breaker"),
                    searched: "1 key".to_owned(),
                    found: rows,
                    ..SearchedPart::default()
                });
            }
        }
        Ok(())
    }

    /// Whether the log has rows of the entity that it got after the forgetting.
    async fn is_back(
        &self,
        view: &Arc<View>,
        materializer: &Materializer<Store>,
    ) -> Result<bool, ProjectError> {
        let all = Forgotten::default().with(&self.subject.entity, self.subject.key.as_bytes(), Micros::MAX);
        let rows = self.rows(Pass::Search, &Arc::new(all), HashSet::new());
        Ok(materializer.offline.forget_rows(view, rows).await?.rows > 0)
    }

    /// Refused rows and quarantined batches of all views that read a source of an affected view.
    pub(super) async fn refused(&self, pass: Pass) -> Result<Vec<SearchedPart>, ProjectError> {
        let offline = self.project.offline()?;
        let sources: BTreeSet<_> = self.affected.views().map(|view| view.source.clone()).collect();
        let affected: BTreeSet<&VersionId> = self.affected.views().map(|view| &view.id).collect();
        let mut parts = Vec::new();
        for view in self.registered.views() {
            if !sources.contains(&view.source) && !affected.contains(&view.id) {
                continue;
            }
            let removes = pass == Pass::Remove;
            for kind in ["refused rows", "quarantined batches"] {
                let (subject, texts) = (self.subject.clone(), self.subject.texts());
                let is_of_entity = move |text: &str| subject.is_in(text);
                let searched = match kind {
                    "refused rows" => offline.forget_refused(&view.id, texts, removes, is_of_entity).await?,
                    _ => offline.forget_quarantined(&view.id, texts, removes, is_of_entity).await?,
                };
                if searched.files == 0 && searched.commits == 0 {
                    continue;
                }
                let part = format!("{kind} of {}", view.id);
                parts.push(match removes {
                    true => removed_from(&searched, part, None),
                    false => searched_in(&searched, part),
                });
            }
        }
        Ok(parts)
    }

    /// Views whose rows name the key as a value.
    pub(super) async fn values(&self) -> Result<Vec<NamingView>, ProjectError> {
        let (offline, texts) = (self.project.offline()?, self.subject.strings());
        let mut found = Vec::new();
        if texts.is_empty() {
            return Ok(found);
        }
        for view in self.registered.views() {
            let rows =
                offline.rows_with_values(view, texts.clone(), view.entity != self.subject.entity).await?;
            found.extend((rows > 0).then(|| NamingView { view: view.id.clone(), rows }));
        }
        Ok(found)
    }

    /// How many rows of the entity the files of sources hold.
    pub(super) async fn sources(&self) -> Result<Vec<HoldingSource>, ProjectError> {
        let mut found: Vec<HoldingSource> = Vec::new();
        for view in self.affected.own.iter().filter(|view| !view.is_derived()) {
            let target = target(self.registered, view.clone())?;
            if let Some(stream) = target.source.stream.as_ref().filter(|_| !self.project.has_topics_on_disk())
            {
                let file = format!("the topic {} of Kafka, which was not searched", stream.topic);
                found.push(HoldingSource { source: target.source.name.clone(), file, rows: 0 });
            }
            let name = &target.source.name;
            match rows_of_source(&self.project.folder, &target, &self.subject.key).await {
                Ok(rows) => found.extend(rows.into_iter().map(|(file, rows)| HoldingSource {
                    source: name.clone(),
                    file,
                    rows,
                })),
                // The entity is gone from the stores whether its sources can be read or not.
                Err(error) => {
                    let file = format!("it could not be searched: {error}");
                    found.push(HoldingSource { source: name.clone(), file, rows: 0 });
                }
            }
        }
        found.sort_by(|a, b| (&a.source, &a.file).cmp(&(&b.source, &b.file)));
        found.dedup_by(|a, b| (&a.source, &a.file) == (&b.source, &b.file));
        Ok(found)
    }
}

fn searched(table: &SearchedTable) -> String {
    format!("{}, {}", counted(table.files, "file"), counted(table.commits, "commit"))
}

fn searched_in(table: &SearchedTable, part: String) -> SearchedPart {
    // Of files with rows of the entity nothing is said any more, so these are values of other rows.
    let note = (table.texts > 0).then(|| {
        format!("{} of the table name the text of the key, as a value", counted(table.texts, "commit"))
    });
    SearchedPart { part, searched: searched(table), found: table.rows, note, ..SearchedPart::default() }
}

fn removed_from(table: &SearchedTable, part: String, note: Option<String>) -> SearchedPart {
    SearchedPart {
        part,
        searched: searched(table),
        found: table.rows,
        removed: table.rows,
        note,
        ..SearchedPart::default()
    }
}
