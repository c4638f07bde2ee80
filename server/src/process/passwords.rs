//! Passwords by bcrypt, on threads of their own: a hash takes tens of milliseconds by design. One thread for two cores, at
//! the lower priority of threads for long reads, so a storm of log-ins delays other log-ins and nothing else; and only so
//! many wait.

use super::reader_threads::ReaderThreads;
use detcd::callers::Passwords;
use detcd::readers::{Job, Readers};
use detcd_engine::request::{RequestError, Secret};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// bcrypt looks at no more of a password. A longer one is refused rather than cut, as in etcd.
const PASSWORD_BYTES_MAX: usize = 72;
/// Passwords that wait for a thread, or are on one: beyond this a client would be told too late anyway.
const WAITING_MAX: usize = 256;
/// What the letters of tokens are drawn from: etcd's.
const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// Of a token, as in etcd.
const TOKEN_LETTERS: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) struct Bcrypt {
    /// `--bcrypt-cost`.
    cost: u32,
    threads: ReaderThreads,
    waiting: Arc<AtomicUsize>,
}

/// One of those that wait: counted until it is dropped, whatever becomes of it.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Bcrypt {
    /// Starts the threads. A cost outside of 4 to 31 has been refused.
    pub(crate) fn start(cost: u32) -> io::Result<Bcrypt> {
        Ok(Bcrypt { cost, threads: ReaderThreads::start("passwords")?, waiting: Arc::default() })
    }
}

impl Passwords for Bcrypt {
    fn run(&self, job: Job) -> Result<(), RequestError> {
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let waiting = Waiting(Arc::clone(&self.waiting));
        if before >= WAITING_MAX {
            return Err(RequestError::TooManyRequests);
        }
        self.threads.run(Box::new(move || {
            let _counted = waiting;
            job();
        }));
        Ok(())
    }

    fn hash(&self, password: &str) -> Result<Secret, RequestError> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(RequestError::PasswordTooLong);
        }
        let hashed =
            bcrypt::hash_with_result(password, self.cost).expect("a cost that was checked, and chance");
        // The name of Go's, which is etcd's; for passwords of up to 72 bytes they are the same function.
        Ok(Secret::new(hashed.format_for_version(bcrypt::Version::TwoA)))
    }

    fn matches(&self, password: &str, hash: &Secret) -> bool {
        // A hash that is none, as of an empty password, matches nothing.
        std::str::from_utf8(hash.expose()).is_ok_and(|hash| bcrypt::verify(password, hash).unwrap_or(false))
    }

    fn token_letters(&self) -> String {
        let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
        let mut letters = String::with_capacity(TOKEN_LETTERS);
        while letters.len() < TOKEN_LETTERS {
            let mut bytes = [0; 32];
            random.fill(&mut bytes).expect("the operating system has chance");
            // 208 is four times 52: each letter is as likely as any other.
            let fair = bytes.iter().filter(|byte| **byte < 208).map(|byte| LETTERS[usize::from(*byte) % 52]);
            letters.extend(fair.map(char::from).take(TOKEN_LETTERS - letters.len()));
        }
        letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::mpsc;

    fn bcrypt() -> Bcrypt {
        Bcrypt::start(4).unwrap()
    }

    #[test]
    fn a_password_matches_its_hash_and_no_other() {
        let passwords = bcrypt();
        let hash = passwords.hash("secret").unwrap();
        assert!(hash.expose().starts_with(b"$2a$04$"), "Go's prefix");
        assert!(passwords.matches("secret", &hash));
        assert!(!passwords.matches("Secret", &hash));
        assert!(!passwords.matches("", &hash));
        assert!(!passwords.matches("secret", &Secret::new("")));
        assert!(!passwords.matches("", &Secret::new("")));
    }

    /// `allmine`, as golang.org/x/crypto/bcrypt hashes it in a test of its own.
    #[test]
    fn a_hash_of_go_is_read() {
        let hash = Secret::new("$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga");
        assert!(bcrypt().matches("allmine", &hash));
        assert!(!bcrypt().matches("allmin", &hash));
    }

    #[test]
    fn as_much_is_taken_as_bcrypt_looks_at() {
        let passwords = bcrypt();
        let longest = "x".repeat(72);
        let hash = passwords.hash(&longest).unwrap();
        assert!(passwords.matches(&longest, &hash));
        assert!(!passwords.matches(&longest[1..], &hash));
        assert_eq!(passwords.hash(&"x".repeat(73)), Err(RequestError::PasswordTooLong));
    }

    #[test]
    fn only_so_many_wait() {
        let passwords = bcrypt();
        let (go, started) = mpsc::channel::<()>();
        let started = Arc::new(std::sync::Mutex::new(started));
        for _ in 0..WAITING_MAX {
            let started = Arc::clone(&started);
            let wait = move || {
                // Ends when nobody can say go any more.
                let _ = started.lock().unwrap().recv();
            };
            passwords.run(Box::new(wait)).unwrap();
        }
        assert_eq!(passwords.run(Box::new(|| {})), Err(RequestError::TooManyRequests));
        drop(go);
    }

    #[test]
    fn no_two_tokens_are_alike() {
        let passwords = bcrypt();
        let tokens: BTreeSet<String> = (0..1000).map(|_| passwords.token_letters()).collect();
        assert_eq!(tokens.len(), 1000);
        assert!(
            tokens.iter().all(|token| token.len() == 16 && token.bytes().all(|b| b.is_ascii_alphabetic()))
        );
    }
}
