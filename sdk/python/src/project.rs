//! A project as Python opens it: a method for each thing that it does. Results are JSON, except for rows.

use std::io::Cursor;
use std::path::PathBuf;

use feature::{Micros, Percent};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_arrow::PyTable;
use read::FeatureRequest;
use serde_json::json;
use twinstore::{
    Backfill, BuildTrainingSet, CompareVersions, CutOver, EventRange, FollowStreams, Materialize,
    MeasureDrift, Project as Opened, ReadEntities, Reason, ShowStatistics, VerifyValues, ViewName,
};

use crate::answers::{loads, parsed, parsed_if, pushed, service, streamed, text, with_notices};
use crate::columns::Column;
use crate::error::{raised, sentence, wrong};
use crate::features::Features;
use crate::online::Sessions;
use crate::runtime::{wait, wait_here};
use crate::spine::{JoinOptions, added, summary};
use crate::watched::Watched;

/// A project that is opened in this process.
#[pyclass(frozen, module = "twinstore._twinstore")]
pub struct Project {
    opened: Opened,
    sessions: Sessions,
}

#[pymethods]
impl Project {
    #[new]
    fn new(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        let opened = Opened::open(&folder, cli::now).map_err(|error| raised(py, &error))?;
        Ok(Self { opened: opened.with_default_actor(cli::user_name), sessions: Sessions::default() })
    }

    /// The project's folder.
    #[getter]
    fn folder(&self) -> PathBuf {
        self.opened.folder().to_owned()
    }

    /// Closes the online store, where it is open.
    fn close(&self) {
        self.sessions.close();
    }

    fn plan(&self, py: Python<'_>) -> PyResult<String> {
        let project = self.opened.clone();
        let planned = wait(py, &Watched::by_nobody(), async move { project.plan().await })?;
        let refused = match planned.plan.refused.is_empty() {
            true => None,
            false => Some(planned.plan.refused.to_string()),
        };
        let misfits: Vec<String> = planned.misfits.iter().map(ToString::to_string).collect();
        let shown = planned.plan.to_string();
        text(py, &json!({"plan": planned, "shown": shown, "refused": refused, "misfits": misfits}))
    }

    fn apply(&self, py: Python<'_>, new_registry: bool) -> PyResult<String> {
        let project = self.opened.clone();
        let done = wait(py, &Watched::by_nobody(), async move {
            match new_registry {
                true => project.apply_in_new_registry().await,
                false => project.apply().await,
            }
        })?;
        self.sessions.look_up(py)?;
        text(py, &json!({"done": done, "shown": done.plan.to_string(), "is_empty": done.plan.is_empty()}))
    }

    #[pyo3(signature = (views, start, end, progress))]
    fn backfill(
        &self,
        py: Python<'_>,
        views: Vec<String>,
        start: Option<&str>,
        end: Option<&str>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let range = EventRange { from: parsed_if(py, start)?, to: parsed_if(py, end)? };
        let backfill = Backfill { views: self.views(py, &views)?, range };
        let (project, watched) = (self.opened.clone(), Watched::by(progress));
        let run = watched.run();
        let done = wait(py, &watched, async move { project.backfill(&backfill, &run).await })?;
        loads(py, &done)
    }

    fn materialize(
        &self,
        py: Python<'_>,
        views: Vec<String>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let materialize = Materialize { views: self.views(py, &views)? };
        let (project, watched) = (self.opened.clone(), Watched::by(progress));
        let run = watched.run();
        let done = wait(py, &watched, async move { project.materialize(&materialize, &run).await })?;
        loads(py, &done)
    }

    /// Follows the streams of views until everything is read that their topics hold now, or for as long as nobody interrupts.
    fn stream(
        &self,
        py: Python<'_>,
        views: Vec<String>,
        until_caught_up: bool,
        watching: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let follow =
            FollowStreams { views: self.views(py, &views)?, until_caught_up, ..FollowStreams::default() };
        let (project, watched) = (self.opened.clone(), Watched::by(watching));
        let run = watched.run();
        let outcome = wait(py, &watched, async move { project.stream(&follow, &run).await })?;
        streamed(py, &outcome)
    }

    /// What a service takes and gives.
    fn service(&self, py: Python<'_>, named: &str) -> PyResult<String> {
        let (project, named) = (self.opened.clone(), parsed(py, named)?);
        let plan = wait(py, &Watched::by_nobody(), async move { project.service(&named).await })?;
        text(py, &service(&plan))
    }

    /// Everything that is defined.
    fn definitions(&self, py: Python<'_>) -> PyResult<String> {
        let project = self.opened.clone();
        text(py, &wait(py, &Watched::by_nobody(), async move { project.definitions().await })?)
    }

    /// What has a text in its names.
    fn search(&self, py: Python<'_>, searched: String) -> PyResult<String> {
        let project = self.opened.clone();
        text(py, &wait(py, &Watched::by_nobody(), async move { project.search(&searched).await })?)
    }

