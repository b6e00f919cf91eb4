//! The configuration: config.toml, the environment and flags, as an owner may write them.

#[path = "../../crates/ocmesh-daemon/src"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "the daemon uses all of it")]
pub(crate) mod daemon {
    pub mod config;
    pub mod home;
    pub mod identity {
        pub mod friendly_name;
        pub use friendly_name::friendly_name;
    }
    pub mod wake {
        pub mod target;
        pub use target::*;
    }
}

use std::{cell::RefCell, ffi::OsString, fs, path::PathBuf};

use daemon::{
    config::{Config, ConfigError, Place},
    home::Home,
};
use ocmesh_proto::{Policy, PubKey};

use crate::{NOTHING, promises::is_dangerous};

/// Longest message to an owner, in characters, beside the path in it.
const MESSAGE_CHARS_MAX: usize = 700;

/// A TOML text, then after a line `---` lines `NAME=value` for the environment and `--key=value` for flags.
pub fn check(data: &[u8]) -> &'static str {
    let Ok(text) = std::str::from_utf8(data) else { return NOTHING };
    let (file, rest) = text.split_once("\n---\n").unwrap_or((text, ""));
    let pairs = || rest.lines().filter_map(|line| line.split_once('='));
    let environment = pairs().filter(|(name, _)| !name.starts_with("--")).map(|(name, value)| (name.into(), value.into()));
    let flags: Vec<(String, String)> =
        pairs().filter_map(|(name, value)| Some((name.strip_prefix("--")?.to_owned(), value.to_owned()))).collect();
    match load(file, environment, &flags) {
        Ok(config) => {
            loads_again(&config);
            if config.explain().iter().all(|key| key.source == Place::Default) { "defaults" } else { "changed" }
        }
        Err(error) => refused(&error),
    }
}

thread_local! {
    /// A home of this process, made once.
    static HOME: RefCell<Option<(PathBuf, Home)>> = const { RefCell::new(None) };
}

fn load(file: &str, environment: impl Iterator<Item = (OsString, OsString)>, flags: &[(String, String)]) -> Result<Config, ConfigError> {
    HOME.with_borrow_mut(|slot| {
        let (path, home) = slot.get_or_insert_with(|| {
            let thread = format!("{:?}", std::thread::current().id()).replace(|c: char| !c.is_ascii_digit(), "");
            let path = std::env::temp_dir().join(format!("ocmesh-fuzz-{}-{thread}", std::process::id()));
            fs::create_dir_all(&path).expect("a folder");
            let home = Home::locate(|name| (name == "OCMESH_HOME").then(|| path.clone().into_os_string())).expect("a home");
            (path, home)
        });
        fs::write(path.join("config.toml"), file).expect("a file");
        let config = Config::load(home, environment, flags);
        fs::remove_file(path.join("config.toml")).expect("our file");
        config
    })
}

/// What `config show` tells is the configuration: written into a file it gives the same one.
fn loads_again(config: &Config) {
    let shown = as_file(config);
    let again = load(&shown, std::iter::empty(), &[]).unwrap_or_else(|error| panic!("{error}: what is shown is refused:\n{shown}"));
    let own = PubKey::from_bytes([7; 32]);
    // Relays that are written down are the owner's choice, and nothing stands in for them.
    let shown_policy = Policy { substitutes: Vec::new(), ..config.policy_for(&own) };
    assert_eq!(shown_policy, again.policy_for(&own), "what is shown is another policy");
    assert_eq!((&config.api, config.log, config.keychain), (&again.api, again.log, again.keychain), "what is shown is another daemon");
    assert_eq!(config.wakes, again.wakes, "what is shown wakes others");
    assert!(config.wakes.len() <= ocmesh_proto::limit::WAKE_TARGETS_MAX);
    let policy = config.policy_for(&own);
    crate::promises::is_label(&policy.name, ocmesh_proto::limit::NAME_CHARS_MAX);
    crate::promises::are_relays(&policy.relays, ocmesh_proto::limit::OWN_RELAYS_MAX);
    config.warnings.iter().for_each(|warning| one_line(warning));
}

/// Keys first, then the blocks `[[wake]]`, whose keys are shown as `wake.ID.KEY`.
fn as_file(config: &Config) -> String {
    let (mut keys, mut blocks, mut block) = (String::new(), String::new(), None);
    for line in config.explain() {
        match line.key.strip_prefix("wake.").and_then(|rest| rest.split_once('.')) {
            None => keys.push_str(&format!("{} = {}\n", line.key, line.value)),
            Some((id, key)) => {
                if block.replace(id) != Some(id) {
                    blocks.push_str("[[wake]]\n");
                }
                blocks.push_str(&format!("{key} = {}\n", line.value));
            }
        }
    }
    keys + &blocks
}

fn refused(error: &ConfigError) -> &'static str {
    one_line(&error.to_string());
    match error {
        ConfigError::Unreadable { .. } => "unreadable",
        ConfigError::Syntax { .. } => "no TOML",
        ConfigError::UnknownKey { .. } => "unknown key",
        ConfigError::NoAddress { .. } => "no address",
        ConfigError::BadValue { .. } => "bad value",
    }
}

/// Fit for a terminal and for the log.
fn one_line(text: &str) {
    assert!(!text.chars().any(is_dangerous), "a terminal would obey this: {text:?}");
    assert!(text.chars().count() <= MESSAGE_CHARS_MAX, "{} characters: {text}", text.chars().count());
}
