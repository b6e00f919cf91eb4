//! `cargo xtask release`: what is published of one version for this platform: an archive with the binary, the list of what is in it
//! (CycloneDX), and checksums of both. The same commit and compiler give the same archive but for the binary's own build.

mod archive;
mod sbom;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use cargo_metadata::MetadataCommand;
use clap::Args;
use sha2::{Digest as _, Sha256};

use crate::run::{cargo, command, read, root, say, succeed, target_dir};

/// Options of `cargo xtask release`.
#[derive(Args)]
pub(crate) struct Options {
    /// Pack this binary instead of building one
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where the files go; what is there under their names is replaced
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Options {
    /// For continuous integration, which has a binary already.
    pub(crate) const fn of(binary: PathBuf) -> Self {
        Self { binary: Some(binary), out: None }
    }
}

/// Files beside the binary: what a user should have read, and what installs it.
const BESIDE: [&str; 8] = [
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "scripts/install.sh",
    "skill/ocmesh/SKILL.md",
    "skill/ocmesh/references/api.md",
];

/// Checksums of everything else, in the form of `sha256sum`.
const CHECKSUMS: &str = "SHA256SUMS";

/// Builds, packs, lists, and tries what came of it.
///
/// # Errors
/// It does not build, a file is missing, or what was packed does not come out as it went in.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => {
            succeed(command(&cargo(), &["build", "--release", "--locked", "--package", "ocmesh"]))?;
            target_dir().join("release").join("ocmesh")
        }
    };
    let host = host()?;
    let metadata =
        MetadataCommand::new().current_dir(root()).other_options(["--locked".into(), format!("--filter-platform={host}")]).exec()?;
    let version = metadata.packages.iter().find(|package| package.name == "ocmesh").context("no package ocmesh")?.version.to_string();
    let name = format!("ocmesh-{version}-{host}");
    let out = options.out.clone().unwrap_or_else(|| target_dir().join("release-files"));
    fs::create_dir_all(&out)?;

    let (packed, listed) = (format!("{name}.tar.gz"), format!("{name}.cdx.json"));
    let mut files = vec![("ocmesh".to_owned(), binary.clone(), 0o755)];
    files.extend(BESIDE.map(|path| (path.to_owned(), root().join(path), if path.ends_with(".sh") { 0o755 } else { 0o644 })));
    archive::pack(&out.join(&packed), &name, &files)?;
    let components = sbom::write(&out.join(&listed), &metadata, &version)?;
    let sums: String =
        [&packed, &listed].into_iter().map(|file| Ok(format!("{}  {file}\n", sha256(&out.join(file))?))).collect::<Result<_>>()?;
    fs::write(out.join(CHECKSUMS), &sums)?;

    verify(&out, &packed, &name, &version, &binary)?;
    validate(&out.join(&listed))?;
    say(&format!("{components} components; {}\n{}", out.display(), sums.trim_end()));
    Ok(())
}

fn host() -> Result<String> {
    let version = read(command("rustc", &["--version", "--verbose"]))?;
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("rustc does not name its host")
}

fn sha256(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// As a user would: check the sums with another program, unpack with another program, run what came out.
fn verify(out: &Path, packed: &str, name: &str, version: &str, binary: &Path) -> Result<()> {
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--strict", "--quiet", CHECKSUMS]).current_dir(out);
    succeed(check)?;
    let unpacked = out.join("unpacked");
    if unpacked.exists() {
        fs::remove_dir_all(&unpacked)?;
    }
    fs::create_dir(&unpacked)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(out.join(packed)).arg("-C").arg(&unpacked);
    succeed(tar)?;
    let inside = unpacked.join(name);
    ensure!(sha256(&inside.join("ocmesh"))? == sha256(binary)?, "the binary in the archive is another one");
    for file in BESIDE {
        ensure!(fs::read(inside.join(file))? == fs::read(root().join(file))?, "{file} in the archive is another one");
    }
    let mut run = Command::new(inside.join("ocmesh"));
    run.arg("--version");
    let said = read(run)?;
    ensure!(said.contains(version), "the packed binary says {said:?}, not {version}");
    Ok(fs::remove_dir_all(&unpacked)?)
}

/// The list against the standard's own schema, by its authors' library, where there is one.
fn validate(listed: &Path) -> Result<()> {
    let Some(python) = std::env::var_os("OCMESH_CYCLONEDX_PYTHON") else {
        if std::env::var_os("CI").is_some() {
            bail!("OCMESH_CYCLONEDX_PYTHON is not set: a Python with cyclonedx-python-lib[json-validation]");
        }
        say("the list of components was NOT held against the schema: OCMESH_CYCLONEDX_PYTHON is not set");
        return Ok(());
    };
    let script = "import sys\n\
                  from cyclonedx.schema import SchemaVersion\n\
                  from cyclonedx.validation.json import JsonStrictValidator\n\
                  error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read())\n\
                  sys.exit(str(error) if error else 0)";
    let mut check = Command::new(python);
    check.args(["-c", script]).arg(listed);
    succeed(check)
}
