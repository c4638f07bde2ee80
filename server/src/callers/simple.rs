//! Simple tokens: letters that nobody can guess and the log index at which every member heard of them. They are good for a
//! time after their last use at a member, by that member's clock; whoever has one is its user.

use detcd_engine::request::Secret;
use detcd_engine::state::TokenChange;
use detcd_engine::time::Time;
use std::collections::BTreeMap;
use std::fmt;

/// Those past their time are forgotten so often: until then they only take memory.
const SWEEP_MS: u64 = 1_000;

/// All tokens that this member knows.
pub(super) struct SimpleTokens {
    ttl_ms: u64,
    by_token: BTreeMap<Vec<u8>, Token>,
    sweep_at: Time,
}

struct Token {
    user: String,
    until: Time,
}

impl fmt::Debug for SimpleTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} simple tokens", self.by_token.len())
    }
}

impl SimpleTokens {
    pub(super) fn new(ttl_ms: u64) -> SimpleTokens {
        SimpleTokens { ttl_ms, by_token: BTreeMap::new(), sweep_at: Time::default() }
    }

    pub(super) fn change(&mut self, now: Time, change: TokenChange) {
        match change {
            TokenChange::Issued { user, token } => {
                if now >= self.sweep_at {
                    self.by_token.retain(|_, token| token.until > now);
                    self.sweep_at = now.plus_ms(SWEEP_MS);
                }
                let until = now.plus_ms(self.ttl_ms);
                self.by_token.insert(token.expose().to_vec(), Token { user, until });
            }
            TokenChange::OfUserVoid(user) => self.by_token.retain(|_, token| token.user != user),
            TokenChange::AllVoid => self.by_token.clear(),
        }
    }

    /// Whose it is; it is good for as long again from now.
    pub(super) fn user_of(&mut self, now: Time, token: &Secret) -> Option<String> {
        let found = self.by_token.get_mut(token.expose().as_ref()).filter(|token| token.until > now)?;
        found.until = now.plus_ms(self.ttl_ms);
        Some(found.user.clone())
    }
}

/// The index in a token; `None` where it can be no token of this kind.
pub(super) fn index_of(token: &Secret) -> Option<u64> {
    let text = std::str::from_utf8(token.expose()).ok()?;
    let (_, index) = text.split_once('.')?;
    index.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(user: &str, token: &'static str) -> TokenChange {
        TokenChange::Issued { user: user.to_owned(), token: Secret::new(token) }
    }

    #[test]
    fn a_token_is_good_for_a_time_after_its_last_use() {
        let mut tokens = SimpleTokens::new(1_000);
        let at = Time::from_ms;
        let secret = Secret::new("a.1");
        tokens.change(at(0), issued("alice", "a.1"));
        assert_eq!(tokens.user_of(at(999), &secret).as_deref(), Some("alice"));
        assert_eq!(tokens.user_of(at(1_998), &secret).as_deref(), Some("alice"));
        assert_eq!(tokens.user_of(at(2_998), &secret), None);
        tokens.change(at(4_000), issued("bob", "b.2"));
        assert_eq!(format!("{tokens:?}"), "1 simple tokens");
    }

    #[test]
    fn void_tokens_are_nobodys() {
        let mut tokens = SimpleTokens::new(1_000);
        let at = Time::from_ms(0);
        for (user, token) in [("alice", "a.1"), ("alice", "b.2"), ("bob", "c.3")] {
            tokens.change(at, issued(user, token));
        }
        tokens.change(at, TokenChange::OfUserVoid("alice".to_owned()));
        let users = |tokens: &mut SimpleTokens| {
            ["a.1", "b.2", "c.3"].map(|token| tokens.user_of(at, &Secret::new(token)))
        };
        assert_eq!(users(&mut tokens), [None, None, Some("bob".to_owned())]);
        tokens.change(at, TokenChange::AllVoid);
        assert_eq!(users(&mut tokens), [None, None, None]);
    }

    #[test]
    fn a_token_tells_its_index() {
        for (token, index) in
            [("abc.17", Some(17)), ("abc", None), ("abc.x", None), ("a.1.2", None), (".3", Some(3))]
        {
            assert_eq!(index_of(&Secret::new(token)), index, "{token}");
        }
    }
}
