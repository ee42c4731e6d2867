//! What `slo` and `alerts` take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::FormatArg;

/// What `slo` takes.
#[derive(Args, Debug)]
pub struct SloArgs {
    /// Only the objective of this view or service; all where none is named
    #[arg(value_name = "NAME[@V]")]
    pub name: Option<String>,
    /// Show the objectives of this file of OpenSLO v1 as lines of definitions, beside those that are registered
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    pub from_openslo: Option<PathBuf>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `alerts` takes.
#[derive(Args, Debug)]
pub struct AlertsArgs {
    /// For whom it is written on stdout
    #[arg(long, value_enum, default_value_t = AlertFormatArg::Prometheus)]
    pub format: AlertFormatArg,
}

/// For whom alerts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AlertFormatArg {
    /// Rules of Prometheus, YAML
    Prometheus,
    /// A dashboard of Grafana, JSON
    Grafana,
    /// Service level objectives of OpenSLO v1, YAML
    Openslo,
}
