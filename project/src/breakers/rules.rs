//! What each rule of a circuit breaker says of a view, from what was counted and what is known of its rows.

use feature::{Bound, Breaker, EventDate, Micros, Span, counted};
use monitor::{BadShare, Pipeline, ShareWindow};
use registry::BreakerRecord;

use crate::slo::before;

/// The name of the rule of dates that have other values.
const DRIFT: &str = "drift";
/// The name of the rule of rows that are too old.
pub(super) const STALE: &str = "stale";

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
    /// Of its statistics.
    pub(super) version: Option<u64>,
    pub(super) date: Option<EventDate>,
    /// The columns that lie farther from the dates before than the breaker allows.
    pub(super) exceeding: Vec<String>,
    /// The last moment at which no row of the date was readable.
    pub(super) last_good: Option<Micros>,
}

/// A date whose values a person has seen and let pass, as of one version of its statistics, by closing what opened by them.
pub(super) struct Acknowledged {
    /// The number of the opening.
    pub(super) number: u32,
    pub(super) date: Option<EventDate>,
    pub(super) version: Option<u64>,
}

impl Acknowledged {
    /// What was acknowledged where the newest opening was closed, if it was opened by the drift of the date that is known.
    pub(super) fn of(newest: &BreakerRecord, known: &KnownDrift) -> Option<Self> {
        let is_of_it = newest.rule.as_deref() == Some(DRIFT) && newest.requested_at > known.last_good?;
        (is_of_it && newest.until.is_some()).then_some(Self {
            number: newest.number,
            date: known.date,
            version: known.version,
        })
    }
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
/// nobody is answered. Of a breaker that is open nothing is said where nothing was compared: its readers get other answers.
pub(super) fn skew(
    breaker: &Breaker,
    bound: Bound,
    (window, total): (&mut ShareWindow, Option<BadShare>),
    (is_open, now): (bool, Micros),
) -> Ruling {
    if let Some(total) = total {
        window.count(total, breaker.window, now);
    }
    let share = window.share();
    let is_known = !is_open || share.rows > 0;
    Ruling {
        rule: "skew",
        is_broken: total.filter(|_| is_known).map(|_| share.exceeds(bound, breaker.min_rows)),
        why: format!(
            "{} of the {} that were compared in the last {} are not what the log gives",
            share.bad,
            counted(share.rows, if breaker.features.is_empty() { "answer" } else { "value" }),
            breaker.window
        ),
        good_until: before(now, breaker.window),
    }
}

/// The newest event that is online is too old. The last good moment is that from which the newest rows were readable, which
/// is not known here and never before that event: windows were full then.
/// Where a person has closed what opened by the same event, it is not found again.
pub(super) fn stale(
    bound: Span,
    pipeline: Option<Pipeline>,
    opening: Option<&BreakerRecord>,
    now: Micros,
) -> Ruling {
    let newest = pipeline.map(|pipeline| pipeline.newest);
    let is_acknowledged = |pipeline: &Pipeline| {
        opening.is_some_and(|one| {
            one.until.is_some() && one.rule.as_deref() == Some(STALE) && one.good_until >= pipeline.newest
        })
    };
    Ruling {
        rule: STALE,
        is_broken: pipeline
            .map(|pipeline| pipeline.staleness_us(now) > bound.micros() && !is_acknowledged(&pipeline)),
        why: format!(
            "the newest event that is online is of {}, and may be {bound} old",
            newest.map(|newest| newest.to_string()).unwrap_or_default()
        ),
        good_until: newest.unwrap_or(now),
    }
}

/// The newest date has other values than those before. What a person has acknowledged is not found again.
pub(super) fn drift(
    breaker: &Breaker,
    bound: Bound,
    (known, acknowledged): (Option<&KnownDrift>, Option<&Acknowledged>),
    now: Micros,
) -> Ruling {
    let is_acknowledged = |known: &KnownDrift| {
        acknowledged.is_some_and(|one| one.date == known.date && one.version == known.version)
    };
    let date = known.and_then(|known| known.date);
    let exceeding = known.map(|known| known.exceeding.join(", ")).unwrap_or_default();
    Ruling {
        rule: DRIFT,
        is_broken: known.map(|known| !known.exceeding.is_empty() && !is_acknowledged(known)),
        why: format!(
            "the values of {} lie farther than {} from those of the dates before: {exceeding}",
            date.map(|date| date.to_string()).unwrap_or_default(),
            bound.get()
        ),
        good_until: known.and_then(|known| known.last_good).unwrap_or_else(|| before(now, breaker.window)),
    }
}

fn percent(share: f64) -> String {
    format!("{}%", (share * 1e4).round() / 1e2)
}
