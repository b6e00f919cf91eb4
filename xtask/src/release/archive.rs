//! Archives: the same files give the same bytes, whoever packs them and when.

use std::{borrow::Cow, fs::File, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use flate2::{Compression, write::GzEncoder};

/// The time of every file we pack: 1985-10-26 08:15 UTC, as npm writes it. ZIP knows none before 1980, and Debian takes files from before 1984
/// for a mistake.
pub(super) const STAMP: u64 = 499_162_500;

/// A file to be packed.
pub(super) struct Entry<'a> {
    /// Where it will be, with `/`.
    pub(super) path: String,
    /// What is in it.
    pub(super) bytes: Cow<'a, [u8]>,
    /// May it be run?
    pub(super) runs: bool,
}

impl<'a> Entry<'a> {
    /// A file to be read.
    pub(super) fn data(path: impl Into<String>, bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { path: path.into(), bytes: bytes.into(), runs: false }
    }

    /// A file to be run.
    pub(super) fn program(path: impl Into<String>, bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { path: path.into(), bytes: bytes.into(), runs: true }
    }

    /// The same file at another place.
    pub(super) fn at(&'a self, path: impl Into<String>) -> Self {
        Self { path: path.into(), bytes: Cow::Borrowed(&self.bytes), runs: self.runs }
    }

    /// Its permissions.
    pub(super) const fn mode(&self) -> u32 {
        if self.runs { 0o755 } else { 0o644 }
    }
}

/// Packs files under one folder.
pub(super) fn pack(to: &Path, folder: &str, files: &[Entry<'_>], level: Compression) -> Result<()> {
    let out = File::create(to).with_context(|| to.display().to_string())?;
    // flate2 writes no name and no time into the header.
    let mut archive = tar::Builder::new(GzEncoder::new(out, level));
    for file in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(file.bytes.len())?);
        header.set_mode(file.mode());
        header.set_mtime(STAMP);
        archive.append_data(&mut header, format!("{folder}/{}", file.path), &*file.bytes)?;
    }
    archive.into_inner()?.finish()?.flush()?;
    Ok(())
}

/// One file, compressed: manual pages and change logs of Debian.
pub(super) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes)?;
    Ok(out.finish()?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let places = ["one", "two"].map(|name| std::env::temp_dir().join(format!("ocmesh-xtask-{}-{name}.tar.gz", std::process::id())));
        let [one, two] = places.each_ref().map(|place| {
            pack(place, "folder", &[Entry::data("a/b", b"text".as_slice())], Compression::best()).unwrap();
            let bytes = fs::read(place).unwrap();
            fs::remove_file(place).unwrap();
            bytes
        });
        assert!(!one.is_empty() && one == two);
    }
}
