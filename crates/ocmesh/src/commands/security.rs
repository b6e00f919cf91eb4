//! `ocmesh security`: what protects what on this machine, against whom, and against whom not. Reads files and settings; asks nobody.

use ocmesh_daemon::{config::ApiAuth, token::Tokens};
use serde::Serialize;
use serde_json::json;

use super::{Place, doctor::files};
use crate::{
    error::CliError,
    ui::{Tint, Ui, safe},
};

/// One thing worth protecting.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    what: &'static str,
    protected_by: String,
    not_against: String,
    /// Something here is weaker than it need be.
    #[serde(skip_serializing_if = "Option::is_none")]
    weak: Option<Weak>,
}

/// What is weak, and what to do.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Weak {
    why: String,
    hint: String,
}

/// What the rows depend on.
#[derive(Debug, Clone, Copy)]
struct Facts {
    key_in_file: bool,
    has_home: bool,
    has_sealed_copy: bool,
    auth: ApiAuth,
    tokens: usize,
    inbox: Inbox,
    asks_work: bool,
    old_encryption: bool,
    checks_user: bool,
}

/// `inbox.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inbox {
    Open,
    Ask,
    Closed,
}

pub(crate) fn run(ui: &Ui, place: &Place) -> Result<(), CliError> {
    let config = place.config()?;
    let is = |key: &str, value: &str| config.explain().iter().any(|one| one.key == key && one.value.trim_matches('"') == value);
    let facts = Facts {
        key_in_file: place.home.database_key().exists(),
        has_home: place.home.database().exists(),
        has_sealed_copy: place.home.identity_backup().exists(),
        auth: config.api.auth,
        tokens: Tokens::of(&place.home).list().map_or(0, |tokens| tokens.len()),
        asks_work: !is("inbox.pow", "0"),
        inbox: if is("inbox.policy", "ask") {
            Inbox::Ask
        } else if is("inbox.policy", "closed") {
            Inbox::Closed
        } else {
            Inbox::Open
        },
        old_encryption: is("messages.encryption", "nip04"),
        checks_user: cfg!(target_os = "linux"),
    };
    let mut rows = rows(facts);
    let open = files::modes(place).into_iter().chain([files::home(place)]);
    for finding in open.filter(|finding| finding.hint.as_ref().is_some_and(|hint| hint.starts_with("chmod"))) {
        rows.push(Row {
            what: "files",
            protected_by: "their mode: nobody but you may open them".to_owned(),
            not_against: "programs of your own user".to_owned(),
            weak: Some(Weak { why: finding.detail, hint: finding.hint.unwrap_or_default() }),
        });
    }
    if ui.json {
        let weak = rows.iter().filter(|row| row.weak.is_some()).count();
        return ui.json(&json!({"weak": weak, "rows": rows}));
    }
    for row in &rows {
        ui.print(&render(ui, row))?;
    }
    ui.line(match rows.iter().filter(|row| row.weak.is_some()).count() {
        0 => "Nothing here is weaker than it need be. docs/threat-model.md tells more.".to_owned(),
        weak => format!("{weak} to make stronger, see above."),
    })
}

fn render(ui: &Ui, row: &Row) -> String {
    let weak = row.weak.as_ref().map_or_else(String::new, |Weak { why, hint }| {
        format!("  {}  {}\n               → {}\n", ui.tint(Tint::Yellow, "weak       "), safe(why), safe(hint))
    });
    format!("{}\n  protected by {}\n  not against  {}\n{weak}\n", ui.tint(Tint::Green, row.what), row.protected_by, row.not_against)
}

fn row(what: &'static str, protected_by: impl Into<String>, not_against: impl Into<String>) -> Row {
    Row { what, protected_by: protected_by.into(), not_against: not_against.into(), weak: None }
}

fn weak(row: Row, why: &str, hint: &str) -> Row {
    Row { weak: Some(Weak { why: why.to_owned(), hint: hint.to_owned() }), ..row }
}

fn rows(facts: Facts) -> Vec<Row> {
    vec![
        on_the_way(facts),
        who_writes(),
        names(),
        database(facts),
        identity(facts),
        local_door(facts),
        strangers(facts),
        agent(),
        process(),
    ]
}

fn on_the_way(facts: Facts) -> Row {
    let by = "end-to-end encryption: NIP-17 wherever the peer reads it, else an encrypted kind 4";
    let not = "whoever gets hold of a key later: Nostr has no forward secrecy, and relays may keep what they had";
    if facts.old_encryption {
        return weak(
            row("messages on the way", "the old encryption of kind 4 (NIP-04) for everybody", not),
            "relays see who writes to whom and when, and nothing but the event's signature keeps a text from being changed",
            "set messages.encryption = \"auto\"",
        );
    }
    row("messages on the way", by, not)
}

fn who_writes() -> Row {
    row(
        "who writes to whom",
        "NIP-17: wraps under keys that are used once, dated up to two days back",
        "relays, which see your address, whom a wrap is for, and its size; messages to old clients (kind 4) show both keys and the time",
    )
}

fn names() -> Row {
    row(
        "who a peer is",
        "its key, and every signature checked here; a name is only a label, and one that looks like a name you know is flagged",
        "a stranger who takes a name that nobody you know has: compare keys, or trust by ocmesh peer trust",
    )
}

