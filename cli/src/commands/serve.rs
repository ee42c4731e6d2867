//! `serve`: online features over gRPC and HTTP, until it is stopped.

use twinstore::{Project, Run, Serve};

use crate::arguments::ServeArgs;
use crate::failure::Failure;

pub async fn serve(project: &Project, args: &ServeArgs, run: &Run) -> Result<(), Failure> {
    let serve = Serve { follows_streams: !args.no_streams, max_bad_share: args.max_bad_share };
    Ok(project.serve(&serve, run).await?)
}
