//! A secret that lies in a file: read at each wake, so that a new one counts at once, and only where nobody else can read it.

use std::{io::Read, path::Path};

use zeroize::Zeroizing;

/// No token or secret of a webhook is longer.
const BYTES_MAX: u64 = 4_096;

/// Reads the secret; blanks around it do not count.
///
/// # Errors
/// In words, what is wrong with the file and what to do.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let name = path.display();
    let file = std::fs::File::open(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
    private(&file).map_err(|why| format!("{name} {why}"))?;
    let mut text = Zeroizing::new(String::new());
    let read = file.take(BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| format!("{name} cannot be read: {error}"))?;
    let secret = Zeroizing::new(text.trim().to_owned());
    let fits = !secret.is_empty() && text.len() as u64 <= BYTES_MAX && secret.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(secret) } else { Err(format!("{name} must hold one secret in one line of visible ASCII")) }
}

#[cfg(unix)]
fn private(file: &std::fs::File) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let about = file.metadata().map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("is not a file".to_owned());
    }
    let mode = about.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("can be read by others (mode {mode:o}); run: chmod 600"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(_: &std::fs::File) -> Result<(), String> {
    Ok(()) // Files in a user's profile are that user's alone.
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_one_line_that_only_we_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        assert!(read(&path).unwrap_err().contains("cannot be read"));
        let write = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&path).map(|secret| secret.to_string())
        };
        assert_eq!(write("abc\n", 0o600).as_deref(), Ok("abc"));
        assert_eq!(write("abc", 0o400).as_deref(), Ok("abc"));
        for mode in [0o640, 0o604, 0o660, 0o666, 0o610] {
            let why = write("abc", mode).unwrap_err();
            assert!(why.contains("chmod 600") && !why.contains("abc"), "{mode:o}: {why}");
        }
        for text in ["", "  \n", "a b", "a\nb", "\u{e9}", &"x".repeat(5_000)] {
            assert!(write(text, 0o600).unwrap_err().contains("one line"), "{text:?}");
        }
        assert!(read(dir.path()).is_err());
    }
}
