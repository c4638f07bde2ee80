//! How clients prove who they are: the flags about tokens and passwords, read. etcd reads the options of `--auth-token`
//! where it makes the tokens; files that they name are read there here too.

use super::duration;
use super::reading::Reading;
use detcd::callers::TOKEN_TTL_SECS;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What bcrypt can be asked for. Anything else is the default, as in etcd.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=31;
const BCRYPT_COST_DEFAULT: u32 = 10;
/// Of a signed token where none is given: etcd's.
const SIGNED_TTL_SECS: u64 = 300;

/// How clients prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthSettings {
    /// `--auth-token`.
    pub(crate) tokens: TokenKind,
    /// `--auth-token-ttl`, its 0 replaced by the default.
    pub(crate) token_ttl_secs: u64,
    /// `--bcrypt-cost`.
    pub(crate) bcrypt_cost: u32,
}

/// Kinds of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// `simple`: every member knows them.
    Simple,
    /// Nothing: a certificate is all that proves anything.
    None,
    /// `jwt`: they say themselves whose they are.
    Signed(SignedSettings),
}

/// The options of `jwt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedSettings {
    /// `sign-method`, by its name.
    pub(crate) method: String,
    /// `pub-key`.
    pub(crate) public_key: Option<PathBuf>,
    /// `priv-key`: without one, tokens are looked at and not made.
    pub(crate) private_key: Option<PathBuf>,
    /// `ttl`.
    pub(crate) ttl_secs: u64,
}

impl Reading<'_> {
    pub(super) fn auth(&mut self) -> AuthSettings {
        let values = self.values;
        let tokens = token_kind(values.text("auth-token")).unwrap_or_else(|wrong| {
            self.contradiction(format!("--auth-token: invalid auth options: {wrong}"));
            TokenKind::Simple
        });
        let token_ttl_secs = match u64::try_from(values.number("auth-token-ttl")) {
            Ok(0) | Err(_) => TOKEN_TTL_SECS,
            Ok(secs) => secs,
        };
        let cost = u32::try_from(values.number("bcrypt-cost")).unwrap_or(0);
        let bcrypt_cost = if BCRYPT_COSTS.contains(&cost) { cost } else { BCRYPT_COST_DEFAULT };
        AuthSettings { tokens, token_ttl_secs, bcrypt_cost }
    }
}

/// A kind, and its options as `name=value`, separated by commas.
fn token_kind(text: &str) -> Result<TokenKind, String> {
    let mut parts = text.split(',');
    let kind = parts.next().unwrap_or_default();
    let mut options = BTreeMap::new();
    for option in parts {
        let Some((name, value)) = option.split_once('=').filter(|(_, value)| !value.contains('=')) else {
            return Err(format!("{option:?} is no option"));
        };
        if options.insert(name, value).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    match kind {
        "simple" => Ok(TokenKind::Simple),
        "" => Ok(TokenKind::None),
        "jwt" => {
            let file = |name| options.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
            let ttl_secs = match options.get("ttl").copied().filter(|ttl| !ttl.is_empty()) {
                None => SIGNED_TTL_SECS,
                Some(ttl) => duration::parse_ms(ttl)
                    .ok_or_else(|| format!("ttl {ttl:?} is no duration"))?
                    .div_ceil(1000),
            };
            Ok(TokenKind::Signed(SignedSettings {
                method: options.get("sign-method").copied().unwrap_or_default().to_owned(),
                public_key: file("pub-key"),
                private_key: file("priv-key"),
                ttl_secs,
            }))
        }
        other => Err(format!("unknown kind of token {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_tokens() {
        assert_eq!(token_kind("simple"), Ok(TokenKind::Simple));
        assert_eq!(token_kind("simple,more=1"), Ok(TokenKind::Simple));
        assert_eq!(token_kind(""), Ok(TokenKind::None));
        let signed = |ttl_secs| {
            let (public_key, private_key) = (Some(PathBuf::from("a.pub")), Some(PathBuf::from("a.key")));
            Ok(TokenKind::Signed(SignedSettings {
                method: "RS256".to_owned(),
                public_key,
                private_key,
                ttl_secs,
            }))
        };
        assert_eq!(token_kind("jwt,pub-key=a.pub,priv-key=a.key,sign-method=RS256"), signed(300));
        assert_eq!(token_kind("jwt,pub-key=a.pub,priv-key=a.key,sign-method=RS256,ttl=10m"), signed(600));
        for wrong in ["other", "jwt,ttl", "jwt,ttl=1m,ttl=2m", "jwt,ttl=soon", "jwt,a=b=c"] {
            assert!(token_kind(wrong).is_err(), "{wrong}");
        }
    }
}
