//! Laws of comparisons: no order matters, a set equals itself, and known changes are found and named.

use feature::{Bound, ExpectedChange, Scalar, Status, Value};
use proptest::prelude::*;

use crate::{Bounds, Comparison, Figure, Figures, Measure, Observed, Pair, Verdict};

fn figures(measure: Measure, most: usize, rows: &[(Observed<'_>, Observed<'_>)]) -> Figures {
    let mut comparison = Comparison::new(measure, most);
    for (old, new) in rows {
        comparison.add(&Pair { old: *old, new: *new, statuses: None });
    }
    comparison.figures()
}

fn any_float() -> impl Strategy<Value = Observed<'static>> {
    prop_oneof![
        1 => Just(Observed::Null),
        4 => any::<f64>().prop_map(Observed::Float),
        4 => (-20_i32..20).prop_map(|x| Observed::Float(f64::from(x) / 4.0)),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-0.0)].prop_map(Observed::Float),
    ]
}

/// Every bit of some figures: NaN is no float that equals itself.
fn bits(figures: &Figures) -> String {
    format!("{figures:?}")
}

proptest! {
    #[test]
    fn no_order_of_rows_changes_a_bit(
        rows in prop::collection::vec((any_float(), any_float()), 0..120),
        most in 4_usize..200,
        seed in any::<u64>(),
    ) {
        let mut shuffled = rows.clone();
        let mut state = seed | 1;
        for index in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(index, (state >> 33) as usize % (index + 1));
        }
        let (one, other) = (figures(Measure::Floats, most, &rows), figures(Measure::Floats, most, &shuffled));
        prop_assert_eq!(bits(&one), bits(&other));
    }

    #[test]
    fn a_set_against_itself_is_equal_and_has_no_distance(
        values in prop::collection::vec(any_float(), 1..200),
        most in 4_usize..300,
    ) {
        let rows: Vec<_> = values.iter().map(|value| (*value, *value)).collect();
        let figures = figures(Measure::Floats, most, &rows);
        prop_assert_eq!(figures.equal, figures.rows);
        prop_assert!(figures.psi.is_none_or(|psi| psi == 0.0));
        prop_assert!(figures.ks.is_none_or(|ks| ks == 0.0));
        prop_assert!(figures.mean.is_none_or(|mean| mean.relative == Some(0.0)));
        prop_assert_eq!(Bounds::DEFAULT.check(&figures, false).verdict, Verdict::Equal);
        prop_assert_eq!(figures.likely_causes(), []);
    }

    #[test]
    fn integers_are_compared_without_loss(old in any::<i64>(), new in any::<i64>()) {
        let figures = figures(Measure::Ints, 16, &[(Observed::Int(old), Observed::Int(new))]);
        prop_assert_eq!(figures.equal == 1, old == new);
        prop_assert_eq!(figures.ks, Some(if old == new { 0.0 } else { 1.0 }));
        prop_assert_eq!(&figures.quantiles[0].old, &Value::Int64(old));
    }
}

/// A thousand delays in minutes, of which none is twice as likely as another.
fn delays() -> Vec<f64> {
    (0..1000).map(|i| f64::from(i * 37 % 1000) / 4.0 + 1.0).collect()
}

fn changed(new: impl Fn(usize, f64) -> Observed<'static>) -> Figures {
    let old = delays();
    let rows: Vec<_> = old.iter().enumerate().map(|(row, x)| (Observed::Float(*x), new(row, *x))).collect();
    figures(Measure::Floats, 65_536, &rows)
}

fn said(figures: &Figures) -> Vec<String> {
    figures.likely_causes().iter().map(ToString::to_string).collect()
}

#[test]
fn another_unit_is_found_and_named() {
    let figures = changed(|_, x| Observed::Float(x * 60.0));
    assert_eq!(Bounds::DEFAULT.check(&figures, false).verdict, Verdict::Outside);
    assert_eq!(
        said(&figures),
        ["the new values are 60 times the old ones, as from minutes to seconds, or hours to minutes"]
    );
    let figures = changed(|_, x| Observed::Float(x / 7.0));
    assert_eq!(said(&figures), ["the new values are 0.143 times the old ones"]);
}

#[test]
fn a_sentinel_is_found_and_named() {
    let figures = changed(|row, x| Observed::Float(if row % 50 == 0 { 999.0 } else { x }));
    let judgement = Bounds::DEFAULT.check(&figures, false);
    assert_eq!(judgement.verdict, Verdict::Outside);
    assert_eq!(said(&figures), ["999 is 2.0% of the new values and 0.0% of the old ones"]);
}

