//! Tokens that say themselves whose they are: JSON web tokens, signed by a key of the operator's. Any member can look at
//! one that any other made, after a restart too; none is ever taken back before its time, but users, roles and passwords
//! that change make it old for keys (the auth revision is in it).
//!
//! One method is configured, and a token of another is refused before its signature is looked at: one without a signature,
//! or one that takes a public key for a secret, gets no further.

use super::flags::{SignedSettings, TokenKind};
use detcd::callers::SignedTokens;
use detcd_engine::request::{Identity, RequestError};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation, decode, encode,
};
use serde_json::{Value, json};
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// No token is as long: so much is not even read.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// See the module.
struct JsonWebTokens {
    method: Algorithm,
    verifying: DecodingKey,
    /// Where there is a private key.
    signing: Option<EncodingKey>,
    ttl_secs: u64,
}

/// Where there are no tokens at all.
#[derive(Debug)]
struct NoTokens;

/// What these flags want in the place of simple tokens.
///
/// # Errors
/// A key is missing, cannot be read, or does not fit the method or the other key.
pub(crate) fn signed_tokens(kind: &TokenKind) -> Result<Option<Arc<dyn SignedTokens>>, Box<dyn Error>> {
    match kind {
        TokenKind::Simple => Ok(None),
        TokenKind::None => Ok(Some(Arc::new(NoTokens))),
        TokenKind::Signed(settings) => {
            let tokens = JsonWebTokens::read(settings).map_err(|error| format!("--auth-token: {error}"))?;
            Ok(Some(Arc::new(tokens)))
        }
    }
}

impl JsonWebTokens {
    fn read(settings: &SignedSettings) -> Result<JsonWebTokens, Box<dyn Error>> {
        let method: Algorithm = settings.method.parse().map_err(|_| {
            format!(
                "sign-method {:?} is none of RS, PS, HS 256 to 512, ES256, ES384 and EdDSA",
                settings.method
            )
        })?;
        let file = |path: &Option<_>| path.as_deref().map(read_key).transpose();
        let (public, private) = (file(&settings.public_key)?, file(&settings.private_key)?);
        let signing = private.as_deref().map(|key| signing_key(method, key)).transpose()?;
        let verifying = match (method.family(), &public, &private) {
            (AlgorithmFamily::Hmac, _, Some(secret)) => DecodingKey::from_secret(secret)?,
            (AlgorithmFamily::Hmac, _, None) | (_, None, None) => return Err("missing key data".into()),
            (_, None, Some(_)) => return Err("priv-key without pub-key: give both".into()),
            (family, Some(key), _) => verifying_key(family, key)?,
        };
        let tokens = JsonWebTokens { method, verifying, signing, ttl_secs: settings.ttl_secs };
        tokens.check_keys()?;
        Ok(tokens)
    }

    /// Whether what the one key signs is good by the other.
    fn check_keys(&self) -> Result<(), Box<dyn Error>> {
        if self.signing.is_none() {
            return Ok(());
        }
        let probe = Identity { name: "probe".to_owned(), auth_revision: 1 };
        let token =
            self.signed(&probe, now_secs() + 60).map_err(|error| format!("priv-key cannot sign: {error}"))?;
        if self.verify(token.as_bytes()) == Some(probe) {
            Ok(())
        } else {
            Err("public and private keys don't match".into())
        }
    }

    fn signed(&self, identity: &Identity, until_secs: u64) -> Result<String, jsonwebtoken::errors::Error> {
        let Identity { name, auth_revision } = identity;
        let claims = json!({ "username": name, "revision": auth_revision, "exp": until_secs });
        let key = self.signing.as_ref().ok_or(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat)?;
        encode(&Header::new(self.method), &claims, key)
    }
}

/// Without keys.
impl fmt::Debug for JsonWebTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tokens signed by {:?}", self.method)
    }
}

impl SignedTokens for JsonWebTokens {
    fn sign(&self, identity: &Identity) -> Result<String, RequestError> {
        if self.signing.is_none() {
            return Err(RequestError::VerifyOnly);
        }
        // The keys were tried at the start.
        self.signed(identity, now_secs().saturating_add(self.ttl_secs)).map_err(|_| RequestError::AuthFailed)
    }

    fn verify(&self, token: &[u8]) -> Option<Identity> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let mut validation = Validation::new(self.method);
        validation.leeway = 0;
        validation.validate_nbf = true;
        // As etcd: what is not said is not asked for. A token without an end has none.
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = decode::<Value>(token, &self.verifying, &validation).ok()?.claims;
        let name = claims.get("username")?.as_str()?.to_owned();
        let auth_revision = claims.get("revision")?.as_u64()?;
        Some(Identity { name, auth_revision })
    }
}

impl SignedTokens for NoTokens {
    fn sign(&self, _: &Identity) -> Result<String, RequestError> {
        Err(RequestError::InvalidAuthToken)
    }

    fn verify(&self, _: &[u8]) -> Option<Identity> {
        None
    }
}

