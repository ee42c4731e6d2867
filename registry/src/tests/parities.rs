//! Two versions side by side, the changes that the newer one declares, and the reports that are kept of them.

use feature::Micros;

use super::{BASE, Home, definitions, on_both, plan_of};
use crate::{KeptParity, Kind, LogRead, ParityStanding, Registered, Registry, RegistryError, StaleParity};

/// A second version of the base's view and service.
const SECOND: &str = "
---
kind: feature_view
name: airport_arrivals
version: 2
entity: airport
source: landings
keys: {airport: dest}
features:
  last_delay: {latest: arr_delay}
  arrivals_1h: {aggregate: count, window: 2h}
  longest: {aggregate: max(arr_delay), window: 7d}
expect_change:
  arrivals_1h: {psi: 0.5, reason: two hours instead of one}
---
kind: feature_service
name: late_arrival
version: 2
features:
  - {from: airport_arrivals@2, on: {airport: dest}, prefix: dest_}
";

fn at(minute: i64) -> Micros {
    Micros::new(1_370_000_000_000_000 + minute * 60_000_000).unwrap()
}

async fn applied(home: &Home, second: &str) -> (Registry, Registered) {
    let registry = Registry::open(&home.url()).await.unwrap();
    let registered = registry.registered().await.unwrap();
    let plan = plan_of(&definitions(&format!("{BASE}{second}"), &registered), &registered);
    registry.apply(&plan, at(0)).await.unwrap();
    let registered = registry.registered().await.unwrap();
    (registry, registered)
}

fn report(registered: &Registered) -> KeptParity {
    let (old, new) = ("airport_arrivals@1".parse().unwrap(), "airport_arrivals@2".parse().unwrap());
    let side_by_side = registered.side_by_side(&old, &new).unwrap();
    KeptParity {
        kind: Kind::FeatureView,
        at: at(5),
        passed: true,
        expected: side_by_side.expected_text(),
        old_hash: side_by_side.old_hash,
        new_hash: side_by_side.new_hash,
        logs: vec![LogRead { view: new.clone(), version: 3, rows: 300 }],
        report: "{}".to_owned(),
        old,
        new,
    }
}

async fn features_are_matched_by_name_and_declared_changes_are_those_of_the_new_version(home: &Home) {
    let (_, registered) = applied(home, SECOND).await;
    let of = |old: &str, new: &str| registered.side_by_side(&old.parse().unwrap(), &new.parse().unwrap());
    let views = of("airport_arrivals@1", "airport_arrivals@2").unwrap();
    let names: Vec<&str> = views.matched.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["last_delay", "arrivals_1h"]);
    assert_eq!(views.only_new, ["longest"]);
    assert!(views.only_old.contains(&"mean_delay_1d".to_owned()), "{:?}", views.only_old);
    let expected = views.matched[1].expected.as_ref().unwrap();
    assert_eq!((expected.psi.unwrap().get(), expected.reason.as_str()), (0.5, "two hours instead of one"));
    assert_eq!(views.matched[0].expected, None);
    let (old, new) = (&views.plan.outputs[views.matched[1].old], &views.plan.outputs[views.matched[1].new]);
    assert_eq!(
        (old.name.as_str(), new.name.as_str()),
        ("airport_arrivals@1:arrivals_1h", "airport_arrivals@2:arrivals_1h")
    );
    // A service takes over what its view declares.
    let services = of("late_arrival@1", "late_arrival@2").unwrap();
    let matched = services.matched.iter().find(|one| one.name == "dest_arrivals_1h").unwrap();
    assert_eq!(matched.expected.as_ref(), Some(expected));
    assert!(services.is_of_services());
}

