//! Which Arrow types can become which of ours, and how their arrays do.
