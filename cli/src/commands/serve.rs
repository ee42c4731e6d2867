//! `serve`: online features over gRPC and HTTP, and pages for operators, until it is stopped.

use std::sync::Arc;

use pages::OperatorPages;
use twinstore::{Pages, Project, Run, Serve};

use crate::arguments::ServeArgs;
use crate::failure::Failure;
use crate::help;

pub async fn serve(project: &Project, args: &ServeArgs, run: &Run) -> Result<(), Failure> {
    let pages = || Arc::new(OperatorPages::new(project, help::in_commands)) as Arc<dyn Pages>;
    let serve = Serve {
        follows_streams: !args.no_streams,
        max_bad_share: args.max_bad_share,
        pages: (!args.no_pages).then(pages),
    };
    Ok(project.serve(&serve, run).await?)
}
