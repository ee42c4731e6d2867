//! A training set is the same, byte for byte, however it is made: by any count of threads, with
//! little memory or much, and however its logs are cut into commits and files.

use std::sync::Arc;

use feature::oracle::{History, Numbers};
use feature::{Micros, ServicePlan, Value, View};
use offline::{
    ColumnHash, ContentHash, FileWriter, Options, Spine, TrainingSetStream, file_sha256, write_file,
};

use crate::generated::{self, Fact};
use crate::label::{LABEL_TIME, Label, spine};
use crate::project::Project;

/// More than two batches of a spine, below which it is not cut into parts.
const LABELS: usize = 140_000;
/// Parts of 4,096 labels, of two batches of 65,536 and what is left.
const FEWEST_LABELS_PARTS: usize = 16 + 16 + 3;
/// One view with windows and lists and sketches, one with latest features alone.
const SEEDS: [u64; 2] = [2013, 2014];

fn clock() -> Micros {
    Micros::MAX
}

/// What a training set is, down to the bytes of its file.
#[derive(PartialEq, Debug)]
struct Bytes {
    file: String,
    columns: Vec<ColumnHash>,
}

/// How a training set is built.
#[derive(Clone, Copy, Debug)]
struct How {
    threads: usize,
    max_memory: Option<u64>,
    /// Into how many parts the spine is cut.
    parts: usize,
}

const PLAIN: How = How { threads: 1, max_memory: None, parts: 1 };

#[tokio::test]
async fn threads_and_memory_change_no_byte() {
    for seed in SEEDS {
        let case = Case::new(seed);
        let facts = case.facts();
        let project = case.log(&facts.chunks(31).collect::<Vec<_>>()).await;
        let expected = case.training_set(&project, PLAIN).await;
        for threads in [1, 2, 8] {
            // Where there is too little memory for anything, a part is a few thousand labels of one batch of
            // the spine.
            for (max_memory, parts) in [(None, 1), (Some(1), FEWEST_LABELS_PARTS)] {
                let how = How { threads, max_memory, parts };
                assert_eq!(case.training_set(&project, how).await, expected, "seed {seed}, {how:?}");
            }
        }
    }
}

#[tokio::test]
async fn commits_of_any_size_and_order_change_no_byte() {
    for seed in SEEDS {
        let case = Case::new(seed);
        let facts = case.facts();
        let project = case.log(&[&facts]).await;
        let expected = case.training_set(&project, PLAIN).await;
        let mut backwards = facts.clone();
        backwards.reverse();
        let mut by_time = facts.clone();
        by_time.sort_by_key(|(_, row)| (row.event_time, row.position));
        for (facts, rows) in [(&facts, 53), (&backwards, 97), (&by_time, 211)] {
            let project = case.log(&facts.chunks(rows).collect::<Vec<_>>()).await;
            let how = How { threads: 2, ..PLAIN };
            assert_eq!(
                case.training_set(&project, how).await,
                expected,
                "seed {seed}, commits of {rows} rows"
            );
        }
    }
}

#[tokio::test]
async fn compaction_changes_no_byte() {
    for seed in SEEDS {
        let case = Case::new(seed);
        let facts = case.facts();
        let project = case.log(&facts.chunks(53).collect::<Vec<_>>()).await;
        let expected = case.training_set(&project, How { threads: 2, ..PLAIN }).await;
        let mut log = project.materializer.offline.log(&case.view).await.unwrap();
        let optimized = log.optimize().await.unwrap();
        assert_eq!(optimized.rows_rewritten, facts.len() as u64);
        assert!(optimized.files_after < optimized.files_before, "{optimized:?}");
        for how in [PLAIN, How { threads: 8, max_memory: Some(1), parts: FEWEST_LABELS_PARTS }] {
            assert_eq!(case.training_set(&project, how).await, expected, "seed {seed}, {how:?}");
        }
    }
}