#[test]
fn a_sentinel_is_named_also_where_values_are_counted_in_ranges() {
    let mut comparison = Comparison::new(Measure::Floats, 128);
    for (row, x) in delays().into_iter().enumerate() {
        let new = if row % 20 == 0 { -999.0 } else { x };
        comparison.add(&Pair { old: Observed::Float(x), new: Observed::Float(new), statuses: None });
    }
    let figures = comparison.figures();
    assert!(!figures.is_exact);
    assert_eq!(said(&figures), ["-999 is 5.0% of the new values and 0.0% of the old ones"]);
}

#[test]
fn values_that_are_gone_are_found_and_named() {
    let figures = changed(|row, x| if row % 50 < 9 { Observed::Null } else { Observed::Float(x) });
    let judgement = Bounds::DEFAULT.check(&figures, false);
    let exceeded: Vec<_> = judgement.exceeded.iter().map(|exceeded| exceeded.figure).collect();
    assert_eq!(exceeded, [Figure::Nulls, Figure::Equal]);
    assert_eq!(judgement.exceeded[0].to_string(), "null share changed by 18.0%, more than 1.0%");
    assert_eq!(said(&figures), ["18.0% of rows lost their value"]);
}

#[test]
fn values_that_are_only_given_to_other_rows_are_outside_bounds() {
    let all = delays();
    let figures = changed(|row, _| Observed::Float(all[(row + 1) % all.len()]));
    assert_eq!((figures.psi, figures.ks), (Some(0.0), Some(0.0)));
    let judgement = Bounds::DEFAULT.check(&figures, false);
    assert_eq!(judgement.exceeded[0].to_string(), "0.0% of rows equal, less than 90.0%");
}

#[test]
fn a_declared_change_is_checked_by_its_own_bounds_and_nulls_still_count() {
    let change = |psi, nulls: Option<f64>| ExpectedChange {
        reason: "seconds".to_owned(),
        psi: Bound::new(psi),
        ks: None,
        mean: None,
        nulls: nulls.and_then(Bound::new),
        equal: None,
    };
    let seconds = changed(|row, x| if row % 10 == 0 { Observed::Null } else { Observed::Float(x * 60.0) });
    let checked = |change: &ExpectedChange| Bounds::of(change).check(&seconds, true);
    assert_eq!(checked(&change(20.0, Some(0.2))).verdict, Verdict::Declared);
    let figures =
        |judgement: crate::Judgement| judgement.exceeded.iter().map(|e| e.figure).collect::<Vec<_>>();
    assert_eq!(figures(checked(&change(20.0, None))), [Figure::Nulls]);
    assert_eq!(figures(checked(&change(0.3, Some(0.2)))), [Figure::Psi]);
    let only_nulls = Bounds::of(&ExpectedChange { psi: None, ..change(0.0, Some(0.2)) });
    assert_eq!(only_nulls, Bounds { nulls: Some(0.2), equal: None, ..Bounds::DEFAULT });
}

#[test]
fn a_default_that_a_version_names_is_no_change_of_nulls() {
    let of = |old: Observed<'static>, new: Observed<'static>, statuses| {
        let mut comparison = Comparison::new(Measure::Ints, 16);
        for row in 0..100 {
            let value = Observed::Int(row);
            let present = Some((Status::Present, Status::Present));
            comparison.add(&Pair { old: value, new: value, statuses: present });
        }
        for _ in 0..5 {
            comparison.add(&Pair { old, new, statuses: Some(statuses) });
        }
        comparison.figures()
    };
    let null = Status::NullValue;
    let filled = of(Observed::Null, Observed::Int(7), (null, null));
    let emptied = of(Observed::Int(7), Observed::Null, (null, null));
    for (figures, nulls, said) in [
        (&filled, [5, 0], "4.8% of rows were null, and have the default that the new version names"),
        (&emptied, [0, 5], "4.8% of rows had the default that the old version names, and are null"),
    ] {
        assert_eq!([figures.nulls.filled, figures.nulls.emptied], nulls);
        assert_eq!((figures.nulls.gained, figures.nulls.lost, figures.null_growth()), (0, 0, Some(0.0)));
        let causes: Vec<String> = figures.likely_causes().iter().map(ToString::to_string).collect();
        assert_eq!(causes, [said]);
        assert_eq!(Bounds::DEFAULT.check(figures, false).verdict, Verdict::Within, "{figures:?}");
        assert!(figures.statuses.is_empty());
    }
    assert_eq!(filled.null_shares(), Some((5.0 / 105.0, 0.0)));
    // Values that are there are a change, whatever they are.
    let gained = of(Observed::Null, Observed::Int(7), (null, Status::Present));
    assert_eq!((gained.nulls.gained, gained.nulls.filled), (5, 0));
    let exceeded = Bounds::DEFAULT.check(&gained, false).exceeded;
    assert_eq!(exceeded.iter().map(|one| one.figure).collect::<Vec<_>>(), [Figure::Nulls]);
}

