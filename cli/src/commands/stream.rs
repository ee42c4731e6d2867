//! `stream`: the topics of views into both stores, a thread for each view, until it is told to stop.

mod freshness;
pub(super) mod metrics;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use feature::{Span, VersionId, View};
use materializer::{
    Bounds, Following, Guard, Kafka, KafkaSettings, Materializer, PushFeed, Share, Stage, StreamReport,
    Target, Trial, Watch, follow,
};
use online::Store;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::arguments::{Format, StreamArgs};
use crate::clock;
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count};
use crate::project::{Project, targets_with};
use crate::trial;

/// Bytes of the records of one flush.
const FLUSH_BYTES: usize = 16 << 20;

/// How often the files of the logs are counted.
const COMPACT_EVERY: Duration = Duration::from_secs(30);
/// Files of a log beyond which it is compacted.
const FILES_BEFORE_COMPACTING: usize = 300;

/// Where a view's records come from.
pub(super) enum Settings {
    Kafka(KafkaSettings),
    Disk { folder: PathBuf, group: String },
}

/// One view whose stream is followed, or was.
struct Followed {
    view: VersionId,
    watch: Arc<Watch>,
    outcome: Option<StreamReport>,
}

pub async fn stream(project: &Project, args: &StreamArgs) -> Result<(), Failure> {
    share(args.max_bad_share)?;
    let registered = project.registered().await?;
    let targets = targets_with(&registered, &args.views, |source| source.stream.is_some())?;
    if targets.is_empty() {
        return Err(Failure::new(
            "no registered view has a source with a `stream`: there is nothing to follow",
        ));
    }
    let trial = Arc::new(trial::of_stream()?);
    let mut materializer = project.materializer(&targets, "stream").await?;
    if !trial.has(Guard::CompareAndSet) {
        materializer.online = materializer.online.without_compare();
    }
    let materializer = Arc::new(materializer);
    let stop = Arc::new(AtomicBool::new(false));
    let (ended, mut endings) = mpsc::unbounded_channel();
    let mut followed = Vec::new();
    let views_followed: Vec<Arc<View>> = targets.iter().map(|target| target.view.clone()).collect();
    for target in targets {
        let watch = Arc::new(Watch::default());
        let settings = feed_settings(project, &target)?;
        let mut following = following(args, &watch, &stop, &trial)?;
        if matches!(settings, Settings::Disk { .. }) {
            // Many push who know nothing of each other: the bad rows of one hold up no other.
            following.share = following.share.noting();
        }
        followed.push(Followed { view: target.view.id.clone(), watch, outcome: None });
        let (materializer, ended, place) = (materializer.clone(), ended.clone(), followed.len() - 1);
        let runtime = Handle::current();
        thread::Builder::new().name(target.view.id.to_string()).spawn(move || {
            let outcome = runtime.block_on(run(&materializer, &target, &settings, &following));
            // The command may have ended already: then nobody asks.
            drop(ended.send((place, outcome)));
        })?;
    }
    drop(ended);
    let metrics = match &args.metrics {
        Some(address) => {
            Some(tokio::spawn(metrics::serve(metrics::bind(address).await?, watched(&followed))))
        }
        None => None,
    };
    let views: Vec<String> = followed.iter().map(|followed| followed.view.to_string()).collect();
    eprintln!("following {} from {}", views.join(", "), project.settings.stream.brokers);
    let compacting = tokio::spawn(compact(materializer.clone(), views_followed));
    let mut carried = freshness::Carried::new(project.registry().await?, watched(&followed));
    let mut carrying = tokio::time::interval(freshness::EVERY);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut failures = Vec::new();
    loop {
        tokio::select! {
            ending = endings.recv() => match ending {
                None => break,
                Some((place, Ok(report))) => {
                    if let Some(followed) = followed.get_mut(place) {
                        followed.outcome = Some(report);
                    }
                }
                // The other views go on: each stands for itself.
                Some((_, Err(failure))) => {
                    eprintln!("error: {failure}");
                    failures.push(failure.to_string());
                }
            },
            _ = carrying.tick() => carry(&mut carried).await,
            _ = tokio::signal::ctrl_c() => stop_them(&stop),
            _ = terminate.recv() => stop_them(&stop),
        }
    }
    compacting.abort();
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    carry(&mut carried).await;
    show(&followed, args.format.format)?;
    match failures.as_slice() {
        [] => Ok(()),
        failures => Err(Failure::new(failures.join("\n"))),
    }
}

