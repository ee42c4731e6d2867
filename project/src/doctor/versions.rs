//! Whether the processes that last loaded or follow the views are of the version of this one.

use std::collections::BTreeMap;

use monitor::{Area, Finding};
use registry::{Registered, Registry, RunRecord, RunState};

use super::failed::failed;

/// The version of this program.
const OWN: &str = env!("CARGO_PKG_VERSION");

pub(super) async fn examine(registry: &Registry, registered: &Registered) -> Vec<Finding> {
    let mut runs = match registry.newest_loads().await {
        Ok(runs) => runs,
        Err(error) => return vec![failed(Area::Versions, &error.into())],
    };
    runs.retain(|run| registered.views().any(|view| view.id == run.subject));
    findings(&runs)
}

/// What is said of the newest run of each view.
fn findings(runs: &[RunRecord]) -> Vec<Finding> {
    let mut others: BTreeMap<(&str, bool), Vec<String>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.runtime.twinstore != OWN) {
        let is_running = run.state_now() == RunState::Running;
        others.entry((run.runtime.twinstore.as_str(), is_running)).or_default().push(run.subject.to_string());
    }
    if others.is_empty() {
        return vec![Finding::fine(
            Area::Versions,
            format!("this is twinstore {OWN}, as was every newest load"),
        )];
    }
    let said = |((version, is_running), views): (&(&str, bool), &Vec<String>)| {
        let views = views.join(", ");
        let said = match is_running {
            true => format!(
                "{views} is loaded or followed by a process of twinstore {version}, and this is {OWN}: start it again with this version"
            ),
            false => format!("{views} was loaded last by twinstore {version}, and this is {OWN}"),
        };
        Finding::noted(Area::Versions, said)
    };
    others.iter().map(said).collect()
}

#[cfg(test)]
mod tests {
    use feature::Micros;
    use monitor::Condition;
    use registry::{Job, RunId, Runtime};

    use super::*;

    fn run(view: &str, version: &str, state: RunState) -> RunRecord {
        let at = Micros::new(0).unwrap();
        RunRecord {
            id: RunId::new(at),
            job: Job::Stream,
            subject: view.parse().unwrap(),
            hash: String::new(),
            runtime: Runtime::current(version, "1", None),
            started_at: at,
            updated_at: at,
            state,
            error: None,
            outcome: None,
        }
    }

    #[test]
    fn a_process_of_another_version_is_noted_and_one_of_this_version_is_fine() {
        let own = run("a@1", OWN, RunState::Complete);
        assert_eq!(findings(std::slice::from_ref(&own))[0].condition, Condition::Fine);
        let runs = [own, run("b@1", "0.0.1", RunState::Complete), run("c@1", "0.0.1", RunState::Running)];
        let found = findings(&runs);
        assert!(found.iter().all(|finding| finding.condition == Condition::Noted), "{found:?}");
        let said: Vec<&str> = found.iter().map(|finding| finding.said.as_str()).collect();
        assert!(said[0].starts_with("b@1 was loaded last by twinstore 0.0.1"), "{said:?}");
        assert!(said[1].starts_with("c@1 is loaded or followed by a process of twinstore 0.0.1"), "{said:?}");
    }
}
