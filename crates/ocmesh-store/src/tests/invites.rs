//! Invites are kept whole; a change leaves the secret as it is.

use ocmesh_proto::{At, Change, InviteId, InviteRecord, InviteRole, InviteSecret, InviteState, Notice};

use super::*;

fn record(id: u64, role: InviteRole, state: InviteState) -> InviteRecord {
    InviteRecord {
        id: InviteId(id),
        role,
        peer: None,
        petname: None,
        created_at: At(1),
        expires_at: At(2),
        state,
        changed_at: At(3),
        phrase: None,
        guesses: 0,
    }
}

#[test]
fn invites_come_back_whole_also_after_closing_and_opening_again() {
    let home = Home::new();
    let mut store = home.open();
    let open = record(u64::MAX, InviteRole::Inviter, InviteState::Open);
    let full = InviteRecord {
        peer: Some(peer_key(9)),
        petname: Some("it's \"x\"".to_owned()),
        created_at: At(10),
        phrase: Some("four short words here".to_owned()),
        guesses: 4,
        ..record(7, InviteRole::Joiner, InviteState::Joined)
    };
    let add = |record: &InviteRecord, n: u8| Change::AddInvite { record: Box::new(record.clone()), secret: InviteSecret([n; 32]) };
    write(
        &mut store,
        &[add(&open, 1), add(&full, 2), add(&record(8, InviteRole::Inviter, InviteState::Open), 3), Change::DropInvite(InviteId(8))],
    );
    store.close().unwrap();

    let mut store = home.open();
    assert_eq!(store.load().unwrap().invites.len(), 2);
    assert_eq!(store.reader().invites().unwrap(), [full, open.clone()], "newest first");
    assert_eq!(store.invite_secret(open.id).unwrap(), Some(InviteSecret([1; 32])));
    assert_eq!(store.invite_secret(InviteId(8)).unwrap(), None);
    for state in [InviteState::Joined, InviteState::Expired, InviteState::Revoked, InviteState::Used] {
        let changed = InviteRecord { state, peer: Some(peer_key(3)), changed_at: At(99), ..open.clone() };
        write(&mut store, &[Change::PutInvite(Box::new(changed.clone()))]);
        assert_eq!(store.reader().invite(open.id).unwrap(), Some(changed));
        assert_eq!(store.invite_secret(open.id).unwrap(), Some(InviteSecret([1; 32])));
    }
}

#[test]
fn a_notice_of_an_invite_is_kept() {
    let home = Home::new();
    let mut store = home.open();
    let notice = Notice::InviteChanged { id: InviteId(u64::MAX) };
    store.begin().unwrap();
    store.add_notice(NOW, &notice).unwrap();
    store.commit().unwrap();
    assert_eq!(store.reader().notices_since(0, 10).unwrap().pop().map(|stored| stored.notice), Some(notice));
}
