//! Passwords: argon2id, away from the threads that serve, a few at a time.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash,
};
use tokio::sync::Semaphore;

use super::secret;

/// Passwords at one time: each takes a processor and 19 MiB for some 20 ms.
const AT_ONCE: usize = 2;

/// Those that may wait for that; further ones are refused.
const WAITING: usize = 64;

/// The longest password; longer ones only cost time.
pub(crate) const LONGEST: usize = 1_024;

/// The shortest password that is taken when one is set.
pub(crate) const SHORTEST: usize = 8;

/// Compared with where there is no such user, so that both take the same time. Of no password that is known.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$Z3JhZm9sZWFuLWh1Yi1kZWNveQ$\
                     mQpVh4E6k0mHqWc7mXr0d1Q0nq0V4T1o3mC2h5s8xZk";

/// Hashes and verifies.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Why a password was neither hashed nor verified.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum PasswordError {
    #[error("too many logins at once; try again in a moment")]
    Busy,
    #[error("the password could not be hashed")]
    Broken,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), waiting: Arc::new(Semaphore::new(WAITING)) }
    }
}

impl Passwords {
    /// What is kept of a password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.in_turn(move || hash_now(&password)).await?
    }

    /// Whether this is the password of which `hash` was kept; takes as long when there is none.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, PasswordError> {
        self.in_turn(move || verify_now(&password, hash.as_deref())).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _place = self.waiting.try_acquire().map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| PasswordError::Broken)?;
        let work = move || {
            // Held by the work itself, which goes on when nobody waits for it any more.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| PasswordError::Broken)
    }
}

/// The parameters that OWASP recommends: 19 MiB, two passes, one lane.
fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|_| PasswordError::Broken)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// As [`Passwords::hash`], on this thread.
pub(crate) fn hash_now(password: &str) -> Result<String, PasswordError> {
    let salt = secret::random::<16>().map_err(|_| PasswordError::Broken)?;
    let hash: PasswordHash =
        argon2()?.hash_password_with_salt(password.as_bytes(), &salt).map_err(|_| PasswordError::Broken)?;
    Ok(hash.to_string())
}

fn verify_now(password: &str, hash: Option<&str>) -> bool {
    let (Ok(argon2), Ok(kept)) = (argon2(), PasswordHash::new(hash.unwrap_or(DECOY))) else { return false };
    let is_right = argon2.verify_password(password.as_bytes(), &kept).is_ok();
    is_right && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_another_one_is_not() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("battery staple".to_owned(), Some(hash)).await.unwrap());
    }

    #[test]
    fn the_decoy_is_a_hash_that_is_really_computed() {
        let decoy = PasswordHash::new(DECOY).unwrap();
        assert_eq!(decoy.hash.unwrap().len(), 32);
        assert!(!verify_now("anything", None));
    }
}
