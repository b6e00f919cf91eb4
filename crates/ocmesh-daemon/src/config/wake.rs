//! The `[[wake]]` blocks of config.toml: who is woken, when not, and how.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use ocmesh_proto::{QuietHours, WakeTarget, limit::WAKE_TARGETS_MAX};
use ocmesh_relay::HookUrl;
use toml::Value;

use super::{ConfigError, Place, layer::Raw, layer::shown};
use crate::{
    home::Home,
    wake::{Adapter, Codex, Include, OpenClaw, OpenClawMode, Program, WakeConfig, Webhook},
};

/// Every key of a block, and the kinds that have it; none means all.
pub(super) const KEYS: &[(&str, &[&str])] = &[
    ("id", &[]),
    ("kind", &[]),
    ("budget_per_hour", &[]),
    ("quiet", &[]),
    ("urgent_passes_quiet", &[]),
    ("url", &["openclaw", "webhook"]),
    ("token_file", &["openclaw"]),
    ("mode", &["openclaw"]),
    ("agent", &["openclaw"]),
    ("secret_file", &["webhook"]),
    ("include", &["webhook"]),
    ("program", &["command", "codex"]),
    ("args", &["command", "codex"]),
    ("thread", &["codex"]),
];

const KINDS: [&str; 4] = ["openclaw", "webhook", "command", "codex"];
/// Longest name of a target: it stands in tables and in ids of deliveries.
const ID_CHARS_MAX: usize = 32;
/// Wakes an hour when nobody says: one every five minutes is a talk, and a bill that nobody regrets.
const BUDGET_DEFAULT: u32 = 12;
/// More an hour is no budget: one every four seconds.
const BUDGETS: RangeInclusive<i64> = 1..=1_000;
/// Arguments of a program, and the longest of them in bytes: far below what systems take.
const ARGS_MAX: usize = 32;
const ARG_BYTES_MAX: usize = 4_096;
/// Longest name of somebody else's agent or thread.
const NAME_CHARS_MAX: usize = 128;

/// One block as it was written.
pub(super) type RawBlock = BTreeMap<String, Raw>;

pub(super) fn check(blocks: &[RawBlock], home: &Home) -> Result<Vec<WakeConfig>, ConfigError> {
    let mut wakes: Vec<WakeConfig> = Vec::new();
    for block in blocks {
        let block = Block(block);
        let wake = one(&block, home)?;
        if wakes.len() >= WAKE_TARGETS_MAX {
            return Err(block.refuse("id", format!("one of at most {WAKE_TARGETS_MAX} targets")));
        }
        if wakes.iter().any(|other| other.target.id == wake.target.id) {
            return Err(block.refuse("id", "another id than that of the block above".to_owned()));
        }
        wakes.push(wake);
    }
    Ok(wakes)
}

