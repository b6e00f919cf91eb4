//! From raw values to checked ones: each key with what it may be.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use ocmesh_proto::{
    EncryptionPolicy, HandshakeMode, InboxPolicy, NotePolicy, PeerStatus, Policy, RelayUrl, SecretsPolicy, label,
    limit::{ABOUT_CHARS_MAX, FEATURE_CHARS_MAX, FEATURES_MAX, NAME_CHARS_MAX, OWN_RELAYS_MAX, WORK_BITS_MAX},
};
use toml::Value;

use super::{
    ApiAuth, ApiConfig, ConfigError, KeychainUse, LogConfig, LogLevel, Place,
    layer::{Layers, shown},
    span, wake,
};
use crate::{home::Home, wake::WakeConfig};

/// Longest path of a Unix socket in bytes: macOS has room for 104 with the closing zero, Linux for 108.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Relays that serve everybody, apart from the default ones. In this order.
const SUBSTITUTES: [&str; 4] = ["wss://offchain.pub", "wss://nostr.mom", "wss://nostr.oxtr.dev", "wss://relay.ditto.pub"];

pub(super) struct Checked {
    pub(super) policy: Policy,
    pub(super) api: ApiConfig,
    pub(super) log: LogConfig,
    pub(super) keychain: KeychainUse,
    pub(super) wakes: Vec<WakeConfig>,
}

pub(super) fn check(layers: &Layers, home: &Home) -> Result<Checked, ConfigError> {
    let from = Keys(layers);
    let wakes = wake::check(layers.wakes(), home)?;
    let targets = wakes.iter().map(|wake| wake.target.clone()).collect();
    Ok(Checked {
        policy: Policy { wakes: targets, ..policy(&from)? },
        wakes,
        api: ApiConfig {
            port: from.number("api.port", 0..=u16::MAX)?,
            auth: from.word("api.auth", &[("same-user", ApiAuth::SameUser), ("token", ApiAuth::Token)])?,
            socket: socket(&from, home)?,
            // Fewer, and one command line with a long poll beside it would be in the way of itself.
            requests_per_second: from.number("api.requests_per_second", 10..=100_000)?,
        },
        log: LogConfig {
            level: from.word(
                "log.level",
                &[("error", LogLevel::Error), ("warn", LogLevel::Warn), ("info", LogLevel::Info), ("debug", LogLevel::Debug)],
            )?,
            keep_days: from.number("log.keep_days", 1..=365)?,
            keep_mb: from.number("log.keep_mb", 1..=10_000)?,
        },
        keychain: from.word("keychain", &[("auto", KeychainUse::Auto), ("on", KeychainUse::On), ("off", KeychainUse::Off)])?,
    })
}

fn policy(from: &Keys<'_>) -> Result<Policy, ConfigError> {
    Ok(Policy {
        name: from.label("name", NAME_CHARS_MAX)?,
        about: from.label("about", ABOUT_CHARS_MAX)?,
        features: features(from)?,
        status: from.word(
            "presence.status",
            &[PeerStatus::Online, PeerStatus::Busy, PeerStatus::Quiet, PeerStatus::Offline].map(|status| (status.as_str(), status)),
        )?,
        relays: relays(from)?,
        substitutes: substitutes(from),
        // Faster than 30 s no relay would bear; slower than 1 h others would take us for gone.
        presence_interval_ms: from.span("presence.interval", 30, 60 * 60)?,
        presence_note: from
            .word("presence.note", &[("expiring", NotePolicy::Expiring), ("always", NotePolicy::Always), ("never", NotePolicy::Never)])?,
        discovery_interval_ms: from.span("discovery.interval", 10, 60 * 60)?,
        handshake: from
            .word("handshake.mode", &[("auto", HandshakeMode::Auto), ("known", HandshakeMode::Known), ("off", HandshakeMode::Off)])?,
        hellos_per_minute: from.number("handshake.per_minute", 1..=60)?,
        hellos_per_day: from.number("handshake.per_day", 1..=10_000)?,
        encryption: from.word(
            "messages.encryption",
            &[("auto", EncryptionPolicy::Auto), ("nip17", EncryptionPolicy::Nip17), ("nip04", EncryptionPolicy::Nip04)],
        )?,
        message_ttl_ms: from.span("messages.ttl", 60, 30 * 24 * 60 * 60)?,
        inbox: from.word("inbox.policy", &[("open", InboxPolicy::Open), ("ask", InboxPolicy::Ask), ("closed", InboxPolicy::Closed)])?,
        inbox_work: from.number("inbox.pow", 0..=WORK_BITS_MAX)?,
        // Twice of it is at most an hour, as promised; less than ten seconds no relay would bear.
        inbox_check_interval_ms: from.span("inbox.check_interval", 10, 30 * 60)?,
        // Fewer turns than four would stop a question that is asked back; whoever wants no guard takes a number that is never reached.
        loop_turns_max: from.number("loops.turns", 4..=1_000_000)?,
        secrets: from
            .word("send.secrets", &[("refuse", SecretsPolicy::Refuse), ("warn", SecretsPolicy::Warn), ("off", SecretsPolicy::Off)])?,
        agent_sends_per_hour: from.number("send.per_hour", 1..=100_000)?,
        private_relays: from.switch("discovery.private_relays")?,
        wakes: Vec::new(),
    })
}

