//! What the audit log has of decisions on quarantined batches: those that were carried out, and that another was not.

use std::fs::File;
use std::process::Stdio;

use crate::project::{Done, says};
use crate::quarantined::{LOG, QUARANTINES, expecting, list, write};

#[test]
fn of_a_release_beside_a_drop_the_audit_log_has_the_one_that_was_carried_out() {
    for _ in 0..3 {
        let project = expecting(QUARANTINES);
        write(&project, "a", 0, 3000, 1000);
        project.run("backfill airport_arrivals");
        let decided = ["release", "drop"].map(|decision| {
            let words = format!("quality quarantine {decision} airport_arrivals 0 --reason {decision}");
            let mut command = project.command(&words);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        });
        let [released, dropped] = decided.map(|child| Done::of(child.wait_with_output().unwrap()));
        let decision = list(&project)[0]["decision"].clone();
        let said = project.ok("audit airport_arrivals");
        let context = format!("{decision}\n{said}\n{}\n{}", released.stderr, dropped.stderr);
        let (carried_out, did_not, refused) = match released.code {
            Some(0) => ("batch 0 released", "batch 0 dropped", dropped),
            _ => ("batch 0 dropped", "batch 0 released", released),
        };
        assert_eq!(refused.code, Some(1), "{context}");
        assert!(said.contains(carried_out) && !said.contains(did_not), "{context}");
        says(carried_out, &[decision.as_str().unwrap()]);
    }
}

#[test]
fn a_decision_that_was_not_carried_out_has_an_entry_that_says_so() {
    let project = expecting(QUARANTINES);
    write(&project, "a", 0, 10, 2);
    project.run("backfill airport_arrivals");
    // A load of the view does not end.
    let load = project.path(&format!("{LOG}/_load.lock"));
    let load = File::options().write(true).create(true).truncate(true).open(load).unwrap();
    load.lock().unwrap();
    let refused = project.refused("quality quarantine drop airport_arrivals 0 --reason useless");
    load.unlock().unwrap();
    assert_eq!(list(&project)[0]["decision"], "waiting", "{refused}");
    let said = project.ok("audit airport_arrivals");
    says(&said, &["batch 0 dropped", "batch 0 dropped → batch 0 not dropped"]);
    // Decided again, it is recorded again.
    project.ok("quality quarantine drop airport_arrivals 0 --reason useless");
    assert_eq!(
        project.ok("audit airport_arrivals").matches("batch 0 quarantined → batch 0 dropped").count(),
        2
    );
    project.ok("quality quarantine drop airport_arrivals 0 --reason useless");
    assert_eq!(
        project.ok("audit airport_arrivals").matches("batch 0 quarantined → batch 0 dropped").count(),
        2
    );
}
