//! `capacity`: what a demand takes, what breaks first, and the tail while servers fail.

use capacity::{Estimate, FIGURES, Figure, Limit, Needs, Tail, estimate};

use crate::arguments::{CapacityArgs, Format};
use crate::failure::Failure;
use crate::headings;
use crate::output::{self, count};

pub fn capacity(args: &CapacityArgs) -> Result<(), Failure> {
    let format = args.format.format;
    if args.figures {
        return figures(format);
    }
    let estimate = estimate(&args.demand()).map_err(|error| Failure::new(error.to_string()))?;
    if format == Format::Json {
        return output::json(&estimate);
    }
    println!("{}\n", summary(&estimate));
    let needs = estimate.needs.iter().map(needs_row);
    println!("{}\n", output::table(&headings::NEEDS, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], needs));
    println!("{}\n", output::table(&headings::LIMITS, &[1, 2, 3], estimate.limits.iter().map(limit_row)));
    println!(
        "{}",
        output::table(&headings::TAILS, &[0, 2, 3, 4, 5, 6, 7], estimate.tails.iter().map(tail_row))
    );
    Ok(())
}

fn figures(format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&FIGURES);
    }
    let row =
        |figure: &Figure| vec![figure.what.to_owned(), figure.measured.to_owned(), figure.source.to_owned()];
    println!("{}", output::table(&headings::FIGURES, &[], FIGURES.iter().map(row)));
    Ok(())
}

/// What does not depend on the peak, in sentences.
fn summary(estimate: &Estimate) -> String {
    let (demand, kept) = (&estimate.demand, &estimate.kept);
    let entities = match demand.entities_per_request {
        1.0 => "one entity".to_owned(),
        several => format!("{several} entities"),
    };
    let cores = if demand.cores == 1.0 { "one core".to_owned() } else { format!("{} cores", demand.cores) };
    format!(
        "a request for {} features of {} takes {:.1} µs of a core, and its answer {}\n\
         online: {} of packed rows, which {} fold from the log in {}\n\
         log: {} more each year, {} in {} years, on {} disks\n\
         training sets: all rows of one view are read in {} on {}",
        demand.features,
        entities,
        kept.request_us,
        bytes(kept.answer_bytes),
        bytes(kept.online_bytes),
        cores,
        hours(kept.rebuild_hours),
        bytes(kept.log_bytes_per_year),
        bytes(kept.log_bytes),
        demand.years,
        kept.log_disks,
        hours(kept.training_set_hours),
        cores,
    )
}

fn needs_row(needs: &Needs) -> Vec<String> {
    vec![
        format!("{}×", needs.peak),
        rate(needs.requests_per_second),
        rate(needs.values_per_second),
        format!("{:.1}", needs.busy_cores),
        rate(needs.servers),
        percent(needs.utilisation_after_failures),
        format!("{:.2}", needs.bits_per_second_of_a_server / 1e9),
        rate(needs.store_reads_per_second),
        rate(needs.redis_servers),
        rate(needs.stream_processes),
    ]
}

fn limit_row(limit: &Limit) -> Vec<String> {
    let amount = |value: f64| format!("{} {}", short(value), limit.unit);
    let headroom = format!("{}×", short(limit.headroom));
    vec![limit.part.to_owned(), amount(limit.needed), amount(limit.has), headroom, limit.remedy.to_owned()]
}

fn tail_row(tail: &Tail) -> Vec<String> {
    let time = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.2} ms"));
    let share = |share: f64| format!("{:.2}%", share * 100.0);
    vec![
        percent(tail.utilisation),
        tail.phase.to_owned(),
        time(tail.p50_ms),
        time(tail.p99_ms),
        time(tail.p999_ms),
        time(tail.p999_random_ms),
        share(tail.refused),
        share(tail.retried),
    ]
}

/// A number that is counted.
fn rate(value: f64) -> String {
    count(value.round() as u64)
}

fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

/// A number with two digits that say something, or in whole.
fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value >= 100.0 => rate(value),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 0.01 => format!("{value:.2}"),
        value => format!("{value:.1e}"),
    }
}

/// Bytes, in units of a thousand.
fn bytes(bytes: f64) -> String {
    let units = [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let unit = units.into_iter().find(|(size, _)| bytes >= *size);
    unit.map_or_else(|| format!("{bytes:.0} bytes"), |(size, name)| format!("{} {name}", short(bytes / size)))
}

/// A time, in hours or less.
fn hours(hours: f64) -> String {
    match hours {
        hours if hours >= 1.0 => format!("{} h", short(hours)),
        hours if hours >= 1.0 / 60.0 => format!("{} min", short(hours * 60.0)),
        hours => format!("{} s", short(hours * 3_600.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, hours, short};

    #[test]
    fn amounts_have_the_unit_that_makes_them_short() {
        assert_eq!(bytes(812.0), "812 bytes");
        assert_eq!(bytes(4_560.0), "4.56 kB");
        assert_eq!(bytes(2.5e15), "2.50 PB");
        assert_eq!(hours(0.001), "3.60 s");
        assert_eq!(hours(0.5), "30.0 min");
        assert_eq!(hours(26.0), "26.0 h");
        assert_eq!(short(12_345.6), "12,346");
        assert_eq!(short(0.000_12), "1.2e-4");
        assert_eq!(short(0.0), "0");
    }
}
