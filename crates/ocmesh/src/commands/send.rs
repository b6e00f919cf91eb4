//! `ocmesh send`: puts a message into the outbox and, when asked, waits for what becomes of it.

use std::{
    io::{IsTerminal as _, Read as _},
    time::Duration,
};

use ocmesh_api::{Client, DryRun, EventStream, Message, MessageDetail, MessagesQuery, Origin, SecretSeen, SendRequest, Sent};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{Place, find, from_client, now};
use crate::{
    cli::{SendArgs, WaitFor},
    error::CliError,
    ui::{Ui, safe, short_id, short_key},
};

/// Standard input beyond this is no message: 4,096 characters of 4 bytes, and room to notice that there are more.
const INPUT_BYTES_MAX: u64 = 64 * 1024;
/// While waiting we look again at least so often, should an event be missed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(ui: &Ui, place: &Place, args: SendArgs) -> Result<(), CliError> {
    let client = place.client()?;
    let content = content(args.text)?;
    let reply_to = match &args.reply_to {
        Some(id) => Some(find::message_id(&client, id).await?),
        None => None,
    };
    let request = SendRequest {
        to: args.peer.trim().to_owned(),
        content,
        reply_to,
        subject: args.subject,
        idempotency_key: args.key,
        origin: Some(origin()),
        urgent: args.urgent,
        allow_secret: args.allow_secret,
        dry_run: args.dry_run,
    };
    if args.dry_run {
        let would = client.dry_run(&request).await.map_err(from_client)?;
        return if ui.json { ui.json(&would) } else { ui.print(&dry(&would)) };
    }
    // Listening starts before sending, so that no answer can come unseen.
    let events = if args.wait.is_some() { client.events(None).await.ok() } else { None };
    let sent = client.send(&request).await.map_err(from_client)?;
    if !sent.secrets.is_empty() {
        ui.note(format!("note: it looks as if it held a secret: {}", listed(&sent.secrets)));
    }
    let Some(wait) = args.wait else {
        let shown = format!("Queued for {}, id {}", short_key(&sent.to), short_id(&sent.id));
        return ui.done(shown, &sent);
    };
    let patience = Duration::from_secs(args.timeout);
    let wanted = Wanted { sent: &sent, wait, deadline: Instant::now() + patience };
    let outcome = wanted.wait(ui, &client, events).await;
    ui.progress_done();
    told(ui, &sent, wait, outcome?)
}

/// What would become of a message.
fn dry(would: &DryRun) -> String {
    let relays: Vec<String> = would.relays.iter().map(|relay| format!("  {}\n", safe(relay))).collect();
    let (to, form, why) = (short_key(&would.to), safe(&would.encryption), safe(&would.route_reason));
    let mut out = format!("Would go to {to} as {form}, through ({why}):\n{}", relays.concat());
    if !would.secrets.is_empty() {
        let end = if would.would == "refuse" { "; it would be refused without --allow-secret" } else { "" };
        out.push_str(&format!("It looks as if it held a secret: {}{end}\n", listed(&would.secrets)));
    }
    if would.work_bits > 0 {
        out.push_str(&format!("It asks strangers for {} bits of work (NIP-13), which would be done first.\n", would.work_bits));
    }
    out.push_str("Nothing was sent.\n");
    out
}

