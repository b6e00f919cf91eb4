//! The door out: a draft of the core becomes a signed event, encrypted where it is a message. Whether and where to send it is not known here.

use ocmesh_proto::{At, Draft, Form, MessageId, PubKey, SealRefused, Sealed, SignedEvent};

use crate::{
    direct_message::{
        kind4::{self, Cipher},
        nip17::{self, Work},
    },
    keys::Keys,
    open::EVENT_BYTES_MAX,
    presence, profile, relay_list,
};

/// Signs or seals a draft. `version` is our software version, e.g. `0.3.0`; `rumor` is the stored rumor of a [`Draft::Rewrap`] and is not
/// looked at for anything else; `now` dates seals and wraps (which then hide it).
///
/// # Errors
/// The recipient's key is not on the curve, the content is empty or too long, or the stored rumor is missing or another one's. Trying
/// again cannot help.
pub fn seal(keys: &Keys, version: &str, draft: &Draft, rumor: Option<&str>, now: At) -> Result<Sealed, SealRefused> {
    let sealed = match draft {
        Draft::Presence(draft) => plain(presence::write(draft, version).sign(keys)),
        Draft::Profile { name, about, features, created_at } => {
            plain(profile::write(name, about, features, version, *created_at).sign(keys))
        }
        Draft::DmRelays { relays, created_at } => plain(relay_list::write_dm(relays, *created_at).sign(keys)),
        Draft::RelayList { relays, created_at } => plain(relay_list::write_general(relays, *created_at).sign(keys)),
        Draft::Direct(draft) => match draft.form {
            Form::Nip17 => nip17::seal(keys, version, draft, now)?,
            Form::Nip44 => kind4::seal(keys, version, draft, Cipher::Nip44)?,
            Form::Nip04 => kind4::seal(keys, version, draft, Cipher::Nip04)?,
        },
        Draft::Canary { at, expires_at } => nip17::canary(keys, version, *at, *expires_at)?,
        Draft::Rewrap { id, to, at } => {
            let rumor = rumor.ok_or(SealRefused("the stored rumor is missing"))?;
            nip17::rewrap(keys, *id, rumor, to, *at, None)?
        }
    };
    if sealed.event.json.len() > EVENT_BYTES_MAX {
        return Err(SealRefused("the content is too long"));
    }
    Ok(sealed)
}

/// Wraps a stored rumor for `to` once more, with so many zero bits of work (NIP-13). Takes from nothing to half a minute; `give_up` is
/// asked all the time whether anybody still waits.
///
/// # Errors
/// As for a [`Draft::Rewrap`]; or the work was given up.
pub fn work(
    keys: &Keys,
    id: MessageId,
    rumor: &str,
    to: &PubKey,
    bits: u32,
    now: At,
    give_up: &dyn Fn() -> bool,
) -> Result<Sealed, SealRefused> {
    nip17::rewrap(keys, id, rumor, to, now, Some(&Work { bits, give_up }))
}

fn plain(event: SignedEvent) -> Sealed {
    Sealed { message_id: event.id, event, own_copy: None, rumor: None, chain: None }
}
