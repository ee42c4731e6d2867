//! Tokens of an OpenID issuer (RFC 7519), checked against the issuer's keys (RFC 7517): signed by one of three algorithms
//! with the key that the token names, by this issuer, for this audience, and in their time. The algorithm is the key's:
//! what a token says of it is compared and never followed (RFC 8725), so there is neither `none` nor a shared secret.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use feature::Micros;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256};
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// By how much the clocks of the issuer and of the server may differ, in seconds.
const LEEWAY_S: f64 = 30.0;
/// The longest `sub` that is taken, in bytes.
const LONGEST_SUB: usize = 255;
/// How many keys of an issuer are kept.
const MOST_KEYS: usize = 100;

/// Whose tokens are taken, and for whom they have to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// What has to be among their `aud`.
    pub audience: String,
}

/// The keys of an issuer, by their ids.
#[derive(Clone, Debug, Default)]
pub struct IssuerKeys(HashMap<String, Key>);

#[derive(Clone, Debug)]
enum Key {
    Rs256 { n: Vec<u8>, e: Vec<u8> },
    Es256(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// What a token says of who has it, once it is checked.
#[derive(Clone, PartialEq, Debug)]
pub struct Claims {
    /// The `sub`.
    pub subject: String,
    /// Everything that it says.
    pub all: BTreeMap<String, Value>,
}

/// Why a token of an issuer does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum NotOfIssuer {
    /// It is no token of the kind, or says something that is not understood.
    #[error("the token cannot be read")]
    Malformed,
    /// Its algorithm is not that of the key.
    #[error("the token is not signed by the algorithm of its key")]
    Algorithm,
    /// It names a key that is not known; the issuer may have a new one.
    #[error("the token is signed with a key that is not known")]
    UnknownKey,
    /// It was not signed so.
    #[error("the signature of the token is wrong")]
    Signature,
    /// Another issuer made it.
    #[error("the token is of another issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token does not count yet")]
    Early,
}

impl NotOfIssuer {
    /// The kind of it, for counts.
    pub const fn kind(self) -> &'static str {
        match self {
            NotOfIssuer::Malformed => "malformed",
            NotOfIssuer::Algorithm => "algorithm",
            NotOfIssuer::UnknownKey => "unknown_key",
            NotOfIssuer::Signature => "signature",
            NotOfIssuer::Issuer => "issuer",
            NotOfIssuer::Audience => "audience",
            NotOfIssuer::Expired => "expired",
            NotOfIssuer::Early => "early",
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<BTreeMap<String, Value>>,
}

impl IssuerKeys {
    /// The keys of a set in JSON that verify signatures of the three algorithms; others are passed over. The error says
    /// in half a sentence what is wrong.
    pub fn parse(json: &str) -> Result<Self, String> {
        let set: KeySet = serde_json::from_str(json)
            .map_err(|error| format!("it is not a set of keys in JSON: {error}"))?;
        let named = |key: &BTreeMap<String, Value>| {
            let id = key.get("kid").and_then(Value::as_str).unwrap_or_default();
            Some((id.to_owned(), Key::of(key)?))
        };
        let keys: HashMap<String, Key> = set.keys.iter().filter_map(named).take(MOST_KEYS).collect();
        match keys.is_empty() {
            true => Err("it has no key of RS256, ES256 or EdDSA that verifies signatures".to_owned()),
            false => Ok(Self(keys)),
        }
    }

