//! Each file of a release, installed by the program it is for, from the file, without a network; and what was installed is run.

mod npm;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

pub(super) use self::npm::npm;
use super::{BESIDE, Build, CHECKSUMS, brew::FORMULA};
use crate::run::{read, root, say, succeed};

/// A program of this machine, told nothing of this user but where to find programs.
fn foreign(program: impl AsRef<std::ffi::OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("PATH", env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C.UTF-8").current_dir(home);
    command
}

/// A directory for one try.
fn place(build: &Build, name: &str) -> Result<PathBuf> {
    let place = build.stage.path().join("tried").join(name);
    fs::create_dir_all(&place)?;
    Ok(place)
}

/// What was installed says the right version, and two agents meet through it.
fn works(build: &Build, program: &Path, home: &Path) -> Result<()> {
    let mut version = foreign(program, home);
    version.arg("--version");
    let said = read(version)?;
    ensure!(said.trim() == format!("ocmesh {}", build.version), "{} says {said:?}", program.display());
    let mut demo = foreign(program, home);
    demo.args(["--json", "demo"]);
    let told = read(demo)?;
    ensure!(told.contains("\"delivered\"") && told.contains("\"done\""), "the demo of {} did not end well: {told}", program.display());
    Ok(())
}

fn version_is(manifest: &serde_json::Value, version: &str) -> bool {
    manifest.get("version").and_then(serde_json::Value::as_str) == Some(version)
}

/// A tool that a try needs: from a variable, or on the PATH. Continuous integration has every one.
fn tool(variable: &str, name: &str, what: &str) -> Result<Option<PathBuf>> {
    let given = env::var_os(variable).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let found = given.or_else(|| env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file()));
    if found.is_none() {
        if env::var_os("CI").is_some() {
            bail!("{what} cannot be tried: there is no {name} ({variable})");
        }
        say(&format!("{what} was NOT tried: there is no {name} ({variable})"));
    }
    Ok(found)
}

/// By another program than the one that wrote them.
pub(super) fn checksums(out: &Path) -> Result<()> {
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--strict", "--quiet", CHECKSUMS]).current_dir(out);
    succeed(check)
}

/// Unpacked by `tar`; every file came out as it went in.
pub(super) fn archive(build: &Build, packed: &str, folder: &str) -> Result<()> {
    let home = place(build, "archive")?;
    unpack(&build.out.join(packed), &home)?;
    let inside = home.join(folder);
    ensure!(fs::read(inside.join(build.exe()))? == *build.binary.bytes, "the binary in the archive is another one");
    for file in BESIDE {
        ensure!(fs::read(inside.join(file))? == fs::read(root().join(file))?, "{file} in the archive is another one");
    }
    works(build, &inside.join(build.exe()), &home)
}

fn unpack(packed: &Path, to: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(packed).arg("-C").arg(to);
    succeed(tar)
}

/// By `uv tool install`, as OpenClaw installs it.
pub(super) fn wheel(build: &Build, wheel: &str) -> Result<()> {
    let Some(uv) = tool("OCMESH_UV", "uv", "the wheel")? else { return Ok(()) };
    let home = place(build, "wheel")?;
    let run = |words: &[&str]| {
        let mut command = foreign(&uv, &home);
        command.args(words).args(["--offline", "--no-config", "--quiet"]);
        command
    };
    let file = build.out.join(wheel);
    succeed(run(&["tool", "install", "--python-preference", "only-system", file.to_str().context("a path that is not UTF-8")?]))?;
    works(build, &home.join(".local/bin/ocmesh"), &home)?;
    let tools = home.join(".local/share/uv/tools/ocmesh");
    for page in ["share/man/man1/ocmesh-send.1", "share/bash-completion/completions/ocmesh"] {
        ensure!(tools.join(page).is_file(), "the wheel brings no {page}");
    }
    succeed(run(&["tool", "uninstall", "ocmesh"]))?;
    ensure!(!home.join(".local/bin/ocmesh").exists() && !tools.exists(), "uv left something behind");
    Ok(())
}

