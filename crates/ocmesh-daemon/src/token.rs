//! Tokens of the Local API: the owner's own, and named ones with a scope. Nothing is remembered: each look reads the files, so that a new
//! token counts and a revoked one fails at once.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    path::PathBuf,
    time::SystemTime,
};

use ocmesh_api::route::Scope;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::home::{Home, create_private_dir, private_file, sync_dir, write_atomically};

/// Named tokens of one home: a program has one, and nobody looks after more programs than this.
pub const TOKENS_MAX: usize = 64;
/// Longest name, in characters: it stands in a file name and in the token itself.
const NAME_CHARS_MAX: usize = 32;
/// Longest token file read: what we write has about 100 bytes.
const FILE_BYTES_MAX: u64 = 4_096;
/// A named token is `ocm_NAME_` and its secret: a person and a secret scanner see what it is, and its file is found by its name.
const MARK: &str = "ocm";

/// Who shows a good token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Whoever reads the owner's token, and everyone of the owner's programs where no token is asked for.
    Owner,
    /// Whoever was given the token of this name.
    Named(String),
}

/// A named token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedToken {
    /// Its name.
    pub name: String,
    /// What its holder may do.
    pub scope: Scope,
    /// When it was made, by its file's date.
    pub made_at: Option<SystemTime>,
}

/// Why a token was not made, shown or revoked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a name.
    #[error("a token's name has 1 to {NAME_CHARS_MAX} lower-case letters, digits and hyphens")]
    BadName,
    /// There is one of that name.
    #[error("there is a token named {0}")]
    Taken(String),
    /// None of that name.
    #[error("there is no token named {0}")]
    Unknown(String),
    /// Too many.
    #[error("there are {TOKENS_MAX} tokens")]
    Full,
    /// The system said no.
    #[error("the tokens cannot be read or written")]
    Io(#[from] io::Error),
}

/// What a token's file holds: no secret, so that a copy of it opens nothing.
#[derive(Serialize, Deserialize)]
struct Kept {
    scope: Scope,
    /// Of the secret, in hex. It has 256 random bits: nothing is gained by a slow hash.
    sha256: String,
}

/// The tokens of one home.
#[derive(Debug, Clone)]
pub struct Tokens {
    own: PathBuf,
    folder: PathBuf,
}

impl Tokens {
    /// Touches nothing.
    #[must_use]
    pub fn of(home: &Home) -> Self {
        Self { own: home.token(), folder: home.tokens() }
    }

    /// Makes the owner's token where there is none yet: 256 random bits as hex, readable by the owner alone.
    ///
    /// # Errors
    /// It could not be written.
    pub fn make_own(&self) -> io::Result<()> {
        if self.own.exists() { Ok(()) } else { write_atomically(&self.own, secret()?.as_bytes()) }
    }

    /// Makes a named token and gives it, this once.
    ///
    /// # Errors
    /// See [`TokenError`]; nothing was changed.
    pub fn make(&self, name: &str, scope: Scope) -> Result<Zeroizing<String>, TokenError> {
        let path = self.file_of(name)?;
        if self.list()?.len() >= TOKENS_MAX {
            return Err(TokenError::Full);
        }
        let secret = secret()?;
        let kept = serde_json::to_vec(&Kept { scope, sha256: hash(secret.as_bytes()) }).map_err(io::Error::from)?;
        match create_private_dir(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        // The name is taken first and filled atomically then: an empty file is no token.
        match private_file(OpenOptions::new().write(true).create_new(true), &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(TokenError::Taken(name.to_owned())),
            other => other?,
        };
        write_atomically(&path, &kept)?;
        Ok(Zeroizing::new(format!("{MARK}_{name}_{}", *secret)))
    }

    /// The named tokens, by name.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<NamedToken>, TokenError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let file = entry.file_name();
            let Some(name) = file.to_str().and_then(|file| file.strip_prefix("token-")?.strip_suffix(".json")) else { continue };
            let Some(kept) = self.file_of(name).ok().and_then(|path| read(&path)) else { continue };
            let made_at = entry.metadata().and_then(|facts| facts.modified()).ok();
            found.push(NamedToken { name: name.to_owned(), scope: kept.scope, made_at });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Takes a named token back: from now on it opens nothing.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        match fs::remove_file(self.file_of(name)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(TokenError::Unknown(name.to_owned())),
            other => other?,
        }
        // A power cut must not bring it back.
        Ok(sync_dir(&self.folder)?)
    }

    /// Who shows this token, and what they may do; `None` when it is nobody's.
    #[must_use]
    pub fn holder(&self, given: &str) -> Option<(Holder, Scope)> {
        let Some((name, secret)) = named(given) else {
            return self.is_own(given).then_some((Holder::Owner, Scope::Admin));
        };
        let kept = read(&self.file_of(name).ok()?)?;
        // Of equal length always, so that the comparison takes as long for every secret.
        let equal: bool = kept.sha256.as_bytes().ct_eq(hash(secret.as_bytes()).as_bytes()).into();
        equal.then(|| (Holder::Named(name.to_owned()), kept.scope))
    }

    fn is_own(&self, given: &str) -> bool {
        let token = match read_some(&self.own) {
            Ok(token) => token,
            Err(error) => {
                tracing::error!(%error, "the token file cannot be read");
                return false;
            }
        };
        let token = token.trim_ascii();
        // An empty or absurd file must not make an empty token good.
        let sound = !token.is_empty() && u64::try_from(token.len()).is_ok_and(|length| length < FILE_BYTES_MAX);
        let equal: bool = token.ct_eq(given.as_bytes()).into();
        sound && equal
    }

