//! What processes count about themselves: histograms, and the text in which Prometheus reads them. Servers and streams
//! both write their metrics here; which metrics there are is theirs.
//!
//! ```
//! use twinstore_exposition::{Histogram, Page};
//!
//! static BOUNDS_MS: &[u64] = &[1, 10, 100];
//! let waits = Histogram::new(BOUNDS_MS);
//! waits.observe(7);
//! let mut page = Page::default();
//! page.family("wait_seconds", "histogram", "How long requests waited");
//! page.histogram("wait_seconds", &[("queue", "reads")], &waits, 1e3);
//! assert!(page.into_text().contains("wait_seconds_bucket{queue=\"reads\",le=\"0.01\"} 1"));
//! ```

mod families;
mod histogram;
mod page;

pub use families::{Family, FamilySample, families};
pub use histogram::{Counts, Histogram};
pub use page::{Page, Sample, SampleKind};