fn read_key(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn signing_key(method: Algorithm, key: &[u8]) -> Result<EncodingKey, Box<dyn Error>> {
    Ok(match method.family() {
        AlgorithmFamily::Hmac => EncodingKey::from_secret(key)?,
        AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(key)?,
        AlgorithmFamily::Ec => EncodingKey::from_ec_pem(key)?,
        AlgorithmFamily::Ed => EncodingKey::from_ed_pem(key)?,
    })
}

fn verifying_key(family: AlgorithmFamily, key: &[u8]) -> Result<DecodingKey, Box<dyn Error>> {
    Ok(match family {
        AlgorithmFamily::Hmac => DecodingKey::from_secret(key)?,
        AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(key)?,
        AlgorithmFamily::Ec => DecodingKey::from_ec_pem(key)?,
        AlgorithmFamily::Ed => DecodingKey::from_ed_pem(key)?,
    })
}

/// By the machine's calendar: signed tokens are good until a date.
fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn identity() -> Identity {
        Identity { name: "alice".to_owned(), auth_revision: 7 }
    }

    fn by_secret(secret: &[u8]) -> JsonWebTokens {
        JsonWebTokens {
            method: Algorithm::HS256,
            verifying: DecodingKey::from_secret(secret).unwrap(),
            signing: Some(EncodingKey::from_secret(secret).unwrap()),
            ttl_secs: 300,
        }
    }

    #[test]
    fn a_token_is_good_where_the_same_key_is_and_nowhere_else() {
        let tokens = by_secret(&[7; 64]);
        let token = tokens.sign(&identity()).unwrap();
        assert_eq!(tokens.verify(token.as_bytes()), Some(identity()));
        assert_eq!(by_secret(&[8; 64]).verify(token.as_bytes()), None);
        assert_eq!(tokens.verify(&token.as_bytes()[1..]), None);
        assert_eq!(tokens.verify(&vec![b'.'; 1024 * 1024]), None);
        assert_eq!(tokens.verify(b""), None);
    }

    #[test]
    fn a_token_past_its_time_is_not_good() {
        let tokens = by_secret(&[7; 64]);
        let late = tokens.signed(&identity(), now_secs() - 1).unwrap();
        assert_eq!(tokens.verify(late.as_bytes()), None);
    }

    #[test]
    fn a_token_without_a_signature_or_by_another_method_is_not_good() {
        let tokens = by_secret(&[7; 64]);
        let claims = json!({ "username": "root", "revision": 7, "exp": now_secs() + 60 });
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        for method in ["none", "HS512", "RS256"] {
            let header = encoded(&json!({ "alg": method, "typ": "JWT" }));
            let unsigned = format!("{header}.{}.", encoded(&claims));
            assert_eq!(tokens.verify(unsigned.as_bytes()), None, "{method}");
        }
        let other = Header::new(Algorithm::HS512);
        let other = encode(&other, &claims, &EncodingKey::from_secret(&[7; 64]).unwrap()).unwrap();
        assert_eq!(tokens.verify(other.as_bytes()), None);
    }

    #[test]
    fn a_member_without_a_private_key_makes_no_tokens() {
        let tokens = JsonWebTokens { signing: None, ..by_secret(&[7; 64]) };
        assert_eq!(tokens.sign(&identity()), Err(RequestError::VerifyOnly));
        assert_eq!(NoTokens.sign(&identity()), Err(RequestError::InvalidAuthToken));
        assert_eq!(NoTokens.verify(b"x"), None);
    }

    /// Made with rcgen: a pair for elliptic curves and one for Edwards', and pairs that do not match.
    #[test]
    fn keys_come_in_pairs() {
        let dir = tempfile::tempdir().unwrap();
        let pair = |algorithm, name: &str| {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let (public, private) =
                (dir.path().join(format!("{name}.pub")), dir.path().join(format!("{name}.key")));
            std::fs::write(&public, pair.public_key_pem()).unwrap();
            std::fs::write(&private, pair.serialize_pem()).unwrap();
            (Some(public), Some(private))
        };
        let read = |method: &str, public_key: &Option<_>, private_key: &Option<_>| {
            JsonWebTokens::read(&SignedSettings {
                method: method.to_owned(),
                public_key: Option::clone(public_key),
                private_key: Option::clone(private_key),
                ttl_secs: 60,
            })
        };
        let (ec, ec_key) = pair(&rcgen::PKCS_ECDSA_P256_SHA256, "ec");
        let (ed, ed_key) = pair(&rcgen::PKCS_ED25519, "ed");
        let (other, _) = pair(&rcgen::PKCS_ECDSA_P256_SHA256, "other");
        for (method, public, private) in [("ES256", &ec, &ec_key), ("EdDSA", &ed, &ed_key)] {
            let tokens = read(method, public, private).unwrap();
            let token = tokens.sign(&identity()).unwrap();
            assert_eq!(read(method, public, &None).unwrap().verify(token.as_bytes()), Some(identity()));
        }
        for (method, public, private) in [
            ("ES256", &other, &ec_key),
            ("ES256", &ed, &ed_key),
            ("ES256", &None, &None),
            ("none", &ec, &ec_key),
        ] {
            assert!(read(method, public, private).is_err(), "{method}");
        }
    }
}
