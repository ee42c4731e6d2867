//! Whole-system scenarios, one module each.

#[cfg(test)]
mod any_history;
#[cfg(test)]
mod damaged_logs;
#[cfg(test)]
mod derived_views;
#[cfg(test)]
mod distributed;
#[cfg(test)]
mod flights;
#[cfg(test)]
mod fuzzing;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod kept_rows;
#[cfg(test)]
mod label;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod own_landing;
#[cfg(test)]
mod point_in_time;
#[cfg(test)]
mod project;
#[cfg(test)]
mod replaced_source;
#[cfg(test)]
mod replay_equivalence;
#[cfg(test)]
mod retained_rows;
#[cfg(test)]
mod same_bytes;
#[cfg(test)]
mod serving_agrees_with_training;
#[cfg(test)]
mod source_of_another_crate;
#[cfg(test)]
mod store_of_another_crate;
#[cfg(test)]
mod style;