    /// Checks a token at a moment.
    pub fn check(&self, token: &str, issuer: &Issuer, now: Micros) -> Result<Claims, NotOfIssuer> {
        let (signed, signature) = token.rsplit_once('.').ok_or(NotOfIssuer::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(NotOfIssuer::Malformed)?;
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| NotOfIssuer::Malformed)?;
        if header.crit.is_some() {
            return Err(NotOfIssuer::Malformed);
        }
        let key = match &header.kid {
            Some(id) => self.0.get(id),
            // Where the issuer has one key, there is no other that could be meant.
            None => self.0.values().next().filter(|_| self.0.len() == 1),
        };
        let key = key.ok_or(NotOfIssuer::UnknownKey)?;
        if header.alg != key.algorithm() {
            return Err(NotOfIssuer::Algorithm);
        }
        key.verify(signed.as_bytes(), &decoded(signature)?)?;
        let all: BTreeMap<String, Value> =
            serde_json::from_slice(&decoded(claims)?).map_err(|_| NotOfIssuer::Malformed)?;
        checked(all, issuer, now)
    }
}

/// What a token of a good signature says, if it is for here and now.
fn checked(all: BTreeMap<String, Value>, issuer: &Issuer, now: Micros) -> Result<Claims, NotOfIssuer> {
    if all.get("iss").and_then(Value::as_str) != Some(&issuer.issuer) {
        return Err(NotOfIssuer::Issuer);
    }
    if !all.get("aud").is_some_and(|audience| holds(audience, &issuer.audience)) {
        return Err(NotOfIssuer::Audience);
    }
    let now_s = now.get() as f64 / 1e6;
    let moment =
        |claim: &str| all.get(claim).map(|value| value.as_f64().ok_or(NotOfIssuer::Malformed)).transpose();
    let expires = moment("exp")?.ok_or(NotOfIssuer::Malformed)?;
    if now_s >= expires + LEEWAY_S {
        return Err(NotOfIssuer::Expired);
    }
    if moment("nbf")?.is_some_and(|from| from > now_s + LEEWAY_S) {
        return Err(NotOfIssuer::Early);
    }
    let subject = all.get("sub").and_then(Value::as_str).filter(|sub| (1..=LONGEST_SUB).contains(&sub.len()));
    let subject = subject.ok_or(NotOfIssuer::Malformed)?.to_owned();
    Ok(Claims { subject, all })
}

impl Claims {
    /// Whether it says this, by itself or among others, as in `groups=scoring`.
    pub fn hold(&self, claim: &str) -> bool {
        let pair = claim.split_once('=');
        pair.is_some_and(|(name, text)| self.all.get(name).is_some_and(|value| holds(value, text)))
    }
}

/// Whether a text, or a list of texts, holds this one.
fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(one) => one == text,
        Value::Array(several) => several.iter().any(|one| one.as_str() == Some(text)),
        _ => false,
    }
}

