//! The shell around the protocol: performs each step, and returns the event that it led to.

mod catching_up;
mod flush;
mod run;
mod state;
mod stream_options;

pub use run::follow;
pub use stream_options::StreamOptions;
