//! The parts that a project's settings name: registry, broker and online store, and whether each is well.

use std::sync::Arc;
use std::time::Duration;

use feature::{HelpTopic, Micros, Span, VersionId, View, counted, thousands};
use monitor::{Area, Finding, MissingRise};
use online::Reader;
use registry::{Registered, Registry};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::failed::failed;
use super::stored;
use crate::error::ProjectError;
use crate::missing_logs::all_views;
use crate::project::Project;
use crate::pushing;
use crate::run::blocking;
use crate::served::{ComparedReads, DifferingReads, compared_since};
use crate::slo::{before, rises_of_missing};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the registry is what was written.
pub(super) async fn registry(registry: &Registry, registered: &Registered) -> Finding {
    match registry.integrity().await {
        Err(error) => failed(Area::Registry, &error.into()),
        Ok(damaged) => match damaged.first() {
            Some(first) => Finding::wrong(
                Area::Registry,
                format!(
                    "the registry is damaged: {first}: restore it from a copy, or apply the definitions again"
                ),
            ),
            None => {
                let definitions = counted(registered.definitions().count() as u64, "definition");
                Finding::fine(
                    Area::Registry,
                    format!("{definitions}, generation {}, as they were written", registered.generation()),
                )
            }
        },
    }
}

/// Whether a broker answers, where any source streams from one.
pub(super) async fn broker(project: &Project, registered: &Registered) -> Option<Finding> {
    let streams = |view: &Arc<View>| registered.source_of(view).is_ok_and(|source| source.stream.is_some());
    if !registered.views().any(streams) {
        return None;
    }
    let brokers = &project.settings.stream.brokers;
    if project.has_topics_on_disk() {
        return Some(Finding::fine(
            Area::Broker,
            format!("topics lie on disk at {}", feature::redacted(brokers)),
        ));
    }
    let mut refused = Vec::new();
    for address in brokers.split(',').map(str::trim) {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Some(Finding::fine(Area::Broker, format!("the broker {address} answers"))),
            Ok(Err(error)) => refused.push(format!("{address}: {error}")),
            Err(_) => refused.push(format!("{address}: no answer in {} seconds", PATIENCE.as_secs())),
        }
    }
    Some(Finding::wrong(
        Area::Broker,
        format!(
            "no broker of `stream.brokers` answers ({}): start one, or set the addresses right",
            refused.join("; ")
        ),
    ))
}

/// Topics on disk that are gone, though rows were pushed into them.
pub(super) async fn lost_topics(
    project: &Project,
    registry: &Registry,
    registered: &Registered,
) -> Vec<Finding> {
    let lost = pushing::lost_topics(project, registry, registered).await;
    lost.iter().map(|lost| Finding::wrong(Area::Broker, lost.to_string())).collect()
}

/// Whether the online store answers, keeps what it is given, and has the rows of every log.
pub(super) async fn store(project: &Project, registered: &Registered) -> Vec<Finding> {
    let url = feature::redacted(&project.settings.online.url).into_owned();
    if project.online_folder_is_missing() {
        return vec![Finding::noted(Area::Store, format!("{url} is made by the first load"))];
    }
    let opened = match timeout(PATIENCE, project.online()).await {
        Ok(opened) => opened,
        Err(_) => {
            let said = format!("{url} does not answer in {} seconds: look at its server", PATIENCE.as_secs());
            return vec![Finding::wrong(Area::Store, said)];
        }
    };
    let store = match opened {
        Ok(store) => store,
        Err(error) => return vec![failed(Area::Store, &error)],
    };
    let mut findings = Vec::new();
    match crate::clock::check_store(project, &store).await {
        Ok(()) => (),
        Err(error @ ProjectError::WrongClock { .. }) => findings.push(failed(Area::Clock, &error)),
        Err(error) => findings.push(failed(Area::Store, &error)),
    }
    let (mut views, mut rows) = (0, 0);
    for view in registered.views() {
        let stats = match timeout(PATIENCE, store.stats(&view.id)).await {
            Ok(Ok(stats)) => stats,
            Ok(Err(error)) => return vec![failed(Area::Store, &error.into())],
            Err(_) => {
                let said = format!("{url} does not answer in {} seconds", PATIENCE.as_secs());
                return vec![Finding::wrong(Area::Store, said)];
            }
        };
        (views, rows) = (views + 1, rows + stats.rows);
        if stats.rows == 0 && is_to_be_online(project, view).await {
            let lost = format!("the log of {} has rows, and the online store has none of them", view.id);
            findings
                .push(Finding::wrong(Area::Store, lost).helped_by(Some(HelpTopic::Rebuild(view.id.clone()))));
        } else if stats.rows > 0 {
            findings.extend(stored::damaged_rows(project, view, &store).await);
        }
    }
    let others = project.other_prefixes(&all_views(registered), &store).await;
    findings.extend(others.into_values().map(|error| failed(Area::Store, &error.into())));
    if findings.is_empty() {
        let said = format!("{url} answers, with {} of {}", counted(rows, "row"), counted(views, "view"));
        findings.push(Finding::fine(Area::Store, said));
    }
    findings
}

/// Views of which rows may be lost: more reads find none than before.
pub(super) async fn missing(registry: &Registry, now: Micros) -> Vec<Finding> {
    let rises = match rises_of_missing(registry, now).await {
        Ok(rises) => rises,
        Err(error) => return vec![failed(Area::Registry, &error)],
    };
    let finding = |(view, rise): (VersionId, MissingRise)| {
        let said = format!(
            "{:.1}% of the reads of {view} found no row in the last 5 minutes, and {:.1}% in the hour before: online rows may be lost",
            rise.lately * 100.0,
            rise.before * 100.0
        );
        Finding::wrong(Area::Store, said).helped_by(Some(HelpTopic::Rebuild(view)))
    };
    rises.into_iter().map(finding).collect()
}

/// Views of which a server gave values lately that their logs do not give.
pub(super) async fn served(project: &Project) -> Vec<Finding> {
    const LATELY: Span = Span::MINUTE.times(5);
    let (folder, since) = (project.served_folder(), before(project.now(), LATELY));
    let compared = {
        let folder = folder.clone();
        blocking(move || compared_since(&folder, since)).await
    };
    let compared = compared.and_then(|compared| compared.map_err(ProjectError::file("read", &folder)));
    let ComparedReads { by_view, damaged } = match compared {
        Ok(compared) => compared,
        Err(error) => return vec![failed(Area::Disk, &error)],
    };
    let finding = |(view, reads): (VersionId, DifferingReads)| {
        let said = format!(
            "{} of the {} compared in the last 5 minutes give values of {view} that its log does not give",
            thousands(reads.differing),
            counted(reads.compared, "answer")
        );
        Finding::wrong(Area::Store, said).helped_by(Some(HelpTopic::Rebuild(view)))
    };
    let differing = by_view.into_iter().filter(|(_, reads)| reads.differing > 0).map(finding);
    let damaged = damaged.iter().map(|damaged| Finding::wrong(Area::Disk, damaged.to_string()));
    differing.chain(damaged).collect()
}

/// Whether the log of a view has rows that are to be online, too; not where it cannot be read, which whoever reads it says.
async fn is_to_be_online(project: &Project, view: &Arc<View>) -> bool {
    let Ok(offline) = project.offline() else { return false };
    let Ok(log) = offline.log(view).await else { return false };
    log.row_count() > 0 && !materializer::is_offline_first(&log).await.unwrap_or(false)
}
