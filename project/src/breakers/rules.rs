//! What each rule of a circuit breaker says of a view, from what was counted and what is known of its rows.

use feature::{Bound, Breaker, EventDate, Micros, Span, counted};
use monitor::{BadShare, Pipeline, ShareWindow};

use crate::slo::before;

/// What one rule says of a view.
pub(super) struct Ruling {
    pub(super) rule: &'static str,
    /// `None` where it cannot be checked here.
    pub(super) is_broken: Option<bool>,
    /// What it found.
    pub(super) why: String,
    /// The last moment before what it found.
    pub(super) good_until: Micros,
}

/// What the newest date of a view is like, as of one version of its statistics.
pub(super) struct KnownDrift {
    pub(super) version: Option<u64>,
    pub(super) date: Option<EventDate>,
    /// The columns that lie farther from the dates before than the breaker allows.
    pub(super) exceeding: Vec<String>,
}

/// Too many rows of the stream were refused in the window. The total is `None` where the stream is not followed.
pub(super) fn bad_share(
    breaker: &Breaker,
    bound: Bound,
    (window, total): (&mut ShareWindow, Option<BadShare>),
    now: Micros,
) -> Ruling {
    if let Some(total) = total {
        window.count(total, breaker.window, now);
    }
    let share = window.share();
    Ruling {
        rule: "bad_share",
        is_broken: total.map(|_| share.exceeds(bound, breaker.min_rows)),
        why: format!(
            "{} of the {} of the last {} were refused, and {} may be",
            share.bad,
            counted(share.rows, "row"),
            breaker.window,
            percent(bound.get())
        ),
        good_until: before(now, breaker.window),
    }
}

/// Too many served answers, or values of the breaker's features, are other than the log gives. The total is `None` where
/// nobody is answered.
pub(super) fn skew(
    breaker: &Breaker,
    bound: Bound,
    (window, total): (&mut ShareWindow, Option<BadShare>),
    now: Micros,
) -> Ruling {
    if let Some(total) = total {
        window.count(total, breaker.window, now);
    }
    let share = window.share();
    Ruling {
        rule: "skew",
        is_broken: total.map(|_| share.exceeds(bound, breaker.min_rows)),
        why: format!(
            "{} of the {} that were compared in the last {} are not what the log gives",
            share.bad,
            counted(share.rows, if breaker.features.is_empty() { "answer" } else { "value" }),
            breaker.window
        ),
        good_until: before(now, breaker.window),
    }
}

/// The newest event that is online is too old. The last good moment is that event's: windows were full then.
pub(super) fn stale(bound: Span, pipeline: Option<Pipeline>, now: Micros) -> Ruling {
    let newest = pipeline.map(|pipeline| pipeline.newest);
    Ruling {
        rule: "stale",
        is_broken: pipeline.map(|pipeline| pipeline.staleness_us(now) > bound.micros()),
        why: format!(
            "the newest event that is online is of {}, and may be {bound} old",
            newest.map(|newest| newest.to_string()).unwrap_or_default()
        ),
        good_until: newest.unwrap_or(now),
    }
}

/// The newest date has other values than those before.
pub(super) fn drift(breaker: &Breaker, bound: Bound, known: Option<&KnownDrift>, now: Micros) -> Ruling {
    let date = known.and_then(|known| known.date);
    let exceeding = known.map(|known| known.exceeding.join(", ")).unwrap_or_default();
    Ruling {
        rule: "drift",
        is_broken: known.map(|known| !known.exceeding.is_empty()),
        why: format!(
            "the values of {} lie farther than {} from those of the dates before: {exceeding}",
            date.map(|date| date.to_string()).unwrap_or_default(),
            bound.get()
        ),
        good_until: date.and_then(EventDate::start).unwrap_or_else(|| before(now, breaker.window)),
    }
}

fn percent(share: f64) -> String {
    format!("{}%", (share * 1e4).round() / 1e2)
}
