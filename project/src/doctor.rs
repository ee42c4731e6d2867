//! Doctor: a walk through a project from what people see down to what everything stands on: what was changed, definitions,
//! freshness, values, rows that were kept out, pipelines, broker, store, registry, versions, ports, clock, disk. Nothing is
//! changed.
//! It ends in the probable cause, and what to do.

mod definitions;
mod failed;
mod folders;
mod parts;
mod pipelines;
mod sources;
mod stored;
mod versions;

use std::collections::BTreeMap;
use std::io::ErrorKind;

use feature::{HelpTopic, Micros, Span, VersionId, counted};
use monitor::{Area, Condition, Finding, next_step, probable_cause};
use registry::{Registered, Registry};
use serde::Serialize;
use tokio::net::TcpListener;

use failed::failed;

use crate::breakers::open_breakers;
use crate::error::ProjectError;
use crate::project::Project;
use crate::quality::changes as value_changes;
use crate::quality::kept_out::KeptOut;
use crate::slo::{before, moment_text};

/// How far back changes are looked at.
const CHANGED_WITHIN: Span = Span::DAY;
/// The newest changes that are named.
const MOST_CHANGES: usize = 3;

/// What a walk through a project found.
#[derive(Clone, Debug, Serialize)]
pub struct Examination {
    /// When.
    #[serde(serialize_with = "moment_text")]
    pub at: Micros,
    /// Everything that was looked at, in the order of the walk.
    pub findings: Vec<Found>,
    /// What is probably the cause of what is wrong; `None` if nothing is.
    pub cause: Option<Found>,
    /// What to do next where nothing is wrong; `None` if there is nothing to do.
    pub next: Option<Found>,
}

/// Something that was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Found {
    /// Where, as `online store`.
    pub area: &'static str,
    /// `ok`, `note` or `WRONG`.
    pub condition: &'static str,
    /// What is so.
    pub said: String,
    /// The operation that helps.
    #[serde(skip)]
    pub help: Option<HelpTopic>,
}

impl From<&Finding> for Found {
    fn from(finding: &Finding) -> Self {
        Self {
            area: finding.area.name(),
            condition: finding.condition.name(),
            said: finding.said.clone(),
            help: finding.help.clone(),
        }
    }
}

/// Looks at everything. It goes on where a part cannot be opened: that is what it is for.
pub(crate) async fn examine(project: &Project) -> Examination {
    let mut findings = vec![ports(project).await];
    findings.extend(folders::examine(project));
    findings.push(clock(project).await);
    let opened = open(project).await;
    match &opened {
        Ok(Some((registry, registered))) => {
            findings.push(parts::registry(registry, registered).await);
            findings.extend(versions::examine(registry, registered).await);
            findings.push(changes(registry, project.now()).await);
            findings.push(definitions::examine(project, registered).await);
            findings.extend(sources::examine(project, registered).await);
            findings.extend(stored::lacking_files(project, registered).await);
            findings.extend(pipelines::examine(project, registry, registered).await);
            findings.extend(breakers(registry, project.now()).await);
            let (changed, missing) = value_changes::findings(project, registered).await;
            findings.extend(changed);
            findings.extend(kept_out(project, registered, &missing).await);
            findings.extend(parts::broker(project, registered).await);
            findings.extend(parts::lost_topics(project, registry, registered).await);
            findings.extend(parts::store(project, registered).await);
            findings.extend(parts::missing(registry, project.now()).await);
            findings.extend(parts::served(project).await);
        }
        Ok(None) => {
            findings.push(match project.registry_is_gone().await {
                Ok(None) => Finding::noted(Area::Registry, "nothing is registered yet")
                    .helped_by(Some(HelpTopic::RegisterDefinitions)),
                Ok(Some(gone)) => failed(Area::Registry, &gone),
                Err(error) => failed(Area::Registry, &error),
            });
            let registered = Registered::default();
            findings.push(definitions::examine(project, &registered).await);
            findings.extend(parts::store(project, &registered).await);
        }
        Err(error) => findings.push(failed(Area::Registry, error)),
    }
    findings.sort_by_key(|finding| finding.area);
    Examination {
        at: project.now(),
        cause: probable_cause(&findings).map(Found::from),
        next: next_step(&findings).map(Found::from),
        findings: findings.iter().map(Found::from).collect(),
    }
}

/// What is registered; `None` if nothing is yet.
async fn open(project: &Project) -> Result<Option<(Registry, Registered)>, ProjectError> {
    let Some(registry) = project.registry_so_far().await? else { return Ok(None) };
    let registered = registry.registered().await?;
    Ok((!registered.is_empty()).then_some((registry, registered)))
}

