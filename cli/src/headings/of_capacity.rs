//! The tables of `capacity`: what a demand takes, and what breaks first.

use super::Printed;

pub const NEEDS: Printed = Printed {
    by: "`capacity`",
    columns: &[
        ("peak", "how many times the average"),
        ("requests/s", "requests a second"),
        ("values/s", "values of features that are answered in a second"),
        ("cores", "cores that are busy with requests"),
        ("servers", "servers of `--cores` that are used up to `--utilisation`, and `--failures` more"),
        ("after failures", "the share of the cores that is busy once these are gone"),
        ("gbit/s of one", "what a server sends then"),
        ("store reads/s", "requests a second, of which a row is not in the hot tier"),
        ("redis", "Redis servers by memory and by time, each used up to 60%; replicas are not counted"),
        ("streams", "processes of `stream`, of two cores each"),
    ],
};

pub const LIMITS: Printed = Printed {
    by: "`capacity`, what breaks first",
    columns: &[
        ("part", "one of what the demand needs, the one that gives out first at the head"),
        ("needed", "what is needed of it at the highest peak"),
        ("has", "what one has"),
        ("headroom", "how many times the demand one carries; below 1× it breaks"),
        ("remedy", "what is to be done then"),
    ],
};

pub const TAILS: Printed = Printed {
    by: "`capacity`, the tail",
    columns: &[
        (
            "busy",
            "the share of all cores that is busy while nothing fails: that of the highest peak, and 50%, 70% and 85%",
        ),
        ("while", "what goes on"),
        (
            "p50",
            "the time from arrival to answer, network left out, that half of the answers do not exceed; `-` where more is requested than can be answered",
        ),
        ("p99", "of 99%"),
        ("p99.9", "of 99.9%"),
        ("at random", "of 99.9% where clients choose servers at random, and not the less busy of two"),
        ("refused", "requests that are refused, or that no server answers"),
        ("retried", "how often a client tried another server, of all requests"),
    ],
};

pub const FIGURES: Printed = Printed {
    by: "`capacity --figures`",
    columns: &[
        ("what", "what was measured"),
        ("measured", "the figure"),
        ("where", "the page and section that has it, with the command that printed it"),
    ],
};
