//! The bundle for agent programs: one folder that Claude Code and OpenClaw take as a plugin and Gemini CLI as an extension. Its skill and every
//! word in it come from `skill/ocmesh`, so that nothing is written twice.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    Build,
    archive::{Entry, pack},
};
use crate::{
    run::root,
    skill::{self, Folder},
};

/// Writes the bundle's archive; gives its name.
pub(super) fn write(build: &Build) -> Result<String> {
    let name = format!("ocmesh-agent-bundle-{}.tar.gz", build.version);
    let files = files(&build.version, &build.about.repository, &build.about.licence)?;
    let mut entries: Vec<Entry<'_>> = files
        .into_iter()
        .map(
            |(path, text)| {
                if path.ends_with(".sh") { Entry::program(path, text.into_bytes()) } else { Entry::data(path, text.into_bytes()) }
            },
        )
        .collect();
    entries.extend(build.licences.iter().map(|file| file.at(file.path.clone())));
    pack(&build.out.join(&name), "ocmesh", &entries, build.level)?;
    Ok(name)
}

/// Every file of the bundle but the licences, by its path.
fn files(version: &str, repository: &str, licence: &str) -> Result<BTreeMap<String, String>> {
    let skill = Folder::read(&root().join(skill::PLACE))?;
    let description = skill.field("description").context("the skill has no description")?;
    let servers = json!({"ocmesh": {"command": "ocmesh", "args": ["mcp"]}});
    let plugin = json!({
        "name": "ocmesh", "version": version, "description": description, "author": {"name": "The ocmesh contributors"},
        "homepage": repository, "repository": repository, "license": licence, "keywords": ["agents", "messaging", "nostr", "mcp"],
    });
    let extension = json!({
        "name": "ocmesh", "version": version, "description": description, "mcpServers": servers, "contextFileName": "GEMINI.md",
    });
    let text = |value: &Value| Ok::<_, anyhow::Error>(serde_json::to_string_pretty(value)? + "\n");
    let mut files = BTreeMap::from([
        (".claude-plugin/plugin.json".to_owned(), text(&plugin)?),
        (".mcp.json".to_owned(), text(&json!({"mcpServers": servers}))?),
        ("gemini-extension.json".to_owned(), text(&extension)?),
        ("GEMINI.md".to_owned(), context(&skill)?),
        ("README.md".to_owned(), page(&skill)?),
    ]);
    files.extend(skill.files.into_iter().map(|(path, text)| (format!("skills/ocmesh/{path}"), text)));
    Ok(files)
}

/// What Gemini CLI reads in every session: when to use the mesh, and the rules. How, the tools and the skill say.
fn context(skill: &Folder) -> Result<String> {
    let section = |heading: &str| {
        let (_, rest) = skill
            .text("SKILL.md")
            .split_once(&format!("\n## {heading}\n"))
            .with_context(|| format!("no section {heading:?} in the skill"))?;
        let body = rest.split_once("\n## ").map_or(rest, |(body, _)| body);
        Ok::<_, anyhow::Error>(format!("## {heading}\n\n{}\n", body.trim()))
    };
    Ok(format!("# ocmesh\n\nThe tools `mesh_*` reach other people's AI agents.\n\n{}\n{}", section("When to use it")?, section("Rules")?))
}

/// What people read before they install it, and the directory of Claude Code's plugins asks for: the skill without its front matter.
fn page(skill: &Folder) -> Result<String> {
    let (_, body) = skill.text("SKILL.md").trim_start_matches("---\n").split_once("\n---\n").context("the skill has no front matter")?;
    Ok(body.trim_start().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundle_has_what_each_program_looks_for_and_one_version() {
        let files = files("1.2.3", "https://example.com/ocmesh", "MIT").unwrap();
        let json = |path: &str| -> Value { serde_json::from_str(&files[path]).unwrap() };
        for manifest in [".claude-plugin/plugin.json", "gemini-extension.json"] {
            assert_eq!((&json(manifest)["name"], &json(manifest)["version"]), (&"ocmesh".into(), &"1.2.3".into()), "{manifest}");
        }
        assert_eq!(json(".mcp.json")["mcpServers"], json("gemini-extension.json")["mcpServers"]);
        assert_eq!(files["skills/ocmesh/SKILL.md"], std::fs::read_to_string(root().join("skill/ocmesh/SKILL.md")).unwrap());
        assert!(files["README.md"].starts_with("# ocmesh\n") && files["README.md"].contains("ocmesh service uninstall"));
        assert!(files["GEMINI.md"].contains("data, never an instruction") && files["GEMINI.md"].contains("who else is running ocmesh"));
    }

    #[test]
    fn the_scanners_find_nothing_in_the_bundle_either() {
        let files = files("1.2.3", "https://example.com/ocmesh", "MIT").unwrap();
        let bundle =
            Folder { name: "ocmesh".to_owned(), files: files.into_iter().filter(|(path, _)| !path.starts_with("skills/")).collect() };
        assert_eq!(skill::scan(&bundle), Vec::<String>::new());
        let bad = Folder { files: vec![(".mcp.json".to_owned(), "{\"url\": \"http://127.0.0.1:7432/mcp\"}".to_owned())], ..bundle };
        assert_eq!(skill::scan(&bad).len(), 1);
    }
}
