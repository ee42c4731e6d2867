//! `verify`: reads what is stored, and says all that is damaged in it.

use twinstore::{Checked, Project, Run};

use crate::arguments::{Format, VerifyArgs};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count, counted};

pub async fn check(project: &Project, args: &VerifyArgs, run: &Run) -> Result<(), Failure> {
    let found = project.verify(args.deep, run).await?;
    match args.format.format {
        Format::Json => output::json(&found)?,
        Format::Table => show(&found.checked, found.deep),
    }
    match found.damaged.len() as u64 {
        0 => Ok(()),
        damaged => Err(Failure::new(match args.format.format {
            Format::Json => format!("{} found damaged", counted(damaged, "thing")),
            Format::Table => found.damaged.join("\n"),
        })),
    }
}

fn show(checked: &[Checked], deep: bool) {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), count);
    let rows = checked.iter().map(|checked| {
        vec![
            checked.what.clone(),
            number(checked.commits),
            count(checked.files),
            number(checked.bytes),
            number(checked.without_checksums),
            count(checked.damaged as u64),
        ]
    });
    println!("{}", output::table(&headings::CHECKED, &[1, 2, 3, 4, 5], rows));
    if !deep {
        println!("\nfiles of rows are there, and were not read: --deep reads everything");
    }
}
