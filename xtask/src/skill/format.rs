//! The format of `SKILL.md`: what makes an agent program load it, list it and offer to install what it needs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Folder;

/// The file that every agent program reads.
const SKILL: &str = "SKILL.md";
/// One line of a list of up to 150 skills; longer ones are cut.
const DESCRIPTION_CHARS: std::ops::Range<usize> = 40..160;
/// Read at every use, so far below the 256,000 bytes that loaders take.
const SKILL_BYTES_MAX: usize = 16 * 1024;
/// Everything together: what an agent may be made to read.
const FOLDER_BYTES_MAX: usize = 128 * 1024;
/// Keys that loaders know and that we have a use for. `always` puts a skill into every prompt, and a command that runs a tool without the
/// model is nothing for other people's words: neither is among them.
const FIELDS: [&str; 4] = ["name", "description", "homepage", "metadata"];
/// Ways to install that registries rate as harmless: a package of ours by its name. A download of any file is not among them.
const KINDS: [&str; 3] = ["brew", "uv", "node"];
/// Variables that any program may look at.
const COMMON_VARIABLES: [&str; 2] = ["HOME", "PATH"];

/// The head and the body of `SKILL.md`.
pub(super) fn parts(folder: &Folder) -> Option<(&str, &str)> {
    folder.text(SKILL).strip_prefix("---\n")?.split_once("\n---\n")
}

