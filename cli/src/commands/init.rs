//! `init`: a small working project, with a week of real flights or for files of the user's.

mod from_files;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

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

const GITIGNORE: &[u8] = b".twinstore/\n";

/// What to run next, in the new folder.
const NEXT: &str = "  twinstore plan
  twinstore apply
  twinstore backfill --all
  twinstore training-set --service late_arrival --spine data/departures.parquet \\
      --time scheduled_departure --out training.parquet --preview 5
  twinstore get late_arrival dest=LAX tailnum=N338AA distance=2475 --at 2013-06-08T01:00:00Z";

pub async fn init(project: &Path, args: &InitArgs) -> Result<(), Failure> {
    let dir = project.join(&args.dir);
    if !args.from.is_empty() {
        return from_files::init(&dir, args).await;
    }
    write(&dir, &SAMPLE)?;
    println!("\na week of flights that left JFK in June 2013. Next, in {}:\n\n{NEXT}", dir.display());
    Ok(())
}

/// Writes files that are not there yet; refused where one is.
fn write(dir: &Path, files: &[(&str, &[u8])]) -> Result<(), Failure> {
    let there: Vec<_> = files.iter().map(|(name, _)| *name).filter(|name| dir.join(name).exists()).collect();
    if !there.is_empty() {
        return Err(Failure::new(format!(
            "{} already has {}: name an empty folder, as in `twinstore init flights`",
            dir.display(),
            there.join(", ")
        )));
    }
    for (name, content) in files {
        let path = dir.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        let new = made.and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path));
        let written = new.and_then(|mut file| file.write_all(content));
        written.map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
