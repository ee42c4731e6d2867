//! What the clock of a project is compared with before rows are stamped by it.

use feature::Micros;
use online::Store;

use crate::error::ProjectError;
use crate::project::Project;

/// How far the clock may be off, in microseconds.
const BOUND_US: i64 = 60_000_000;

/// Refuses to go on where the clock is more than a minute off the clock of the logs' storage or of the online store.
/// What is loaded is stamped by it, and what readers see now is decided by it: rows would be seen too early, or
/// readers would be refused until the time has come.
pub(crate) async fn check(project: &Project, store: &Store) -> Result<(), ProjectError> {
    check_logs(project).await?;
    check_store(project, store).await
}

/// The same of the logs' storage alone.
pub(crate) async fn check_logs(project: &Project) -> Result<(), ProjectError> {
    let whose = format!("the storage of the logs ({})", feature::redacted(&project.settings.offline.url));
    compare(project.now(), whose, project.offline()?.moment().await?)
}

/// The same of the online store alone.
pub(crate) async fn check_store(project: &Project, store: &Store) -> Result<(), ProjectError> {
    match store.moment().await? {
        Some(there) => compare(project.now(), "the server of the online store".to_owned(), there),
        None => Ok(()),
    }
}

fn compare(here: Micros, whose: String, there: Micros) -> Result<(), ProjectError> {
    if here.since(there).abs() <= BOUND_US {
        return Ok(());
    }
    Err(ProjectError::WrongClock { here, whose, there })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_by_more_than_a_minute_is_refused_with_how_far() {
        let at = |text: &str| text.parse::<Micros>().unwrap();
        let noon = at("2026-01-01T12:00:00Z");
        assert!(compare(noon, "a server".to_owned(), at("2026-01-01T12:01:00Z")).is_ok());
        for (there, how) in
            [("2026-01-01T12:01:01Z", "61 seconds behind"), ("2026-01-01T11:58:00Z", "120 seconds ahead of")]
        {
            let refused = compare(noon, "a server".to_owned(), at(there)).unwrap_err().to_string();
            assert!(refused.contains(how), "{refused}");
        }
    }
}
