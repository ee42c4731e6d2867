//! `init`: a small working project, with a week of real flights or for files of the user's.

mod from_files;

use std::path::{Path, PathBuf};

use super::new_files::{GITIGNORE, write};
use crate::arguments::InitArgs;
use crate::failure::Failure;

/// Every file of the sample.
const SAMPLE: [(&str, &[u8]); 5] = [
    ("twinstore.toml", include_bytes!("../../sample/twinstore.toml")),
    (".gitignore", GITIGNORE),
    ("features/flights.yaml", include_bytes!("../../sample/features/flights.yaml")),
    ("data/landings.parquet", include_bytes!("../../sample/data/landings.parquet")),
    ("data/departures.parquet", include_bytes!("../../sample/data/departures.parquet")),
];

/// What to run next, in the new folder.
const NEXT: &str = "  twinstore plan
  twinstore apply
  twinstore backfill --all
  twinstore training-set --service late_arrival --spine data/departures.parquet \\
      --time scheduled_departure --out training.parquet --preview 5
  twinstore get late_arrival dest=LAX tailnum=N338AA distance=2475 --at 2013-06-08T01:00:00Z";

pub async fn init(project: &Path, args: &InitArgs) -> Result<(), Failure> {
    // Without the `.` of a default in its middle, as it is shown.
    let dir: PathBuf = project.join(&args.dir).components().collect();
    if !args.from.is_empty() {
        return from_files::init(&dir, args).await;
    }
    for path in write(&dir, &SAMPLE)? {
        println!("wrote {}", path.display());
    }
    println!("\na week of flights that left JFK in June 2013. Next, in {}:\n\n{NEXT}", dir.display());
    Ok(())
}
