//! What rows take that are kept: estimated from entities, features, retention and how often an entity gets a row; and
//! beside it what is really taken.

use std::path::Path;
use std::sync::Arc;

use feature::{DataType, Micros, Position, Row, Scalar, Span, Value, View};
use materializer::expired_before;
use monitor::{Observed, Statistics};
use offline::{LogSnapshot, OfflineStore};
use online::{Layout, Reader, RowState, Store};
use serde::Serialize;

use crate::error::ProjectError;
use crate::project::Project;
use crate::run::blocking;
use crate::targets::views_of;

/// Bytes that a row of a log takes beside its keys and values: of 89 for ten random float64 values (docs/operating/sizing.md).
const ROW_FACTS_BYTES: f64 = 9.0;
/// Bytes that a text, bytes or a list count as.
const TEXT_BYTES: usize = 16;
/// Bytes of a row of the table of statistics beside its sketch.
const COUNTED_BYTES: f64 = 60.0;
/// Rows of a made-up entity or date: more change its size little.
const MOST_ROWS: u64 = 5_000;
const DAY_S: f64 = 86_400.0;

/// What to estimate.
#[derive(Clone, Debug, Default)]
pub struct EstimateCost {
    /// Of which service or view, by its name; of all views where none is named.
    pub name: Option<String>,
    /// For so many entities; those that are online where it is not named.
    pub entities: Option<u64>,
    /// For a row of an entity so often; as the log says where it is not named.
    pub every: Option<Span>,
    /// For rows kept so long; the retention, or else the dates of the log, where it is not named.
    pub kept_for: Option<Span>,
}

/// What a part of a view takes, in bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartCost {
    /// The part.
    pub part: &'static str,
    /// As estimated; none of what follows from how it is used.
    pub estimated: Option<u64>,
    /// As measured; none where nothing is there.
    pub taken: Option<u64>,
}

/// What a view takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ViewCost {
    /// The view.
    pub view: feature::VersionId,
    /// Entities that are estimated for.
    pub entities: u64,
    /// Features.
    pub features: usize,
    /// Seconds between two rows of an entity.
    pub every_s: f64,
    /// Days for which rows are kept.
    pub kept_days: f64,
    /// Its parts.
    pub parts: Vec<PartCost>,
}

pub(crate) async fn cost(project: &Project, estimate: &EstimateCost) -> Result<Vec<ViewCost>, ProjectError> {
    let registered = project.registered().await?;
    project.check_logs().await?;
    let (offline, online) = (project.offline()?, project.online().await?);
    let share = Share::of(&views_of(&registered, None)?, &online).await?;
    let estimating = Estimating { offline, online, share, now: project.now(), estimate };
    let mut costs = Vec::new();
    for view in views_of(&registered, estimate.name.as_deref())? {
        costs.push(estimating.view(&view).await?);
    }
    Ok(costs)
}

/// What the estimates of all views have in common.
struct Estimating<'a> {
    offline: OfflineStore,
    online: Store,
    share: Share,
    now: Micros,
    estimate: &'a EstimateCost,
}