fn database(facts: Facts) -> Row {
    const WHAT: &str = "messages and contacts on the disk";
    if !facts.has_home {
        return row(WHAT, "nothing yet: the first start makes an encrypted database", "–");
    }
    if facts.key_in_file {
        let by = "SQLCipher (AES-256, an HMAC on every page); its key is in the file db.key beside it, which only you may read";
        return row(
            WHAT,
            by,
            "whoever gets both files, such as a backup of the whole folder, and programs of your own user; an encrypted disk helps against a \
             thief, and keychain = \"on\" in config.toml keeps the key elsewhere (on a desktop that somebody logs in to)",
        );
    }
    row(
        WHAT,
        "SQLCipher (AES-256, an HMAC on every page); its key is in the system's keychain",
        "programs of your own user while you are logged in",
    )
}

fn identity(facts: Facts) -> Row {
    let by = "the encrypted database, and a sealed copy beside it (identity.backup) that survives damage to the database";
    let lost = row(
        "the identity: your key",
        by,
        "loss of the folder: only a backup elsewhere helps (ocmesh identity backup); and a stolen key cannot be taken back",
    );
    if facts.has_home && !facts.has_sealed_copy {
        return weak(
            lost,
            "the sealed copy is not there: a damaged database would cost the identity",
            "restart the daemon, which writes it anew",
        );
    }
    lost
}

fn local_door(facts: Facts) -> Row {
    const WHAT: &str = "the Local API";
    let guard = "127.0.0.1 and a Unix socket only; web pages are refused (Host, Origin, Referer, Sec-Fetch-Site), as is everything but JSON; callers have a pace";
    match facts.auth {
        ApiAuth::Token => row(
            WHAT,
            format!("{guard}; a token of 256 bits, {} given to programs so far", facts.tokens),
            "programs of your own user that read the file token",
        ),
        ApiAuth::SameUser if facts.checks_user => row(
            WHAT,
            format!("{guard}; callers of another user are refused"),
            "programs of your own user, and code in containers that share its network",
        ),
        ApiAuth::SameUser => weak(
            row(WHAT, guard, "programs of your own user"),
            "this system does not tell which user a TCP caller is: other users of this machine can call",
            "set api.auth = \"token\"",
        ),
    }
}

fn strangers(facts: Facts) -> Row {
    let (by, not) = match facts.inbox {
        Inbox::Open => (
            "inbox.policy = \"open\": their messages come in marked as a stranger's, at most 20 unread each and of 200 of them; they wake nobody, get no receipt",
            "an agent that reads them and does what they say; \"ask\" or \"closed\" keeps their words away from it",
        ),
        Inbox::Ask => (
            "inbox.policy = \"ask\": they wait as requests, one each and 200 in all, their words hidden until you accept",
            "requests themselves: names are their authors' words (ocmesh requests)",
        ),
        Inbox::Closed => ("inbox.policy = \"closed\": only peers you accepted or wrote to get through", "–"),
    };
    let work =
        if facts.asks_work && facts.inbox != Inbox::Closed { "; each of a stranger's messages costs it work (inbox.pow)" } else { "" };
    row("the inbox from strangers", format!("{by}{work}"), not)
}

fn agent() -> Row {
    row(
        "the agent from what peers write",
        "every text is handed over as data, with its author and how far you trust him, in an envelope the author cannot close",
        "an agent that follows a text all the same: give it few tools, and read what it is about to do",
    )
}

fn process() -> Row {
    row(
        "keys in memory",
        "they are wiped after use, never in arguments, environment or logs; no core dumps, no debugger of another program",
        "the system's administrator, and memory written to an unencrypted swap",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            key_in_file: true,
            has_home: true,
            has_sealed_copy: true,
            auth: ApiAuth::SameUser,
            tokens: 0,
            inbox: Inbox::Open,
            asks_work: false,
            old_encryption: false,
            checks_user: true,
        }
    }

    #[test]
    fn each_weakness_is_named_with_what_to_do() {
        let weak = |facts| rows(facts).into_iter().filter_map(|row| row.weak.map(|weak| weak.hint)).collect::<Vec<_>>().join(" ");
        assert_eq!(weak(facts()), "");
        assert!(weak(Facts { has_sealed_copy: false, ..facts() }).contains("restart"));
        assert!(weak(Facts { checks_user: false, ..facts() }).contains("api.auth"));
        assert_eq!(weak(Facts { checks_user: false, auth: ApiAuth::Token, ..facts() }), "");
        assert!(weak(Facts { old_encryption: true, ..facts() }).contains("messages.encryption"));
        assert_eq!(weak(Facts { has_home: false, has_sealed_copy: false, ..facts() }), "", "nothing is there to be weak");
    }

    #[test]
    fn what_it_says_depends_on_what_is_so() {
        let said = |facts| rows(facts).iter().map(|row| format!("{} | {}", row.protected_by, row.not_against)).collect::<String>();
        assert!(said(facts()).contains("db.key") && !said(Facts { key_in_file: false, ..facts() }).contains("db.key"));
        assert!(said(Facts { key_in_file: false, ..facts() }).contains("keychain"));
        for (inbox, word) in [(Inbox::Open, "\"open\""), (Inbox::Ask, "\"ask\""), (Inbox::Closed, "\"closed\": only")] {
            assert!(said(Facts { inbox, ..facts() }).contains(word));
        }
    }
}
