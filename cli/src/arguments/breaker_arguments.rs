//! The arguments of `breaker`.

use clap::{Args, Subcommand, ValueEnum};
use feature::{Micros, Name};
use twinstore::{OpenAnswer, Reason, ViewName};

use super::FormatArg;

/// What `breaker` does.
#[derive(Subcommand, Debug)]
pub enum BreakerCommand {
    /// List the times that breakers were open, the newest first
    List {
        /// Only of this view version; the version may be left out where there is one
        #[arg(value_name = "VIEW[@V]")]
        view: Option<ViewName>,
        /// Only those that are open now
        #[arg(long)]
        open: bool,
        /// How the result is written
        #[command(flatten)]
        format: FormatArg,
    },
    /// Keep readers of a view from what its rows give: they get its last good answers, or no value
    ///
    /// The last good answers are those of one moment, with their own event times. Their status is LAST_KNOWN_GOOD; with
    /// `--answers no_value` it is BREAKER_OPEN. Rows go on into both stores meanwhile. A training set has at each label what was
    /// served then. It holds two seconds after the command ends, on every server.
    Open(OpenBreakerArgs),
    /// Let readers of a view get what its rows give
    ///
    /// It holds two seconds after the command ends, on every server.
    Close(CloseBreakerArgs),
}

/// What `breaker open` takes.
#[derive(Args, Debug)]
pub struct OpenBreakerArgs {
    /// The view version; the version may be left out where there is one
    #[arg(value_name = "VIEW[@V]")]
    pub view: ViewName,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Reason,
    /// Only these features of it are held, and the others are answered as their rows give
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub features: Vec<Name>,
    /// What is answered meanwhile; without it what the view's definition says, or else its last good answers
    #[arg(long, value_name = "ANSWERS")]
    pub answers: Option<AnswersArg>,
    /// The last moment whose answers are good; at the latest, and without it, ten seconds ago
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub good_until: Option<Micros>,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What `breaker close` takes.
#[derive(Args, Debug)]
pub struct CloseBreakerArgs {
    /// The view version; the version may be left out where there is one
    #[arg(value_name = "VIEW[@V]")]
    pub view: ViewName,
    /// Which opening, by its number in the list; needed where it is open more than once, each time for other features
    #[arg(long, value_name = "N")]
    pub number: Option<u32>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Reason,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

/// What is answered while a breaker is open.
#[derive(ValueEnum, Clone, Copy, Debug)]
#[value(rename_all = "snake_case")]
pub enum AnswersArg {
    /// What was answered at the last good moment
    LastKnownGood,
    /// No value: null
    NoValue,
    /// What the rows give: the opening only says that something is wrong
    Current,
}

impl From<AnswersArg> for OpenAnswer {
    fn from(answers: AnswersArg) -> Self {
        match answers {
            AnswersArg::LastKnownGood => OpenAnswer::LastKnownGood,
            AnswersArg::NoValue => OpenAnswer::NoValue,
            AnswersArg::Current => OpenAnswer::Current,
        }
    }
}
