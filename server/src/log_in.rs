//! Passwords, on their way in: only their hashes go further than here.
//!
//! A log-in is held against the hash that this member knows, on a thread for that, and then goes through the log, so that
//! every member hears of the token. Where users changed between the two the password is looked at again: it may be
//! another by then.

use crate::callers::Passwords;
use crate::handle::MemberHandle;
use crate::readers::answering;
use detcd_engine::request::{
    Authenticate, Authenticated, Call, Identity, PasswordOf, Reply, RequestError, Secret,
};
use std::sync::Arc;

/// How often a log-in is begun again while users change.
const TRIES_MAX: usize = 20;

/// The token of a user with this password.
///
/// # Errors
/// As etcd refuses a log-in.
pub(crate) async fn log_in(
    member: &MemberHandle,
    name: String,
    password: String,
) -> Result<Reply<String>, RequestError> {
    // Whoever was told of a password elsewhere is let in here: what was acknowledged before is known.
    ask(member, detcd_engine::request::AuthStatus).await?;
    let password: Arc<str> = Arc::from(password);
    for _ in 0..TRIES_MAX {
        let known = ask(member, PasswordOf(name.clone())).await?.response;
        let (given, hash) = (Arc::clone(&password), known.hash);
        if !on_a_thread(member, move |passwords| passwords.matches(&given, &hash)).await? {
            return Err(RequestError::AuthFailed);
        }
        let letters = member.callers.passwords().token_letters();
        let checked = Authenticate {
            name: name.clone(),
            token: Secret::new(letters.clone()),
            auth_revision: known.auth_revision,
        };
        match ask(member, checked).await {
            Err(RequestError::AuthOldRevision) => {}
            Err(refusal) => return Err(refusal),
            Ok(Reply { revision, term, response: Authenticated { index, auth_revision } }) => {
                let identity = Identity { name, auth_revision };
                let response = member.callers.token(&letters, index, &identity)?;
                return Ok(Reply { revision, term, response });
            }
        }
    }
    Err(RequestError::AuthOldRevision)
}

/// The hash of a new password.
///
/// # Errors
/// It is too long, or too many are hashed at once.
pub(crate) async fn hashed(member: &MemberHandle, password: String) -> Result<Secret, RequestError> {
    on_a_thread(member, move |passwords| passwords.hash(&password)).await?
}

/// Runs what takes long. Where the caller has left it is not begun.
async fn on_a_thread<T: Send + 'static>(
    member: &MemberHandle,
    work: impl FnOnce(&dyn Passwords) -> T + Send + 'static,
) -> Result<T, RequestError> {
    let passwords = Arc::clone(member.callers.passwords());
    let (job, done) = answering(move || work(passwords.as_ref()));
    member.callers.passwords().run(job)?;
    done.await.map_err(|_| RequestError::Stopped)
}

async fn ask<C: Call>(member: &MemberHandle, call: C) -> Result<Reply<C::Response>, RequestError> {
    member.request(call.into_request(), false).await.map(Reply::to::<C>)
}
