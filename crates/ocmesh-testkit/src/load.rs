//! Steady talk between agents whose daemons may come and go: each message is said again with the same idempotency key until its daemon
//! acknowledges it, and everything is written into one ledger.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use ocmesh_api::{Client, ClientError, ErrorCode, MessagesQuery, Origin, ReadRequest, SendRequest, Sent};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    dice::Dice,
    ledger::{Ledger, Tally},
    scenario::Agent,
    wait,
};

/// Between two tries to reach a daemon that is away.
const AWAY_PAUSE: Duration = Duration::from_millis(10);
/// Longest a daemon may keep one message from being acknowledged, restarts and locks included.
const ACK_MAX: Duration = Duration::from_secs(180);
/// How long a reader's long poll stays open, in seconds.
const POLL_S: u32 = 5;

/// One agent, spoken to over its Local API whether or not its daemon runs just now.
#[derive(Debug, Clone)]
pub struct Party {
    home: PathBuf,
    pubkey: String,
}

impl Party {
    /// This agent.
    #[must_use]
    pub fn of(agent: &Agent) -> Self {
        Self { home: agent.daemon.home().to_owned(), pubkey: agent.pubkey.clone() }
    }

    fn client(&self) -> Result<Client, ClientError> {
        Client::from_home(&self.home)
    }
}

/// Who says what to whom, and how fast.
#[derive(Debug, Clone)]
pub struct Speech {
    /// The author.
    pub from: Party,
    /// The recipient.
    pub to: Party,
    /// Unlike that of any other speech of the run.
    pub name: String,
    /// From one message to the next, unless the daemon is slower.
    pub every: Duration,
    /// Decides lengths.
    pub seed: u64,
}

/// What a conversation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TalkCounts {
    /// Calls of `POST /send` that were answered with 200.
    pub acked: u64,
    /// Bytes of text in them.
    pub bytes: u64,
    /// Calls whose answer never came: taken or not, nobody knows.
    pub cut_off: u64,
    /// Calls that were refused for the moment (503, 507).
    pub refused: u64,
    /// Calls that were made once more after they had been acknowledged, and gave the same id.
    pub repeated: u64,
    /// Pages handed out whose acknowledgement was cut off.
    pub unread_again: u64,
}

impl TalkCounts {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            acked: self.acked + other.acked,
            bytes: self.bytes + other.bytes,
            cut_off: self.cut_off + other.cut_off,
            refused: self.refused + other.refused,
            repeated: self.repeated + other.repeated,
            unread_again: self.unread_again + other.unread_again,
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    acked: AtomicU64,
    bytes: AtomicU64,
    cut_off: AtomicU64,
    refused: AtomicU64,
    repeated: AtomicU64,
    unread_again: AtomicU64,
}

/// A conversation: what its speakers and listeners share.
#[derive(Debug)]
pub struct Talk {
    ledger: Mutex<Ledger>,
    counters: Counters,
    /// Rises with every call of `POST /send` that goes out.
    pub calls: watch::Sender<u64>,
    /// Rises with every page that was handed out and is not acknowledged yet.
    pub handed: watch::Sender<u64>,
    /// Rises with every acknowledged message.
    pub acks: watch::Sender<u64>,
}

