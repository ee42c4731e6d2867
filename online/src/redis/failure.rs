//! What a failed call means: whether it is repeated, whether the connections are created again first, and
//! what the caller gets.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::error::OnlineError;

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server did not answer, or not as itself: to be repeated, on new connections.
    Lost(String),
    /// It does not answer in time. The connection may still be good.
    Late(String),
    /// It cannot answer now: to be repeated.
    Busy(String),
    /// It forgot the script: to be repeated after the script was sent.
    NoScript,
    /// Nothing that a repeat would change.
    Final(OnlineError),
}

impl Failure {
    pub(super) fn of(address: &str, error: &RedisError) -> Failure {
        let reason = reason(error);
        let unusable =
            |reason: String| Failure::Final(OnlineError::Unusable { path: address.into(), reason });
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Failure::Late(reason),
            ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::ReadOnly) => {
                Failure::Lost(reason)
            }
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown,
            ) => Failure::Busy(reason),
            ErrorKind::Server(ServerErrorKind::NoScript) => Failure::NoScript,
            ErrorKind::Server(ServerErrorKind::NoPerm) => {
                unusable(format!("its user may not do this ({reason}): grant it, or name another user"))
            }
            ErrorKind::AuthenticationFailed => {
                unusable("it refused the user or the password: correct them in `online.url`".to_owned())
            }
            ErrorKind::InvalidClientConfig => unusable(reason),
            _ => match error.code() {
                Some("OOM") => Failure::Final(OnlineError::Full { path: address.into(), reason }),
                Some("NOAUTH") => {
                    unusable("it asks for a user and a password: name them in `online.url`".to_owned())
                }
                Some("WRONGPASS") => {
                    unusable("it refused the user or the password: correct them in `online.url`".to_owned())
                }
                Some("BUSY" | "MISCONF" | "NOREPLICAS") => Failure::Busy(reason),
                Some(_) => unusable(reason),
                None => Failure::Lost(reason),
            },
        }
    }

    pub(super) fn late() -> Failure {
        Failure::Late("it did not answer in time".to_owned())
    }

    /// What the caller gets when it is not repeated any more.
    pub(super) fn into_error(self, address: &str) -> OnlineError {
        let reason = match self {
            Failure::Final(error) => return error,
            Failure::Lost(reason) | Failure::Late(reason) | Failure::Busy(reason) => reason,
            Failure::NoScript => "it forgets scripts as soon as it is sent them".to_owned(),
        };
        OnlineError::Unavailable { location: address.to_owned(), reason }
    }
}

/// One line of what the library says.
fn reason(error: &RedisError) -> String {
    let text = match error.code() {
        Some(code) => format!("{code} {}", error.detail().unwrap_or_default()),
        None => error.to_string(),
    };
    text.lines().next().unwrap_or_default().trim().to_owned()
}
