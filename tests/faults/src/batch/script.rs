//! A trial: commands that run beside each other, what is done to them, and what is repeated until it succeeds.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use feature::Micros;
use feature::oracle::Numbers;

use super::actor::{Actor, SILENCE};
use super::command::Running;
use super::findings::{Findings, files};
use super::project::{BatchProject, Stores};
use super::scene::{Counts, Scene};
use super::sources::{Sources, USERS};
use crate::redis::Redis;
use crate::topic::now;

/// How often what failed is repeated.
const REPEATS: usize = 6;
/// How long a trial may take.
const BOUND: Duration = Duration::from_secs(120);

/// A project with its sources and what is run in it.
struct SceneProject {
    project: BatchProject,
    sources: Sources,
    actors: Vec<Actor>,
    /// Where a running server takes pushes.
    http: Option<String>,
}

/// Runs the trial of a seed. Gives what is wrong afterwards, and how much was done.
pub fn trial(seed: u64, scene: Scene, redis: Option<&Redis>, without: Option<&str>) -> (Findings, Counts) {
    let mut numbers = Numbers::new(seed.wrapping_mul(1_000_003));
    let mut counts = Counts::default();
    let mut findings = Findings::default();
    let from = Micros::new(now().get() - 1_000_000).unwrap();
    let names: Vec<String> = match scene {
        Scene::SharedRedis => vec![format!("a{seed}"), format!("b{seed}")],
        _ => vec!["one".to_owned()],
    };
    let mut scene_projects: Vec<SceneProject> = Vec::new();
    for name in &names {
        let stores = match (scene, redis) {
            (Scene::SharedRedis, Some(redis)) => Stores::Redis(redis),
            (Scene::FullDisk, _) => Stores::SmallDisk,
            _ => Stores::Embedded,
        };
        scene_projects.push(SceneProject::new(name, stores, from, seed, &mut numbers));
    }
    let rounds = 1 + numbers.below(2);
    for _ in 0..rounds {
        for scene_project in &mut scene_projects {
            scene_project.sources.add_files();
            let actors = if names.len() > 1 { 1 + numbers.below(3) } else { 2 + numbers.below(5) };
            scene_project.cast(actors, &mut numbers);
        }
        play(&mut scene_projects, scene, &mut numbers, without, &mut findings, &mut counts);
        for scene_project in &mut scene_projects {
            scene_project.repeat(&mut findings, &mut counts);
        }
    }
    for scene_project in &mut scene_projects {
        scene_project.settle(&mut findings);
        let found = Findings::of(&scene_project.project, &scene_project.sources);
        findings.add(found);
        scene_project.look_at_training_sets(&mut findings);
        findings.look_for_litter(scene_project.project.path());
    }
    if scene == Scene::Copied {
        scene_projects.iter_mut().for_each(|scene_project| scene_project.look_at_copy(&mut findings));
    }
    (findings, counts)
}

