//! The decisions on numbers and gaps, one by one.

use super::*;

const NOW: At = At(1_000_000_000_000);

fn id(n: u8) -> MessageId {
    MessageId::from_bytes([n; 32])
}

fn peer() -> PubKey {
    PubKey::from_bytes([9; 32])
}

fn line(highest: u64) -> PeerLine {
    PeerLine { peer: peer(), line: LineId(7), highest, heard_at: At(1), breaks: 0 }
}

fn place(number: u64, previous: Option<MessageId>) -> Place {
    Place { line: LineId(7), number, previous }
}

fn heard(number: u64, facts: &PlaceFacts) -> Heard {
    hear(peer(), id(1), &place(number, (number > 1).then(|| id(0))), facts, NOW)
}

#[test]
fn a_number_passed_over_is_missing() {
    let after = |highest| PlaceFacts { line: Some(line(highest)), ..PlaceFacts::default() };
    assert_eq!(heard(1, &PlaceFacts::default()).missing, None);
    assert_eq!(heard(4, &after(3)).missing, None);
    assert_eq!(heard(5, &after(3)).missing, Some((4, 4)));
    assert_eq!(heard(9, &after(3)).missing, Some((4, 8)));
    assert_eq!(heard(2, &after(3)).missing, None, "late, and nothing new");
    assert_eq!(heard(2, &after(3)).line.highest, 3);
    assert_eq!(heard(5, &PlaceFacts::default()).missing, Some((1, 4)), "what came before our time is asked for too");
}

#[test]
fn an_absurd_number_misses_a_bounded_part() {
    let max = crate::limit::NUMBER_MAX;
    let far = heard(max, &PlaceFacts { line: Some(line(3)), ..PlaceFacts::default() });
    assert_eq!(far.missing, Some((max - GAP_NUMBERS_MAX, max - 1)));
    assert_eq!(heard(max, &PlaceFacts { line: Some(line(max)), ..PlaceFacts::default() }).missing, None);
    // Nothing overflows even on what the wire never lets through.
    let odd = hear(peer(), id(1), &place(u64::MAX, None), &PlaceFacts { line: Some(line(u64::MAX)), ..PlaceFacts::default() }, NOW);
    assert_eq!((odd.missing, odd.line.highest), (None, u64::MAX));
    assert_eq!(hear(peer(), id(1), &place(0, None), &PlaceFacts::default(), NOW).missing, None);
}

#[test]
fn what_does_not_fit_to_its_neighbours_breaks_the_chain() {
    let known = PlaceFacts { line: Some(line(5)), ..PlaceFacts::default() };
    let fits = PlaceFacts { before: Some(id(0)), named_after: Some(id(1)), ..known };
    assert!(!heard(5, &fits).breaks);
    for bad in [
        PlaceFacts { before: Some(id(3)), ..known },
        PlaceFacts { named_after: Some(id(3)), ..known },
        PlaceFacts { same: Some(id(3)), ..known },
    ] {
        assert!(heard(5, &bad).breaks, "{bad:?}");
        assert_eq!(heard(5, &bad).line.breaks, 1);
    }
}

fn gap() -> Gap {
    Gap { peer: peer(), line: LineId(7), first: 3, last: 6, found_at: NOW, shown: false, asks: 0, next_at: NOW, lost: None }
}

const READY: Standing = Standing { trust: Some(Trust::Known), online: true, catching_up: false };

#[test]
fn a_gap_is_shown_and_asked_for_unless_there_is_a_reason_to_wait() {
    let later = NOW.plus(GRACE_MS);
    assert_eq!(due(&gap(), READY, later), Due::Ask);
    for waits in [Standing { catching_up: true, ..READY }, Standing { online: false, ..READY }] {
        assert_eq!(due(&gap(), waits, later), Due::Hide { until: later.plus(GRACE_MS) }, "{waits:?}");
    }
    let patient = NOW.plus(CATCH_UP_PATIENCE_MS);
    assert_eq!(due(&gap(), Standing { catching_up: true, ..READY }, patient), Due::Ask, "a relay that never says that it is done");
    assert!(matches!(due(&gap(), Standing { online: false, ..READY }, patient), Due::Show { .. }));
    assert!(matches!(due(&gap(), Standing { trust: Some(Trust::Unknown), ..READY }, later), Due::Show { .. }), "strangers are not asked");
    for trust in [None, Some(Trust::Blocked)] {
        assert_eq!(due(&gap(), Standing { trust, ..READY }, later), Due::Forget);
    }
    let shown = Gap { shown: true, ..gap() };
    assert_eq!(due(&shown, Standing { catching_up: true, ..READY }, later), Due::Ask, "what is shown stays shown");
    for trust in [Trust::Known, Trust::Unknown] {
        assert_eq!(due(&shown, Standing { trust: Some(trust), online: false, ..READY }, NOW.plus(GIVE_UP_MS)), Due::GiveUp);
    }
}

#[test]
fn pauses_between_asks_grow_to_a_day() {
    let pauses: Vec<u64> = (0..12).map(ask_delay_ms).collect();
    assert!(pauses.is_sorted());
    assert_eq!((ask_delay_ms(1), ask_delay_ms(u32::MAX)), (MINUTE, DAY));
    assert!(GRACE_MS + ask_delay_ms(1) + ask_delay_ms(2) < 4 * MINUTE, "three tries within five minutes");
}

#[test]
fn a_gap_without_some_of_it() {
    let part = |first, last| without(&gap(), first, last).map(|rest| rest.map(|rest| (rest.first, rest.last)));
    assert_eq!(part(3, 3), [None, Some((4, 6))]);
    assert_eq!(part(6, 6), [Some((3, 5)), None]);
    assert_eq!(part(4, 5), [Some((3, 3)), Some((6, 6))]);
    assert_eq!(part(3, 6), [None, None]);
}

#[test]
fn runs_of_any_numbers() {
    assert_eq!(runs(&[]), []);
    assert_eq!(runs(&[5, 3, 4, 9, 9, 1]), [(1, 1), (3, 5), (9, 9)]);
    assert_eq!(runs(&[u64::MAX, u64::MAX, u64::MAX - 1]), [(u64::MAX - 1, u64::MAX)]);
}

#[test]
fn a_peer_gets_what_it_was_sent_and_word_of_what_it_will_not_get() {
    let facts = |status, has_rumor| AskedFacts { number: 1, id: id(1), status, has_rumor };
    let failed = Status::Failed { at: NOW, reason: crate::FailReason::Expired };
    assert_eq!(reply(Some(&facts(Status::Delivered { at: NOW }, true)), true), Reply::Give(id(1)));
    assert_eq!(
        reply(Some(&facts(Status::Relayed { at: NOW, accepted: 1, of: 1 }, true)), false),
        Reply::Give(id(1)),
        "an older line of ours"
    );
    assert_eq!(reply(Some(&facts(failed, true)), true), Reply::Gone, "its owner was told that it failed");
    assert_eq!(reply(Some(&facts(Status::Read { at: NOW }, false)), true), Reply::Gone);
    assert_eq!(reply(None, true), Reply::Gone);
    assert_eq!(reply(None, false), Reply::Silence, "not ours to speak of");
    assert_eq!(reply(Some(&facts(Status::Relayed { at: NOW, accepted: 1, of: 1 }, false)), false), Reply::Silence, "another device's");
}