#[tokio::test]
async fn one_other_value_changes_bytes() {
    let case = Case::new(SEEDS[0]);
    let facts = case.facts();
    let expected = case.training_set(&case.log(&[&facts]).await, PLAIN).await;
    let mut rows: Vec<_> = facts.iter().map(|(keys, row)| (*keys, (*row).clone())).collect();
    let first = rows.iter_mut().find(|(_, row)| row.values[0] == Value::Null && !row.deleted).unwrap();
    first.1.values[0] = Value::Float64(0.5);
    let facts: Vec<Fact<'_>> = rows.iter().map(|(keys, row)| (*keys, row)).collect();
    assert_ne!(case.training_set(&case.log(&[&facts]).await, PLAIN).await, expected);
}

/// A generated history and the labels that are joined to it.
struct Case {
    seed: u64,
    history: History,
    view: Arc<View>,
    plan: ServicePlan,
    labels: Vec<Label>,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut history = generated::history(seed, 400);
        let features = &mut history.view.features;
        if features.len() > 20 {
            // Those that an order of additions could change, and some of each other kind: all of them would
            // take long.
            let mut count = 0;
            features.retain(|feature| {
                count += 1;
                let name = feature.name.as_str();
                ["latest_", "sum_x", "mean_f"].iter().any(|start| name.starts_with(start)) || count % 17 == 0
            });
        }
        let view = Arc::new(history.view.clone());
        let plan = generated::plan(&view);
        let numbers = &mut Numbers::new(seed ^ 5);
        let labels = (0..LABELS).map(|_| any_label(&history, numbers)).collect();
        Self { seed, history, view, plan, labels }
    }

    /// All rows, in an order that the seed decides.
    fn facts(&self) -> Vec<Fact<'_>> {
        generated::facts(&self.history, &mut Numbers::new(self.seed ^ 6))
    }

    /// A log of these commits.
    async fn log(&self, commits: &[&[Fact<'_>]]) -> Project {
        let project = Project::empty(clock);
        for facts in commits {
            generated::append(&project, &self.view, facts).await;
        }
        project
    }

    async fn training_set(&self, project: &Project, how: How) -> Bytes {
        let path = project.path().join("spine.parquet");
        if !path.exists() {
            write_file(&path, &spine(&self.plan, &self.labels)).unwrap();
        }
        let spine = Spine::read(&path, LABEL_TIME, &self.plan).unwrap();
        let options = Options {
            explain: true,
            threads: Some(how.threads),
            max_memory: how.max_memory,
            ..Options::default()
        };
        let offline = &project.materializer.offline;
        let mut stream = TrainingSetStream::new(offline, &self.plan, &spine, &options).await.unwrap();
        let mut hash = ContentHash::new(stream.schema());
        let out = project.path().join("made.parquet");
        let mut file = FileWriter::create(&out, stream.schema()).unwrap();
        while let Some(batch) = stream.next().await.unwrap() {
            hash.add(&batch).unwrap();
            file.write(&batch).unwrap();
        }
        let parts = format!("spine_parts={},", how.parts);
        assert!(stream.explain().contains(&parts), "{how:?}:\n{}", stream.explain());
        let said = file.finish().unwrap();
        assert_eq!(said, file_sha256(&out).unwrap(), "the hash on the way is that of the file");
        let (columns, rows) = hash.finish();
        assert_eq!(rows, LABELS);
        Bytes { file: said, columns }
    }
}

/// An entity of the history, or nobody, at one of its moments.
fn any_label(history: &History, numbers: &mut Numbers) -> Label {
    let mut keys = match history.entities.get(numbers.below(history.entities.len() as u64) as usize) {
        Some((keys, _)) => keys.clone(),
        None => Vec::new(),
    };
    if numbers.once_in(50) {
        keys.fill(Value::Null);
    }
    Label { keys, request: Vec::new(), at: numbers.pick(&history.moments).unwrap() }
}
