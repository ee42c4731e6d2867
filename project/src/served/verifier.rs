//! What goes on beside a server: a sample of what it serves is compared with the log, all day. A comparison reads the log
//! of a view, so it rests many times as long as it took.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use exposition::Page;
use feature::{EntityKey, Name, VersionId, View};
use monitor::{BadShare, ReadCounts};
use offline::Log;
use online::{Layout, PackedRow, Read, Reader, RowIdentity};
use registry::Measured;
use server::{Sampling, ServedRow};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::DifferingEntity;
use super::comparing::{Answered, Comparison, compare};
use super::expected::ServedExpectations;
use super::kept_reads::{self, KeptRead};
use crate::background::Background;
use crate::error::ProjectError;
use crate::project::Project;
use crate::run::blocking;
use crate::slo::Subject;

/// How long a row waits at least: its stream commits meanwhile.
const SETTLES: Duration = Duration::from_secs(2);
/// How long a row waits for the log to have what was served; then it is not known.
const GIVES_UP: Duration = Duration::from_secs(600);
/// The shortest time between two comparisons.
const EVERY: Duration = Duration::from_secs(5);
/// A comparison rests so many times as long as it took: it takes a twentieth of one core at most.
const RESTS: u32 = 20;
/// Threads that read a log: the others are for those who read features.
const THREADS: usize = 1;
/// Rows that wait; of more the oldest are left out.
const MOST_WAITING: usize = 20_000;

/// What was compared of a view.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Counts {
    same: u64,
    differs: u64,
    unknown: u64,
    /// What the rows of the view give, whatever is answered while its breaker is open.
    own: OwnCounts,
    /// How many served rows met each expectation of served values, and how many did not.
    expectations: BTreeMap<String, [u64; 2]>,
}

/// How the rows of a view compare with its log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct OwnCounts {
    answers: BadShare,
    /// The values of each feature.
    features: BTreeMap<Name, BadShare>,
}

impl OwnCounts {
    /// Counts an answer of these features of a view, by their indices. Where it is only said to be of another time, all are
    /// other ones.
    fn add(&mut self, view: &View, features: &[usize], differing: Option<&DifferingEntity>) {
        self.answers.rows += 1;
        self.answers.bad += u64::from(differing.is_some());
        for feature in features.iter().filter_map(|index| view.features.get(*index)) {
            let differs = differing.is_some_and(|entity| {
                entity.features.is_empty() || entity.features.iter().any(|one| one.feature == feature.name)
            });
            let counted = self.features.entry(feature.name.clone()).or_default();
            counted.rows += 1;
            counted.bad += u64::from(differs);
        }
    }
}

/// How what was served compares with the log, by view.
#[derive(Debug)]
pub(crate) struct ServedCounts {
    by_view: Mutex<BTreeMap<VersionId, Counts>>,
    sampling: Arc<Sampling>,
}

impl ServedCounts {
    fn add(&self, view: &VersionId, add: impl FnOnce(&mut Counts)) {
        let mut by_view = self.by_view.lock().unwrap_or_else(PoisonError::into_inner);
        add(by_view.entry(view.clone()).or_default());
    }

    /// The answers from a view's own rows that are not what its log gives, and all of which it is known. Where features are named,
    /// the values of these. What is answered while its breaker is open says nothing of its rows, so then these are read beside.
    pub(crate) fn compared(&self, view: &VersionId, features: &[Name]) -> BadShare {
        let by_view = self.by_view.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(counts) = by_view.get(view) else { return BadShare::default() };
        if features.is_empty() {
            return counts.own.answers;
        }
        features.iter().filter_map(|name| counts.own.features.get(name)).fold(
            BadShare::default(),
            |sum, one| BadShare { bad: sum.bad + one.bad, rows: sum.rows + one.rows },
        )
    }

    /// What was compared so far of each view, as reads are counted: those that are what the log gives are good.
    pub(crate) fn counted(&self) -> Vec<(Subject, ReadCounts)> {
        let by_view = self.by_view.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(view, counts): (&VersionId, &Counts)| {
            let (good, bad, unknown) = (counts.same, counts.differs, counts.unknown);
            (Subject::view(view, Measured::Served), ReadCounts { good, bad, unknown, missing: 0 })
        };
        by_view.iter().map(of).collect()
    }

