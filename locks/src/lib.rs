//! Waiting for another process: whoever waits for a lock says after two seconds for whom, and gives up after a
//! bound with one sentence. What is locked and why is for its owner to decide; this crate only knows files,
//! processes and how long somebody waits.
//!
//! ```no_run
//! # use twinstore_locks as locks;
//! use std::path::Path;
//! use std::time::Duration;
//!
//! # fn example() -> Result<(), locks::Locked> {
//! let file = std::fs::File::open("out").unwrap();
//! let what = || "the folder `out`, which another training set is being put into".to_owned();
//! locks::lock(&file, Path::new("out"), what, Duration::from_secs(60))?;
//! # Ok(())
//! # }
//! ```

mod holder;
mod process;
mod waiting;

pub use holder::Holder;
pub use process::Process;
pub use waiting::{LOOK_EVERY, Locked, Wait, lock};
