//! The Debian package, by Debian's own `dpkg-deb`: program, user unit, manual pages, completions.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{
    Build,
    archive::{Entry, STAMP, gzip},
    shared,
};
use crate::run::succeed;

/// Who answers for the package.
const MAINTAINER: &str = "The ocmesh contributors <ocmesh@users.noreply.github.com>";

/// Writes the package; gives its name, or nothing where the platform has no Debian.
pub(super) fn write(build: &Build) -> Result<Option<String>> {
    let (Some(architecture), Some((major, minor))) = (build.platform.debian, build.glibc) else { return Ok(None) };
    let name = format!("ocmesh_{}_{architecture}.deb", build.version);
    let tree = build.stage.path().join("debian");
    let files = files(build)?;
    let kib: usize = files.iter().map(|file| file.bytes.len().div_ceil(1024)).sum();
    for file in &files {
        place(&tree, file)?;
    }
    let about = &build.about;
    let control = format!(
        "Package: ocmesh\nVersion: {}\nArchitecture: {architecture}\nMaintainer: {MAINTAINER}\n\
         Installed-Size: {kib}\nDepends: libc6 (>= {major}.{minor}), libgcc-s1 (>= 4.2)\nSection: net\nPriority: optional\nHomepage: {}\n\
         Description: {}\n{}",
        build.version,
        about.repository,
        about.summary,
        indented(&wrapped(&about.long))
    );
    place(&tree, &Entry::data("DEBIAN/control", control.into_bytes()))?;
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.env("SOURCE_DATE_EPOCH", STAMP.to_string()).args([
        "--build",
        "--root-owner-group",
        "-Zxz",
        &format!("-z{}", if build.quick { 0 } else { 6 }),
    ]);
    dpkg.arg(&tree).arg(build.out.join(&name));
    succeed(dpkg)?;
    Ok(Some(name))
}

fn files(build: &Build) -> Result<Vec<Entry<'_>>> {
    let mut files = vec![build.binary.at("usr/bin/ocmesh")];
    files.push(Entry::data(
        "usr/lib/systemd/user/ocmesh.service",
        shared::unit(&build.program, build.stage.path(), "/usr/bin/ocmesh")?.into_bytes(),
    ));
    for page in &build.pages {
        files.push(Entry::data(format!("usr/share/man/man1/{}.gz", page.path), gzip(&page.bytes)?));
    }
    for (shell, place) in [
        ("ocmesh.bash", "bash-completion/completions/ocmesh"),
        ("_ocmesh", "zsh/vendor-completions/_ocmesh"),
        ("ocmesh.fish", "fish/vendor_completions.d/ocmesh.fish"),
    ] {
        let script = build.completions.iter().find(|file| file.path == shell).context("a shell without completions")?;
        files.push(script.at(format!("usr/share/{place}")));
    }
    let mit: String = build.source("LICENSE-MIT").and_then(|text| Ok(indented(&String::from_utf8(text)?)))?;
    let copyright = String::from_utf8(build.source("packaging/debian/copyright")?)? + &mit;
    files.push(Entry::data("usr/share/doc/ocmesh/copyright", copyright.into_bytes()));
    files.push(Entry::data("usr/share/doc/ocmesh/changelog.gz", gzip(changelog(&build.version).as_bytes())?));
    files.push(Entry::data("usr/share/doc/ocmesh/NEWS.md.gz", gzip(&build.source("CHANGELOG.md")?)?));
    files.push(Entry::data("usr/share/doc/ocmesh/README.md", build.about.readme.as_bytes()));
    Ok(files)
}

/// Lines of at most 78 characters, broken between words.
fn wrapped(text: &str) -> String {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.len() + word.len() >= 78 {
                lines.push(std::mem::take(&mut line));
            }
            line += if line.is_empty() { "" } else { " " };
            line += word;
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// Debian's own log of the package; what changed in the program is in the other one.
fn changelog(version: &str) -> String {
    format!(
        "ocmesh ({version}) unstable; urgency=medium\n\n  * Version {version}; see NEWS.md.\n\n -- {MAINTAINER}  Sat, 26 Oct 1985 08:15:00 +0000\n"
    )
}

/// A field over several lines: each begins with a blank, an empty one is a dot.
fn indented(text: &str) -> String {
    text.trim().lines().map(|line| if line.trim().is_empty() { " .\n".to_owned() } else { format!(" {}\n", line.trim_end()) }).collect()
}

/// Puts a file into the tree, with the permissions it will have, whatever this user's are.
fn place(tree: &Path, file: &Entry<'_>) -> Result<()> {
    let path = tree.join(&file.path);
    let parent = path.parent().context("a file without a folder")?;
    fs::create_dir_all(parent)?;
    fs::write(&path, &file.bytes).with_context(|| path.display().to_string())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode()))?;
        for folder in parent.ancestors().take_while(|folder| folder.starts_with(tree)) {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}
