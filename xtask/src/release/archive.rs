//! The archive: the same files give the same bytes, whoever packs them and when.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use flate2::{Compression, write::GzEncoder};

/// Packs files, each `(path inside, path here, mode)`, under one folder.
pub(super) fn pack(to: &Path, folder: &str, files: &[(String, PathBuf, u32)]) -> Result<()> {
    let out = File::create(to).with_context(|| to.display().to_string())?;
    // flate2 writes no name and no time into the header.
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::best()));
    for (inside, here, mode) in files {
        let bytes = fs::read(here).with_context(|| here.display().to_string())?;
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(bytes.len())?);
        header.set_mode(*mode);
        header.set_mtime(0);
        archive.append_data(&mut header, format!("{folder}/{inside}"), bytes.as_slice())?;
    }
    archive.into_inner()?.finish()?.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let files = [("Cargo.toml".to_owned(), Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"), 0o644)];
        let places = ["one", "two"].map(|name| std::env::temp_dir().join(format!("ocmesh-xtask-{}-{name}.tar.gz", std::process::id())));
        let [one, two] = places.each_ref().map(|place| {
            pack(place, "folder", &files).unwrap();
            let bytes = fs::read(place).unwrap();
            fs::remove_file(place).unwrap();
            bytes
        });
        assert!(!one.is_empty() && one == two);
    }
}
