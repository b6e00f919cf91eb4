//! The Homebrew formula: every archive of this version that lies beside it, with its checksum. Archives of other platforms are put there first.

use std::fs;

use anyhow::{Result, ensure};

use super::{Build, platform::PLATFORMS, sha256};

/// The formula's name, as Homebrew wants it.
pub(super) const FORMULA: &str = "ocmesh.rb";

/// Writes the formula; gives its name.
pub(super) fn write(build: &Build) -> Result<&'static str> {
    let template = String::from_utf8(build.source("packaging/homebrew/ocmesh.rb")?)?;
    let mut archives = String::new();
    for platform in PLATFORMS {
        let name = format!("ocmesh-{}-{}.tar.gz", build.version, platform.triple);
        let (Some((system, processor)), true) = (platform.brew, build.out.join(&name).is_file()) else { continue };
        let url = format!("{}/releases/download/v{}/{name}", build.about.repository, build.version);
        let sum = sha256(&build.out.join(&name))?;
        archives += &format!("  on_{system} do\n    on_{processor} do\n      url \"{url}\"\n      sha256 \"{sum}\"\n    end\n  end\n\n");
    }
    ensure!(!archives.is_empty(), "there is no archive for a system with Homebrew");
    let filled = template.replace("@REPOSITORY@", &build.about.repository).replace("@VERSION@", &build.version);
    fs::write(build.out.join(FORMULA), filled.replace("@ARCHIVES@\n", &archives))?;
    Ok(FORMULA)
}
