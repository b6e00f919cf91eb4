//! Which form a message to a peer takes, and which relays it goes to.

use crate::{EncryptionPolicy, Form, Mesh, PeerRecord, PubKey, RelayUrl, RouteReason};

impl Mesh {
    /// The form of the next message to a peer: NIP-17 where the peer is known to read it, else what it last wrote, else NIP-04.
    #[must_use]
    pub fn form_for(&self, peer: &PeerRecord) -> Form {
        match self.policy.encryption {
            EncryptionPolicy::Nip17 => return Form::Nip17,
            EncryptionPolicy::Nip04 => return Form::Nip04,
            EncryptionPolicy::Auto => {}
        }
        let reads_nip17 = peer.forms.contains(&Form::Nip17) || peer.dm_relays.is_some() || peer.last_form == Some(Form::Nip17);
        match peer.last_form {
            _ if reads_nip17 => Form::Nip17,
            Some(Form::Nip44) => Form::Nip44,
            _ => Form::Nip04,
        }
    }

    /// Where a peer reads, best knowledge first. Never empty unless we have no relay at all.
    pub(crate) fn route_to(&self, peer: &PubKey) -> (Vec<RelayUrl>, RouteReason) {
        if let Some(record) = self.directory.get(peer) {
            let listed = |list: &Option<crate::PeerRelays>| list.as_ref().map_or(&[][..], |list| list.relays.as_slice()).to_vec();
            let dm_list = (listed(&record.dm_relays), RouteReason::DmRelayList);
            let presence = (record.presence_relays.clone(), RouteReason::PresenceRelays);
            // A list is looked up now and then, presence comes every few minutes: where they differ, the newer word counts.
            let is_old = record.dm_relays.as_ref().is_some_and(|list| list.created_at < record.presence_at) && presence.0 != dm_list.0;
            let [first, second] = if is_old { [presence, dm_list] } else { [dm_list, presence] };
            let known =
                [first, second, (listed(&record.read_relays), RouteReason::ReadRelayList), (record.seen_on.clone(), RouteReason::SeenOn)];
            for (relays, why) in known {
                let usable = self.usable(&relays);
                if !usable.is_empty() {
                    return (usable, why);
                }
            }
        }
        self.own_route()
    }

    /// The route to ourselves: where we read, else all our relays.
    pub(crate) fn own_route(&self) -> (Vec<RelayUrl>, RouteReason) {
        let inbox = self.relays.dm_relays();
        if inbox.is_empty() { (self.usable(&self.relays.own_urls()), RouteReason::OwnRelays) } else { (inbox, RouteReason::DmRelayList) }
    }
}
