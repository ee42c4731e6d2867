//! A project with a view over a stream that is pushed into, and history in two files.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use feature::Micros;
use tempfile::TempDir;
use tokio::sync::mpsc;
use twinstore::{Event, Progress, Project};

const DEFINITIONS: &str = "
kind: entity
name: visitor
keys: {visitor: int64}
---
kind: source
name: clicks
schema: {visitor: int64, at: timestamp, page: string}
event_time: at
stream: {topic: clicks, format: json}
---
kind: source
name: orders
schema: {visitor: int64, at: timestamp, price: float64}
event_time: at
batch: {path: orders}
assumed_delay: 1m
---
kind: feature_view
name: visits
version: 1
entity: visitor
source: clicks
features:
  page: {latest: page}
---
kind: feature_view
name: spending
version: 1
entity: visitor
source: orders
features:
  spent: {aggregate: sum(price)}
---
kind: feature_service
name: visit
version: 1
features:
  - {from: visits@1}
  - {from: spending@1}
";

/// What time it is.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Micros::new(since.as_micros() as i64).unwrap()
}

/// A project of this test alone, whose definitions are applied.
pub async fn applied() -> (TempDir, Project) {
    let folder = TempDir::new().unwrap();
    for (path, text) in [
        ("features/clicks.yaml", DEFINITIONS),
        ("twinstore.toml", "serve.grpc = \"127.0.0.1:0\"\nserve.http = \"127.0.0.1:0\"\n"),
        ("orders/1.csv", "visitor,at,price\n1,2026-01-01T00:00:00Z,2.5\n2,2026-01-01T00:00:00Z,3\n"),
        ("orders/2.csv", "visitor,at,price\n1,2026-01-02T00:00:00Z,4\n"),
    ] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let project = Project::open(folder.path(), now).unwrap();
    project.apply().await.unwrap();
    (folder, project)
}

/// Sends on what a command reports.
pub struct Reports(Mutex<mpsc::UnboundedSender<Event>>);

impl Reports {
    /// The reports, and where they arrive.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Mutex::new(sender)), receiver)
    }
}

impl Progress for Reports {
    fn report(&self, event: Event) {
        // The test may have seen enough.
        let _ = self.0.lock().unwrap().send(event);
    }
}
