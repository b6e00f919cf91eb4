//! What a batch does once it is on disk: notices, effects, answers.

use std::{collections::BTreeMap, sync::Arc};

use ocmesh_proto::{Answer, CommandId, Effect, EventId, Input, Lane, Refusal, RelayRole, Verdict};
use ocmesh_relay::ConnectOptions;

use super::{
    ask::{AskError, NumberedNotice, Told},
    journal,
    task::MeshTask,
};

/// What a batch does after its transaction.
#[derive(Default)]
pub(super) struct After {
    pub(super) effects: Vec<Effect>,
    /// What was sealed in it, so that publishing it does not read it back.
    pub(super) sealed: BTreeMap<EventId, Arc<str>>,
    /// The copies to ourselves in it.
    pub(super) copies: Vec<EventId>,
    pub(super) notices: Vec<NumberedNotice>,
    pub(super) replies: Vec<(CommandId, Result<Answer, Refusal>)>,
}

impl MeshTask {
    /// After the commit: notices, effects, answers, in this order. Our agent hears of a message before its receipt is on its way: to send that
    /// wakes others, who then want the processor too.
    pub(super) fn act(&mut self, after: After) {
        self.tell_accepted();
        self.await_copies(&after.copies);
        let notices: Vec<_> = after.notices.into_iter().map(Arc::new).collect();
        for notice in &notices {
            // No listener is no fault.
            let _ = self.notices.send(Arc::clone(notice));
        }
        let hold = self.pool.hold();
        for effect in after.effects {
            self.start(effect, &after.sealed);
        }
        drop(hold);
        for (id, answer) in after.replies {
            if let Some(waiting) = self.waiting.remove(&id) {
                // Whoever asked may be gone already.
                let _ = waiting.send(answer.map(Told::from).map_err(AskError::from));
            }
        }
        let now = self.clock.now();
        self.crowd.turn(now);
        for notice in &notices {
            journal::write(&self.mesh, &notice.notice, &mut self.crowd, now);
        }
    }

    fn start(&mut self, effect: Effect, sealed: &BTreeMap<EventId, Arc<str>>) {
        match effect {
            Effect::Connect { relay, role } => {
                let private_ok = match role {
                    RelayRole::Own => true,
                    RelayRole::Route { private_ok } => private_ok,
                };
                self.pool.connect(relay.as_str(), ConnectOptions { private_ok, auth: true });
            }
            Effect::Disconnect { relay } => self.pool.disconnect(relay.as_str()),
            Effect::SignInAgain { relay } => self.pool.sign_in_again(relay.as_str()),
            Effect::Subscribe { relay, sub, filters, live, reconcile } => {
                let (name, filters) = (sub.to_string(), filters.iter().map(ocmesh_wire::filter_json).collect());
                match reconcile {
                    Some(reconcile) => {
                        self.pool.subscribe_reconciled(relay.as_str(), &name, filters, ocmesh_wire::filter_json(&reconcile));
                    }
                    None => self.pool.subscribe(relay.as_str(), &name, filters, live),
                }
            }
            Effect::Unsubscribe { relay, sub } => self.pool.unsubscribe(relay.as_str(), &sub.to_string()),
            Effect::Publish { relay, event, json, lane } => {
                let lane = match lane {
                    Lane::Direct => ocmesh_relay::Lane::Direct,
                    Lane::Presence => ocmesh_relay::Lane::Presence,
                };
                let json = json.or_else(|| sealed.get(&event).cloned());
                let json = json.map_or_else(|| self.store.sealed(&event), |json| Ok(Some(json)));
                match json {
                    Ok(Some(json)) => self.pool.publish(relay.as_str(), &event.to_hex(), json, lane),
                    missing => {
                        let said = match missing {
                            // Its message came to an end later in the same batch, as by a receipt.
                            Ok(_) => "nothing waits for it any more".to_owned(),
                            Err(error) => {
                                tracing::warn!(%relay, ?event, %error, "event not published");
                                error.to_string()
                            }
                        };
                        let input = Input::PublishAnswered { relay, event, verdict: Verdict::Failed, said };
                        // In a transaction of its own, like any other input.
                        self.later.push_back(input);
                    }
                }
            }
            Effect::Work { job, message, to, bits } => self.work(job, message, to, bits),
            Effect::StopWork { job } => self.worker.stop(job),
            Effect::Finish => self.finished = true,
            Effect::Wake { target, wake } => self.wakes.start(target, &wake),
            Effect::Seal { .. } | Effect::FindUnreceipted { .. } | Effect::FindUnread | Effect::Reply { .. } => {}
        }
    }
}
