//! The Python wheel: a ZIP with the binary as a script, made of the binary that was tested. `maturin` would build it anew
//! ([ADR 17](../../../docs/adr/0017-packages.md)).

use std::{fmt::Write as _, fs::File, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::{Build, archive::Entry};

/// Writes the wheel; gives its name.
pub(super) fn write(build: &Build) -> Result<String> {
    let tag = format!("py3-none-{}", build.platform.wheel_tag(build.glibc));
    let name = format!("ocmesh-{}-{tag}.whl", build.version);
    let (data, info) = (format!("ocmesh-{}.data", build.version), format!("ocmesh-{}.dist-info", build.version));
    let mut files = vec![build.binary.at(format!("{data}/scripts/{}", build.exe()))];
    files.extend(build.shared.iter().map(|file| file.at(format!("{data}/data/{}", file.path))));
    files.push(Entry::data(format!("{info}/METADATA"), metadata(build).into_bytes()));
    files.push(Entry::data(
        format!("{info}/WHEEL"),
        format!("Wheel-Version: 1.0\nGenerator: cargo xtask release\nRoot-Is-Purelib: false\nTag: {tag}\n").into_bytes(),
    ));
    files.extend(build.licences.iter().map(|file| file.at(format!("{info}/licenses/{}", file.path))));
    let record = record(&files, &info)?;
    files.push(Entry::data(format!("{info}/RECORD"), record.into_bytes()));
    zip(&build.out.join(&name), &files, build.level.level())?;
    Ok(name)
}

/// Metadata 2.4 of the Python packaging specifications.
fn metadata(build: &Build) -> String {
    let about = &build.about;
    let mut text = format!(
        "Metadata-Version: 2.4\nName: ocmesh\nVersion: {}\nSummary: {}\nKeywords: agent,ai,mcp,mesh,nostr\nLicense-Expression: {}\n",
        build.version, about.description, about.licence
    );
    for file in &build.licences {
        let _ = writeln!(text, "License-File: {}", file.path);
    }
    let _ = write!(
        text,
        "Project-URL: Homepage, {0}\nProject-URL: Changelog, {0}/blob/main/CHANGELOG.md\nClassifier: Environment :: Console\n\
         Classifier: Topic :: Communications\nRequires-Python: >=3.8\nDescription-Content-Type: text/markdown\n\n{1}",
        about.repository, about.readme
    );
    text
}

/// Every file with its checksum and size, as installers verify them; the list itself has none.
fn record(files: &[Entry<'_>], info: &str) -> Result<String> {
    let mut text = String::new();
    for file in files {
        writeln!(text, "{},sha256={},{}", file.path, URL_SAFE_NO_PAD.encode(Sha256::digest(&file.bytes)), file.bytes.len())?;
    }
    writeln!(text, "{info}/RECORD,,")?;
    Ok(text)
}

fn zip(to: &Path, files: &[Entry<'_>], level: u32) -> Result<()> {
    let mut archive = ZipWriter::new(File::create(to).with_context(|| to.display().to_string())?);
    let stamp = DateTime::from_date_and_time(1985, 10, 26, 8, 15, 0)?;
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).compression_level(Some(level.into()));
    for file in files {
        archive.start_file(&file.path, options.last_modified_time(stamp).unix_permissions(file.mode()))?;
        archive.write_all(&file.bytes)?;
    }
    archive.finish()?;
    Ok(())
}
