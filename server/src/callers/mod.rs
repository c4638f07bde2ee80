//! Who asks: from what a client sends with its call to a caller that the engine can decide on.
//!
//! A caller is a name with its proof: a token that it got for its password, a token that somebody signed, or the
//! certificate of its connection. Here the proof is looked at; what the name may do is decided in the engine, from the
//! replicated state. While auth is off nobody is looked at, as in etcd.
//!
//! The auth revision of a simple token or a certificate is that of this member now, read *before* the token is looked up:
//! whatever makes the token void meanwhile makes the revision old, and the call is refused for that.

mod simple;

use crate::clock::Clock;
use crate::readers::Job;
use detcd_engine::engine::Status;
use detcd_engine::request::{Caller, Identity, RequestError, Secret};
use detcd_engine::state::TokenChange;
use simple::SimpleTokens;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// `--auth-token-ttl`, in seconds, where it is not given or is 0.
pub const TOKEN_TTL_SECS: u64 = 300;

/// What came with a call to show who it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing.
    None,
    /// A token, of whichever kind.
    Token(Secret),
    /// The connection's certificate, which has this common name and was verified.
    Certificate(String),
    /// None is needed: the process asks its own member whether it answers.
    OfTheProcess,
}

/// Passwords, and chance for tokens.
pub trait Passwords: Send + Sync + fmt::Debug {
    /// Runs what takes long by design, on a thread for that; only so much runs at once, so that log-ins take no more of
    /// the machine than that.
    ///
    /// # Errors
    /// `TooManyRequests` where too much waits already.
    fn run(&self, job: Job) -> Result<(), RequestError>;

    /// The hash of a password. Takes long.
    ///
    /// # Errors
    /// `PasswordTooLong`.
    fn hash(&self, password: &str) -> Result<Secret, RequestError>;

    /// Whether it is the hash of this password. Takes long.
    fn matches(&self, password: &str, hash: &Secret) -> bool;

    /// 16 letters that nobody can guess.
    fn token_letters(&self) -> String;
}

/// Tokens that say themselves whose they are, and for which auth revision.
pub trait SignedTokens: Send + Sync + fmt::Debug {
    /// A new token.
    ///
    /// # Errors
    /// There is no key to sign with.
    fn sign(&self, identity: &Identity) -> Result<String, RequestError>;

    /// Whose token it is, where its signature and its time are good.
    fn verify(&self, token: &[u8]) -> Option<Identity>;
}

/// Looks proofs up. One for each member.
#[derive(Debug)]
pub struct Callers {
    clock: Arc<dyn Clock>,
    passwords: Arc<dyn Passwords>,
    /// In the place of simple tokens.
    signed: Option<Arc<dyn SignedTokens>>,
    simple: Mutex<SimpleTokens>,
}

impl Callers {
    /// With simple tokens that are good for so many seconds after their last use; with `signed`, with those instead.
    pub fn new(
        clock: Arc<dyn Clock>,
        passwords: Arc<dyn Passwords>,
        token_ttl_secs: u64,
        signed: Option<Arc<dyn SignedTokens>>,
    ) -> Callers {
        let simple = Mutex::new(SimpleTokens::new(token_ttl_secs.saturating_mul(1000)));
        Callers { clock, passwords, signed, simple }
    }

    /// With simple tokens and passwords that are their own hashes: for simulations and tests.
    pub fn plain(clock: Arc<dyn Clock>) -> Callers {
        Callers::new(clock, Arc::new(PlainPasswords::default()), TOKEN_TTL_SECS, None)
    }

    /// For passwords.
    pub(crate) fn passwords(&self) -> &Arc<dyn Passwords> {
        &self.passwords
    }

    /// Takes in what the log says of simple tokens, before anybody hears how far the member has come.
    pub(crate) fn on_changes(&self, changes: Vec<TokenChange>) {
        if self.signed.is_some() || changes.is_empty() {
            return;
        }
        let now = self.clock.now();
        let mut simple = self.simple();
        changes.into_iter().for_each(|change| simple.change(now, change));
    }

    /// The log index that this member must have applied before it can know this proof: a simple token names it.
    pub(crate) fn index_of(&self, proof: &Proof) -> Option<u64> {
        match proof {
            Proof::Token(token) if self.signed.is_none() => simple::index_of(token),
            Proof::Token(_) | Proof::Certificate(_) | Proof::OfTheProcess | Proof::None => None,
        }
    }

