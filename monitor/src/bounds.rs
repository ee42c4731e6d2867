//! Whether figures are within bounds: those that hold where nothing is declared, or those that a definition declares.

use std::fmt;

use feature::{Bound, ExpectedChange};

use crate::figures::Figures;

/// What a bound is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// The population stability index.
    Psi,
    /// The Kolmogorov–Smirnov distance.
    Ks,
    /// The relative shift of the mean.
    Mean,
    /// The difference of the shares of nulls.
    Nulls,
    /// The share of rows with equal values.
    Equal,
}

impl Figure {
    /// The name that definitions use.
    pub const fn name(self) -> &'static str {
        match self {
            Figure::Psi => "psi",
            Figure::Ks => "ks",
            Figure::Mean => "mean",
            Figure::Nulls => "nulls",
            Figure::Equal => "equal",
        }
    }
}

/// The bounds of one feature; a figure without a bound is not checked.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bounds {
    /// The greatest population stability index.
    pub psi: Option<f64>,
    /// The greatest Kolmogorov–Smirnov distance.
    pub ks: Option<f64>,
    /// The greatest relative shift of the mean, in either direction.
    pub mean: Option<f64>,
    /// The greatest difference of the shares of nulls, in either direction. A default hides no null; that one version
    /// names a default for what is null in both is no difference.
    pub nulls: Option<f64>,
    /// The least share of rows with equal values.
    pub equal: Option<f64>,
}

/// What a feature's figures amount to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Every row has the same value in both versions.
    Equal,
    /// Values differ, and no bound is exceeded; none is declared.
    Within,
    /// Values differ, and no declared bound is exceeded.
    Declared,
    /// A bound is exceeded.
    Outside,
}

impl Verdict {
    /// The name that every interface shows.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Equal => "equal",
            Verdict::Within => "within bounds",
            Verdict::Declared => "declared",
            Verdict::Outside => "outside bounds",
        }
    }
}

/// A figure that exceeds its bound.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exceeded {
    /// Which.
    pub figure: Figure,
    /// What it is; `None` where it is beyond any number.
    pub value: Option<f64>,
    /// What it may be.
    pub bound: f64,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exceeded { figure, value, bound } = *self;
        let percent = |x: f64| format!("{:.1}%", x * 100.0);
        let shown = |show: &dyn Fn(f64) -> String| value.map_or_else(|| "unbounded".to_owned(), show);
        match figure {
            Figure::Psi => write!(f, "PSI {} above {bound}", shown(&|x| format!("{x:.3}"))),
            Figure::Ks => write!(f, "KS {} above {bound}", shown(&|x| format!("{x:.3}"))),
            Figure::Mean => {
                write!(f, "mean shifted by {} of its scale, more than {}", shown(&percent), percent(bound))
            }
            Figure::Nulls => {
                write!(f, "null share changed by {}, more than {}", shown(&percent), percent(bound))
            }
            Figure::Equal => write!(f, "{} of rows equal, less than {}", shown(&percent), percent(bound)),
        }
    }
}

/// A verdict with its reasons.
#[derive(Clone, PartialEq, Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Every figure that exceeds its bound.
    pub exceeded: Vec<Exceeded>,
}

impl Bounds {
    /// What holds for a feature of which no change is declared.
    pub const DEFAULT: Bounds =
        Bounds { psi: Some(0.1), ks: Some(0.1), mean: Some(0.1), nulls: Some(0.01), equal: Some(0.9) };

    /// The bounds of a declared change. The share of nulls keeps its bound unless another is named. The share of equal
    /// rows is checked only where it is named, as a change leaves few rows equal. Of PSI, KS and the mean those that
    /// are named are checked; where none is, all keep their bounds.
    pub fn of(change: &ExpectedChange) -> Bounds {
        let named = |bound: Option<Bound>| bound.map(Bound::get);
        let is_of_distribution = change.psi.or(change.ks).or(change.mean).is_some();
        let or_default = |bound: Option<Bound>, default: Option<f64>| match is_of_distribution {
            true => named(bound),
            false => default,
        };
        Bounds {
            psi: or_default(change.psi, Self::DEFAULT.psi),
            ks: or_default(change.ks, Self::DEFAULT.ks),
            mean: or_default(change.mean, Self::DEFAULT.mean),
            nulls: named(change.nulls).or(Self::DEFAULT.nulls),
            equal: named(change.equal),
        }
    }

    /// Checks the figures of a feature by these bounds; `is_declared` says whether a definition names them.
    pub fn check(&self, figures: &Figures, is_declared: bool) -> Judgement {
        let mut exceeded = Vec::new();
        let mut above = |figure, value: Option<Option<f64>>, bound: Option<f64>| {
            if let (Some(value), Some(bound)) = (value, bound)
                && value.is_none_or(|value| value.abs() > bound)
            {
                exceeded.push(Exceeded { figure, value, bound });
            }
        };
        above(Figure::Psi, figures.psi.map(Some), self.psi);
        above(Figure::Ks, figures.ks.map(Some), self.ks);
        above(Figure::Mean, figures.mean.map(|mean| mean.relative), self.mean);
        above(Figure::Nulls, figures.null_growth().map(Some), self.nulls);
        if let (Some(value), Some(bound)) = (figures.equal_share(), self.equal)
            && value < bound
        {
            exceeded.push(Exceeded { figure: Figure::Equal, value: Some(value), bound });
        }
        let verdict = match (exceeded.is_empty(), figures.equal == figures.rows) {
            (false, _) => Verdict::Outside,
            (true, true) => Verdict::Equal,
            (true, false) if is_declared => Verdict::Declared,
            (true, false) => Verdict::Within,
        };
        Judgement { verdict, exceeded }
    }
}