impl Key {
    fn of(key: &BTreeMap<String, Value>) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let part = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let key = match (text("kty")?, text("crv")) {
            ("RSA", _) => Key::Rs256 { n: part("n")?, e: part("e")? },
            ("EC", Some("P-256")) => {
                // An uncompressed point (SEC 1).
                Key::Es256([vec![4], part("x")?, part("y")?].concat())
            }
            ("OKP", Some("Ed25519")) => Key::Ed25519(part("x")?),
            _ => return None,
        };
        text("alg").is_none_or(|algorithm| algorithm == key.algorithm()).then_some(key)
    }

    const fn algorithm(&self) -> &'static str {
        match self {
            Key::Rs256 { .. } => "RS256",
            Key::Es256(_) => "ES256",
            Key::Ed25519(_) => "EdDSA",
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), NotOfIssuer> {
        let verified = match self {
            Key::Rs256 { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Key::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Key::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
        };
        verified.map_err(|_| NotOfIssuer::Signature)
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, NotOfIssuer> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| NotOfIssuer::Malformed)
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    const NOW_S: i64 = 1_700_000_000;

    fn issuer() -> Issuer {
        Issuer { issuer: "https://login.example".to_owned(), audience: "twinstore".to_owned() }
    }

    fn now() -> Micros {
        Micros::new(NOW_S * 1_000_000).unwrap()
    }

    fn encoded(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn ed25519() -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
    }

    fn keys() -> IssuerKeys {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": encoded(ed25519().public_key())});
        IssuerKeys::parse(&json!({"keys": [key]}).to_string()).unwrap()
    }

    fn claims() -> Value {
        json!({"iss": "https://login.example", "aud": "twinstore", "sub": "ann", "exp": NOW_S + 60, "nbf": NOW_S,
               "groups": ["scoring", "others"]})
    }

    fn signed_with(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = encoded(sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn signed(header: &Value, claims: &Value) -> String {
        signed_with(header, claims, |message| ed25519().sign(message).as_ref().to_vec())
    }

    fn check(header: &Value, claims: &Value) -> Result<Claims, NotOfIssuer> {
        keys().check(&signed(header, claims), &issuer(), now())
    }

    fn header() -> Value {
        json!({"alg": "EdDSA", "kid": "one", "typ": "JWT"})
    }

    #[test]
    fn a_token_of_the_issuer_says_who_has_it() {
        let said = check(&header(), &claims()).unwrap();
        assert_eq!(said.subject, "ann");
        assert!(said.hold("groups=scoring") && !said.hold("groups=admin") && !said.hold("scoring"));
        let several = json!({"aud": ["other", "twinstore"]});
        assert!(check(&header(), &with(several)).is_ok());
    }

    /// The claims with some of them other; null takes one out.
    fn with(changed: Value) -> Value {
        let mut all = claims();
        for (name, value) in changed.as_object().unwrap() {
            match value {
                Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
                value => all[name] = value.clone(),
            }
        }
        all
    }

    #[test]
    fn a_token_of_another_issuer_audience_or_time_does_not_count() {
        let cases = [
            (json!({"iss": "https://login.example.evil"}), NotOfIssuer::Issuer),
            (json!({"iss": null}), NotOfIssuer::Issuer),
            (json!({"aud": "twinstore2"}), NotOfIssuer::Audience),
            (json!({"aud": null}), NotOfIssuer::Audience),
            (json!({"aud": {"twinstore": 1}}), NotOfIssuer::Audience),
            (json!({"exp": NOW_S - 31}), NotOfIssuer::Expired),
            (json!({"exp": null}), NotOfIssuer::Malformed),
            (json!({"exp": "tomorrow"}), NotOfIssuer::Malformed),
            (json!({"nbf": NOW_S + 31}), NotOfIssuer::Early),
            (json!({"sub": null}), NotOfIssuer::Malformed),
            (json!({"sub": ""}), NotOfIssuer::Malformed),
            (json!({"sub": "a".repeat(256)}), NotOfIssuer::Malformed),
        ];
        for (changed, expected) in cases {
            assert_eq!(check(&header(), &with(changed.clone())).unwrap_err(), expected, "{changed}");
        }
        assert!(check(&header(), &with(json!({"exp": NOW_S - 29, "nbf": NOW_S + 29}))).is_ok());
    }

    #[test]
    fn the_algorithm_is_that_of_the_key_and_never_none_or_a_shared_secret() {
        for algorithm in ["none", "None", "HS256", "RS256", "ES256", ""] {
            let header = json!({"alg": algorithm, "kid": "one"});
            assert_eq!(check(&header, &claims()).unwrap_err(), NotOfIssuer::Algorithm, "{algorithm}");
            let unsigned = signed_with(&header, &claims(), |_| Vec::new());
            assert_eq!(keys().check(&unsigned, &issuer(), now()).unwrap_err(), NotOfIssuer::Algorithm);
        }
        let unsigned = signed_with(&header(), &claims(), |_| Vec::new());
        assert_eq!(keys().check(&unsigned, &issuer(), now()).unwrap_err(), NotOfIssuer::Signature);
        let critical = json!({"alg": "EdDSA", "kid": "one", "crit": ["x"]});
        assert_eq!(check(&critical, &claims()).unwrap_err(), NotOfIssuer::Malformed);
    }

    #[test]
    fn a_token_that_was_changed_or_names_another_key_does_not_count() {
        let token = signed(&header(), &claims());
        let other = signed(&header(), &with(json!({"sub": "eve"})));
        let (_, signature) = token.rsplit_once('.').unwrap();
        let (changed, _) = other.rsplit_once('.').unwrap();
        let checked = |token: &str| keys().check(token, &issuer(), now()).unwrap_err();
        assert_eq!(checked(&format!("{changed}.{signature}")), NotOfIssuer::Signature);
        let unknown = json!({"alg": "EdDSA", "kid": "two"});
        assert_eq!(check(&unknown, &claims()).unwrap_err(), NotOfIssuer::UnknownKey);
        for wrong in ["", ".", "..", "a.b", "a.b.c", "é.é.é", &token.replace('.', "")] {
            assert_eq!(checked(wrong), NotOfIssuer::Malformed, "{wrong}");
        }
    }

    #[test]
    fn an_elliptic_key_verifies_too_and_keys_of_other_uses_do_not() {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref();
        let key = |purpose: &str| {
            let (x, y) = (encoded(&point[1..33]), encoded(&point[33..65]));
            json!({"kty": "EC", "crv": "P-256", "use": purpose, "kid": "ec", "x": x, "y": y})
        };
        let shared = json!({"kty": "oct", "kid": "s", "k": "c2VjcmV0"});
        let keys = IssuerKeys::parse(&json!({"keys": [key("sig"), shared]}).to_string()).unwrap();
        let sign = |message: &[u8]| pair.sign(&random, message).unwrap().as_ref().to_vec();
        let token = signed_with(&json!({"alg": "ES256", "kid": "ec"}), &claims(), sign);
        assert_eq!(keys.check(&token, &issuer(), now()).unwrap().subject, "ann");
        let none = json!({"keys": [key("enc"), {"kty": "oct", "kid": "s", "k": "c2VjcmV0"}]}).to_string();
        assert!(IssuerKeys::parse(&none).unwrap_err().contains("no key of RS256"));
    }
}