async fn what_cannot_be_compared_is_refused_by_name(home: &Home) {
    let (_, registered) = applied(home, SECOND).await;
    for (old, new, said) in [
        ("airport_arrivals@1", "airport_arrivals@1", "they are one version: name another"),
        (
            "airport_arrivals@1",
            "late_arrival@2",
            "the first is a feature_view and the second a feature_service",
        ),
        ("airport_arrivals@1", "aircraft@1", "their join keys are airport (string) and tailnum (string)"),
        ("airport_arrivals@1", "airport_arrivals@3", "did you mean `airport_arrivals@"),
    ] {
        let error =
            registered.side_by_side(&old.parse().unwrap(), &new.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

async fn a_declared_change_is_no_part_of_what_a_version_computes(home: &Home) {
    let (registry, registered) = applied(home, SECOND).await;
    let other = SECOND.replace("psi: 0.5", "psi: 0.4");
    let plan = plan_of(&definitions(&format!("{BASE}{other}"), &registered), &registered);
    assert!(plan.refused.is_empty(), "{plan}");
    assert_eq!(
        plan.to_string().lines().next().unwrap(),
        "~ view airport_arrivals@2: expect_change arrivals_1h psi: 0.5 → 0.4 → late_arrival@2"
    );
    let kept = report(&registered);
    registry.apply(&plan, at(1)).await.unwrap();
    let registered = registry.registered().await.unwrap();
    let standing = registered.parity_standing(Some(&kept), &[]).unwrap();
    assert_eq!(standing, ParityStanding::Stale(vec![StaleParity::Declared(kept.new.clone())]));
}

async fn the_newest_report_of_two_versions_is_kept_and_goes_stale_with_a_load(home: &Home) {
    let (registry, registered) = applied(home, SECOND).await;
    let views = registered
        .side_by_side(&"airport_arrivals@1".parse().unwrap(), &"airport_arrivals@2".parse().unwrap())
        .unwrap();
    assert_eq!(registry.parity(&views.old, &views.new).await.unwrap(), None);
    assert_eq!(registered.parity_standing(None, &[]).unwrap(), ParityStanding::Missing);
    let first = KeptParity { passed: false, ..report(&registered) };
    registry.keep_parity(&first).await.unwrap();
    assert_eq!(registry.parity(&views.old, &views.new).await.unwrap(), Some(first.clone()));
    assert_eq!(registered.parity_standing(Some(&first), &[]).unwrap(), ParityStanding::Failed);
    let second = KeptParity { at: at(6), ..report(&registered) };
    registry.keep_parity(&second).await.unwrap();
    let kept = registry.parity(&views.old, &views.new).await.unwrap().unwrap();
    assert_eq!(kept, second);
    let loaded = |rows| registered.parity_standing(Some(&kept), &[(kept.new.clone(), rows)]).unwrap();
    assert_eq!(loaded(300), ParityStanding::Passed);
    assert_eq!(loaded(301), ParityStanding::Stale(vec![StaleParity::Log(kept.new.clone())]));
    assert_eq!(StaleParity::Log(kept.new.clone()).to_string(), "airport_arrivals@2 was loaded since");
    // At too few rows it says nothing, unless there are no more.
    let at_rows = |rows: u64, logged: u64| {
        let logs = vec![LogRead { view: kept.new.clone(), version: 3, rows: logged }];
        let report = format!("{{\"passed\": true, \"rows\": {rows}}}");
        let few = KeptParity { logs, report, ..kept.clone() };
        registered.parity_standing(Some(&few), &[]).unwrap()
    };
    assert_eq!(at_rows(1, 300), ParityStanding::TooFew { rows: 1, needed: 300 });
    assert_eq!(at_rows(499, 3_000), ParityStanding::TooFew { rows: 499, needed: 500 });
    assert_eq!((at_rows(300, 300), at_rows(500, 3_000)), (ParityStanding::Passed, ParityStanding::Passed));
    // Rows of the old version's log are drawn: those of the new one's do not count.
    let logs = [(&kept.old, 4), (&kept.new, 3_000)].map(|(view, rows)| LogRead {
        view: view.clone(),
        version: 3,
        rows,
    });
    let report =
        r#"{"passed": true, "rows": 4, "moments": {"drawn_from": ["airport_arrivals@1"], "seed": 1}}"#;
    let drawn = KeptParity { logs: logs.to_vec(), report: report.to_owned(), ..kept.clone() };
    assert_eq!(registered.parity_standing(Some(&drawn), &[]).unwrap(), ParityStanding::Passed);
    // Kept in the other direction there is none, and another registry of this file has it too.
    assert_eq!(registry.parity(&views.new, &views.old).await.unwrap(), None);
    assert!(registry.registered().await.is_ok());
}

async fn a_report_whose_verdict_was_damaged_is_refused(home: &Home) {
    let (registry, registered) = applied(home, SECOND).await;
    registry.keep_parity(&KeptParity { passed: false, ..report(&registered) }).await.unwrap();
    assert_eq!(registry.integrity().await.unwrap(), Vec::<String>::new());
    sqlx::query("UPDATE parities SET passed = 1").execute(&registry.pool().await.unwrap()).await.unwrap();
    assert!(registry.integrity().await.is_err());
    let views = registered
        .side_by_side(&"airport_arrivals@1".parse().unwrap(), &"airport_arrivals@2".parse().unwrap())
        .unwrap();
    let error = registry.parity(&views.old, &views.new).await.unwrap_err();
    assert!(matches!(error, RegistryError::File { .. } | RegistryError::Contents { .. }), "{error}");
    assert!(error.to_string().contains("compare the two versions again"), "{error}");
}

on_both!(
    features_are_matched_by_name_and_declared_changes_are_those_of_the_new_version,
    what_cannot_be_compared_is_refused_by_name,
    a_declared_change_is_no_part_of_what_a_version_computes,
    the_newest_report_of_two_versions_is_kept_and_goes_stale_with_a_load,
    a_report_whose_verdict_was_damaged_is_refused
);