/// What was changed lately: the first question of whoever looks for a cause.
async fn changes(registry: &Registry, now: Micros) -> Finding {
    let log = match registry.audit().await {
        Ok(log) => log,
        Err(error) => return failed(Area::Changes, &error.into()),
    };
    let since = before(now, CHANGED_WITHIN);
    let lately: Vec<_> = log.entries.iter().rev().filter(|entry| entry.at >= since).collect();
    if lately.is_empty() {
        return Finding::fine(Area::Changes, "nothing was changed in the last day");
    }
    let named = lately.iter().take(MOST_CHANGES);
    let named = named.map(|entry| {
        format!("{} of {} at {} by {}", entry.action.name(), entry.subject, entry.at, entry.actor)
    });
    let named: Vec<String> = named.collect();
    let more = lately.len().saturating_sub(MOST_CHANGES);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    Finding::noted(Area::Changes, format!("the newest of the last day: {}{more}", named.join("; ")))
}

/// Views whose circuit breaker is open. It keeps readers from what is wrong, and is not its cause.
async fn breakers(registry: &Registry, now: Micros) -> Vec<Finding> {
    match open_breakers(registry, now).await {
        Ok(open) => {
            let finding = |(view, said): (VersionId, String)| {
                Finding::noted(Area::Values, format!("{view}: {said}"))
                    .helped_by(Some(HelpTopic::Breakers(view)))
            };
            open.into_iter().map(finding).collect()
        }
        Err(error) => vec![failed(Area::Registry, &error)],
    }
}

/// Rows that came and were not loaded. They are the cause where a view has fewer rows than on the dates before, and they are
/// most of what is missed.
async fn kept_out(
    project: &Project,
    registered: &Registered,
    missing: &BTreeMap<VersionId, u64>,
) -> Vec<Finding> {
    // That the store cannot be opened is found by whoever looks at the disk.
    let Ok(store) = project.offline() else { return Vec::new() };
    let (mut findings, mut looked_at) = (Vec::new(), 0);
    for view in registered.views() {
        match KeptOut::of(&store, view).await {
            Ok(kept_out) => {
                looked_at += 1;
                findings.extend(kept_out.findings(view, missing.get(&view.id).copied()));
            }
            Err(error) => {
                let said = format!("what {} refused cannot be read: {error}", view.id);
                let help = ProjectError::from(error).help();
                findings.push(Finding::wrong(Area::KeptOut, said).helped_by(help));
            }
        }
    }
    if findings.is_empty() && looked_at > 0 {
        let said = format!("no row of {} is refused, and no file in quarantine", counted(looked_at, "view"));
        findings.push(Finding::fine(Area::KeptOut, said));
    }
    findings
}

/// Whether a server listens, or could.
async fn ports(project: &Project) -> Finding {
    let mut said = Vec::new();
    // Those that are free are listened at until all were tried, as a server does.
    let mut bound = Vec::new();
    let settings = &project.settings.serve;
    for (key, address) in [("serve.grpc", &settings.grpc), ("serve.http", &settings.http)] {
        let listening = TcpListener::bind(address).await;
        let named = address;
        let address = feature::redacted(address);
        match listening {
            Ok(listener) => {
                bound.push(listener);
                said.push(format!("{key} {address} is free"));
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                if is_free_without(&mut bound, named).await
                    || (key == "serve.http" && settings.grpc == *named)
                {
                    return Finding::wrong(
                        Area::Ports,
                        format!(
                            "serve.grpc {} and serve.http {} are one address, and a server listens at each: set another port for one",
                            feature::redacted(&settings.grpc),
                            feature::redacted(&settings.http)
                        ),
                    );
                }
                said.push(format!("{key} {address} is in use"));
            }
            Err(error) => {
                return Finding::wrong(
                    Area::Ports,
                    format!("{key} {address} cannot be listened at: {error}"),
                );
            }
        }
    }
    let is_served = crate::pushing::served_at(project).ok().flatten().is_some();
    let in_use = said.iter().filter(|said| said.ends_with("in use")).count();
    let served = if is_served { "; this project is served" } else { "" };
    let finding = Finding::fine(Area::Ports, format!("{}{served}", said.join(", ")));
    // Where topics are Kafka's nothing says whose server it is.
    if in_use > 0 && !is_served && project.has_topics_on_disk() {
        let by_another =
            format!("{}, and not by a server of this project: set other addresses", said.join(", "));
        return Finding { condition: Condition::Noted, said: by_another, ..finding };
    }
    finding
}

/// Whether an address that is in use is free once these listeners are closed: then it is theirs.
async fn is_free_without(listeners: &mut Vec<TcpListener>, address: &str) -> bool {
    let had = !listeners.is_empty();
    listeners.clear();
    had && TcpListener::bind(address).await.is_ok()
}

/// Whether the clock is that of the storage and of the online store.
async fn clock(project: &Project) -> Finding {
    match crate::clock::check_logs(project).await {
        Ok(()) => Finding::fine(Area::Clock, format!("it is {}, as the storage says", project.now())),
        Err(error @ ProjectError::WrongClock { .. }) => failed(Area::Clock, &error),
        Err(error) if project.offline().is_ok_and(|offline| offline.is_in_bucket()) => {
            failed(Area::Clock, &error)
        }
        // What cannot be read is found by whoever looks at the disk.
        Err(error) => {
            Finding::noted(Area::Clock, format!("the storage does not say what time it is: {error}"))
        }
    }
}
