//! What goes wrong at the relays of a soak, and for how long: drawn from a seed, so that the same seed draws the same trouble.

use std::time::Duration;

use crate::{Fault, Nip11, dice::Dice};

/// What holds for one stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// How long.
    pub lasts: Duration,
    /// The faults of each relay.
    pub faults: Vec<Vec<Fault>>,
    /// Whether each relay's connections are cut at its beginning: some faults only strike new ones.
    pub cut: Vec<bool>,
}

/// Stretches without end.
#[derive(Debug, Clone)]
pub struct Stretches {
    dice: Dice,
    relays: usize,
}

impl Stretches {
    /// Those of this seed, for so many relays.
    #[must_use]
    pub const fn new(seed: u64, relays: usize) -> Self {
        Self { dice: Dice::new(seed), relays }
    }
}

impl Iterator for Stretches {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        let dice = &mut self.dice;
        let lasts = Duration::from_secs(dice.between(10, 45));
        let mut faults = vec![Vec::new(); self.relays];
        match dice.below(100) {
            // Calm.
            0..25 => {}
            // Nobody there at all.
            25..32 => faults.iter_mut().for_each(|of_one| of_one.push(Fault::RefuseTcp)),
            _ => {
                for of_one in &mut faults {
                    let count = dice.weighted(&[(35, 0), (40, 1), (25, 2)], 0);
                    of_one.extend((0..count).filter_map(|_| dice.pick(&loud()).cloned()));
                }
                // One relay at most takes a message and does not pass it on, or says a final no: where all do, nothing tells the sender
                // within ten minutes (ADR 6), and a soak measures what goes on for hours.
                if dice.chance(350)
                    && let Some(of_one) = pick_mut(dice, &mut faults)
                {
                    of_one.extend(dice.pick(&silent()).cloned());
                }
            }
        }
        let cut = (0..self.relays).map(|_| dice.chance(500)).collect();
        Some(Stretch { lasts, faults, cut })
    }
}

fn pick_mut<'a, T>(dice: &mut Dice, list: &'a mut [T]) -> Option<&'a mut T> {
    let index = dice.index(list.len());
    list.get_mut(index)
}

/// Faults that the client can notice: no way in, broken lines, refusals for the moment, odd answers, forgeries, malformed frames.
///
/// Not among them are those that bring strangers by the hundred (`Flood`, `ManyTags`): each is a new peer that is kept, so memory and
/// database would grow by design. Row R14 of the battery measures them.
fn loud() -> Vec<Fault> {
    let ms = Duration::from_millis;
    let said = |text: &str| text.to_owned();
    vec![
        Fault::RefuseTcp,
        Fault::ResetTcp,
        Fault::HttpStatus(429),
        Fault::HttpStatus(502),
        Fault::NoHandshake,
        Fault::AcceptThenSilent,
        Fault::Blackhole(ms(5_000)),
        Fault::Slow { bytes_per_s: 2_000 },
        Fault::Latency(ms(1_500)),
        Fault::OkFalse(said("error: later")),
        Fault::OkFalse(said("rate-limited: slow down")),
        Fault::OkFalse(said("auth-required: please")),
        Fault::NoOk,
        Fault::OkTwice,
        Fault::OkOtherId,
        Fault::ClosedAfterEose(said("error: shutting down idle subscription")),
        Fault::ClosedAtOnce(said("rate-limited: too many REQs")),
        Fault::ClosedEvery(ms(3_000)),
        Fault::NeverEose,
        Fault::EoseTwice,
        Fault::EoseEarly,
        Fault::EoseThird(said("more")),
        Fault::AuthOnConnect,
        Fault::AuthRequiredRead { text: said("auth-required: to read") },
        Fault::AuthRequiredWrite { text: said("ERROR: auth-required: to write") },
        Fault::NewChallengeEvery(ms(500)),
        Fault::ChallengeFlood { n: 200 },
        Fault::BadSignature,
        Fault::BadId,
        Fault::SameIdOtherContent,
        Fault::NonMatching,
        Fault::FutureDated,
        Fault::OddDates,
        Fault::HugeFrame { bytes: 8 * 1_024 * 1_024 },
        Fault::HugeHeader { bytes: 1 << 30 },
        Fault::Fragments { n: 5_000 },
        Fault::DeepJson { levels: 10_000 },
        Fault::InvalidUtf8,
        Fault::LoneSurrogate,
        Fault::Replay { times: 3 },
        Fault::NoticeSpam { per_s: 200 },
        Fault::PageCap(100),
        Fault::Nip11(Nip11::Absent),
        Fault::Nip11(Nip11::Lying),
        Fault::Nip11(Nip11::Huge { bytes: 4 * 1_024 * 1_024 }),
        Fault::DropConnectionEvery(ms(4_000)),
    ]
}

/// Faults that lose a message at this relay.
fn silent() -> Vec<Fault> {
    vec![
        Fault::OkThenDrop,
        Fault::WithholdEvery(3),
        Fault::SilentDmFilter,
        Fault::OkFalse("blocked: not here".to_owned()),
        Fault::OkFalse("invalid: I do not like it".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_stretches_and_every_fault_comes_up() {
        let draw = |seed| Stretches::new(seed, 3).take(2_000).collect::<Vec<_>>();
        let drawn = draw(7);
        assert_eq!(drawn, draw(7));
        assert_ne!(drawn, draw(8));
        for fault in loud().iter().chain(&silent()) {
            assert!(drawn.iter().flat_map(|stretch| stretch.faults.iter().flatten()).any(|other| other == fault), "{fault:?} never comes");
        }
    }

    #[test]
    fn at_most_one_relay_loses_messages_and_there_is_calm_in_between() {
        let loses = |fault: &Fault| silent().contains(fault);
        let drawn: Vec<Stretch> = Stretches::new(1, 3).take(2_000).collect();
        for stretch in &drawn {
            assert!(stretch.faults.iter().filter(|of_one| of_one.iter().any(loses)).count() <= 1, "{stretch:?}");
        }
        let calm = drawn.iter().filter(|stretch| stretch.faults.iter().all(Vec::is_empty)).count();
        assert!((400..800).contains(&calm), "{calm} of 2,000 are calm");
    }
}
