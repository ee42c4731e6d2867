//! `init`: a small working project, with a week of real flights.

use std::fs;
use std::path::Path;

use crate::failure::Failure;

/// Every file of the project that is written.
const FILES: [(&str, &[u8]); 5] = [
    ("twinstore.toml", include_bytes!("../../sample/twinstore.toml")),
    (".gitignore", b".twinstore/\n"),
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

pub fn init(dir: &Path) -> Result<(), Failure> {
    let there: Vec<_> = FILES.iter().map(|(name, _)| *name).filter(|name| dir.join(name).exists()).collect();
    if !there.is_empty() {
        return Err(Failure::new(format!(
            "{} already has {}: name an empty folder, as in `twinstore init flights`",
            dir.display(),
            there.join(", ")
        )));
    }
    for (name, content) in FILES {
        let path = dir.join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, content));
        made.map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
        println!("wrote {}", path.display());
    }
    println!("\na week of flights that left JFK in June 2013. Next, in {}:\n\n{NEXT}", dir.display());
    Ok(())
}
