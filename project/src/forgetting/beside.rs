//! What lies beside the stores and holds values of entities: topics on disk, the sample of served answers, and reports that
//! compare versions.

use std::collections::BTreeSet;

use feature::{Micros, counted};
use materializer::forget_pushed;
use registry::KeptParity;
use serde_json::Value as Json;

use super::report::SearchedPart;
use super::search::{Pass, Search};
use crate::error::ProjectError;
use crate::run::blocking;
use crate::served::kept_reads;

impl Search<'_> {
    /// Topics on disk from which views of the entity read.
    pub(super) async fn topics(&self, pass: Pass, until: Micros) -> Result<Vec<SearchedPart>, ProjectError> {
        let mut topics = BTreeSet::new();
        for view in self.registered.views().filter(|view| view.entity == self.subject.entity) {
            if !view.is_derived() {
                let source = self.registered.source_of(view)?;
                topics.extend(source.stream.as_ref().map(|stream| stream.topic.clone()));
            }
        }
        let mut parts = Vec::new();
        for topic in topics {
            let Some(folder) = self.project.topic_on_disk(&topic)? else { continue };
            let subject = self.subject.clone();
            let searched = blocking(move || {
                let holds = |bytes: Option<&[u8]>| {
                    bytes.is_some_and(|bytes| subject.is_in(&String::from_utf8_lossy(bytes)))
                };
                forget_pushed(&folder, until, pass == Pass::Remove, |key, value| holds(key) || holds(value))
            });
            let searched = searched.await??;
            let waits = searched.found.saturating_sub(searched.cleared);
            let note = (pass == Pass::Remove && waits > 0).then(|| {
                format!(
                    "{} to be read by a running stream first: run this again then",
                    counted(waits, "record")
                )
            });
            parts.push(SearchedPart {
                part: format!("topic {topic} on disk"),
                searched: counted(searched.records, "record"),
                found: searched.found,
                removed: searched.cleared,
                note,
                ..SearchedPart::default()
            });
        }
        Ok(parts)
    }

    /// The sample of what servers answered.
    pub(super) async fn served(&self, pass: Pass) -> Result<SearchedPart, ProjectError> {
        let (folder, subject) = (self.project.served_folder(), self.subject.clone());
        let removes = pass == Pass::Remove;
        let is_one = move |line: &[u8]| subject.is_in(&String::from_utf8_lossy(line));
        let (answers, found) = blocking({
            let folder = folder.clone();
            move || kept_reads::forget(&folder, removes, is_one)
        })
        .await?
        .map_err(ProjectError::file("write", &folder))?;
        Ok(SearchedPart {
            part: "sample of served answers".to_owned(),
            searched: counted(answers, "answer"),
            found,
            removed: if removes { found } else { 0 },
            ..SearchedPart::default()
        })
    }

    /// Examples in reports that compare versions.
    pub(super) async fn parities(&self, pass: Pass) -> Result<SearchedPart, ProjectError> {
        let registry = self.project.registry().await?;
        let kept = registry.parities().await?;
        let mut part = SearchedPart {
            part: "reports that compare versions".to_owned(),
            searched: counted(kept.len() as u64, "report"),
            ..SearchedPart::default()
        };
        for parity in kept {
            let Ok(mut report) = serde_json::from_str::<Json>(&parity.report) else { continue };
            let rows = self.take_examples(&mut report);
            part.found += rows;
            if rows > 0 && pass == Pass::Remove {
                part.removed += rows;
                let kept = KeptParity { report: report.to_string(), ..parity };
                registry.keep_parity(&kept).await?;
            }
        }
        Ok(part)
    }

    /// Takes the rows of the entity out of a report; gives how many there were.
    fn take_examples(&self, report: &mut Json) -> u64 {
        let mut taken = 0;
        match report {
            Json::Array(items) => {
                let before = items.len();
                items.retain(|item| item.get("entity").is_none_or(|entity| !self.subject.is_in_json(entity)));
                taken += (before - items.len()) as u64;
                taken += items.iter_mut().map(|item| self.take_examples(item)).sum::<u64>();
            }
            Json::Object(members) => {
                taken += members.values_mut().map(|member| self.take_examples(member)).sum::<u64>();
            }
            _ => {}
        }
        taken
    }
}
