//! `doctor`: a walk through a project, which ends in the probable cause of what is wrong and what to do.

use twinstore::{Found, Project};

use crate::arguments::{Format, FormatArg};
use crate::failure::{Failure, helped};
use crate::headings;
use crate::output;

pub async fn doctor(project: &Project, format: FormatArg) -> Result<(), Failure> {
    let examination = project.doctor().await;
    let said = |found: &Found| helped(&found.said, found.help.clone());
    match format.format {
        Format::Json => output::json(&examination)?,
        Format::Table => {
            let rows = examination.findings.iter();
            let rows = rows.map(|found| vec![found.area.to_owned(), found.condition.to_owned(), said(found)]);
            println!("{}\n", output::table(&headings::EXAMINED, &[], rows));
        }
    }
    match (&examination.cause, &examination.next) {
        (Some(cause), _) => Err(Failure::new(format!("the probable cause: {}", said(cause)))),
        (None, next) if format.format == Format::Table => {
            match next {
                Some(next) => println!("nothing is wrong; {}", said(next)),
                None => println!("nothing is wrong"),
            }
            Ok(())
        }
        (None, _) => Ok(()),
    }
}