#[test]
fn a_null_behind_a_default_is_a_null_where_the_other_version_has_a_value() {
    let of = |old_status, new_status| {
        let mut comparison = Comparison::new(Measure::Ints, 16);
        for row in 0..100 {
            let value = Observed::Int(row % 5);
            let (old, new) =
                if row < 8 { (old_status, new_status) } else { (Status::Present, Status::Present) };
            comparison.add(&Pair { old: value, new: value, statuses: Some((old, new)) });
        }
        comparison.figures()
    };
    let (null, present) = (Status::NullValue, Status::Present);
    let lost = of(present, null);
    assert_eq!((lost.nulls.lost, lost.null_shares(), lost.equal), (8, Some((0.0, 0.08)), 100));
    let gained = of(null, present);
    assert_eq!((gained.nulls.gained, gained.null_shares()), (8, Some((0.08, 0.0))));
    for figures in [&lost, &gained] {
        assert_eq!(figures.statuses.iter().map(|change| change.rows).sum::<u64>(), 8);
        let exceeded = Bounds::DEFAULT.check(figures, false).exceeded;
        assert_eq!(exceeded.iter().map(|one| one.figure).collect::<Vec<_>>(), [Figure::Nulls]);
    }
    let both = of(null, null);
    assert_eq!((both.nulls.defaults, both.nulls.both, both.null_shares()), (8, 0, Some((0.08, 0.08))));
    assert_eq!((both.null_growth(), both.statuses.len()), (Some(0.0), 0));
}

#[test]
fn types_that_cannot_be_compared_are_only_equal_or_not() {
    let of = |old: Scalar, new: Scalar| Measure::of(old.into(), new.into());
    assert_eq!(of(Scalar::Int32, Scalar::Float64), Measure::Floats);
    assert_eq!(of(Scalar::Int32, Scalar::Int64), Measure::Ints);
    assert_eq!(of(Scalar::String, Scalar::Bytes), Measure::Equality);
    assert_eq!(of(Scalar::Timestamp, Scalar::Int64), Measure::Equality);
    let rows = [(Observed::Text("1"), Observed::Int(1)), (Observed::Null, Observed::Null)];
    let figures = figures(Measure::Equality, 16, &rows);
    assert_eq!((figures.equal, figures.psi, figures.ks, figures.mean), (1, None, None, None));
}

#[test]
fn statuses_that_changed_are_counted_by_both() {
    let mut comparison = Comparison::new(Measure::Ints, 16);
    let mut add = |old, new| {
        comparison.add(&Pair { old: Observed::Null, new: Observed::Null, statuses: Some((old, new)) })
    };
    add(Status::NotFound, Status::NullValue);
    add(Status::NotFound, Status::NullValue);
    add(Status::NotFound, Status::NotFound);
    let figures = comparison.figures();
    assert_eq!(figures.equal, 3);
    assert_eq!(figures.statuses.len(), 1);
    assert_eq!(figures.statuses[0].rows, 2);
    assert!(figures.has_no_value());
}

#[test]
fn categories_are_shown_by_their_names_and_the_rarest_as_one() {
    let names: Vec<String> = (0..40).map(|i| format!("C{i:02}")).collect();
    let rows: Vec<_> =
        (0..400).map(|row| (Observed::Text(&names[row % 40]), Observed::Text("ORD"))).collect();
    let found = figures(Measure::Categories, 1000, &rows);
    assert_eq!(found.bars.len(), 21);
    assert_eq!(found.bars[0].from, Value::String("ORD".into()));
    assert_eq!((found.bars[20].from.clone(), found.bars[20].old), (Value::Null, 210));
    assert_eq!(said(&found), ["ORD is 100.0% of the new values and 0.0% of the old ones"]);
    // With more categories than are kept they have no names.
    let found = figures(Measure::Categories, 16, &rows);
    assert!(found.bars.is_empty() && !found.is_exact);
}
