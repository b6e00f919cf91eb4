//! What must be true of numbered messages: no number twice, and no gap without a reason.

use ocmesh_proto::{Gap, Lost, MessageId, Status};

use super::{trace::short, world::World};

impl World {
    /// A message is stored by its sender: its number is its own, and the message before it is the one with the number before.
    pub(super) fn numbered(&mut self, a: usize, id: MessageId) {
        let Some(message) = self.agents[a].disk.messages.get(&id) else { return };
        let Some(place) = message.place else { return };
        let (peer, line, number) = (message.peer, place.line, place.number);
        let before = self.ledger.numbers.get(&(a, peer, line, number - 1)).copied();
        let twice = self.ledger.numbers.insert((a, peer, line, number), id).is_some_and(|earlier| earlier != id);
        if twice {
            self.violation(format!("agent {a}: number {number} of {} is used twice", short(id)));
        } else if before != place.previous || (number > 1 && before.is_none()) {
            self.violation(format!("agent {a}: {} names {:?} before it, which was {before:?}", short(id), place.previous));
        }
    }

    /// Every gap is healed or given up for a reason that has a name, and nothing is missing that is there.
    pub(super) fn look_at_gaps(&mut self) {
        let mut wrong = Vec::new();
        for (a, agent) in self.agents.iter().enumerate() {
            for gap in agent.disk.lines.gaps.values() {
                wrong.extend(
                    self.wrong_with(a, gap).map(|what| format!("agent {a}: {} to {} of {}: {what}", gap.first, gap.last, gap.line)),
                );
            }
            let broken = agent.disk.lines.theirs.values().filter(|line| line.breaks > 0);
            wrong.extend(broken.map(|line| format!("agent {a}: the chain of {} breaks, and everybody is honest", line.line)));
        }
        for what in wrong {
            self.violation(what);
        }
    }

    fn wrong_with(&self, a: usize, gap: &Gap) -> Option<&'static str> {
        let (author, me) = (self.agent_of(gap.peer)?, self.agents[a].me);
        let (author, disk) = (&self.agents[author].disk, &self.agents[a].disk);
        let missing = || (gap.first..=gap.last).filter_map(|number| author.lines.at(me, true, gap.line, number));
        if missing().any(|id| disk.messages.contains_key(&id)) {
            return Some("missing, and there");
        }
        let failed = |id: MessageId| author.messages.get(&id).is_some_and(|message| matches!(message.status, Status::Failed { .. }));
        match gap.lost {
            None => Some("neither healed nor given up"),
            // Owners take messages back, and try failed ones again.
            Some(Lost::Gone) if !self.plan.whims && !missing().all(failed) => Some("gone, and its author has it"),
            Some(_) => None,
        }
    }
}