fn listed(secrets: &[SecretSeen]) -> String {
    let show = |seen: &SecretSeen| format!("{} ({}, line {}, character {})", safe(&seen.kind), safe(&seen.part), seen.line, seen.column);
    secrets.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// At a terminal it is the owner; what runs programs without one is an agent, or may be.
fn origin() -> Origin {
    if std::io::stdin().is_terminal() || std::io::stdout().is_terminal() { Origin::Owner } else { Origin::Agent }
}

fn content(text: Option<String>) -> Result<String, CliError> {
    match text {
        Some(text) if text != "-" => return Ok(text),
        None if std::io::stdin().is_terminal() => {
            return Err(CliError::usage("there is nothing to send").hint("give a text, or pipe one: echo hello | ocmesh send <peer> -"));
        }
        _ => {}
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(INPUT_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| CliError::could_not("no_input", "could not read standard input").why(error))?;
    let mut text = String::from_utf8(bytes).map_err(|_| CliError::could_not("bad_input", "standard input is not UTF-8 text"))?;
    // The line break that echo and editors add is not part of the message.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// What became of a message.
#[derive(Debug)]
enum Outcome {
    /// It stands where it was wanted, or further.
    Reached(Box<MessageDetail>),
    /// The peer answered.
    Replied(Box<Message>),
    /// It was given up.
    Failed(Box<MessageDetail>),
    /// Time is up.
    TimedOut(Box<MessageDetail>),
}

/// A message and what is waited for.
struct Wanted<'a> {
    sent: &'a Sent,
    wait: WaitFor,
    deadline: Instant,
}

impl Wanted<'_> {
    /// Looks at the message, then sleeps until something happens; events only wake, the store tells.
    async fn wait(&self, ui: &Ui, client: &Client, mut events: Option<EventStream>) -> Result<Outcome, CliError> {
        let started = Instant::now();
        loop {
            let detail = client.message(&self.sent.id).await.map_err(from_client)?;
            if let Some(outcome) = self.outcome(client, &detail).await? {
                return Ok(outcome);
            }
            if Instant::now() >= self.deadline {
                return Ok(Outcome::TimedOut(Box::new(detail)));
            }
            let seconds = started.elapsed().as_secs();
            ui.progress(format!("{} … {seconds} s (Ctrl-C stops waiting, not the message)", safe(&detail.message.status)));
            let until = self.deadline.min(Instant::now() + LOOK_AGAIN);
            match &mut events {
                // A broken stream is opened again; until then we look at intervals.
                Some(stream) => match timeout_at(until, stream.next()).await {
                    Ok(Ok(Some(_))) | Err(_) => {}
                    Ok(_) => events = None,
                },
                None => {
                    tokio::time::sleep_until(until.min(Instant::now() + Duration::from_secs(1))).await;
                    events = client.events(None).await.ok();
                }
            }
        }
    }

    async fn outcome(&self, client: &Client, detail: &MessageDetail) -> Result<Option<Outcome>, CliError> {
        let status = detail.message.status.as_str();
        if status == "failed" {
            return Ok(Some(Outcome::Failed(Box::new(detail.clone()))));
        }
        Ok(match self.wait {
            WaitFor::Delivered => matches!(status, "delivered" | "read").then(|| Outcome::Reached(Box::new(detail.clone()))),
            WaitFor::Read => (status == "read").then(|| Outcome::Reached(Box::new(detail.clone()))),
            WaitFor::Reply => self.reply(client, detail).await?.map(|message| Outcome::Replied(Box::new(message))),
        })
    }

    /// The first message of the peer that answers ours: by name, or, from clients without threads, by coming after it.
    async fn reply(&self, client: &Client, detail: &MessageDetail) -> Result<Option<Message>, CliError> {
        let query = MessagesQuery {
            from: Some(self.sent.to.clone()),
            since: Some(detail.message.stored_at.clone()),
            direction: Some("in".to_owned()),
            ..MessagesQuery::default()
        };
        let newer = client.messages(&query).await.map_err(from_client)?.items;
        let answers = |message: &&Message| message.reply_to.as_deref() == Some(self.sent.id.as_str());
        let unthreaded = |message: &&Message| message.reply_to.is_none();
        Ok(newer.iter().rev().find(answers).or_else(|| newer.iter().rev().find(unthreaded)).cloned())
    }
}

fn told(ui: &Ui, sent: &Sent, wait: WaitFor, outcome: Outcome) -> Result<(), CliError> {
    match outcome {
        Outcome::Reached(detail) => {
            let shown = format!("{} to {}, id {}", capital(&safe(&detail.message.status)), short_key(&sent.to), short_id(&sent.id));
            ui.done(shown, &detail)
        }
        Outcome::Replied(reply) if ui.json => ui.json(&json!({"sent": sent, "reply": ui.message_value(&reply)?})),
        Outcome::Replied(reply) => {
            ui.data_note()?;
            ui.print(&ui.message(&reply, now())?)
        }
        Outcome::Failed(detail) => {
            let reason = detail.message.fail_reason.as_deref().map_or_else(|| "no reason given".to_owned(), safe);
            Err(CliError::could_not("failed", "the message could not be delivered")
                .why(reason)
                .hint(format!("try once more: ocmesh outbox retry {}", short_id(&sent.id))))
        }
        Outcome::TimedOut(detail) => Err(timed_out(sent, wait, &detail)),
    }
}

fn timed_out(sent: &Sent, wait: WaitFor, detail: &MessageDetail) -> CliError {
    let what = match wait {
        WaitFor::Delivered => "no delivery receipt came in time",
        WaitFor::Read => "no read receipt came in time",
        WaitFor::Reply => "no reply came in time",
    };
    let why = match detail.message.status.as_str() {
        "queued" => "no relay has the message yet".to_owned(),
        "relayed" => "a relay has the message; the peer may be away, or gives strangers no receipts".to_owned(),
        status => format!("the message is {}", safe(status)),
    };
    CliError::could_not("timed_out", what)
        .why(why)
        .hint(format!("it is tried further by itself; see: ocmesh outbox ({})", short_id(&sent.id)))
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
