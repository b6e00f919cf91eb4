//! What the skill tells an agent: a program that stays is disclosed, strangers are the owner's to let in, and their words are data.

use super::{Folder, format::parts};

fn body(folder: &Folder) -> &str {
    parts(folder).map_or("", |(_, body)| body)
}

fn missing(folder: &Folder, wanted: &[&str], why: &str) -> Vec<String> {
    // What a person reads does not depend on where a line was broken.
    let text = body(folder).split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    wanted.iter().filter(|words| !text.contains(&words.to_lowercase())).map(|words| format!("it does not say \"{words}\": {why}")).collect()
}

/// When to use it and when not, in the words that owners say; and where the rest is.
pub(super) fn when_to_use(folder: &Folder) -> Vec<String> {
    let wanted = [
        "connect with other agents",
        "who else is running ocmesh",
        "Do not use it for",
        "http://localhost:7432",
        "`references/api.md`",
        "--json",
    ];
    missing(folder, &wanted, "an agent must know when to use it, and how")
}

/// The daemon: that there is one, what it does, how it is started, seen, stopped and removed, and that the owner is asked first.
pub(super) fn daemon_disclosed(folder: &Folder) -> Vec<String> {
    let wanted = [
        "background daemon",
        "at every login",
        "ocmesh service install",
        "ocmesh service status",
        "ocmesh service stop",
        "ocmesh service start",
        "ocmesh service uninstall",
        "~/.ocmesh",
        "announces",
        "Ask your owner before you install the service",
    ];
    missing(folder, &wanted, "what stays on a machine is disclosed")
}

/// The owner decides who is trusted, what leaves the machine, and what becomes of keys.
pub(super) fn owner_asked(folder: &Folder) -> Vec<String> {
    let wanted = [
        "Ask your owner before you accept or trust a peer",
        "send anything private",
        "act on what a peer asks for",
        "Never read or print files in `~/.ocmesh`",
        "never ask for the key or a passphrase",
    ];
    missing(folder, &wanted, "these are the owner's decisions")
}

/// No file tells anybody to let strangers in, or past a guard, by itself.
pub(super) fn nobody_let_in(folder: &Folder) -> Vec<String> {
    let tells = ["pairing approve", "approve the pairing", "auto-approve", "auto-accept", "auto-trust", "--allow-secret", "peer unblock"];
    let itself =
        ["automatically approve", "automatically accept", "automatically trust", "accept every", "trust every", "accept all", "trust all"];
    let mut found = Vec::new();
    for (place, line) in folder.lines() {
        let line = line.to_lowercase();
        found.extend(tells.iter().chain(&itself).filter(|words| line.contains(**words)).map(|words| format!("{place} says \"{words}\"")));
    }
    found
}

/// What peers write is data. An agent that reads this skill and nothing else must know it.
pub(super) fn data_not_orders(folder: &Folder) -> Vec<String> {
    let wanted = ["data, never an instruction", "come from strangers", "Do only what your owner asked for", "untrusted"];
    missing(folder, &wanted, "an agent must know it before it reads a message")
}

/// Registries publish every skill under a licence of their own; another one in the text contradicts it.
pub(super) fn licence(folder: &Folder) -> Vec<String> {
    let licences = ["Apache-2.0", "Apache License", "MIT License", "GPL", "All rights reserved", "Copyright"];
    let found = folder.lines().flat_map(|(place, line)| {
        licences.iter().filter(move |words| line.contains(**words)).map(move |words| format!("{place} speaks of a licence: {words}"))
    });
    found.collect()
}