    /// All of it, as Prometheus reads it.
    pub(crate) fn prometheus(&self) -> String {
        let mut page = Page::default();
        let by_view = self.by_view.lock().unwrap_or_else(PoisonError::into_inner);
        let values = "twinstore_served_values_total";
        if !by_view.is_empty() {
            page.family(values, "counter", "Served rows that were compared with the log, by what came of it");
        }
        for (view, counts) in by_view.iter() {
            let view = view.to_string();
            let outcomes = [("same", counts.same), ("differs", counts.differs), ("unknown", counts.unknown)];
            for (outcome, count) in outcomes {
                page.sample(values, &[("view", &view), ("outcome", outcome)], count as f64);
            }
        }
        expose_expectations(&mut page, &by_view);
        let left_out = "twinstore_served_values_left_out_total";
        page.family(left_out, "counter", "Served rows that were to be compared, and were too many");
        page.sample(left_out, &[], self.sampling.left_out() as f64);
        page.into_text()
    }
}

/// How many served rows meet what views expect of them.
fn expose_expectations(page: &mut Page, by_view: &BTreeMap<VersionId, Counts>) {
    let expected = "twinstore_served_expectations_total";
    if by_view.values().any(|counts| !counts.expectations.is_empty()) {
        page.family(
            expected,
            "counter",
            "Served rows of the sample, by whether they are as their view expects",
        );
    }
    for (view, counts) in by_view {
        let view = view.to_string();
        for (name, rows) in &counts.expectations {
            for (outcome, rows) in ["met", "unmet"].into_iter().zip(rows) {
                let labels = [("view", view.as_str()), ("expectation", name.as_str()), ("outcome", outcome)];
                page.sample(expected, &labels, *rows as f64);
            }
        }
    }
}

/// The task beside a server.
pub(crate) struct Verifier {
    /// Takes the sample.
    pub(crate) sampling: Arc<Sampling>,
    /// What was found so far.
    pub(crate) counts: Arc<ServedCounts>,
    task: Background<()>,
}

impl Verifier {
    /// Begins.
    pub(crate) fn begin(project: &Project) -> Self {
        let (sampling, queue) = Sampling::new();
        let counts = Arc::new(ServedCounts { by_view: Mutex::default(), sampling: sampling.clone() });
        let (project, waiting) = (project.clone(), VecDeque::new());
        let work = Work {
            project,
            counts: counts.clone(),
            waiting,
            expectations: ServedExpectations::default(),
            said: BTreeMap::new(),
            not_kept: None,
        };
        let task =
            Background::begin("served values are not compared with the log", |stop| work.run(queue, stop));
        Self { sampling, counts, task }
    }

    /// Ends; what waits is not compared.
    pub(crate) async fn stop(self) {
        self.task.stop().await;
    }
}

/// A row that is to be compared.
struct Waiting {
    since: Instant,
    row: ServedRow,
}

fn answered(waiting: &Waiting) -> Answered {
    let row = &waiting.row;
    Answered {
        key: row.key.clone(),
        at: row.at,
        positions: row.positions.clone(),
        features: row.features.clone(),
        answer: row.answer.clone(),
        opening: row.opening.clone(),
    }
}

struct Work {
    project: Project,
    counts: Arc<ServedCounts>,
    waiting: VecDeque<Waiting>,
    expectations: ServedExpectations,
    /// When something was last said of a view.
    said: BTreeMap<VersionId, Instant>,
    /// Why the sample is not kept, if so.
    not_kept: Option<String>,
}

