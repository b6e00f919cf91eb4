//! `cargo xtask release`: what is published of one version for this platform: an archive, packages for uv, npm, Debian and Homebrew, the bundle for
//! agent programs, the list of what is in the binary (CycloneDX), and checksums of all. The same commit and compiler give the same files but for
//! the binary's own build. Each file is then installed and run, as a user would.

mod archive;
mod brew;
mod bundle;
mod debian;
mod npm;
mod platform;
mod sbom;
mod shared;
mod tried;
mod wheel;

use std::{
    env::consts::EXE_SUFFIX,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};
use clap::Args;
use flate2::Compression;
use sha2::{Digest as _, Sha256};

use self::{archive::Entry, platform::Platform};
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
    /// Strip the binary and compress little: to try the packages, not to publish them
    #[arg(long)]
    quick: bool,
}

impl Options {
    /// For continuous integration, which has a binary already.
    pub(crate) const fn of(binary: PathBuf) -> Self {
        Self { binary: Some(binary), out: None, quick: true }
    }
}

/// Files beside the binary: what a user should have read, and what installs it.
const BESIDE: [&str; 9] = [
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "scripts/install.sh",
    "skill/ocmesh/SKILL.md",
    "skill/ocmesh/references/api.md",
    "skill/ocmesh/scripts/install.sh",
];

/// Checksums of everything else, in the form of `sha256sum`.
const CHECKSUMS: &str = "SHA256SUMS";

/// What every package says of ocmesh.
struct About {
    /// One line.
    description: String,
    /// One line without a verb's subject and a full stop, as Debian wants it.
    summary: String,
    /// A paragraph.
    long: String,
    licence: String,
    repository: String,
    /// The README, with links that lead somewhere from anywhere.
    readme: String,
}

/// One version for one platform, and everything that goes into its packages.
struct Build {
    version: String,
    platform: Platform,
    /// The oldest C library that the binary runs with, where it needs one.
    glibc: Option<(u32, u32)>,
    binary: Entry<'static>,
    /// The binary as a file, to be run.
    program: PathBuf,
    pages: Vec<Entry<'static>>,
    completions: Vec<Entry<'static>>,
    /// Pages and completions at their places below a prefix.
    shared: Vec<Entry<'static>>,
    licences: Vec<Entry<'static>>,
    about: About,
    out: PathBuf,
    /// A directory for things in between.
    stage: tempfile::TempDir,
    quick: bool,
    level: Compression,
}

impl Build {
    fn new(options: &Options, metadata: &Metadata, host: &str) -> Result<Self> {
        let package = metadata.packages.iter().find(|package| package.name == "ocmesh").context("no package ocmesh")?;
        let out = options.out.clone().unwrap_or_else(|| target_dir().join("release-files"));
        fs::create_dir_all(&out)?;
        let stage = tempfile::tempdir()?;
        let program = program(options, stage.path())?;
        let platform = Platform::of(host)?;
        let bytes = fs::read(&program).with_context(|| program.display().to_string())?;
        let glibc = platform.glibc(&bytes, program.to_str().context("the binary's path is not UTF-8")?)?;
        let (pages, completions) = (shared::pages(&program, stage.path())?, shared::completions(&program, stage.path())?);
        let licence = |name: &str| Ok::<_, anyhow::Error>(Entry::data(name, fs::read(root().join(name))?));
        let repository = package.repository.clone().context("no repository in the manifest")?;
        let description = package.description.clone().context("no description in the manifest")?;
        Ok(Self {
            version: package.version.to_string(),
            platform,
            glibc,
            binary: Entry::program(format!("ocmesh{EXE_SUFFIX}"), bytes),
            shared: shared::below_prefix(&pages, &completions),
            pages,
            completions,
            licences: vec![licence("LICENSE-APACHE")?, licence("LICENSE-MIT")?],
            about: About {
                summary: "mesh of AI agents over Nostr relays".to_owned(),
                long: format!(
                    "{description} A daemon of the user finds other agents and carries end-to-end encrypted messages both ways, over public relays: \
                     no account, no open port.\n\nTo run it in the background: ocmesh service install"
                ),
                description,
                licence: package.license.clone().context("no licence in the manifest")?,
                readme: absolute_links(&fs::read_to_string(root().join("README.md"))?, &repository),
                repository,
            },
            program,
            out,
            stage,
            quick: options.quick,
            level: if options.quick { Compression::fast() } else { Compression::best() },
        })
    }

