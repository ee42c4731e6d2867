//! What looking after the logs of views needs.

use materializer::Materializer;
use online::Store;
use registry::Registered;

use crate::project::Project;

/// The views of a project whose storage is looked after.
#[derive(Clone, Copy)]
pub(super) struct LookedAfter<'a> {
    pub(super) project: &'a Project,
    pub(super) registered: &'a Registered,
    pub(super) materializer: &'a Materializer<Store>,
}