impl Estimating<'_> {
    async fn view(&self, view: &Arc<View>) -> Result<ViewCost, ProjectError> {
        let snapshot = self.offline.log(view).await?.snapshot()?;
        let stats = self.online.stats(&view.id).await?;
        let logged = snapshot.as_ref().map(|log| Logged::of(log, view, self.now));
        let entities = self.estimate.entities.unwrap_or(stats.rows);
        let retention = view.retention.and_then(|retention| retention.offline);
        let kept_for = self.estimate.kept_for.or(retention).map(days);
        let kept_days = kept_for.or_else(|| logged.as_ref().map(|logged| logged.days)).unwrap_or(0.0);
        let every_s = self.estimate.every.map(seconds).or_else(|| {
            let logged = logged.as_ref().filter(|logged| logged.rows > 0 && stats.rows > 0)?;
            Some(logged.days * DAY_S * stats.rows as f64 / logged.rows as f64)
        });
        let every_s = every_s.unwrap_or(DAY_S).max(1e-6);
        let (of, root) = (view.clone(), self.offline.folder()?);
        let a_day = (entities as f64 * DAY_S / every_s).max(1.0);
        let measured = move || {
            let bytes = (packed_bytes(&of, every_s), statistics_bytes(&of, a_day));
            Ok::<_, ProjectError>((Disk::of(&root, &of)?, bytes))
        };
        let (disk, (packed, statistics)) = blocking(measured).await??;
        let live = logged.as_ref().map(|logged| logged.bytes);
        // Of a bucket only what was read of it is on disk.
        let on_disk = live.filter(|_| !self.offline.is_in_bucket());
        let log = entities as f64 * kept_days * DAY_S / every_s * row_bytes(view);
        let online = match self.online.bytes_a_row(&view.id).await? {
            Some(bytes) => Some((bytes * stats.rows as f64) as u64),
            None => self.share.of_view(stats.bytes),
        };
        let part = |part, estimated: Option<f64>, taken| PartCost {
            part,
            estimated: estimated.map(|bytes| bytes as u64),
            taken,
        };
        let parts = vec![
            part("log", Some(log), live),
            part("older versions", None, on_disk.map(|live| disk.rows.saturating_sub(live))),
            part("commits", None, on_disk.map(|_| disk.commits)),
            part("statistics", Some(kept_days * statistics), on_disk.map(|_| disk.statistics)),
            part("online store", Some(entities as f64 * packed), online.filter(|_| stats.rows > 0)),
        ];
        let features = view.features.len();
        Ok(ViewCost { view: view.id.clone(), entities, features, every_s, kept_days, parts })
    }
}

fn seconds(span: Span) -> f64 {
    span.micros() as f64 / 1e6
}

fn days(span: Span) -> f64 {
    seconds(span) / DAY_S
}

/// What the newest version of a log has.
struct Logged {
    rows: u64,
    bytes: u64,
    /// From its first date to its last.
    days: f64,
}

impl Logged {
    /// Only dates that retention keeps: those before go.
    fn of(log: &LogSnapshot, view: &View, now: Micros) -> Self {
        let offline = view.retention.and_then(|retention| retention.offline);
        let first = offline.map_or(Micros::MIN, |offline| expired_before(offline, now));
        let dates = || {
            let dates = log.files.iter().filter_map(|file| file.date.as_ref()?.parse::<Micros>().ok());
            dates.filter(move |date| *date >= first)
        };
        let days = dates().min().zip(dates().max()).map_or(0, |(first, last)| last.since(first) + DAY_US);
        let bytes = log.files.iter().map(|file| file.bytes).sum();
        Self { rows: log.rows(), bytes, days: days as f64 / DAY_US as f64 }
    }
}

const DAY_US: i64 = 86_400_000_000;

/// What lies in the folders of a view.
struct Disk {
    rows: u64,
    commits: u64,
    statistics: u64,
}

impl Disk {
    fn of(root: &Path, view: &View) -> Result<Self, ProjectError> {
        let name = format!("{}/v{}", view.id.name, view.id.version);
        let folder = root.join("log").join(&name);
        let commits = size(&folder.join("_delta_log"))?;
        let rows = size(&folder)?.saturating_sub(commits);
        Ok(Self { rows, commits, statistics: size(&root.join("statistics").join(name))? })
    }
}

/// The size of all files in a folder, of one that is not there none.
fn size(folder: &Path) -> Result<u64, ProjectError> {
    let failed = || ProjectError::file("read", folder);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed()(error)),
    };
    let mut bytes = 0;
    for entry in entries {
        let path = entry.map_err(failed())?.path();
        match path.metadata() {
            Ok(about) if about.is_dir() => bytes += size(&path)?,
            Ok(about) => bytes += about.len(),
            // It was removed meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed()(error)),
        }
    }
    Ok(bytes)
}

/// A store on disk is one file for all views: each takes the share that its rows have of all.
struct Share {
    file: Option<u64>,
    rows: u64,
}