/// Each flush is a file of the log, so small ones are put together while the streams run.
pub(super) async fn compact(materializer: Arc<Materializer<Store>>, views: Vec<Arc<View>>) {
    loop {
        tokio::time::sleep(COMPACT_EVERY).await;
        for view in &views {
            match materializer.compact(view, FILES_BEFORE_COMPACTING).await {
                Ok(None) => {}
                Ok(Some(done)) => {
                    tracing::info!("{}: {} files are {} now", view.id, done.files_before, done.files_after);
                }
                // It is tried again: nothing depends on it.
                Err(error) => tracing::warn!("{}: its log was not compacted: {error}", view.id),
            }
        }
    }
}

/// The streams go on where it fails: it is tried again, with what came since.
async fn carry(carried: &mut freshness::Carried) {
    if let Err(error) = carried.carry().await {
        tracing::warn!("how fresh the views are was not kept: {error}");
    }
}

fn watched(followed: &[Followed]) -> Vec<(VersionId, Arc<Watch>)> {
    followed.iter().map(|one| (one.view.clone(), one.watch.clone())).collect()
}

fn stop_them(stop: &AtomicBool) {
    eprintln!("stopping: committing what was read");
    stop.store(true, Ordering::Relaxed);
}

/// Follows one view until it is told to stop. It blocks: it wants a thread of its own.
pub(super) async fn run(
    materializer: &Materializer<Store>,
    target: &Target,
    settings: &Settings,
    following: &Following,
) -> Result<StreamReport, Failure> {
    let said = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", target.view.id));
    Ok(match settings {
        Settings::Kafka(settings) => {
            let feed = Kafka::join(settings, clock::now).map_err(|error| said(&error))?;
            follow(materializer, target, feed, following).await?
        }
        Settings::Disk { folder, group } => {
            let feed = PushFeed::join(folder, group, clock::now).map_err(|error| said(&error))?;
            follow(materializer, target, feed, following).await?
        }
    })
}

fn following(
    args: &StreamArgs,
    watch: &Arc<Watch>,
    stop: &Arc<AtomicBool>,
    trial: &Arc<Trial>,
) -> Result<Following, Failure> {
    Ok(Following {
        bounds: bounds(args.flush_rows.get(), args.flush_after)?,
        share: share(args.max_bad_share)?,
        max_fold_bytes: usize::try_from(args.fold_memory).unwrap_or(usize::MAX),
        watch: watch.clone(),
        until_caught_up: args.until_caught_up,
        stop: stop.clone(),
        trial: trial.clone(),
    })
}

/// How many of a view's rows may be bad.
pub(super) fn share(max_bad_share: f64) -> Result<Share, Failure> {
    if !(0.0..=1.0).contains(&max_bad_share) {
        return Err(Failure::new("--max-bad-share is a share: a number from 0 to 1"));
    }
    Ok(Share::allowed(max_bad_share))
}

/// When a flush begins.
pub(super) fn bounds(rows: usize, wait: Span) -> Result<Bounds, Failure> {
    let (first_rest, longest_rest) = ("50ms".parse()?, "5s".parse()?);
    Ok(Bounds { rows, bytes: FLUSH_BYTES, wait, first_rest, longest_rest })
}

/// A group for each view: every view reads all of its topic, from its own place.
pub(super) fn feed_settings(project: &Project, target: &Target) -> Result<Settings, Failure> {
    let Target { view, source } = target;
    let Some(stream) = &source.stream else {
        return Err(Failure::new(format!("the source `{}` of {} has no `stream`", source.name, view.id)));
    };
    if let Some(folder) = project.topic_on_disk(&stream.topic)? {
        return Ok(Settings::Disk { folder, group: project.group_on_disk(&view.id) });
    }
    let group = project.group(&view.id);
    Ok(Settings::Kafka(KafkaSettings {
        brokers: project.settings.stream.brokers.clone(),
        topic: stream.topic.clone(),
        group,
        options: project.settings.stream.kafka.clone(),
    }))
}

fn show(followed: &[Followed], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let views: Vec<&StreamReport> = followed.iter().filter_map(|one| one.outcome.as_ref()).collect();
        return output::json(&json!({"views": views}));
    }
    let rows = followed.iter().filter_map(|one| {
        let report = one.outcome.as_ref()?;
        let readable = |share| match one.watch.quantile(Stage::Readable, share) {
            Some(micros) => format!("≤ {}ms", micros / 1_000),
            None => "–".to_owned(),
        };
        Some(vec![
            report.view.to_string(),
            count(report.records),
            count(report.rows_loaded),
            count(report.late),
            count(report.refused_rows()),
            count(report.filtered + report.null_keys),
            count(report.flushes),
            readable(0.5),
            readable(0.99),
        ])
    });
    println!("{}", output::table(&headings::STREAMED, &[1, 2, 3, 4, 5, 6, 7, 8], rows));
    Ok(())
}