/// By `dpkg` into a root of its own; and apt finds what it depends on.
pub(super) fn debian(build: &Build, package: &str) -> Result<()> {
    let root = place(build, "debian")?;
    let file = build.out.join(package);
    let mut field = foreign("dpkg-deb", &root);
    field.arg("--field").arg(&file).arg("Version");
    let version = read(field)?;
    ensure!(version.trim() == build.version, "the package says that it is {version}");
    let mut apt = foreign("apt-get", &root);
    apt.args(["--simulate", "--quiet=2", "--no-install-recommends", "install"]).arg(&file);
    let plan = read(apt)?;
    ensure!(plan.contains("Inst ocmesh"), "apt would not install it: {plan}");

    install(&file, &root)?;
    works(build, &root.join("usr/bin/ocmesh"), &root)?;
    for path in ["usr/share/man/man1/ocmesh-send.1.gz", "usr/share/bash-completion/completions/ocmesh", "usr/share/doc/ocmesh/copyright"] {
        ensure!(root.join(path).is_file(), "the package brings no {path}");
    }
    let unit = fs::read_to_string(root.join("usr/lib/systemd/user/ocmesh.service"))?;
    ensure!(unit.contains("\nExecStart=/usr/bin/ocmesh \"daemon\"\n"), "the unit starts something else: {unit}");
    Ok(())
}

/// `dpkg` itself into an empty root, where this user may; only root may, and others unpack.
fn install(file: &Path, root: &Path) -> Result<()> {
    let mut who = Command::new("id");
    who.arg("-u");
    if read(who)?.trim() != "0" {
        let mut extract = foreign("dpkg-deb", root);
        extract.arg("--extract").arg(file).arg(root);
        return succeed(extract);
    }
    let database = root.join("var/lib/dpkg");
    fs::create_dir_all(database.join("info"))?;
    fs::create_dir_all(database.join("updates"))?;
    fs::write(database.join("status"), "")?;
    let mut dpkg = foreign("dpkg", root);
    // The libraries it depends on are the machine's, not this root's; apt has looked after them.
    dpkg.arg(format!("--root={}", root.display())).args(["--force-depends", "--log=/dev/null", "--install"]).arg(file);
    ensure!(read(dpkg)?.contains("Setting up ocmesh"), "dpkg did not set it up");
    Ok(())
}

/// By a stand-in for Homebrew that knows what the formula uses, from the archive.
pub(super) fn formula(build: &Build, packed: &str) -> Result<()> {
    let Some(ruby) = tool("OCMESH_RUBY", "ruby", "the formula")? else { return Ok(()) };
    let home = place(build, "formula")?;
    let mut brew = foreign(ruby, &home);
    brew.arg(root().join("packaging/homebrew/stand_in.rb")).arg(build.out.join(FORMULA)).arg(build.out.join(packed)).arg(&home);
    succeed(brew)?;
    works(build, &home.join("bin/ocmesh"), &home)
}

/// Unpacked; where an agent program is named, it validates the folder itself. They are too big to be installed for every run.
pub(super) fn bundle(build: &Build, bundle: &str) -> Result<()> {
    let home = place(build, "bundle")?;
    unpack(&build.out.join(bundle), &home)?;
    let folder = home.join("ocmesh");
    for (variable, words) in [("OCMESH_CLAUDE", ["plugin", "validate"]), ("OCMESH_GEMINI", ["extensions", "validate"])] {
        if let Some(program) = env::var_os(variable) {
            let mut validate = foreign(program, &home);
            validate.args(words).arg(&folder);
            succeed(validate)?;
        }
    }
    for file in [".claude-plugin/plugin.json", "gemini-extension.json"] {
        let manifest: serde_json::Value = serde_json::from_slice(&fs::read(folder.join(file))?)?;
        ensure!(version_is(&manifest, &build.version), "{file} is of another version");
    }
    Ok(())
}