impl Share {
    async fn of(views: &[Arc<View>], online: &Store) -> Result<Self, ProjectError> {
        let mut rows = 0;
        for view in views {
            rows += online.stats(&view.id).await?.bytes;
        }
        let file = online.folder().and_then(|folder| folder.join("data.mdb").metadata().ok());
        Ok(Self { file: file.map(|about| about.len()), rows })
    }

    fn of_view(&self, bytes: u64) -> Option<u64> {
        let share = bytes as f64 / self.rows.max(1) as f64;
        Some((self.file? as f64 * share) as u64)
    }
}

/// Bytes of a row of a log, before its values are compressed.
fn row_bytes(view: &View) -> f64 {
    let keys = view.keys.iter().map(|key| key.data_type);
    let columns = view.columns.iter().map(|column| column.data_type);
    let values = keys.chain(columns).map(|data_type| data_type.longest_value(TEXT_BYTES));
    ROW_FACTS_BYTES + values.sum::<usize>() as f64
}

/// Bytes of the packed row of an entity that gets a row so often, and of its key.
fn packed_bytes(view: &View, every_s: f64) -> f64 {
    let layout = Arc::new(Layout::new(view));
    let mut state = RowState::new(&layout);
    let reach_s = (layout.reach() as f64 / 1e6).min(366.0 * DAY_S);
    let rows = ((reach_s / every_s) as u64).clamp(1, MOST_ROWS);
    let start = 1_700_000_000_000_000_i64;
    for number in 0..rows {
        let at = start + (number as f64 * every_s * 1e6).min(9e15) as i64;
        let Ok(at) = Micros::new(at) else { break };
        let values = view.columns.iter().map(|column| made_up(column.data_type, number)).collect();
        let position = Position::Stream { partition: 0, offset: number };
        let row = Row { event_time: at, available_at: at, position, deleted: false, values };
        let _ = state.apply(&row, at);
    }
    let mut bytes = Vec::new();
    let packed = state.encode(&mut bytes).map_or(online::MAX_ROW_BYTES, |()| bytes.len());
    let key: usize = view.keys.iter().map(|key| key.data_type.longest_value(TEXT_BYTES)).sum();
    (packed + key) as f64
}

/// Bytes of the statistics of one date with so many rows.
fn statistics_bytes(view: &View, rows: f64) -> f64 {
    let rows = (rows as u64).clamp(1, MOST_ROWS);
    let of = |data_type: DataType| {
        let mut statistics = Statistics::of(data_type);
        for number in 0..rows {
            let text = number.to_string();
            statistics.add(match data_type.scalar() {
                Some(Scalar::Float32 | Scalar::Float64) => Observed::Float(number as f64 + 0.25),
                Some(Scalar::Int32 | Scalar::Int64 | Scalar::Timestamp) => Observed::Int(number as i64),
                Some(Scalar::Bool) => Observed::Text("true"),
                Some(Scalar::String) => Observed::Text(&text),
                Some(Scalar::Bytes) | None => Observed::Bytes(text.as_bytes()),
            });
        }
        statistics.stored().len() as f64 + COUNTED_BYTES
    };
    view.columns.iter().map(|column| of(column.data_type)).sum()
}

/// A value of a type; none of a list.
fn made_up(data_type: DataType, number: u64) -> Value {
    match data_type.scalar() {
        Some(Scalar::Bool) => Value::Bool(number.is_multiple_of(2)),
        Some(Scalar::Int32) => Value::Int32(number as i32),
        Some(Scalar::Int64) => Value::Int64(number as i64),
        Some(Scalar::Float32) => Value::Float32(number as f32 + 0.25),
        Some(Scalar::Float64) => Value::Float64(number as f64 + 0.25),
        Some(Scalar::String) => Value::String(format!("{number:0TEXT_BYTES$}").into()),
        Some(Scalar::Bytes) => Value::Bytes(format!("{number:0TEXT_BYTES$}").into_bytes().into()),
        Some(Scalar::Timestamp) => Micros::new(number as i64).map_or(Value::Null, Value::Timestamp),
        None => Value::Null,
    }
}
