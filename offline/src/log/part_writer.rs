//! Encoding the rows of an append on several threads: each partition's rows go to one of them, so that there is one file
//! of each partition.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::Add;
use deltalake_core::writer::{DeltaWriter, RecordBatchWriter};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::blocking::OfCancelled;
use crate::error::OfflineError;

/// Batches that wait for a thread.
const WAITING: usize = 2;

/// What a thread does next.
enum Step {
    Write(RecordBatch),
    Finish,
}

/// A thread that encodes rows. Where it is dropped, nothing of what it wrote is left.
pub(super) struct PartWriter {
    steps: mpsc::Sender<Step>,
    written: JoinHandle<Result<Vec<Add>, DeltaTableError>>,
}

impl PartWriter {
    pub(super) fn spawn(mut writer: RecordBatchWriter) -> Self {
        let (steps, mut next) = mpsc::channel(WAITING);
        let runtime = Handle::current();
        let write = async move {
            while let Some(step) = next.recv().await {
                match step {
                    Step::Write(batch) => writer.write(batch).await?,
                    Step::Finish => return writer.flush().await,
                }
            }
            // Nobody waits for it any more.
            Ok(Vec::new())
        };
        Self { steps, written: tokio::task::spawn_blocking(move || runtime.block_on(write)) }
    }

    /// Hands over a batch, once there is room for it; `false` if the thread has failed.
    pub(super) async fn write(&self, batch: RecordBatch) -> bool {
        self.steps.send(Step::Write(batch)).await.is_ok()
    }

    /// Ends the writing. Gives the files, or why there are none.
    pub(super) async fn finish(self) -> Result<Vec<Add>, DeltaTableError> {
        // One that has failed takes no step, and says why below.
        let _ = self.steps.send(Step::Finish).await;
        match self.written.await {
            Ok(written) => written,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(DeltaTableError::of_cancelled(OfflineError::Cancelled)),
        }
    }
}

/// The rows of a batch by the numbers of the threads that their partitions belong to.
pub(super) fn parts(
    batch: &RecordBatch,
    partition: &str,
    threads: usize,
) -> Result<Vec<(usize, RecordBatch)>, OfflineError> {
    let numbers = match batch.column_by_name(partition).map(|column| cast(column, &DataType::Int64)) {
        Some(Ok(numbers)) if threads > 1 => numbers,
        _ => return Ok(vec![(0, batch.clone())]),
    };
    let numbers = numbers.as_primitive::<Int64Type>();
    let of: Vec<usize> =
        numbers.iter().map(|number| number.unwrap_or(0).rem_euclid(threads as i64) as usize).collect();
    let mut parts = Vec::new();
    for thread in 0..threads {
        let rows: BooleanArray = of.iter().map(|of| Some(*of == thread)).collect();
        match rows.true_count() {
            0 => {}
            all if all == batch.num_rows() => return Ok(vec![(thread, batch.clone())]),
            _ => parts.push((thread, filter_record_batch(batch, &rows)?)),
        }
    }
    Ok(parts)
}