    /// What the log of a view holds, and where.
    fn view_log(&self, py: Python<'_>, view: &str) -> PyResult<String> {
        let (project, view) = (self.opened.clone(), parsed(py, view)?);
        text(py, &wait(py, &Watched::by_nobody(), async move { project.view_log(&view).await })?)
    }

    /// The columns that a training set adds to a spine, and what there is to say of them.
    fn join(
        &self,
        py: Python<'_>,
        spine: PyTable,
        beside: Vec<String>,
        options: JoinOptions,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(PyTable, String, bool)> {
        let rows = options.rows(py, spine, beside)?;
        let (project, watched) = (self.opened.clone(), Watched::by(progress));
        let run = watched.run();
        let joined = wait(py, &watched, async move { project.join_rows(rows, &run).await })?;
        let read = (&joined.plan.id, options.as_of(py)?);
        let said = summary(read, &joined.summary, &joined.quarantined, joined.took);
        Ok((added(py, &joined)?, with_notices(py, &said, &joined.deprecated)?, joined.naive))
    }

    /// A training set from a file into a file.
    fn training_set(
        &self,
        py: Python<'_>,
        spine: PathBuf,
        out: PathBuf,
        options: JoinOptions,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(String, bool)> {
        let build = BuildTrainingSet {
            service: options.service(py)?,
            spine,
            time: options.time.clone(),
            out,
            as_of: options.as_of(py)?,
            explain: options.explain,
            threads: options.threads,
            max_memory: options.max_memory,
            keeps_first: false,
        };
        let as_of = build.as_of;
        let (project, watched) = (self.opened.clone(), Watched::by(progress));
        let run = watched.run();
        let built = wait(py, &watched, async move { project.training_set(&build, &run).await })?;
        let said = summary((&built.service, as_of), &built.summary, &built.quarantined, built.took);
        Ok((with_notices(py, &said, &built.deprecated)?, watched.times_were_naive()))
    }

    /// Reads features online. Columns go where the service takes them; others are refused, unless `others` may be there.
    #[pyo3(signature = (service, features, columns, others, at, trained_on))]
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of one method of Python")]
    fn features(
        &self,
        py: Python<'_>,
        service: String,
        features: Vec<String>,
        columns: &Bound<'_, PyDict>,
        others: bool,
        at: Option<&str>,
        trained_on: Option<String>,
    ) -> PyResult<Features> {
        let at: Option<Micros> = parsed_if(py, at)?;
        let reads = self.sessions.reads(py, &self.opened)?;
        let plan = wait_here(py, reads.plan(&service))?;
        let mut request = FeatureRequest { features, entities: Vec::new(), request: Vec::new() };
        for (name, column) in columns {
            let name: String = name.extract()?;
            let is_named = |field: &feature::Field| field.name.as_str() == name;
            let is_request = plan.request.iter().any(is_named);
            if others && !is_request && !plan.keys.iter().any(is_named) {
                continue;
            }
            let column = Column::of(&name, &column)?;
            if is_request {
                request.request.push((name, column))
            } else {
                request.entities.push((name, column))
            }
        }
        let read = ReadEntities { service, request, at, trained_on };
        let answered = wait_here(py, reads.read(read))?;
        let notice = answered.notice.map(|notice| notice.sentence.clone());
        Ok(Features { features: answered.features, notice })
    }

    /// Pushes rows, a JSON object on each line.
    fn push(&self, py: Python<'_>, source: &str, lines: Vec<u8>) -> PyResult<String> {
        let (project, source, watched) = (self.opened.clone(), parsed(py, source)?, Watched::by_nobody());
        let run = watched.run();
        let done = wait(py, &watched, async move { project.push(&source, Cursor::new(lines), &run).await })?;
        pushed(py, &done)
    }

    fn verify(&self, py: Python<'_>, deep: bool) -> PyResult<String> {
        let (project, watched) = (self.opened.clone(), Watched::by_nobody());
        let run = watched.run();
        let verified = wait(py, &watched, async move { project.verify(deep, &run).await })?;
        text(py, &verified)
    }

    /// Online values compared with the log.
    fn verify_values(
        &self,
        py: Python<'_>,
        of: Option<String>,
        entities: usize,
        served: bool,
    ) -> PyResult<String> {
        let verify = VerifyValues { of, entities, served };
        let (project, watched) = (self.opened.clone(), Watched::by_nobody());
        let run = watched.run();
        text(py, &wait(py, &watched, async move { project.verify_values(&verify, &run).await })?)
    }

    /// How freshness objectives stand.
    fn slo(&self, py: Python<'_>, name: Option<String>) -> PyResult<String> {
        let project = self.opened.clone();
        text(py, &wait(py, &Watched::by_nobody(), async move { project.slo(name.as_deref()).await })?)
    }

    /// A walk through the project, and the sentences that say what to do.
    fn doctor(&self, py: Python<'_>) -> PyResult<(String, Option<String>)> {
        let project = self.opened.clone();
        let found = wait(py, &Watched::by_nobody(), async move { Ok(project.doctor().await) })?;
        let cause = found.cause.as_ref().map(|cause| sentence(&cause.said, cause.help.as_ref()));
        Ok((text(py, &found)?, cause))
    }

    /// What the columns of a view hold, by the date on which their rows happened.
    fn statistics(&self, py: Python<'_>, view: &str, day: Option<&str>) -> PyResult<String> {
        let show = ShowStatistics { view: parsed(py, view)?, day: parsed_if(py, day)? };
        let project = self.opened.clone();
        let found = wait(py, &Watched::by_nobody(), async move { project.statistics(&show).await })?;
        text(py, &cli::statistics_json(&found))
    }

    /// Quarantined batches.
    fn quarantined(&self, py: Python<'_>, views: Vec<String>) -> PyResult<String> {
        let (project, views) = (self.opened.clone(), self.views(py, &views)?);
        let found = wait(py, &Watched::by_nobody(), async move { project.quarantined(&views).await })?;
        text(py, &cli::quarantined_json(&found))
    }

    /// What a source promises.
    fn contract(&self, py: Python<'_>, source: &str) -> PyResult<String> {
        let (project, source) = (self.opened.clone(), parsed(py, source)?);
        let contract = wait(py, &Watched::by_nobody(), async move { project.contract(&source).await })?;
        text(py, &cli::contract_json(&contract))
    }

    /// How far the columns of a view lie from a reference.
    fn drift(&self, py: Python<'_>, view: &str, reference: &str, live: Option<&str>) -> PyResult<String> {
        let named = |what: &str, error: String| wrong(py, &format!("`{what}` is {error}"));
        let measure = MeasureDrift {
            view: parsed(py, view)?,
            reference: cli::drift_reference(reference).map_err(|error| named("reference", error))?,
            live: live.map(cli::days).transpose().map_err(|error| named("live", error))?,
        };
        let project = self.opened.clone();
        let report = wait(py, &Watched::by_nobody(), async move { project.drift(&measure).await })?;
        text(py, &cli::drift_json(&report))
    }

    fn lineage(&self, py: Python<'_>, name: String) -> PyResult<(String, String)> {
        let project = self.opened.clone();
        let report = wait(py, &Watched::by_nobody(), async move { project.lineage(&name).await })?;
        Ok((text(py, &report)?, report.lineage.mermaid()))
    }

    /// The report as JSON and as a page.
    fn parity(
        &self,
        py: Python<'_>,
        old: &str,
        new: &str,
        rows: u64,
        spine: Option<(PathBuf, String)>,
    ) -> PyResult<(String, String)> {
        let most = CompareVersions::MOST_ROWS;
        if !(1..=most).contains(&rows) {
            return Err(wrong(py, &format!("`rows` is {rows}: name a number from 1 to {most}")));
        }
        let compare = CompareVersions { old: parsed(py, old)?, new: parsed(py, new)?, rows, spine };
        let (project, watched) = (self.opened.clone(), Watched::by_nobody());
        let run = watched.run();
        let report = wait(py, &watched, async move { project.parity(&compare, &run).await })?;
        Ok((text(py, &report.json())?, cli::parity_page(&report)))
    }

    #[pyo3(signature = (to, percent, reason, overriding))]
    fn cutover(
        &self,
        py: Python<'_>,
        to: &str,
        percent: Option<&str>,
        reason: Option<&str>,
        overriding: Option<&str>,
    ) -> PyResult<String> {
        let cutover = CutOver {
            to: parsed(py, to)?,
            percent: parsed_if::<Percent>(py, percent)?.unwrap_or(Percent::ALL),
            reason: parsed_if::<Reason>(py, reason)?,
            overriding: parsed_if::<Reason>(py, overriding)?,
        };
        let project = self.opened.clone();
        let done = wait(py, &Watched::by_nobody(), async move { project.cut_over(&cutover).await })?;
        self.sessions.look_up(py)?;
        text(py, &json!({"moved": done.moved, "gates": done.gates}))
    }

    #[pyo3(signature = (service, reason))]
    fn rollback(&self, py: Python<'_>, service: &str, reason: Option<&str>) -> PyResult<String> {
        let (service, reason) = (parsed(py, service)?, parsed_if::<Reason>(py, reason)?);
        let project = self.opened.clone();
        let moved =
            wait(
                py,
                &Watched::by_nobody(),
                async move { project.roll_back(&service, reason.as_ref()).await },
            )?;
        self.sessions.look_up(py)?;
        text(py, &json!({"moved": moved}))
    }
}

impl Project {
    fn views(&self, py: Python<'_>, names: &[String]) -> PyResult<Vec<ViewName>> {
        names.iter().map(|name| parsed(py, name)).collect()
    }
}
