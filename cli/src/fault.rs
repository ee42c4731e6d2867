//! What is said of a panic. One that is caught is only logged: the libraries that read damaged files
//! and write to full disks panic in some calls, and the error that follows says all. One that is not
//! caught is a fault of twinstore, and ends the command with a sentence.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;

/// The newest panic: what it said, and where.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Runs the command. A panic that nothing caught becomes its failure.
pub fn guarded<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    std::panic::set_hook(Box::new(|panic| {
        let said = panic.to_string().replace('\n', " ");
        tracing::debug!("{said}");
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }));
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let said = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        Err(Failure::new(format!(
            "twinstore itself failed ({said}): report this, with the command that you ran"
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_that_nothing_caught_is_a_failure_that_says_where() {
        let failure = guarded::<()>(|| panic!("out of luck")).unwrap_err().to_string();
        assert!(failure.contains("out of luck") && failure.contains("fault.rs"), "{failure}");
        assert!(!failure.contains('\n'), "{failure}");
    }
}