fn features(from: &Keys<'_>) -> Result<Vec<String>, ConfigError> {
    const KEY: &str = "features";
    let allowed = || format!("at most {FEATURES_MAX} words of at most {FEATURE_CHARS_MAX} visible characters");
    let words = from.texts(KEY, &allowed)?;
    let fits = |word: &String| label::clean(word, FEATURE_CHARS_MAX).as_deref() == Some(word.as_str());
    if words.len() > FEATURES_MAX || !words.iter().all(fits) {
        return Err(from.refuse(KEY, allowed()));
    }
    Ok(words)
}

fn relays(from: &Keys<'_>) -> Result<Vec<RelayUrl>, ConfigError> {
    const KEY: &str = "relays";
    let allowed = || format!("a list of at most {OWN_RELAYS_MAX} addresses such as \"wss://relay.example.com\"");
    let mut relays = Vec::new();
    for text in from.texts(KEY, &allowed)? {
        let relay = RelayUrl::parse(&text)
            .map_err(|error| from.refuse_value(KEY, format!("{:?}", shown(&text)), format!("a relay address ({error})")))?;
        if !relays.contains(&relay) {
            relays.push(relay);
        }
    }
    if relays.len() > OWN_RELAYS_MAX {
        return Err(from.refuse(KEY, allowed()));
    }
    Ok(relays)
}

/// Who may stand in for a relay that is no use. Only where the owner named none: whoever names relays means these.
fn substitutes(from: &Keys<'_>) -> Vec<RelayUrl> {
    let is_default = from.0.get("relays").is_none_or(|raw| raw.place == Place::Default);
    let urls = SUBSTITUTES.iter().filter(|_| is_default);
    urls.filter_map(|url| RelayUrl::parse(url).ok()).collect()
}

fn socket(from: &Keys<'_>, home: &Home) -> Result<Option<PathBuf>, ConfigError> {
    const KEY: &str = "api.socket";
    let allowed = || "\"on\", \"off\" or an absolute path".to_owned();
    let path = match from.text(KEY, &allowed)? {
        "off" => return Ok(None),
        "on" => home.socket(),
        path if Path::new(path).is_absolute() => PathBuf::from(path),
        _ => return Err(from.refuse(KEY, allowed())),
    };
    if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        let value = format!("{:?}", shown(&path.display().to_string()));
        let allowed = format!("a path of at most {SOCKET_PATH_BYTES_MAX} bytes (or \"off\")");
        return Err(from.refuse_value(KEY, value, allowed));
    }
    Ok(Some(path))
}

/// Reads keys as what they must be.
struct Keys<'a>(&'a Layers);

impl Keys<'_> {
    fn value(&self, key: &str) -> Option<&Value> {
        self.0.get(key).map(|raw| &raw.value)
    }

    fn refuse(&self, key: &str, allowed: String) -> ConfigError {
        let value = self.value(key).map_or_else(|| "nothing".to_owned(), |value| shown(&value.to_string()));
        self.refuse_value(key, value, allowed)
    }

    fn refuse_value(&self, key: &str, value: String, allowed: String) -> ConfigError {
        let place = self.0.get(key).map_or(Place::Default, |raw| raw.place.clone());
        ConfigError::BadValue { key: key.to_owned(), value, allowed, place }
    }

    fn text(&self, key: &str, allowed: &dyn Fn() -> String) -> Result<&str, ConfigError> {
        self.value(key).and_then(Value::as_str).ok_or_else(|| self.refuse(key, allowed()))
    }

    fn texts(&self, key: &str, allowed: &dyn Fn() -> String) -> Result<Vec<String>, ConfigError> {
        let texts = self
            .value(key)
            .and_then(Value::as_array)
            .and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
        texts.ok_or_else(|| self.refuse(key, allowed()))
    }

    /// One visible line of so many characters, or nothing.
    fn label(&self, key: &str, chars_max: usize) -> Result<String, ConfigError> {
        let allowed = || format!("one line of at most {chars_max} visible characters");
        let text = self.text(key, &allowed)?.trim();
        if text.is_empty() || label::clean(text, chars_max).as_deref() == Some(text) {
            return Ok(text.to_owned());
        }
        Err(self.refuse(key, allowed()))
    }

    fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<T, ConfigError> {
        let allowed = || {
            let quoted: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            quoted.join(" or ")
        };
        let text = self.text(key, &allowed)?;
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| self.refuse(key, allowed()))
    }

    fn switch(&self, key: &str) -> Result<bool, ConfigError> {
        self.value(key).and_then(Value::as_bool).ok_or_else(|| self.refuse(key, "true or false".to_owned()))
    }

    fn number<T: TryFrom<i64> + PartialOrd + std::fmt::Display>(&self, key: &str, range: RangeInclusive<T>) -> Result<T, ConfigError> {
        self.value(key)
            .and_then(Value::as_integer)
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.refuse(key, format!("a whole number from {} to {}", range.start(), range.end())))
    }

    /// A span in milliseconds, with its bounds in seconds.
    fn span(&self, key: &str, secs_min: u64, secs_max: u64) -> Result<u64, ConfigError> {
        let (min, max) = (Duration::from_secs(secs_min), Duration::from_secs(secs_max));
        let allowed = || format!("a span of time from {} to {}, such as \"5m\"", span::spell(min), span::spell(max));
        span::parse(self.text(key, &allowed)?)
            .filter(|span| (min..=max).contains(span))
            .and_then(|span| u64::try_from(span.as_millis()).ok())
            .ok_or_else(|| self.refuse(key, allowed()))
    }
}