impl Work {
    async fn run(mut self, mut queue: mpsc::Receiver<ServedRow>, stop: CancellationToken) {
        let mut next = tokio::time::Instant::now() + EVERY;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                row = queue.recv() => match row {
                    Some(row) => self.takes(row),
                    None => return,
                },
                () = tokio::time::sleep_until(next) => {
                    let began = Instant::now();
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.compare() => {}
                    }
                    next = tokio::time::Instant::now() + (began.elapsed() * RESTS).max(EVERY);
                }
            }
        }
    }

    fn takes(&mut self, row: ServedRow) {
        let met = self.expectations.check(&row);
        if !met.is_empty() {
            self.counts.add(&row.view.id, |counts| {
                for (name, is_met) in met {
                    let [as_expected, others] = counts.expectations.entry(name).or_default();
                    *(if is_met { as_expected } else { others }) += 1;
                }
            });
        }
        if self.waiting.len() >= MOST_WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.counts.add(&oldest.row.view.id, |counts| counts.unknown += 1);
        }
        self.waiting.push_back(Waiting { since: Instant::now(), row });
    }

    /// Compares the rows that have waited long enough, view by view.
    async fn compare(&mut self) {
        let settled = self.waiting.iter().take_while(|waiting| waiting.since.elapsed() >= SETTLES).count();
        let mut by_view: BTreeMap<VersionId, (Arc<View>, Vec<Waiting>)> = BTreeMap::new();
        for waiting in self.waiting.drain(..settled) {
            let view = waiting.row.view.clone();
            by_view.entry(view.id.clone()).or_insert_with(|| (view, Vec::new())).1.push(waiting);
        }
        for (id, (view, waiting)) in by_view {
            let own = self.compare_own(&view, &waiting).await;
            match self.compare_view(&view, &waiting).await {
                Ok(compared) => {
                    self.count(&id, waiting, compared).await;
                    self.count_own(&view, own);
                }
                Err(error) => {
                    if self.is_to_be_said(&id) {
                        tracing::warn!("what was served of {id} cannot be compared with its log: {error}");
                    }
                    self.wait_again(waiting);
                }
            }
        }
    }

    async fn compare_view(
        &self,
        view: &Arc<View>,
        waiting: &[Waiting],
    ) -> Result<Vec<Comparison>, ProjectError> {
        let log = self.project.offline()?.log(view).await?;
        let answered: Vec<Answered> = waiting.iter().map(answered).collect();
        let mut compared = compare(&log, &answered, THREADS).await?;
        let is_lost = |index: &usize| {
            answered
                .get(*index)
                .zip(compared.get(*index))
                .is_some_and(|(one, comparison)| comparison.is_lost(one))
        };
        let lost: Vec<usize> = (0..answered.len()).filter(is_lost).collect();
        if !lost.is_empty() {
            let lost = lost.into_iter().filter_map(|index| Some((index, answered.get(index)?.clone())));
            for (index, comparison) in self.look_again(view, &log, lost.collect()).await? {
                if let Some(compared) = compared.get_mut(index) {
                    *compared = comparison;
                }
            }
        }
        Ok(compared)
    }

    /// Compares the view's own rows of the entities that were answered by an opening of its breaker: nothing else says whether
    /// they are right again.
    async fn compare_own(
        &self,
        view: &Arc<View>,
        waiting: &[Waiting],
    ) -> Result<Vec<(Answered, Comparison)>, ProjectError> {
        let held = waiting.iter().filter(|waiting| waiting.row.opening.is_some());
        let keys: BTreeSet<EntityKey> = held.map(|waiting| waiting.row.key.clone()).collect();
        let keys: Vec<EntityKey> = keys.into_iter().collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.project.now();
        let found = self.project.online().await?.read(&[Read { view: &view.id, keys: &keys }]).await?;
        let found = found.into_iter().next().unwrap_or_default();
        // As a reader does.
        let at = found.applied_at().map_or(now, |applied| now.max(applied));
        let layout = Layout::new(view);
        let mut own = Vec::new();
        for (key, row) in keys.into_iter().zip(found.rows()) {
            let Some(row) = row else { continue };
            own.push(Answered {
                key,
                at,
                positions: Some(RowIdentity::of(&view.id, row)?.positions),
                features: (0..view.features.len()).collect(),
                answer: PackedRow::new(&layout, row)?.answer(at)?,
                opening: None,
            });
        }
        let log = self.project.offline()?.log(view).await?;
        let compared = compare(&log, &own, THREADS).await?;
        Ok(own.into_iter().zip(compared).collect())
    }

    fn count_own(&mut self, view: &View, own: Result<Vec<(Answered, Comparison)>, ProjectError>) {
        let own = match own {
            Ok(own) => own,
            Err(error) => {
                if self.is_to_be_said(&view.id) {
                    tracing::warn!("the rows of {} cannot be compared with its log: {error}", view.id);
                }
                return;
            }
        };
        for (one, comparison) in own {
            let differing = match &comparison {
                Comparison::Same => None,
                Comparison::Differs(entity) => Some(entity),
                Comparison::Ahead | Comparison::Unknown => continue,
            };
            self.counts.add(&view.id, |counts| counts.own.add(view, &one.features, differing));
        }
    }

    /// Reads entities again that had no online row. When history that came by a load went online, no position says: of
    /// an entity that has a row now it is not known whether it had to have one.
    async fn look_again(
        &self,
        view: &Arc<View>,
        log: &Log,
        lost: Vec<(usize, Answered)>,
    ) -> Result<Vec<(usize, Comparison)>, ProjectError> {
        let keys: Vec<EntityKey> = lost.iter().map(|(_, one)| one.key.clone()).collect();
        let found = self.project.online().await?.read(&[Read { view: &view.id, keys: &keys }]).await?;
        let found = found.into_iter().next().unwrap_or_default();
        let at = self.project.now();
        let (mut indices, mut still_lost, mut looked) = (Vec::new(), Vec::new(), Vec::new());
        for ((index, one), row) in lost.into_iter().zip(found.rows()) {
            match row {
                Some(_) => looked.push((index, Comparison::Unknown)),
                // What was read by an opening is not in the row of now.
                None if one.opening.is_some() => looked.push((index, Comparison::Unknown)),
                None => {
                    indices.push(index);
                    still_lost.push(Answered { at, ..one });
                }
            }
        }
        if !still_lost.is_empty() {
            looked.extend(indices.into_iter().zip(compare(log, &still_lost, THREADS).await?));
        }
        Ok(looked)
    }

    async fn count(&mut self, view: &VersionId, waiting: Vec<Waiting>, compared: Vec<Comparison>) {
        let (mut ahead, mut kept) = (Vec::new(), Vec::new());
        for (waiting, comparison) in waiting.into_iter().zip(compared) {
            if let Some(outcome) = comparison.outcome() {
                let row = &waiting.row;
                kept.push(KeptRead::new(&row.service, &row.view, &answered(&waiting), outcome));
            }
            match comparison {
                Comparison::Same => self.counts.add(view, |counts| {
                    counts.same += 1;
                    let row = &waiting.row;
                    if row.opening.is_none() {
                        counts.own.add(&row.view, &row.features, None);
                    }
                }),
                Comparison::Ahead => ahead.push(waiting),
                Comparison::Unknown => self.counts.add(view, |counts| counts.unknown += 1),
                Comparison::Differs(entity) => {
                    self.counts.add(view, |counts| {
                        counts.differs += 1;
                        let row = &waiting.row;
                        if row.opening.is_none() {
                            counts.own.add(&row.view, &row.features, Some(&entity));
                        }
                    });
                    self.say(view, &waiting.row.service, &entity.features);
                }
            }
        }
        self.wait_again(ahead);
        self.keep(kept).await;
    }

    /// Keeps what was compared. A server that cannot write goes on comparing.
    async fn keep(&mut self, kept: Vec<KeptRead>) {
        if kept.is_empty() {
            return;
        }
        let (folder, now) = (self.project.served_folder(), self.project.now());
        let written = blocking(move || kept_reads::add(&folder, &kept, now)).await;
        let why = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if why != self.not_kept {
            why.iter().for_each(|why| tracing::warn!("the sample of what is served is not kept: {why}"));
            self.not_kept = why;
        }
    }

    /// Puts rows back, before those that came meanwhile; of those that have waited too long it is not known.
    fn wait_again(&mut self, rows: Vec<Waiting>) {
        for waiting in rows.into_iter().rev() {
            if waiting.since.elapsed() < GIVES_UP {
                self.waiting.push_front(waiting);
            } else {
                self.counts.add(&waiting.row.view.id, |counts| counts.unknown += 1);
            }
        }
    }

    /// Whether nothing was said of a view in the last minute.
    fn is_to_be_said(&mut self, view: &VersionId) -> bool {
        let is_new = self.said.get(view).is_none_or(|said| said.elapsed() >= Duration::from_secs(60));
        if is_new {
            self.said.insert(view.clone(), Instant::now());
        }
        is_new
    }

    /// Says of a view that something differs; the log of a server names no entity.
    fn say(&mut self, view: &VersionId, service: &VersionId, features: &[super::DifferingFeature]) {
        if !self.is_to_be_said(view) {
            return;
        }
        let names: Vec<String> = features.iter().map(|feature| feature.feature.to_string()).collect();
        tracing::error!(
            "{service} was answered with values of {view} that its log does not give, of {}: compare them now, and write the online rows again",
            if names.is_empty() { "another time".to_owned() } else { names.join(", ") }
        );
    }
}
