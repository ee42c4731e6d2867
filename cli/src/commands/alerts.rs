//! `alerts`: what watches the project from outside; and objectives of an OpenSLO file, for `slo --from-openslo`.

use std::path::Path;

use twinstore::{AlertFormat, Project};

use crate::arguments::{AlertFormatArg, AlertsArgs, Format};
use crate::failure::Failure;
use crate::headings;
use crate::output;

/// What every alert says to do.
const HELP: &str =
    "run `twinstore doctor`, which names the probable cause; `twinstore slo` shows the budgets";

pub async fn alerts(project: &Project, args: &AlertsArgs) -> Result<(), Failure> {
    let format = match args.format {
        AlertFormatArg::Prometheus => AlertFormat::Prometheus,
        AlertFormatArg::Grafana => AlertFormat::Grafana,
        AlertFormatArg::Openslo => AlertFormat::OpenSlo,
    };
    print!("{}", project.alerts(format, HELP).await?);
    Ok(())
}

/// The objectives of an OpenSLO file beside those that are registered.
pub async fn compare(project: &Project, file: &Path, format: Format) -> Result<(), Failure> {
    let compared = project.objectives_of(file).await?;
    if format == Format::Json {
        return output::json(&compared);
    }
    let rows = compared.iter().map(|one| {
        let is_same = one.registered.as_ref() == Some(&one.line);
        let state = if is_same { "same" } else { "differs" };
        let registered = one.registered.clone().unwrap_or_else(|| "-".to_owned());
        let of = match &one.imported.feature {
            Some(feature) => format!("{feature} of {}", one.imported.id),
            None => one.imported.id.to_string(),
        };
        vec![of, state.to_owned(), one.line.clone(), registered]
    });
    println!("{}", output::table(&headings::IMPORTED, &[], rows));
    Ok(())
}
