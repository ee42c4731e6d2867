//! What watches a project from outside, generated from its definitions: alert rules for Prometheus, a dashboard for Grafana,
//! and its objectives as OpenSLO.

mod dashboard;
mod import;
mod not_open_slo;
mod openslo;
mod openslo_read;
mod rules;
mod watched;
mod yaml;

use crate::error::ProjectError;
use crate::project::Project;

pub use import::ComparedObjective;
pub(crate) use import::compare;
pub use not_open_slo::NotOpenSlo;
pub use openslo::ImportedObjective;

/// Whether any bytes are objectives of OpenSLO.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzed_objectives(data: &[u8]) -> bool {
    openslo::import(&String::from_utf8_lossy(data)).is_ok_and(|objectives| !objectives.is_empty())
}

/// For whom it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AlertFormat {
    /// Rules of Prometheus, YAML.
    Prometheus,
    /// A dashboard of Grafana, JSON.
    Grafana,
    /// Service level objectives of OpenSLO v1, YAML.
    OpenSlo,
}

/// The text in a format. `help` is what an alert says to do, in the words of whoever shows it.
pub(crate) async fn alerts(
    project: &Project,
    format: AlertFormat,
    help: &str,
) -> Result<String, ProjectError> {
    let registered = project.registered().await?;
    let watched = watched::Watched::of(&registered)?;
    Ok(match format {
        AlertFormat::Prometheus => yaml::document(&rules::rules(&watched, help)),
        AlertFormat::Grafana => format!("{:#}\n", dashboard::dashboard(&project.settings.project)),
        AlertFormat::OpenSlo => {
            let documents = openslo::documents(&project.settings.project, &watched);
            documents.iter().map(yaml::document).collect::<Vec<_>>().join("---\n")
        }
    })
}
