//! One module for each command: what it opens, what it calls, and how the result looks.

mod access;
mod alerts;
mod apply;
mod audit;
mod breaker;
mod capacity;
mod check;
mod dead_letter;
mod doctor;
mod drift;
mod ending;
mod forget;
mod get;
mod import_feast;
mod init;
mod lineage;
mod load;
mod migration;
mod new_files;
mod offline;
mod online;
mod overview;
mod parity;
mod push;
mod quality;
mod reference;
mod registry;
mod rollout;
mod serve;
mod slo;
mod stream;
mod token;
mod training_set;
mod verify;

use std::sync::Arc;

use twinstore::{CancellationToken, Project, Run};

use crate::arguments::{Arguments, BackfillCommand, Command, ImportCommand, SloArgs};
use crate::clock;
use crate::failure::Failure;
use crate::interruption;
use crate::progress::Shown;
use crate::user;

pub use drift::{drift_json, reference as drift_reference};
pub use quality::{contract_json, quarantined_json, statistics_json};

/// Runs the command.
pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = || {
        Project::open(&arguments.project, clock::now).map(|project| project.with_default_actor(user::name))
    };
    let run = Run::new(Arc::new(Shown::default()), CancellationToken::new());
    match &arguments.command {
        Command::Init(args) => init::init(&arguments.project, args).await,
        Command::Import(ImportCommand::Feast(args)) => {
            import_feast::import_feast(&arguments.project, args).await
        }
        Command::Plan(format) => apply::plan(&project()?, format.format).await,
        Command::Apply(args) => apply::apply(&project()?, args).await,
        Command::Backfill(BackfillCommand { dated: Some(dated), .. }) => {
            migration::run(&project()?, dated, &run).await
        }
        Command::Backfill(BackfillCommand { at_once, .. }) => {
            load::backfill(&project()?, at_once, &run).await
        }
        Command::Materialize(args) => load::materialize(&project()?, args, &run).await,
        Command::Push(args) => push::push(&project()?, args, &run).await,
        Command::Stream(args) => {
            interruption::cancel(&run.cancel)?;
            stream::stream(&project()?, args, &run).await
        }
        Command::TrainingSet(command) => training_set::run(&project()?, command, &run).await,
        Command::Parity(args) => parity::parity(&project()?, args, &run).await,
        Command::Get(args) => get::get(&project()?, args).await,
        Command::Serve(args) => {
            interruption::cancel(&run.cancel)?;
            serve::serve(&project()?, args, &run).await
        }
        Command::DeadLetter(command) => dead_letter::dead_letter(&project()?, command, &run).await,
        Command::Drift(args) => drift::drift(&project()?, args).await,
        Command::Quality(command) => quality::quality(&project()?, command, &run).await,
        Command::Breaker(command) => breaker::breaker(&project()?, command, &run).await,
        Command::Online(command) => online::online(&project()?, command, &run).await,
        Command::Offline(command) => offline::offline(&project()?, command, &run).await,
        Command::Verify(args) => check::check(&project()?, args, &run).await,
        Command::Cutover(args) => rollout::cutover(&project()?, args).await,
        Command::Rollback(args) => rollout::rollback(&project()?, args).await,
        Command::Deprecate(args) => ending::deprecate(&project()?, args).await,
        Command::Retire(args) => ending::retire(&project()?, args).await,
        Command::Forget(args) => forget::forget(&project()?, args, &run).await,
        Command::Audit(args) => audit::audit(&project()?, args).await,
        Command::Overview(format) => overview::overview(&project()?, *format).await,
        Command::Slo(SloArgs { from_openslo: Some(file), format, .. }) => {
            alerts::compare(&project()?, file, format.format).await
        }
        Command::Slo(args) => slo::slo(&project()?, args).await,
        Command::Alerts(args) => alerts::alerts(&project()?, args).await,
        Command::Doctor(format) => doctor::doctor(&project()?, *format).await,
        Command::Registry(command) => registry::registry(&project()?, command).await,
        Command::Capacity(args) => capacity::capacity(args),
        Command::Token(command) => token::token(&project()?, command).await,
        Command::Access(command) => access::access(&project()?, command).await,
        Command::Lineage(args) => lineage::lineage(&project()?, args).await,
        Command::Reference { page } => reference::reference(*page),
    }
}