impl Default for Talk {
    fn default() -> Self {
        let zero = || watch::Sender::new(0);
        Self { ledger: Mutex::default(), counters: Counters::default(), calls: zero(), handed: zero(), acks: zero() }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn is_for_the_moment(code: ErrorCode) -> bool {
    matches!(code.status(), 503 | 507)
}

impl Talk {
    /// What was written down so far.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> TalkCounts {
        let Counters { acked, bytes, cut_off, refused, repeated, unread_again } = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TalkCounts {
            acked: read(acked),
            bytes: read(bytes),
            cut_off: read(cut_off),
            refused: read(refused),
            repeated: read(repeated),
            unread_again: read(unread_again),
        }
    }

    /// Speaks until told to stop; the message under way is acknowledged before it comes back.
    ///
    /// # Errors
    /// A daemon refuses for good, is away for longer than it may be, or gives another id for the same call.
    pub async fn speak(self: Arc<Self>, speech: Speech, stop: CancellationToken) -> Result<()> {
        let mut dice = Dice::new(speech.seed);
        let mut beat = interval(speech.every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0_u64.. {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = beat.tick() => {}
            }
            let content = words(&mut dice, &speech.name, number);
            let key = format!("{} {number}", speech.name);
            let said = timeout(ACK_MAX, self.say(&speech, &content, &key));
            said.await.with_context(|| format!("{key:?} is not acknowledged after {ACK_MAX:?}"))??;
        }
        Ok(())
    }

    /// One message, until it is acknowledged; then, when a call was cut off, the same call once more.
    async fn say(&self, speech: &Speech, content: &str, key: &str) -> Result<()> {
        let request = SendRequest {
            to: speech.to.pubkey.clone(),
            content: content.to_owned(),
            idempotency_key: Some(key.to_owned()),
            // Both sides talk all the time without listening: that is no conversation, and the loop guard has no part in it.
            origin: Some(Origin::Owner),
            ..SendRequest::default()
        };
        let (sent, was_cut) = self.until_answered(&speech.from, &request).await?;
        self.ledger().sent(&sent.id, &speech.from.pubkey, &speech.to.pubkey, content);
        add(&self.counters.acked, 1);
        add(&self.counters.bytes, content.len().try_into()?);
        self.acks.send_modify(|acks| *acks += 1);
        if was_cut {
            let (again, _) = self.until_answered(&speech.from, &request).await?;
            ensure!(again.id == sent.id, "{key:?} was {} and is {} when called again", sent.id, again.id);
            add(&self.counters.repeated, 1);
        }
        Ok(())
    }

    async fn until_answered(&self, from: &Party, request: &SendRequest) -> Result<(Sent, bool)> {
        let mut was_cut = false;
        loop {
            if let Ok(client) = from.client() {
                self.calls.send_modify(|calls| *calls += 1);
                match client.send(request).await {
                    Ok(sent) => return Ok((sent, was_cut)),
                    Err(ClientError::NotRunning) => {}
                    Err(ClientError::Api(error)) if is_for_the_moment(error.code) => add(&self.counters.refused, 1),
                    Err(ClientError::Api(error)) => return Err(error).context("POST /send"),
                    Err(ClientError::Io(_) | ClientError::Decode(_)) => {
                        was_cut = true;
                        add(&self.counters.cut_off, 1);
                    }
                }
            }
            // paces: the daemon is away, or asked for a moment
            sleep(AWAY_PAUSE).await;
        }
    }

    /// Reads and acknowledges until told to stop.
    ///
    /// # Errors
    /// The daemon refuses for good.
    pub async fn listen(self: Arc<Self>, by: Party, stop: CancellationToken) -> Result<()> {
        while !stop.is_cancelled() {
            let read = tokio::select! {
                () = stop.cancelled() => break,
                read = self.read(&by) => read,
            };
            match read {
                Ok(()) => continue,
                Err(ClientError::Api(error)) if !is_for_the_moment(error.code) => return Err(error).context("reading"),
                Err(_) => {}
            }
            // paces: the daemon is away, or asked for a moment
            sleep(AWAY_PAUSE).await;
        }
        Ok(())
    }

    /// One page: handed out, then acknowledged.
    async fn read(&self, by: &Party) -> Result<(), ClientError> {
        let client = by.client()?;
        let query = MessagesQuery {
            unread: Some(true),
            direction: Some("in".to_owned()),
            limit: Some(1_000),
            wait: Some(POLL_S),
            ..MessagesQuery::default()
        };
        let page = client.messages(&query).await?.items;
        if page.is_empty() {
            return Ok(());
        }
        {
            let mut ledger = self.ledger();
            page.iter().for_each(|message| ledger.handed_out(&by.pubkey, message));
        }
        self.handed.send_modify(|handed| *handed += 1);
        let ids: Vec<String> = page.into_iter().map(|message| message.id).collect();
        if let Err(error) = client.mark_read(&ReadRequest { ids: Some(ids.clone()), all: None }).await {
            add(&self.counters.unread_again, 1);
            return Err(error);
        }
        let mut ledger = self.ledger();
        ids.iter().for_each(|id| ledger.acknowledged(id));
        Ok(())
    }

    /// Asks the senders what became of messages that did not arrive: one that failed, and says so, is not lost.
    ///
    /// # Errors
    /// A daemon does not answer.
    pub async fn ask_about_missing(&self, senders: &[Party]) -> Result<()> {
        let missing: Vec<String> = self.ledger().missing().cloned().collect();
        for id in missing {
            for sender in senders {
                let detail = sender.client()?.message(&id).await;
                if detail.is_ok_and(|detail| detail.message.status == "failed") {
                    self.ledger().failed(&id);
                }
            }
        }
        Ok(())
    }
}

/// Who takes part in a conversation, apart by what they do: a message under way belongs to a speaker, and a listener must outlast it.
#[derive(Debug, Default)]
pub struct Talkers {
    talk: Arc<Talk>,
    speakers: JoinSet<Result<()>>,
    listeners: JoinSet<Result<()>>,
    speaking: CancellationToken,
    listening: CancellationToken,
}

impl Talkers {
    /// The conversation they share.
    #[must_use]
    pub fn talk(&self) -> &Talk {
        &self.talk
    }

