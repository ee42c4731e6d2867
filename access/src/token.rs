//! Tokens: `tws_`, an id of 16 hexadecimal digits, `_`, and a secret of 256 bits in 64. What is kept of one is its id and
//! the SHA-256 of its secret. The secret is random in all of its bits, so a slow hash would add nothing.

use std::fmt;
use std::str::FromStr;

use feature::{from_hexadecimal, hexadecimal};
use sha2::{Digest, Sha256};
use thiserror::Error;

const PREFIX: &str = "tws_";
const ID_DIGITS: usize = 16;

/// Which token, for lists and logs. It is no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenId(u64);

/// A token with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: TokenId,
    secret: [u8; 32],
}

/// What is kept of a secret.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

/// What a token is called: the subject `token NAME` of the policy. Several tokens may have one name, so that one can
/// follow another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenName(Box<str>);

/// Text that is not the name of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "it is no name for a token: use up to 80 letters, digits, `_`, `-` and `.`, and not 16 hexadecimal digits, which are an id"
)]
pub struct NotATokenName;

/// Text that is not a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("it is not a token of this product")]
pub struct NotAToken;

impl TokenName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenName {
    type Err = NotATokenName;

    fn from_str(text: &str) -> Result<Self, NotATokenName> {
        const MOST_CHARS: usize = 80;
        let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_name = (1..=MOST_CHARS).contains(&text.len()) && text.chars().all(is_good);
        if is_name && text.parse::<TokenId>().is_err() { Ok(Self(text.into())) } else { Err(NotATokenName) }
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Token {
    /// How many random bytes a token is made of.
    pub const RANDOM_BYTES: usize = 40;

    /// A token of these bytes, which nobody can guess.
    pub fn from_random(bytes: [u8; Token::RANDOM_BYTES]) -> Self {
        let (mut id, mut secret) = ([0; 8], [0; 32]);
        let (first, rest) = bytes.split_at(id.len());
        id.copy_from_slice(first);
        secret.copy_from_slice(rest);
        Self { id: TokenId(u64::from_be_bytes(id)), secret }
    }

    /// Which.
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// What is kept of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::new().chain_update(self.id.to_string()).chain_update(self.secret).finalize().into())
    }

    /// The whole token, for whoever it is created for and nobody else.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, hexadecimal(&self.secret))
    }

    /// Whether a text may be one, without a look at its secret.
    pub fn has_prefix(text: &str) -> bool {
        text.starts_with(PREFIX)
    }
}

impl FromStr for Token {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let (id, secret) =
            text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(NotAToken)?;
        Ok(Self { id: id.parse()?, secret: from_hexadecimal(secret).ok_or(NotAToken)? })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_…", self.id)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for TokenId {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let is_id = text.len() == ID_DIGITS && text.bytes().all(is_digit);
        let number = is_id.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(TokenId).ok_or(NotAToken)
    }
}

impl TokenHash {
    /// Whether it is of this token. It takes the same time whichever bytes differ.
    pub fn is_of(&self, token: &Token) -> bool {
        let other = token.hash();
        let differing = self.0.iter().zip(other.0).fold(0, |differing, (a, b)| differing | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(&self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({self})")
    }
}

impl FromStr for TokenHash {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        from_hexadecimal(text).map(TokenHash).ok_or(NotAToken)
    }
}

/// Capitals are not: a token has one spelling.
fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: u8) -> [u8; Token::RANDOM_BYTES] {
        std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8))
    }

    #[test]
    fn a_token_is_read_as_it_is_written_and_never_shown() {
        let token = Token::from_random(random(1));
        let text = token.text();
        assert_eq!(text.len(), 85);
        assert_eq!(text.parse(), Ok(token.clone()));
        let shown = format!("{token:?}");
        assert!(!text.contains(&shown) && shown.len() < 30, "{shown}");
        // What is kept of tokens outlives this version.
        let kept = "d41e2e39fb3409fcae5a65d3269bb1e32862601fd9bad2b100d407ef757390aa";
        assert_eq!(
            (token.id().to_string(), token.hash().to_string()),
            ("1f20212223242526".into(), kept.into())
        );
    }

    #[test]
    fn a_hash_is_of_one_token_alone() {
        let (token, other) = (Token::from_random(random(1)), Token::from_random(random(2)));
        let kept: TokenHash = token.hash().to_string().parse().unwrap();
        assert!(kept.is_of(&token) && !kept.is_of(&other));
        let same_secret = Token { id: other.id, secret: token.secret };
        assert!(!kept.is_of(&same_secret));
    }

    #[test]
    fn a_name_is_short_plain_and_no_id() {
        assert!(["scoring", "scoring-2.a_B"].iter().all(|name| name.parse::<TokenName>().is_ok()));
        let long = "a".repeat(81);
        for wrong in ["", "a b", "a\nb", "é", "1f20212223242526", &long] {
            assert_eq!(wrong.parse::<TokenName>(), Err(NotATokenName), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_written_exactly_so_is_no_token() {
        let text = Token::from_random(random(3)).text();
        let wrong = [
            String::new(),
            "tws_".to_owned(),
            text.to_uppercase(),
            format!("{text}0"),
            text.replacen('_', "-", 1),
            text.replace("tws_", "tws_+"),
            format!("{}é", &text[..84]),
        ];
        for wrong in wrong {
            assert_eq!(wrong.parse::<Token>(), Err(NotAToken), "{wrong}");
        }
    }
}
