//! What is in the binary, as CycloneDX 1.5 wants it: every crate that is built into it or runs while it is built, with its licence and checksum.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};
use serde_json::{Value, json};

use crate::run::root;

/// Writes the list; gives how many components it has.
pub(super) fn write(to: &Path, metadata: &Metadata, version: &str) -> Result<usize> {
    let list = list(metadata, version, &checksums(&fs::read_to_string(root().join("Cargo.lock"))?))?;
    let count = list.get("components").and_then(Value::as_array).map_or(0, Vec::len);
    fs::write(to, serde_json::to_string_pretty(&list)?)?;
    Ok(count)
}

fn list(metadata: &Metadata, version: &str, checksums: &BTreeMap<(String, String), String>) -> Result<Value> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let ships = |kind: DependencyKind| kind != DependencyKind::Development;
            let kept = node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| ships(kind.kind)));
            (&node.id, kept.map(|dep| &dep.pkg).collect())
        })
        .collect();
    let binary = metadata.packages.iter().find(|package| package.name == "ocmesh").context("no package ocmesh")?;
    let mut reached = BTreeSet::from([&binary.id]);
    let mut left = vec![&binary.id];
    while let Some(id) = left.pop() {
        left.extend(edges.get(id).into_iter().flatten().filter(|next| reached.insert(**next)));
    }
    let packages: Vec<&Package> = metadata.packages.iter().filter(|package| reached.contains(&package.id)).collect();
    ensure!(packages.len() == reached.len(), "cargo metadata names packages that it does not list");
    let reference = |package: &Package| format!("pkg:cargo/{}@{}", package.name, package.version);
    let references: BTreeMap<&PackageId, String> = packages.iter().map(|package| (&package.id, reference(package))).collect();
    let depends = packages.iter().map(|package| {
        let on: BTreeSet<&String> = edges.get(&package.id).into_iter().flatten().filter_map(|id| references.get(*id)).collect();
        json!({"ref": reference(package), "dependsOn": on})
    });
    let components = packages.iter().filter(|package| package.id != binary.id).map(|package| component(package, checksums));
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application", "bom-ref": reference(binary), "name": "ocmesh", "version": version, "purl": reference(binary),
        }},
        "components": components.collect::<Vec<_>>(),
        "dependencies": depends.collect::<Vec<_>>(),
    }))
}

fn component(package: &Package, checksums: &BTreeMap<(String, String), String>) -> Value {
    let reference = format!("pkg:cargo/{}@{}", package.name, package.version);
    let version = package.version.to_string();
    // The old spelling of "or" is not an SPDX expression.
    let licences: Vec<Value> = package.license.iter().map(|licence| json!({"expression": licence.replace('/', " OR ")})).collect();
    let sums = checksums.get(&(package.name.to_string(), version.clone()));
    let hashes: Vec<Value> = sums.into_iter().map(|sum| json!({"alg": "SHA-256", "content": sum})).collect();
    json!({
        "type": "library",
        "bom-ref": reference,
        "name": package.name,
        "version": version,
        "purl": reference,
        "scope": "required",
        "licenses": licences,
        "hashes": hashes,
    })
}

/// Checksums of registry crates, by name and version, from the lock file.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let field = |entry: &str, name: &str| {
        let line = entry.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""))?;
        Some(line.strip_suffix('"')?.to_owned())
    };
    let one = |entry: &str| Some(((field(entry, "name")?, field(entry, "version")?), field(entry, "checksum")?));
    lock.split("[[package]]").filter_map(one).collect()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a list without these fields has failed")]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_what_ships_and_not_what_only_tests() {
        let metadata = cargo_metadata::MetadataCommand::new().current_dir(root()).exec().unwrap();
        let sums = checksums(&fs::read_to_string(root().join("Cargo.lock")).unwrap());
        let list = list(&metadata, "1.2.3", &sums).unwrap();
        let components = list["components"].as_array().unwrap();
        let named = |name: &str| components.iter().find(|component| component["name"] == name);
        let sqlcipher = named("sqlcipher-src").or_else(|| named("libsqlite3-sys")).unwrap();
        assert_eq!(sqlcipher["hashes"][0]["content"].as_str().unwrap().len(), 64);
        assert!(named("ocmesh-proto").is_some(), "our own crates are in it");
        assert!(named("proptest").is_none() && named("ocmesh-testkit").is_none(), "tests do not ship");
        let unlicensed: Vec<_> = components.iter().filter(|component| component["licenses"].as_array().unwrap().is_empty()).collect();
        assert!(unlicensed.is_empty(), "{unlicensed:?}");
        let references: BTreeSet<_> = list["dependencies"].as_array().unwrap().iter().map(|entry| entry["ref"].as_str().unwrap()).collect();
        assert_eq!(references.len(), components.len() + 1, "each once, and the binary");
    }
}