fn one(block: &Block<'_>, home: &Home) -> Result<WakeConfig, ConfigError> {
    let id = block.text("id", "1 to 32 of the characters a to z, 0 to 9 and -", |id| {
        (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    })?;
    let kind = block.word("kind", &KINDS)?;
    for (key, kinds) in KEYS.iter().filter(|(_, kinds)| !kinds.is_empty() && !kinds.contains(&kind)) {
        if block.0.contains_key(*key) {
            return Err(block.refuse(key, format!("left out: it belongs to kind {}", kinds.join(" or "))));
        }
    }
    let target = WakeTarget {
        id: id.into(),
        budget_per_hour: block.number("budget_per_hour", BUDGETS)?.and_then(|number| u32::try_from(number).ok()).unwrap_or(BUDGET_DEFAULT),
        quiet: quiet(block)?,
        urgent_passes_quiet: block.switch("urgent_passes_quiet")?.unwrap_or(true),
    };
    let adapter = match kind {
        "openclaw" => Adapter::OpenClaw(openclaw(block, home)?),
        "webhook" => Adapter::Webhook(Webhook {
            url: block.url()?,
            secret_file: block.file("secret_file", home)?,
            include: if block.maybe_word("include", &["ids", "messages"])? == Some("messages") { Include::Messages } else { Include::Ids },
        }),
        "codex" => {
            let thread = block.text("thread", "the id of a thread: letters, digits, - and _", is_name)?.to_owned();
            Adapter::Codex(Codex { program: program(block)?, thread })
        }
        _ => Adapter::Command(program(block)?),
    };
    Ok(WakeConfig { target, adapter })
}

fn openclaw(block: &Block<'_>, home: &Home) -> Result<OpenClaw, ConfigError> {
    let isolated = block.maybe_word("mode", &["main", "isolated"])? == Some("isolated");
    let agent = match block.0.get("agent") {
        None => None,
        Some(_) if isolated => return Err(block.refuse("agent", "left out: the gateway's mapping names the agent".to_owned())),
        Some(_) => Some(block.text("agent", "the id of an agent: letters, digits, - and _", is_name)?.to_owned()),
    };
    let mode = if isolated { OpenClawMode::Isolated } else { OpenClawMode::Main };
    Ok(OpenClaw { url: block.url()?, token_file: block.file("token_file", home)?, mode, agent })
}

fn program(block: &Block<'_>) -> Result<Program, ConfigError> {
    let path = PathBuf::from(block.text("program", "the absolute path of a program", |path| Path::new(path).is_absolute())?);
    let allowed = || format!("a list of at most {ARGS_MAX} texts of at most {ARG_BYTES_MAX} bytes");
    let Some(raw) = block.0.get("args") else { return Ok(Program { path, args: Vec::new() }) };
    let args = raw.value.as_array().and_then(|args| args.iter().map(|arg| arg.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
    let fits = |args: &Vec<String>| args.len() <= ARGS_MAX && args.iter().all(|arg| arg.len() <= ARG_BYTES_MAX && !arg.contains('\0'));
    let args = args.filter(fits).ok_or_else(|| block.refuse("args", allowed()))?;
    Ok(Program { path, args })
}

fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// `22:00-07:00`.
fn quiet(block: &Block<'_>) -> Result<Option<QuietHours>, ConfigError> {
    if !block.0.contains_key("quiet") {
        return Ok(None);
    }
    let text = block.text("quiet", "hours of the day such as \"22:00-07:00\"", |text| hours(text).is_some())?;
    Ok(hours(text))
}

fn hours(text: &str) -> Option<QuietHours> {
    let (from, until) = text.split_once('-')?;
    let (from, until) = (minute(from.trim())?, minute(until.trim())?);
    (from != until).then_some(QuietHours { from, until })
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (hour, minute): (u16, u16) = (two_digits(hour).then(|| hour.parse().ok())??, two_digits(minute).then(|| minute.parse().ok())??);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// Reads the keys of a block as what they must be.
struct Block<'a>(&'a RawBlock);

impl Block<'_> {
    fn refuse(&self, key: &str, allowed: String) -> ConfigError {
        let raw = self.0.get(key);
        // A key that is missing is missed where its block begins.
        let place = raw.or_else(|| self.0.values().min_by_key(|raw| line(&raw.place))).map_or(Place::Default, |raw| raw.place.clone());
        let value = raw.map_or_else(|| "nothing".to_owned(), |raw| shown(&raw.value.to_string()));
        ConfigError::BadValue { key: format!("wake.{key}"), value, allowed, place }
    }

    fn text(&self, key: &str, allowed: &str, fits: impl Fn(&str) -> bool) -> Result<&str, ConfigError> {
        self.0.get(key).and_then(|raw| raw.value.as_str()).filter(|text| fits(text)).ok_or_else(|| self.refuse(key, allowed.to_owned()))
    }

    fn word(&self, key: &str, words: &[&'static str]) -> Result<&'static str, ConfigError> {
        let found = self.0.get(key).and_then(|raw| raw.value.as_str()).and_then(|text| words.iter().find(|word| **word == text));
        found.copied().ok_or_else(|| {
            let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
            self.refuse(key, quoted.join(" or "))
        })
    }

    fn maybe_word(&self, key: &str, words: &[&'static str]) -> Result<Option<&'static str>, ConfigError> {
        if self.0.contains_key(key) { self.word(key, words).map(Some) } else { Ok(None) }
    }

    fn number(&self, key: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, ConfigError> {
        let Some(raw) = self.0.get(key) else { return Ok(None) };
        let number = raw.value.as_integer().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| self.refuse(key, format!("a whole number from {} to {}", range.start(), range.end())))
    }

    fn switch(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        let Some(raw) = self.0.get(key) else { return Ok(None) };
        raw.value.as_bool().map(Some).ok_or_else(|| self.refuse(key, "true or false".to_owned()))
    }

    fn url(&self) -> Result<HookUrl, ConfigError> {
        let text = self.0.get("url").and_then(|raw| raw.value.as_str()).unwrap_or_default();
        HookUrl::parse(text).map_err(|error| self.refuse("url", format!("an address such as \"http://127.0.0.1:18789\" ({error})")))
    }

    /// A path, or one below the home directory.
    fn file(&self, key: &str, home: &Home) -> Result<PathBuf, ConfigError> {
        Ok(home
            .path()
            .join(self.text(key, "the path of a file that holds the secret and that only you can read", |path| !path.is_empty())?))
    }
}

fn line(place: &Place) -> usize {
    if let Place::File { line, .. } = place { *line } else { 0 }
}

/// The block's keys for `ocmesh config show`, by the name of its target.
pub(super) fn name(block: &RawBlock) -> String {
    match block.get("id").map(|raw| &raw.value) {
        Some(Value::String(id)) => shown(id),
        _ => "?".to_owned(),
    }
}
