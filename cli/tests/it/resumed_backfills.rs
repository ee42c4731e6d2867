//! What a backfill by dates that is resumed refuses: dates that it has loaded, and to go on once it is over.

use crate::backfilled_by_date::{days, usual};
use crate::project::says;

#[test]
fn a_date_that_is_loaded_cannot_be_accepted_and_nothing_of_it_is_in_the_audit_log() {
    let (usual, nulls) = (usual(), vec![f64::NAN; 200]);
    let project = days(&[&usual, &nulls, &usual]);
    assert_eq!(project.run("backfill start delays --order oldest").code, Some(1));
    says(
        &project.refused("backfill resume delays --accept 2024-01-01 --accept 2024-01-02"),
        &[
            "has loaded 2024-01-01, so there is nothing to accept",
            "the dates that it set aside are 2024-01-02",
        ],
    );
    assert!(!project.ok("audit delays@1").contains("override"));
    project.ok("backfill resume delays --accept 2024-01-02");
    assert_eq!(project.ok("audit delays@1").matches("override").count(), 1);
    says(
        &project.refused("backfill resume delays"),
        &["backfill 1 of delays@1 is done", "nothing left to load"],
    );
}