    /// The binary's file name.
    fn exe(&self) -> &str {
        &self.binary.path
    }

    /// A file of the repository.
    fn source(&self, path: &str) -> Result<Vec<u8>> {
        fs::read(root().join(path)).with_context(|| path.to_owned())
    }

    /// The archive; gives its name.
    fn archive(&self, folder: &str) -> Result<String> {
        let mut files = vec![self.binary.at(self.exe())];
        for path in BESIDE {
            let bytes = self.source(path)?;
            files.push(if path.ends_with(".sh") { Entry::program(path, bytes) } else { Entry::data(path, bytes) });
        }
        files.extend(self.shared.iter().map(|file| file.at(file.path.clone())));
        let name = format!("{folder}.tar.gz");
        archive::pack(&self.out.join(&name), folder, &files, self.level)?;
        Ok(name)
    }
}

/// Builds, packs, lists, and tries what came of it.
///
/// # Errors
/// It does not build, a file is missing, or what was packed does not install or run.
pub(crate) fn run(options: &Options) -> Result<()> {
    let host = host()?;
    let metadata =
        MetadataCommand::new().current_dir(root()).other_options(["--locked".into(), format!("--filter-platform={host}")]).exec()?;
    let build = Build::new(options, &metadata, &host)?;
    let folder = format!("ocmesh-{}-{host}", build.version);

    let (packed, listed) = (build.archive(&folder)?, format!("{folder}.cdx.json"));
    let components = sbom::write(&build.out.join(&listed), &metadata, &build.version)?;
    validate(&build.out.join(&listed))?;
    let wheel = wheel::write(&build)?;
    let [own, launcher] = npm::write(&build)?;
    let debian = debian::write(&build)?;
    let formula = brew::write(&build)?.to_owned();
    let bundle = bundle::write(&build)?;
    let made: Vec<&String> = [&packed, &listed, &wheel, &own, &launcher, &formula, &bundle].into_iter().chain(&debian).collect();
    let sums: String = made.iter().map(|file| Ok(format!("{}  {file}\n", sha256(&build.out.join(file))?))).collect::<Result<_>>()?;
    fs::write(build.out.join(CHECKSUMS), &sums)?;

    tried::checksums(&build.out)?;
    tried::archive(&build, &packed, &folder)?;
    tried::wheel(&build, &wheel)?;
    tried::npm(&build, &own, &launcher)?;
    if let Some(debian) = &debian {
        tried::debian(&build, debian)?;
    }
    tried::formula(&build, &packed)?;
    tried::bundle(&build, &bundle)?;
    say(&format!("{components} components; {}\n{}", build.out.display(), sums.trim_end()));
    Ok(())
}

/// The binary to be packed: the one that was given, or a new one.
fn program(options: &Options, stage: &Path) -> Result<PathBuf> {
    let found = if let Some(binary) = &options.binary {
        binary.canonicalize().with_context(|| format!("there is no {}", binary.display()))?
    } else {
        succeed(command(&cargo(), &["build", "--release", "--locked", "--package", "ocmesh"]))?;
        target_dir().join("release").join(format!("ocmesh{EXE_SUFFIX}"))
    };
    if !options.quick {
        return Ok(found);
    }
    let stripped = stage.join(format!("ocmesh{EXE_SUFFIX}"));
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(&stripped).arg(&found);
    succeed(strip)?;
    Ok(stripped)
}

/// Links of the README into the repository, as addresses.
fn absolute_links(text: &str, repository: &str) -> String {
    let mut parts = text.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| {
        let stays = part.starts_with('#') || part.split(')').next().is_some_and(|target| target.contains("://"));
        done + &(if stays { format!("]({part}") } else { format!("]({repository}/blob/main/{part}") })
    })
}

fn host() -> Result<String> {
    let version = read(command("rustc", &["--version", "--verbose"]))?;
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("rustc does not name its host")
}

fn sha256(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_the_readme_lead_somewhere_from_anywhere() {
        let text = "see [a](docs/a.md) and [b](https://b.example/x) and [c](#c)";
        let wanted = "see [a](https://r.example/blob/main/docs/a.md) and [b](https://b.example/x) and [c](#c)";
        assert_eq!(absolute_links(text, "https://r.example"), wanted);
    }
}
