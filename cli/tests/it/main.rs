//! The command, tested as its users use it: the real binary, in a folder of its own, on files.

#[cfg(test)]
mod access_attacks;
#[cfg(test)]
mod alerts;
#[cfg(test)]
mod answered_by;
#[cfg(test)]
mod arrow_columns;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod backfilled_beside_a_stream;
#[cfg(test)]
mod backfilled_by_date;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bad_definitions;
#[cfg(test)]
mod bad_files;
#[cfg(test)]
mod bad_reads;
#[cfg(test)]
mod breakers;
#[cfg(test)]
mod breakers_and_rows;
#[cfg(test)]
mod breakers_by_rule;
#[cfg(test)]
mod breakers_in_redis;
#[cfg(test)]
mod breakers_on_demand;
#[cfg(test)]
mod buckets;
#[cfg(test)]
mod capacity;
#[cfg(test)]
mod copied;
#[cfg(test)]
mod damaged_files;
#[cfg(test)]
mod damaged_online;
#[cfg(test)]
mod damaged_registry;
#[cfg(test)]
mod decided_batches;
#[cfg(test)]
mod defaults_served;
#[cfg(test)]
mod delta_source;
#[cfg(test)]
mod derived_view;
#[cfg(test)]
mod dictionary_columns;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod expected_stages;
#[cfg(test)]
mod far_times;
#[cfg(test)]
mod feast_repositories;
#[cfg(test)]
mod first_steps;
#[cfg(test)]
mod forgotten;
#[cfg(test)]
mod forgotten_quarantined;
#[cfg(test)]
mod forgotten_regular;
#[cfg(test)]
mod from_files;
#[cfg(test)]
mod held_back;
#[cfg(test)]
mod held_up;
#[cfg(test)]
mod incident;
#[cfg(test)]
mod incidents;
#[cfg(test)]
mod interrupted;
#[cfg(test)]
mod kept_out;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod landings;
#[cfg(test)]
mod lineage;
#[cfg(test)]
mod loaded_beside_pushes;
#[cfg(test)]
mod lost_tables;
#[cfg(test)]
mod missing_logs;
#[cfg(test)]
mod moment_texts;
#[cfg(test)]
mod moments;
#[cfg(test)]
mod new_rows;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod operators_page;
#[cfg(test)]
mod overlapping;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod project;
#[cfg(test)]
mod pushed;
#[cfg(test)]
mod pushed_and_stored;
#[cfg(test)]
mod pushed_by_command;
#[cfg(test)]
mod pushed_by_feast;
#[cfg(test)]
mod quarantined;
#[cfg(test)]
mod read_only;
#[cfg(test)]
mod readers_that_leave;
#[cfg(test)]
mod redis_lost;
#[cfg(test)]
mod refused_rows;
#[cfg(test)]
mod registry_on_a_server;
#[cfg(test)]
mod repeated_rows;
#[cfg(test)]
mod replaced_table;
#[cfg(test)]
mod replays;
#[cfg(test)]
mod restored_apart;
#[cfg(test)]
mod resumed_backfills;
#[cfg(test)]
mod retained;
#[cfg(test)]
mod retired;
#[cfg(test)]
mod rewritten;
#[cfg(test)]
mod rolled_out;
#[cfg(test)]
mod served;
#[cfg(test)]
mod served_values;
#[cfg(test)]
mod slo;
#[cfg(test)]
mod source_attacks;
#[cfg(test)]
mod spine_types;
#[cfg(test)]
mod spine_values;
#[cfg(test)]
mod spines;
#[cfg(test)]
mod sql_source_values;
#[cfg(test)]
mod sql_sources;
#[cfg(test)]
mod static_source;
#[cfg(test)]
mod statistics;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod telemetry;
mod text_sources;
#[cfg(test)]
mod until_first_use;
#[cfg(test)]
mod value_by_value;
#[cfg(test)]
mod versions;
#[cfg(test)]
mod ways_in;
#[cfg(test)]
mod wrong_clock;
