//! Finds the `ocmesh` binary of this build.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// `OCMESH_BIN`, or the binary beside this test: tests live in `target/<profile>/deps`, binaries one up.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("OCMESH_BIN") {
        let path = PathBuf::from(path);
        ensure!(path.is_file(), "OCMESH_BIN names {}, which is no file", path.display());
        return Ok(path);
    }
    let name = format!("ocmesh{}", std::env::consts::EXE_SUFFIX);
    let test = std::env::current_exe()?;
    let found = test.ancestors().skip(1).take(3).map(|dir| dir.join(&name)).find(|path| path.is_file());
    found.with_context(|| format!("no {name} near {}: run `cargo build -p ocmesh`, or set OCMESH_BIN", test.display()))
}
