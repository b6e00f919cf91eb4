//! The npm packages: `ocmesh`, which only starts the program, and one package for each platform, which only holds it. npm installs the one that
//! fits the machine as an optional dependency, so no script has to run.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{
    Build,
    archive::{Entry, pack},
    platform::{PLATFORMS, Platform},
};

/// Nodes that are still kept up by their authors.
const NODE: &str = ">=20";

/// Writes the package of this platform and the launcher; gives their names.
pub(super) fn write(build: &Build) -> Result<[String; 2]> {
    let (platform, version) = (build.platform, &build.version);
    let own = format!("ocmesh-{}-{version}.tgz", platform.npm_name());
    let text = |value: &Value| serde_json::to_vec_pretty(value);
    let mut files = vec![Entry::data("package.json", text(&platform_manifest(build, platform))?)];
    files.push(build.binary.at(format!("bin/{}", build.exe())));
    files.push(Entry::data(
        "README.md",
        format!("# @ocmesh/{0}\n\nThe program of [ocmesh](https://www.npmjs.com/package/ocmesh) for {0}.\n", platform.npm_name())
            .into_bytes(),
    ));
    files.extend(build.licences.iter().map(|file| file.at(file.path.clone())));
    pack(&build.out.join(&own), "package", &files, build.level)?;

    let launcher = format!("ocmesh-{version}.tgz");
    let mut files = vec![Entry::data("package.json", text(&launcher_manifest(build))?)];
    files.push(Entry::program("bin/ocmesh.js", build.source("packaging/npm/launcher.js")?));
    files.push(Entry::data("README.md", build.about.readme.as_bytes()));
    files.extend(build.licences.iter().map(|file| file.at(file.path.clone())));
    files.extend(build.pages.iter().map(|file| file.at(format!("man/{}", file.path))));
    pack(&build.out.join(&launcher), "package", &files, build.level)?;
    Ok([own, launcher])
}

fn manifest(build: &Build, name: &str, description: String) -> Map<String, Value> {
    let about = &build.about;
    let given = json!({
        "name": name,
        "version": build.version,
        "description": description,
        "license": about.licence,
        "homepage": about.repository,
        "repository": {"type": "git", "url": format!("git+{}.git", about.repository)},
        "engines": {"node": NODE},
    });
    given.as_object().cloned().unwrap_or_default()
}

fn platform_manifest(build: &Build, platform: Platform) -> Value {
    let name = platform.npm_name();
    let mut manifest = manifest(build, &format!("@ocmesh/{name}"), format!("The program of ocmesh for {name}"));
    manifest.extend([
        ("os".to_owned(), json!([platform.npm.0])),
        ("cpu".to_owned(), json!([platform.npm.1])),
        ("preferUnplugged".to_owned(), json!(true)),
    ]);
    if build.glibc.is_some() {
        manifest.insert("libc".to_owned(), json!(["glibc"]));
    }
    Value::Object(manifest)
}

fn launcher_manifest(build: &Build) -> Value {
    let packages = PLATFORMS.map(|platform| (format!("@ocmesh/{}", platform.npm_name()), json!(build.version)));
    let mut manifest = manifest(build, "ocmesh", build.about.description.clone());
    let pages: Vec<String> = build.pages.iter().map(|file| format!("man/{}", file.path)).collect();
    manifest.extend([
        ("keywords".to_owned(), json!(["agent", "ai", "mcp", "mesh", "nostr"])),
        ("bin".to_owned(), json!({"ocmesh": "bin/ocmesh.js"})),
        ("man".to_owned(), json!(pages)),
        ("optionalDependencies".to_owned(), Value::Object(packages.into_iter().collect())),
    ]);
    Value::Object(manifest)
}