/// A key of the head, on one line.
pub(super) fn field(folder: &Folder, key: &str) -> Option<String> {
    let (head, _) = parts(folder)?;
    let value = head.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// What stands below `metadata:`, which is JSON with commas too many.
fn metadata(folder: &Folder) -> Option<Value> {
    let (head, _) = parts(folder)?;
    let (_, text) = head.split_once("\nmetadata:\n")?;
    let mut kept = String::new();
    for c in text.chars().filter(|c| !c.is_whitespace() || *c == ' ') {
        if matches!(c, ']' | '}') {
            kept.truncate(kept.trim_end_matches([' ', ',']).len());
        }
        kept.push(c);
    }
    serde_json::from_str(&kept).ok()
}

fn openclaw(folder: &Folder) -> Value {
    metadata(folder).and_then(|all| all.get("openclaw").cloned()).unwrap_or_default()
}

fn words(value: Option<&Value>) -> BTreeSet<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// There is a head, and what it holds can be read. Without one, loaders skip the skill without a word.
pub(super) fn front_matter(folder: &Folder) -> Vec<String> {
    match (parts(folder), metadata(folder)) {
        (None, _) => vec![format!("{SKILL} does not begin with a head between two lines of ---")],
        (Some(_), None) => vec!["what stands below `metadata:` is not JSON".to_owned()],
        (Some((_, body)), Some(_)) if body.trim().is_empty() => vec!["there is nothing below the head".to_owned()],
        _ => Vec::new(),
    }
}

/// The name is the folder's, in the letters that are allowed.
pub(super) fn name(folder: &Folder) -> Vec<String> {
    let name = field(folder, "name").unwrap_or_default();
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let shape = (1..=64).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-') && !name.contains("--");
    if name != folder.name {
        vec![format!("`{name}` is not the folder's name, `{}`", folder.name)]
    } else if !(letters && shape) {
        vec![format!("`{name}` has other characters than a-z, 0-9 and single hyphens within")]
    } else {
        Vec::new()
    }
}

/// One plain line, neither too short to find the skill by nor too long for the list, that says what it does and when to use it.
pub(super) fn description(folder: &Folder) -> Vec<String> {
    let Some(said) = field(folder, "description") else { return vec!["there is none, so the skill is skipped".to_owned()] };
    let count = said.chars().count();
    let mut found = Vec::new();
    if !DESCRIPTION_CHARS.contains(&count) {
        found.push(format!("{count} characters; {} to {} are right", DESCRIPTION_CHARS.start, DESCRIPTION_CHARS.end - 1));
    }
    if said.contains(": ") || said.contains(" #") || said.starts_with(['|', '>', '"', '\'', '[', '{', '&', '*', '!', '%', '@', '`']) {
        found.push("it is not plain YAML on one line".to_owned());
    }
    if !said.contains("Use ") {
        found.push("it does not say when to use the skill".to_owned());
    }
    found
}

/// No key that a loader would act on and that we did not mean.
pub(super) fn fields(folder: &Folder) -> Vec<String> {
    let Some((head, _)) = parts(folder) else { return Vec::new() };
    let keys = head.lines().filter(|line| !line.starts_with([' ', '#'])).filter_map(|line| Some(line.split_once(':')?.0));
    let mut found: Vec<String> = keys.filter(|key| !FIELDS.contains(key)).map(|key| format!("`{key}` is not one of {FIELDS:?}")).collect();
    if openclaw(folder).get("always").is_some() {
        found.push("`always` puts the skill into every prompt".to_owned());
    }
    found
}

/// What is needed can be installed by a package manager, under our own name.
pub(super) fn install(folder: &Folder) -> Vec<String> {
    let openclaw = openclaw(folder);
    let needed = words(openclaw.pointer("/requires/bins"));
    let ways = openclaw.get("install").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut found = Vec::new();
    if needed.len() != 1 || !needed.contains("ocmesh") {
        found.push(format!("it needs {needed:?}, not ocmesh alone"));
    }
    if ways.is_empty() {
        found.push("there is no way to install what it needs".to_owned());
    }
    for way in ways {
        let text = |key: &str| way.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let package = text("formula") + &text("package");
        if !KINDS.contains(&text("kind").as_str()) {
            found.push(format!("`{}` is not one of {KINDS:?}", text("kind")));
        }
        if package.rsplit('/').next() != Some("ocmesh") {
            found.push(format!("`{package}` is not ours"));
        }
        if words(way.get("bins")) != needed {
            found.push(format!("`{}` does not say that it brings what is needed", text("id")));
        }
    }
    found
}

/// Every variable that a file names is declared; scanners take one that is not for a secret that is wanted.
pub(super) fn environment(folder: &Folder) -> Vec<String> {
    let openclaw = openclaw(folder);
    let mut known: BTreeSet<String> = words(openclaw.pointer("/requires/env"));
    known.extend(COMMON_VARIABLES.map(str::to_owned));
    let declared = openclaw.get("envVars").and_then(Value::as_array).into_iter().flatten();
    known.extend(declared.filter_map(|one| one.get("name")?.as_str().map(str::to_owned)));
    let mut found = Vec::new();
    for (place, line) in folder.lines() {
        for name in variables(line).filter(|name| !known.contains(*name)) {
            found.push(format!("{place} names the variable {name}, which is not declared"));
        }
    }
    found
}

/// Names in capitals after a `$`, or with an underscore in them: `$TOKEN`, `${TOKEN}`, `OCMESH_TOKEN`.
fn variables(line: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    line.split(move |c: char| !part(c) && c != '$').flat_map(move |word| {
        let dollar = word.starts_with('$') || line.contains(&format!("${{{word}"));
        let name = word.trim_start_matches('$');
        let named = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.len() > 2;
        (named && (dollar || name.trim_matches('_').contains('_'))).then_some(name)
    })
}

/// Small enough to be read whenever it is used.
pub(super) fn size(folder: &Folder) -> Vec<String> {
    let (skill, all) = (folder.text(SKILL).len(), folder.files.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut found = Vec::new();
    if skill > SKILL_BYTES_MAX {
        found.push(format!("{SKILL} has {skill} bytes, more than {SKILL_BYTES_MAX}: long text goes to references/"));
    }
    if all > FOLDER_BYTES_MAX {
        found.push(format!("{all} bytes together, more than {FOLDER_BYTES_MAX}"));
    }
    found
}

/// Every file that `SKILL.md` names is there, and there is no file that nothing names.
pub(super) fn files(folder: &Folder) -> Vec<String> {
    let text = folder.text(SKILL);
    let mut found: Vec<String> = folder
        .files
        .iter()
        .filter(|(path, _)| path != SKILL && !text.contains(path.as_str()))
        .map(|(path, _)| format!("{path} is named nowhere in {SKILL}"))
        .collect();
    let named = text.split(|c: char| c.is_whitespace() || "`()\"".contains(c)).map(|word| word.trim_start_matches("{baseDir}/"));
    let inside = named.filter(|word| word.starts_with("references/") || word.starts_with("scripts/"));
    found.extend(inside.filter(|path| folder.text(path.trim_end_matches(['.', ','])).is_empty()).map(|path| format!("there is no {path}")));
    found
}