    /// Whose proof it is, at a member that stands there.
    ///
    /// # Errors
    /// `InvalidAuthToken`.
    pub(crate) fn caller(&self, proof: &Proof, status: &Status) -> Result<Caller, RequestError> {
        if !status.auth_enabled {
            return Ok(Caller::Anonymous);
        }
        let here = |name| Caller::User(Identity { name, auth_revision: status.auth_revision });
        match (proof, &self.signed) {
            (Proof::None, _) => Ok(Caller::Anonymous),
            (Proof::OfTheProcess, _) => Ok(Caller::Member),
            (Proof::Certificate(name), _) => Ok(here(name.clone())),
            (Proof::Token(token), Some(signed)) => {
                signed.verify(token.expose()).map(Caller::User).ok_or(RequestError::InvalidAuthToken)
            }
            (Proof::Token(token), None) => {
                let user = self.simple().user_of(self.clock.now(), token);
                user.map(here).ok_or(RequestError::InvalidAuthToken)
            }
        }
    }

    /// The token of a log-in that went through the log: `letters` and the index at which it did, or a signed one.
    ///
    /// # Errors
    /// There is no key to sign with.
    pub(crate) fn token(
        &self,
        letters: &str,
        index: u64,
        identity: &Identity,
    ) -> Result<String, RequestError> {
        match &self.signed {
            Some(signed) => signed.sign(identity),
            None => Ok(format!("{letters}.{index}")),
        }
    }

    fn simple(&self) -> MutexGuard<'_, SimpleTokens> {
        // Nothing that panics runs while it is held; what is behind it is whole at every step.
        self.simple.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passwords that are their own hashes, and letters that count: for simulations and tests, where nobody is kept out.
#[derive(Debug, Default)]
pub struct PlainPasswords {
    tokens: AtomicU64,
}

impl Passwords for PlainPasswords {
    fn run(&self, job: Job) -> Result<(), RequestError> {
        job();
        Ok(())
    }

    fn hash(&self, password: &str) -> Result<Secret, RequestError> {
        if password.len() > 72 {
            Err(RequestError::PasswordTooLong)
        } else {
            Ok(Secret::new(password.to_owned()))
        }
    }

    fn matches(&self, password: &str, hash: &Secret) -> bool {
        hash.expose().as_ref() == password.as_bytes()
    }

    fn token_letters(&self) -> String {
        let number = self.tokens.fetch_add(1, Ordering::Relaxed);
        (0..16).map(|at| char::from(b'a' + u8::try_from(number >> (4 * at) & 15).unwrap_or(0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RealClock;

    fn callers() -> Callers {
        Callers::plain(Arc::new(RealClock::start()))
    }

    fn status(auth_enabled: bool) -> Status {
        Status { auth_enabled, auth_revision: 7, ..Status::default() }
    }

    fn token(text: &'static str) -> Proof {
        Proof::Token(Secret::new(text))
    }

    #[test]
    fn nobody_is_looked_at_while_auth_is_off() {
        assert_eq!(callers().caller(&token("nonsense"), &status(false)), Ok(Caller::Anonymous));
        let named = Proof::Certificate("alice".to_owned());
        assert_eq!(callers().caller(&named, &status(false)), Ok(Caller::Anonymous));
    }

    #[test]
    fn a_caller_is_who_its_proof_says() {
        let callers = callers();
        callers
            .on_changes(vec![TokenChange::Issued { user: "alice".to_owned(), token: Secret::new("abc.5") }]);
        let alice = Caller::User(Identity { name: "alice".to_owned(), auth_revision: 7 });
        let named = Proof::Certificate("alice".to_owned());
        for (proof, expected) in [
            (Proof::None, Ok(Caller::Anonymous)),
            (Proof::OfTheProcess, Ok(Caller::Member)),
            (named, Ok(alice.clone())),
            (token("abc.5"), Ok(alice)),
            (token("abc.6"), Err(RequestError::InvalidAuthToken)),
            (token(""), Err(RequestError::InvalidAuthToken)),
        ] {
            assert_eq!(callers.caller(&proof, &status(true)), expected, "{proof:?}");
        }
        callers.on_changes(vec![TokenChange::OfUserVoid("alice".to_owned())]);
        assert_eq!(callers.caller(&token("abc.5"), &status(true)), Err(RequestError::InvalidAuthToken));
    }
}