    /// A name that is none could lead out of the folder.
    fn file_of(&self, name: &str) -> Result<PathBuf, TokenError> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(is_name);
        // With a word around it: Windows has devices named `con` and `aux`.
        if good { Ok(self.folder.join(format!("token-{name}.json"))) } else { Err(TokenError::BadName) }
    }
}

/// The name and the secret of a named token.
fn named(given: &str) -> Option<(&str, &str)> {
    given.strip_prefix(MARK)?.strip_prefix('_')?.split_once('_')
}

fn read(path: &std::path::Path) -> Option<Kept> {
    let kept: Kept = serde_json::from_slice(&read_some(path).ok()?).ok()?;
    (kept.sha256.len() == 64).then_some(kept)
}

fn read_some(path: &std::path::Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// 256 random bits as hex.
fn secret() -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    getrandom::fill(bytes.as_mut()).map_err(io::Error::other)?;
    Ok(Zeroizing::new(hex::encode(*bytes)))
}

fn hash(secret: &[u8]) -> String {
    hex::encode(Sha256::digest(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Tokens) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::locate(|_| Some(folder.path().into())).unwrap();
        (folder, Tokens::of(&home))
    }

    #[test]
    fn a_named_token_opens_what_it_may_until_it_is_revoked() {
        let (folder, tokens) = home();
        assert_eq!(tokens.list().unwrap(), []);
        let reader = tokens.make("reader", Scope::Read).unwrap();
        let sender = tokens.make("ci-bot-2", Scope::Send).unwrap();
        assert!(reader.starts_with("ocm_reader_") && reader.len() == "ocm_reader_".len() + 64, "{}", *reader);
        assert_eq!(tokens.holder(&reader), Some((Holder::Named("reader".to_owned()), Scope::Read)));
        assert_eq!(tokens.holder(&sender), Some((Holder::Named("ci-bot-2".to_owned()), Scope::Send)));
        assert_eq!(tokens.list().unwrap().iter().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["ci-bot-2", "reader"]);
        assert!(matches!(tokens.make("reader", Scope::Admin), Err(TokenError::Taken(_))), "nothing is overwritten");
        assert!(tokens.holder(&reader).is_some());
        // What is on the disk opens nothing, and nobody else may read it.
        let file = folder.path().join("tokens/token-reader.json");
        let text = fs::read_to_string(&file).unwrap();
        let secret = reader.rsplit('_').next().unwrap();
        assert!(!text.contains(secret), "{text}");
        let hash = serde_json::from_str::<serde_json::Value>(&text).unwrap()["sha256"].as_str().unwrap().to_owned();
        assert_eq!(tokens.holder(&format!("ocm_reader_{hash}")), None);
        #[cfg(unix)]
        for (path, mode) in [(folder.path().join("tokens"), 0o700), (file, 0o600)] {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
        // Another's name with a good secret is nobody.
        assert_eq!(tokens.holder(&format!("ocm_ci-bot-2_{secret}")), None);
        tokens.revoke("reader").unwrap();
        assert_eq!(tokens.holder(&reader), None);
        assert!(tokens.holder(&sender).is_some());
        assert!(matches!(tokens.revoke("reader"), Err(TokenError::Unknown(_))));
    }

    #[test]
    fn a_name_cannot_leave_the_folder_and_a_damaged_file_opens_nothing() {
        let (folder, tokens) = home();
        for name in ["", ".", "../token", "a/b", "a_b", "A", "ä", "a\0", &"a".repeat(33)] {
            assert!(matches!(tokens.make(name, Scope::Read), Err(TokenError::BadName)), "{name:?}");
            assert!(matches!(tokens.revoke(name), Err(TokenError::BadName)), "{name:?}");
            assert_eq!(tokens.holder(&format!("ocm_{name}_x")), None);
        }
        let good = tokens.make("a", Scope::Admin).unwrap();
        let file = folder.path().join("tokens/token-a.json");
        for text in ["", "{}", "[]", r#"{"scope":"all","sha256":"x"}"#, r#"{"scope":"admin","sha256":""}"#] {
            fs::write(&file, text).unwrap();
            assert_eq!((tokens.holder(&good), tokens.holder("ocm_a_")), (None, None), "{text}");
            assert_eq!(tokens.list().unwrap(), []);
        }
    }

    #[test]
    fn tokens_are_bounded() {
        let (_folder, tokens) = home();
        for n in 0..TOKENS_MAX {
            tokens.make(&format!("t{n}"), Scope::Read).unwrap();
        }
        assert!(matches!(tokens.make("one-more", Scope::Read), Err(TokenError::Full)));
    }

    /// The HTTP parser trims values, so that no caller can send an empty token today; the file is our own and may still be empty.
    #[test]
    fn the_owners_token_is_made_once_and_an_empty_file_opens_nothing() {
        let (folder, tokens) = home();
        let file = folder.path().join("token");
        assert_eq!(tokens.holder(""), None, "no file");
        for text in ["", "\n", &"a".repeat(5_000)] {
            fs::write(&file, text).unwrap();
            assert_eq!(tokens.holder(text.trim()), None);
        }
        fs::remove_file(&file).unwrap();
        tokens.make_own().unwrap();
        let own = fs::read_to_string(&file).unwrap();
        assert_eq!(own.len(), 64);
        tokens.make_own().unwrap();
        assert_eq!(tokens.holder(&own), Some((Holder::Owner, Scope::Admin)));
        assert_eq!(tokens.holder(&own.to_uppercase()), None);
    }
}
