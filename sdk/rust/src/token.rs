//! The token that requests show: a value, or a file that is read again while the client runs, so that a token can be
//! replaced without a restart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};

use crate::error::Error;

/// How long what was read of the file is used.
const READ_AGAIN: Duration = Duration::from_secs(10);

/// The header of a request.
type Shown = MetadataValue<Ascii>;

/// The token of a client.
pub(crate) enum Token {
    None,
    Value(Shown),
    File(TokenFile),
}

/// A file that holds a token, and what was read of it last.
pub(crate) struct TokenFile {
    path: PathBuf,
    last: Mutex<(Shown, Instant)>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::None => f.write_str("none"),
            Token::Value(_) => f.write_str("…"),
            Token::File(file) => file.path.fmt(f),
        }
    }
}

impl Token {
    pub fn value(token: &str) -> Result<Self, Error> {
        Ok(Token::Value(shown(token)?))
    }

    /// The token of a file, read for the first time.
    pub fn file(path: &Path, now: Instant) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        let last = Mutex::new((shown(&text)?, now));
        Ok(Token::File(TokenFile { path: path.to_owned(), last }))
    }

    /// What a request shows. A file that cannot be read any more leaves the token of before.
    pub async fn shown(&self) -> Option<Shown> {
        match self {
            Token::None => None,
            Token::Value(value) => Some(value.clone()),
            Token::File(file) => {
                let now = Instant::now();
                let (value, is_due) = file.noted(now);
                if is_due {
                    file.read_again(now).await;
                    return Some(file.noted(now).0);
                }
                Some(value)
            }
        }
    }

    /// Whether the token is another one by now than the one that a server refused.
    pub async fn is_replaced(&self, refused: &Option<Shown>) -> bool {
        let Token::File(file) = self else { return false };
        let now = Instant::now();
        file.read_again(now).await;
        Some(&file.noted(now).0) != refused.as_ref()
    }
}

impl TokenFile {
    /// The token, and whether it is to be read again: one caller at a time does that.
    fn noted(&self, now: Instant) -> (Shown, bool) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = now.saturating_duration_since(last.1) >= READ_AGAIN;
        if is_due {
            last.1 = now;
        }
        (last.0.clone(), is_due)
    }

    async fn read_again(&self, now: Instant) {
        let read = tokio::fs::read_to_string(&self.path).await;
        if let Some(value) = read.ok().and_then(|text| shown(&text).ok()) {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (value, now);
        }
    }
}

/// The header that shows a token. The message of the error does not have the token.
fn shown(token: &str) -> Result<Shown, Error> {
    let token = token.trim();
    let wrong = |why: &str| Error::Token { why: why.to_owned() };
    if token.is_empty() {
        return Err(wrong("it is empty; name one that the server's operator created"));
    }
    let mut value: Shown = format!("Bearer {token}")
        .parse()
        .map_err(|_| wrong("it holds characters that no token has; copy it again"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Token { why: format!("{} cannot be read: {error}", path.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_again_after_a_while_and_after_a_refusal() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("one\n");
        let began = Instant::now();
        let token = Token::file(file.path(), began).unwrap();
        let first = token.shown().await;
        assert_eq!(first.as_ref().unwrap(), "Bearer one");
        assert!(!token.is_replaced(&first).await);
        write("two\n");
        assert_eq!(token.shown().await, first, "it is not read with every request");
        assert!(token.is_replaced(&first).await);
        assert_eq!(token.shown().await.unwrap(), "Bearer two");

        write("three");
        let Token::File(noted) = &token else { panic!("it is a file") };
        noted.last.lock().unwrap().1 = began.checked_sub(READ_AGAIN).unwrap();
        assert_eq!(token.shown().await.unwrap(), "Bearer three");
        std::fs::remove_file(file.path()).unwrap();
        assert!(!token.is_replaced(&token.shown().await).await, "the one of before stays");
    }

    #[test]
    fn no_message_and_no_debug_output_has_the_token() {
        let error = Token::value("se\ncret").unwrap_err();
        assert!(!error.to_string().contains("cret"), "{error}");
        assert!(!format!("{:?}", Token::value("secret").unwrap()).contains("secret"));
    }
}
