//! The library as its callers use it: projects in folders of their own, opened as values.

#[cfg(test)]
mod cancelled;
#[cfg(test)]
mod clicks;
#[cfg(test)]
mod freshness;
#[cfg(test)]
mod loaded;
