//! The point-in-time join as bytes: another process decodes the plan, runs its partitions over the
//! same files, and gives the same bytes.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::writer::StreamWriter;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use feature::AsOf;
use futures::TryStreamExt;
use offline::{JoinLookup, JoinSpec, PointInTimeCodec, PointInTimeExec, write_file};

use crate::flights;

/// The folder in which the other process finds its plan and leaves what it made.
const FOLDER: &str = "TWINSTORE_TEST_PLAN_FOLDER";
const PARTS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn another_process_runs_the_plan_to_the_same_bytes() {
    let project = flights::project(flights::EVERYTHING).await;
    let plan = project.plan("everything");
    project.backfill(&plan).await;
    let spine = flights::departures(&flights::days());
    let folder = project.path().join("spine");
    std::fs::create_dir(&folder).unwrap();
    let rows = spine.num_rows().div_ceil(PARTS);
    for part in 0..PARTS {
        let start = part * rows;
        let slice = spine.slice(start, rows.min(spine.num_rows() - start));
        write_file(&folder.join(format!("part-{part}.parquet")), &slice).unwrap();
    }
    let mut lookups = Vec::new();
    for (index, lookup) in plan.lookups.iter().enumerate() {
        let log = project.materializer.offline.log(&lookup.view).await.unwrap();
        lookups.push(JoinLookup {
            view: lookup.view.clone(),
            keys: lookup.keys.iter().map(|key| plan.keys[*key].name.to_string()).collect(),
            log: log.snapshot().unwrap().unwrap(),
            features: (0..lookup.view.features.len()).map(|n| (n, format!("@{index}.{n}"))).collect(),
            times: Some((format!("@{index}.event_time"), format!("@{index}.available_at"))),
            openings: Vec::new(),
        });
    }
    let time = "scheduled_departure".to_owned();
    let spec = JoinSpec {
        format: JoinSpec::FORMAT,
        time,
        as_of: AsOf::Available,
        leaks: true,
        filled: true,
        lookups,
        threads: 2,
        max_memory: None,
    };
    let scan = scan(&folder).await;
    assert_eq!(scan.output_partitioning().partition_count(), PARTS);
    let join: Arc<dyn ExecutionPlan> = Arc::new(PointInTimeExec::new(scan, Arc::new(spec)));

    let bytes = physical_plan_to_bytes_with_extension_codec(join.clone(), &PointInTimeCodec).unwrap();
    std::fs::write(project.path().join("plan"), &bytes).unwrap();
    let other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "distributed::the_other_process", "--ignored"])
        .env(FOLDER, project.path())
        .output()
        .unwrap();
    assert!(other.status.success(), "{}", String::from_utf8_lossy(&other.stderr));
    for partition in 0..PARTS {
        let here = run(&join, partition).await;
        let there = std::fs::read(project.path().join(format!("made-{partition}"))).unwrap();
        assert!(!here.is_empty() && here == there, "partition {partition} differs");
    }
}

/// Run by the test above in a process of its own.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is the other process of another test"]
async fn the_other_process() {
    let folder = std::env::var(FOLDER).unwrap();
    let folder = Path::new(&folder);
    let bytes = std::fs::read(folder.join("plan")).unwrap();
    let context = SessionContext::new();
    let plan = physical_plan_from_bytes_with_extension_codec(&bytes, &context.task_ctx(), &PointInTimeCodec)
        .unwrap();
    for partition in 0..plan.output_partitioning().partition_count() {
        std::fs::write(folder.join(format!("made-{partition}")), run(&plan, partition).await).unwrap();
    }
}

/// A spine of several files, one in each partition.
async fn scan(folder: &Path) -> Arc<dyn ExecutionPlan> {
    let config = SessionConfig::new().with_target_partitions(PARTS).with_repartition_file_scans(false);
    let context = SessionContext::new_with_config(config);
    let spine = context.read_parquet(folder.to_str().unwrap(), ParquetReadOptions::default()).await.unwrap();
    spine.create_physical_plan().await.unwrap()
}

/// What one partition of a plan gives, as an IPC stream of one batch.
async fn run(plan: &Arc<dyn ExecutionPlan>, partition: usize) -> Vec<u8> {
    let context = SessionContext::new();
    let batches: Vec<RecordBatch> =
        plan.execute(partition, context.task_ctx()).unwrap().try_collect().await.unwrap();
    let whole = arrow::compute::concat_batches(&plan.schema(), &batches).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &plan.schema()).unwrap();
    writer.write(&whole).unwrap();
    writer.into_inner().unwrap()
}
