//! The files of sources, as functions of any bytes. Each is written, then checked and read to its end as a load does.
#![expect(clippy::unwrap_used, reason = "what is wrong here ends the program that looks for it")]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use feature::{Batch, BatchFiles, Field, Source, Span, VersionId};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::locate::batch_source;
use super::source_file::TableVersions;

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().unwrap();
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
}

static COLUMNS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let columns = [
        ("flag", "bool"),
        ("small", "int32"),
        ("large", "int64"),
        ("single", "float32"),
        ("amount", "float64"),
        ("text", "string"),
        ("raw", "bytes"),
        ("at", "timestamp"),
        ("sizes", "list<float32>"),
    ];
    let field = |(name, data_type): (&str, &str)| Field {
        name: name.parse().unwrap(),
        data_type: data_type.parse().unwrap(),
    };
    columns.map(field).into()
});

pub(crate) fn csv(data: &[u8]) -> bool {
    file("rows.csv", data)
}

pub(crate) fn csv_gz(data: &[u8]) -> bool {
    file("rows.csv.gz", data)
}

pub(crate) fn json(data: &[u8]) -> bool {
    file("rows.jsonl", data)
}

pub(crate) fn json_gz(data: &[u8]) -> bool {
    file("rows.jsonl.gz", data)
}

pub(crate) fn json_zst(data: &[u8]) -> bool {
    file("rows.jsonl.zst", data)
}

pub(crate) fn parquet(data: &[u8]) -> bool {
    file("rows.parquet", data)
}

/// The first commit of a Delta table.
pub(crate) fn delta(data: &[u8]) -> bool {
    FOLDER.with(|folder| {
        let table = folder.path().join("table");
        let _ = fs::remove_dir_all(&table);
        fs::create_dir_all(table.join("_delta_log")).unwrap();
        fs::write(table.join("_delta_log/00000000000000000000.json"), data).unwrap();
        read(folder.path(), "table")
    })
}

fn file(name: &str, data: &[u8]) -> bool {
    FOLDER.with(|folder| {
        fs::write(folder.path().join(name), data).unwrap();
        read(folder.path(), name)
    })
}

/// Whether all files of the source at this path are read to their end.
fn read(project: &Path, path: &str) -> bool {
    let view: VersionId = "view@1".parse().unwrap();
    let source = Source {
        name: "events".parse().unwrap(),
        schema: COLUMNS.clone(),
        stored: Default::default(),
        event_time: None,
        available_at: None,
        assumed_delay: None,
        allowed_lateness: None,
        max_ahead: Span::HOUR,
        batch: Some(Batch::Files(BatchFiles { path: path.to_owned(), format: None })),
        stream: None,
    };
    let Ok(opened) = batch_source(project, &source, &view) else { return false };
    let listed = RUNTIME.with(|runtime| runtime.block_on(opened.files(&view, TableVersions::default())));
    let Ok(listed) = listed else { return false };
    listed.files.iter().all(|file| {
        if opened.check_whole(file).is_err() {
            return false;
        }
        let Ok(mut reader) = opened.open(&COLUMNS, file, None) else { return false };
        loop {
            match reader.next_rows() {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    })
}