/// Lets everything happen that was drawn.
fn play(
    scene_projects: &mut [SceneProject],
    scene: Scene,
    numbers: &mut Numbers,
    without: Option<&str>,
    findings: &mut Findings,
    counts: &mut Counts,
) {
    let began = Instant::now();
    let event_ms = numbers.below(500);
    let (mut event, mut relief) = (false, false);
    loop {
        let at = began.elapsed();
        for scene_project in scene_projects.iter_mut() {
            scene_project.start_due(at, without, counts);
            scene_project.push(numbers);
        }
        if !event && at >= Duration::from_millis(event_ms) {
            event = true;
            scene_projects.iter_mut().for_each(|scene_project| scene_project.event(scene, numbers));
        }
        if event && !relief && at >= Duration::from_millis(event_ms + 400) {
            relief = true;
            scene_projects.iter().for_each(|scene_project| scene_project.project.free_disk());
        }
        let mut is_over = event && relief;
        for scene_project in scene_projects.iter_mut() {
            is_over &= scene_project.advance(findings, counts);
        }
        if is_over {
            return;
        }
        if began.elapsed() > BOUND {
            scene_projects.iter_mut().for_each(|scene_project| scene_project.give_up(findings));
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

impl SceneProject {
    fn new(name: &str, stores: Stores<'_>, from: Micros, seed: u64, numbers: &mut Numbers) -> Self {
        let project = BatchProject::begin(name, stores, from);
        let mut sources = Sources::new(project.path(), seed, from);
        sources.add_files();
        let mut spine = String::from("user,t\n");
        for user in 0..USERS + 2 {
            for back_s in [1_800, 60, 0] {
                let at = Micros::new(from.get() - back_s * 1_000_000).unwrap();
                spine.push_str(&format!("{user},{at}\n"));
            }
        }
        fs::write(project.path().join("spine.csv"), spine).unwrap();
        // Otherwise first loads are beside each other too.
        if !numbers.once_in(4) {
            project.ok("backfill --all");
        }
        Self { project, sources, actors: Vec::new(), http: None }
    }

    /// Draws what is run, and what is done to it.
    fn cast(&mut self, actors: u64, numbers: &mut Numbers) {
        self.actors.clear();
        for _ in 0..actors {
            let has_server = self.actors.iter().any(|actor| actor.words == "serve");
            let format = numbers.pick(&["parquet", "csv", "arrow"]).unwrap_or("csv");
            let words = match numbers.below(15) {
                0..=2 => "materialize".to_owned(),
                3 => "materialize orders@1".to_owned(),
                4 => "backfill --all".to_owned(),
                5 => "backfill orders@1".to_owned(),
                6 => "offline optimize".to_owned(),
                7 => "online rebuild".to_owned(),
                8 => "stream --until-caught-up".to_owned(),
                9 if !has_server => "serve".to_owned(),
                10 => "offline expire --all".to_owned(),
                11 => VACUUM.to_owned(),
                _ => format!("{TRAINING} out.{format}"),
            };
            self.actors.push(Actor::draw(words, numbers));
        }
    }

    fn start_due(&mut self, at: Duration, without: Option<&str>, counts: &mut Counts) {
        for actor in &mut self.actors {
            if actor.began.is_none() && at >= Duration::from_millis(actor.start_ms) {
                let mut trial = Vec::new();
                if let Some((point, stops)) = &actor.point {
                    let key =
                        if *stops { "TWINSTORE_TRIAL_BATCH_SLEEP" } else { "TWINSTORE_TRIAL_BATCH_END" };
                    trial.push((key, point.as_str()));
                }
                trial.extend(without.map(|guard| ("TWINSTORE_TRIAL_BATCH_WITHOUT", guard)));
                actor.running = Some(self.project.start(&actor.words, &trial));
                actor.began = Some(Instant::now());
                counts.processes += 1;
            }
        }
    }

    /// Pushes some rows where a server runs.
    fn push(&mut self, numbers: &mut Numbers) {
        let server = self.actors.iter().find(|actor| actor.words == "serve");
        let said = server.and_then(|actor| actor.running.as_ref()).map(Running::stderr);
        self.http = said.and_then(|said| {
            let address = said.lines().find_map(|line| line.split_once(" and HTTP "))?.1;
            Some(address.trim().to_owned())
        });
        if let Some(http) = self.http.clone().filter(|_| numbers.once_in(8)) {
            self.sources.push(&http, now());
        }
    }

    /// What happens once in the middle of all.
    fn event(&mut self, scene: Scene, numbers: &mut Numbers) {
        match scene {
            Scene::Replaced => {
                self.sources
                    .replace_newest(numbers.pick(&["orders", "visits", "accounts"]).unwrap_or("orders"));
            }
            Scene::FullDisk => self.project.fill_disk(numbers.below(64)),
            Scene::Copied => self.project.copy(),
            Scene::Beside | Scene::SharedRedis => {}
        }
    }

    /// Does what is due to each process. Gives whether all have ended.
    fn advance(&mut self, findings: &mut Findings, counts: &mut Counts) -> bool {
        // A stream may wait until the server is not the reader of the topic any more.
        let is_waited_for = |actor: &&mut Actor| actor.words != "serve" && !actor.words.starts_with("stream");
        let others_end = self.actors.iter_mut().filter(is_waited_for).all(Actor::has_ended);
        let holder = self.actors.iter().filter_map(|actor| actor.stopped_since).min();
        for actor in &mut self.actors {
            actor.strike(counts);
            actor.wake(counts);
            if actor.words == "serve" && others_end {
                actor.end_server();
            }
            let is_stalled = holder.filter(|since| since.elapsed() > SILENCE).is_some();
            if let Some(silence) = actor.silent().filter(|_| is_stalled) {
                findings.note(format!("`{}` is stalled and says nothing: {silence}", actor.words));
            }
        }
        others_end && self.actors.iter_mut().all(Actor::has_ended)
    }

    /// Names the processes that do not end, and kills them.
    fn give_up(&mut self, findings: &mut Findings) {
        for actor in &mut self.actors {
            if let Some(running) = &mut actor.running
                && !running.has_ended()
            {
                findings.note(format!("`{}` does not end: {}", actor.words, running.shown()));
                running.signal("KILL");
            }
        }
    }

    /// Repeats what was cut off, until it succeeds.
    fn repeat(&mut self, findings: &mut Findings, counts: &mut Counts) {
        self.http = None;
        for actor in std::mem::take(&mut self.actors) {
            let Some(running) = actor.running else { continue };
            let is_server = actor.words == "serve";
            let ended = running.ended();
            // By a kill from outside, or by itself at a point.
            counts.kills += u64::from(matches!(ended.signal, Some(6 | 9)));
            if let Some(complaint) = ended.complaint() {
                findings.note(complaint);
            }
            if ended.code != Some(0) && !is_server {
                self.until_it_succeeds(&actor.words, findings);
            }
        }
    }

    fn until_it_succeeds(&mut self, words: &str, findings: &mut Findings) {
        let mut said = BTreeSet::new();
        for _ in 0..REPEATS {
            let ended = self.project.run(words);
            if ended.code == Some(0) {
                return;
            }
            if let Some(complaint) = ended.complaint() {
                findings.note(complaint);
            }
            if ended.stderr.contains("changed since") {
                self.restore_loaded();
            }
            if ["never backfilled", "has no history"].iter().any(|why| ended.stderr.contains(why)) {
                self.until_it_succeeds("backfill --all", findings);
            }
            if ended.stderr.contains("twinstore stream") {
                self.until_it_succeeds("stream --until-caught-up", findings);
            }
            said.insert(ended.stderr);
        }
        findings.note(format!("`{words}` does not succeed: {said:?}"));
    }

    /// Puts back the contents that were loaded, where other ones replaced them.
    fn restore_loaded(&mut self) {
        let replaced: Vec<(&'static str, PathBuf)> = self
            .sources
            .files
            .iter()
            .filter(|((view, _), contents)| *view != "accounts" && contents.len() > 1)
            .map(|(key, _)| key.clone())
            .collect();
        for (view, path) in replaced {
            let loaded = Findings::loaded_content(&self.project, &self.sources, view, &path);
            if let Some(content) = loaded {
                self.sources.restore(view, &path, &content);
            }
        }
    }

    /// Brings everything that was offered into both stores.
    fn settle(&mut self, findings: &mut Findings) {
        for words in ["backfill --all", "materialize", "stream --until-caught-up", "offline expire --all"] {
            self.until_it_succeeds(words, findings);
        }
        findings.look_for_dropped(&self.project, &self.sources);
        // What was loaded stays known, though its rows are gone.
        self.until_it_succeeds("backfill --all", findings);
        findings.look_for_dropped(&self.project, &self.sources);
    }

    /// Training sets are what their manifests say, and do not change when logs are compacted and what only older versions
    /// have is removed.
    fn look_at_training_sets(&mut self, findings: &mut Findings) {
        for format in ["parquet", "csv", "arrow"] {
            let out = format!("out.{format}");
            let path = self.project.path().join(&out);
            let has_manifest = self.project.path().join(format!("{out}.manifest.json")).exists();
            if !path.exists() && has_manifest {
                findings.note(format!("{out} has a manifest and is not there"));
            }
            if path.exists() {
                let ended = self.project.run(&format!("training-set verify {out}"));
                if has_manifest != (ended.code == Some(0)) || ended.complaint().is_some() {
                    findings.note(format!("{out}: verify says {:?} {}", ended.code, ended.stderr));
                }
            }
            let litter = files(self.project.path()).into_iter().any(|path| {
                path.file_name().unwrap_or_default().to_string_lossy().starts_with(&format!(".{out}"))
            });
            if litter {
                self.until_it_succeeds(&format!("{TRAINING} {out}"), findings);
            }
        }
        self.until_it_succeeds(&format!("{TRAINING} before.csv"), findings);
        self.until_it_succeeds("offline optimize", findings);
        self.until_it_succeeds("offline vacuum --keep-versions-for 1ms", findings);
        self.until_it_succeeds(&format!("{TRAINING} after.csv"), findings);
        let read = |name: &str| fs::read(self.project.path().join(name)).unwrap_or_default();
        if read("before.csv") != read("after.csv") {
            findings.note("a training set is another one after the logs were compacted and vacuumed");
        }
        let verified = self.project.run("training-set verify before.csv");
        if verified.code != Some(0) {
            findings.note(format!("before.csv: its versions are not kept: {}", verified.stdout));
        }
        findings.wrong.extend(Findings::of(&self.project, &self.sources).wrong);
    }

    /// The copy stands for itself, or says why not; the project that was copied is as it was.
    fn look_at_copy(&mut self, findings: &mut Findings) {
        let Some(copy) = self.project.in_copy() else { return };
        let mut sources = self.sources.in_copy(copy.path());
        let mut is_usable = true;
        let repaired = ["online rebuild", "backfill --all", "materialize", "stream --until-caught-up"];
        for words in repaired.into_iter().chain(["offline expire --all"]) {
            let ended = copy.run(words);
            if let Some(complaint) = ended.complaint() {
                findings.note(format!("in the copy: {complaint}"));
            }
            is_usable &= ended.code == Some(0);
        }
        if is_usable {
            sources.forget_what_is_not_there();
            for wrong in Findings::of(&copy, &sources).wrong {
                findings.note(format!("in the copy: {wrong}"));
            }
        }
        findings.wrong.extend(Findings::of(&self.project, &self.sources).wrong);
    }
}

/// A process that sleeps while it reads may read a version that was replaced when it began.
const VACUUM: &str = "offline vacuum --keep-versions-for 2s";
const TRAINING: &str = "training-set --service all --spine spine.csv --time t --out";