    /// One more who speaks.
    pub fn speak(&mut self, speech: Speech) {
        self.speakers.spawn(Arc::clone(&self.talk).speak(speech, self.speaking.clone()));
    }

    /// One more who listens.
    pub fn listen(&mut self, by: Party) {
        self.listeners.spawn(Arc::clone(&self.talk).listen(by, self.listening.clone()));
    }

    /// Comes back when one of them ends before it was told to: with why.
    pub async fn fell_silent(&mut self) -> anyhow::Error {
        let ended = tokio::select! {
            Some(ended) = self.speakers.join_next() => ended,
            Some(ended) = self.listeners.join_next() => ended,
        };
        ended.map_err(Into::into).flatten().err().unwrap_or_else(|| anyhow::anyhow!("somebody fell silent"))
    }

    /// Nobody speaks any more once this is back: everything that a daemon took is in the ledger.
    ///
    /// # Errors
    /// Why a speaker gave up.
    pub async fn hush(&mut self) -> Result<()> {
        self.speaking.cancel();
        joined(&mut self.speakers).await
    }

    /// Waits for everything acknowledged to be handed out, once nobody speaks any more.
    ///
    /// # Errors
    /// Why a speaker gave up, or what is missing after `patience`.
    pub async fn until_heard(&mut self, patience: Duration) -> Result<()> {
        self.hush().await?;
        wait::until_ok("every acknowledged message", patience, async || {
            let ledger = self.talk.ledger();
            let tally = ledger.tally();
            ensure!(tally.lost == 0, "{tally} of {}", ledger.acked());
            Ok(())
        })
        .await
    }

    /// Nobody listens any more; what the ledger shows.
    ///
    /// # Errors
    /// Why a listener gave up.
    pub async fn end(mut self) -> Result<Tally> {
        self.hush().await?;
        self.listening.cancel();
        joined(&mut self.listeners).await?;
        Ok(self.talk.ledger().tally())
    }
}

async fn joined(tasks: &mut JoinSet<Result<()>>) -> Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// Texts unlike each other: mostly short, some of a page, a few as long as they may be.
fn words(dice: &mut Dice, name: &str, number: u64) -> String {
    let bounds = dice.weighted(&[(80, (4, 60)), (15, (100, 600)), (5, (1_000, 1_300))], (4, 60));
    let length = usize::try_from(dice.between(bounds.0, bounds.1)).unwrap_or(4);
    format!("{name} {number} {}", "é✓ ".repeat(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_differ_fit_and_are_the_same_for_the_same_seed() {
        let (mut one, mut two) = (Dice::new(3), Dice::new(3));
        let texts: Vec<String> = (0..500).map(|number| words(&mut one, "anna", number)).collect();
        assert!(texts.iter().all(|text| text.chars().count() <= 4_096));
        assert!(texts.iter().any(|text| text.chars().count() > 3_000));
        let unlike: std::collections::BTreeSet<&String> = texts.iter().collect();
        assert_eq!(unlike.len(), 500);
        assert_eq!(words(&mut two, "anna", 0), texts[0]);
    }
}
