//! Targets that are woken, as programs of the owner see them.

use ocmesh_proto::{EventId, Wake, WakeClass, WakeError, WakeHold, WakeRecord, WakeStanding, WakeState};

use super::*;

fn standing(state: WakeState) -> WakeStanding {
    let record =
        WakeRecord { state, number: 7, begun: vec![At(1), NOW.minus(60_000)], woke_at: Some(NOW), ..WakeRecord::new("agent".into()) };
    WakeStanding { record, budget_per_hour: 12, hold: None, next_at: Some(NOW.plus(1_000)) }
}

#[tokio::test]
async fn the_targets_say_how_they_stand_and_why() {
    let daemon = Daemon::new().await;
    let wake = Wake { number: 7, class: WakeClass::Urgent, unread: 3, newest: EventId::from_bytes([1; 32]), raised_at: NOW, tries: 2 };
    let dead = WakeState::Dead { wake, at: NOW };
    let error = Some(WakeError { at: NOW, why: "the token is wrong".to_owned() });
    let dead = WakeStanding { record: WakeRecord { last_error: error, ..standing(dead).record }, next_at: None, ..standing(dead) };
    let held = WakeStanding { hold: Some(WakeHold::Budget { until: NOW.plus(1_000) }), ..standing(WakeState::Idle) };
    daemon.view.send_replace(Arc::new(View { wakes: vec![dead, held, standing(WakeState::Idle)], ..healthy_view() }));
    let [dead, held, idle] = daemon.client().wakes().await.unwrap().try_into().unwrap();

    assert_eq!((dead.id.as_str(), dead.kind.as_str(), dead.leads_to.as_str()), ("agent", "command", "/nowhere/at/all"));
    assert_eq!((dead.state.as_str(), dead.last_error.as_deref(), dead.next_at.as_deref()), ("dead", Some("the token is wrong"), None));
    let wake = dead.wake.unwrap();
    assert_eq!((wake.class.as_str(), wake.unread, wake.tries), ("urgent", 3, 2));
    assert_eq!((dead.begun_last_hour, dead.budget_per_hour), (1, 12));
    assert_eq!(dead.woke_at.as_deref(), Some("2026-09-21T14:13:20.000Z"));
    assert_eq!((held.held.as_deref(), held.next_at.as_deref()), (Some("budget"), Some("2026-09-21T14:13:21.000Z")));
    assert_eq!((idle.held, idle.next_at, idle.wake), (None, None, None));
    let states: Vec<String> = daemon.client().status().await.unwrap().wakes.into_iter().map(|wake| wake.state).collect();
    assert_eq!(states, ["dead", "idle", "idle"]);
}

#[tokio::test]
async fn a_target_is_tested_and_tried_again_by_its_name() {
    let daemon = Daemon::new().await;
    let tested = daemon.client().test_wake("agent").await.unwrap();
    assert!(!tested.ok && tested.outcome == "refused" && tested.why.unwrap().contains("/nowhere/at/all cannot be found"));
    let reply = daemon.json("POST", "/wake/nobody/test", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"));
    assert!(daemon.client().retry_wake("agent").await.unwrap().ok);
    assert_eq!(daemon.asked(), ["RetryWake(\"agent\")"]);
}
