//! One module for each command: what it opens, what it calls, and how the result looks.

mod apply;
mod check;
mod dead_letter;
mod get;
mod init;
mod load;
mod offline;
mod online;
mod push;
mod reference;
mod registry;
mod serve;
mod stream;
mod training_set;
mod verify;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;
use crate::project::Project;

/// Runs the command.
pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = || Project::open(&arguments.project);
    match &arguments.command {
        Command::Init(args) => init::init(&arguments.project, args).await,
        Command::Plan(format) => apply::plan(&project()?, format.format).await,
        Command::Apply(format) => apply::apply(&project()?, format.format).await,
        Command::Backfill(args) => load::backfill(&project()?, args).await,
        Command::Materialize(args) => load::materialize(&project()?, args).await,
        Command::Push(args) => push::push(&project()?, args).await,
        Command::Stream(args) => stream::stream(&project()?, args).await,
        Command::TrainingSet(command) => training_set::run(&project()?, command).await,
        Command::Get(args) => get::get(&project()?, args).await,
        Command::Serve(args) => serve::serve(&project()?, args).await,
        Command::DeadLetter(command) => dead_letter::dead_letter(&project()?, command).await,
        Command::Online(command) => online::online(&project()?, command).await,
        Command::Offline(command) => offline::offline(&project()?, command).await,
        Command::Verify(args) => check::check(&project()?, args).await,
        Command::Registry(command) => registry::registry(&project()?, command).await,
        Command::Reference { page } => reference::reference(*page),
    }
}
