//! The agents in `examples/` beside real daemons: they answer those their owner knows, lose nothing when anything is killed, and two of them
//! that answer each other come to an end.

use std::{
    fs,
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use ocmesh_api::{Message, MessagesQuery, Origin, SendRequest};
use ocmesh_testkit::wait::{PATIENCE, until};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::person::{Person, two};

const EXAMPLES: [&str; 2] = ["answer.py", "answer.sh"];

/// The program that the agents ask: says that it has begun, waits while there is a pipe to wait for, and repeats what it was given.
const ECHO: &str =
    "words=$(cat); echo \"$words\" >>\"$HOME/begun\"; [ ! -p \"$HOME/pipe\" ] || cat \"$HOME/pipe\"; printf 'heard: %s\\n' \"$words\"";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// An agent that runs, with everything that it started, until it is killed.
struct Agent {
    child: Child,
    said: PathBuf,
}

impl Agent {
    fn start(name: &str, person: &Person) -> Self {
        person.user.program("echo-it", ECHO);
        let said = person.user.home().join("said");
        let out = fs::OpenOptions::new().create(true).append(true).open(&said).unwrap();
        let mut command = person.user.command(path(name));
        command.env("OCMESH_URL", format!("http://localhost:{}", person.daemon.client().unwrap().endpoint().port)).arg("echo-it");
        let child = command.process_group(0).stdin(Stdio::null()).stderr(out.try_clone().unwrap()).stdout(out).spawn().unwrap();
        Self { child, said }
    }
}

/// `kill -9` to it and all its children.
impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = fs::read(&self.said).unwrap_or_default();
            let _ = std::io::stderr().write_all(&[b"--- the agent said: ", said.as_slice()].concat());
        }
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process_group(group, Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }
}

impl Person {
    /// Asks as an owner; gives the question's id.
    async fn asks(&self, to: &Self, content: &str) -> String {
        let request = SendRequest { to: to.npub.clone(), content: content.into(), origin: Some(Origin::Owner), ..SendRequest::default() };
        self.daemon.client().unwrap().send(&request).await.unwrap().id
    }

    /// Every text that came, read or not, oldest first.
    async fn heard(&self) -> Vec<Message> {
        let page = self.daemon.client().unwrap().messages(&MessagesQuery::default()).await.unwrap();
        page.items.into_iter().rev().collect()
    }

    /// Waits for the answer to a question, and for its mark on the other side; gives the text of every answer to it.
    async fn is_answered(&self, by: &Self, question: &str) -> Vec<String> {
        let answers = async || {
            let marked = by.heard().await.iter().any(|message| message.id == question && message.read);
            let answers = self.heard().await.into_iter().filter(|message| message.reply_to.as_deref() == Some(question));
            let answers: Vec<String> = answers.map(|message| message.content).collect();
            (marked && !answers.is_empty()).then_some(answers)
        };
        until(format!("the answer to {question}"), PATIENCE, answers).await.unwrap()
    }
}

#[test]
fn each_fits_on_a_screen_and_says_how_it_is_used() {
    for name in EXAMPLES {
        let text = fs::read_to_string(path(name)).unwrap();
        assert!(text.lines().count() <= 30, "{name}: the README promises 30 lines");
        assert_eq!(fs::metadata(path(name)).unwrap().permissions().mode() & 0o111, 0o111, "{name}");
        let ended = std::process::Command::new(path(name)).output().unwrap();
        let said = [ended.stdout, ended.stderr].concat();
        assert!(!ended.status.success() && String::from_utf8(said).unwrap().contains("PROGRAM"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_agent_answers_and_loses_nothing() {
    answers_and_loses_nothing("answer.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_agent_answers_and_loses_nothing() {
    answers_and_loses_nothing("answer.sh").await;
}

async fn answers_and_loses_nothing(name: &str) {
    let (_relay, ada, mut bob) = two().await;
    let pipe = bob.user.home().join("pipe");
    let agent = Agent::start(name, &bob);

    // A stranger is not answered: an answer would accept it. What it wrote is acknowledged.
    let first = ada.asks(&bob, "do you answer strangers?").await;
    let acknowledged = async || bob.heard().await.iter().any(|message| message.id == first && message.read).then_some(());
    until("the mark on a stranger's question", PATIENCE, acknowledged).await.unwrap();
    bob.run(&["peer", "trust", &ada.npub, "known"]).expect(0);

    // Text is data, whatever it looks like.
    let nasty = "$(touch \"$HOME/owned\"); `touch owned` \"quotes' \\ \u{202e}\u{1b}[2J %s\n--version";
    let question = ada.asks(&bob, nasty).await;
    assert_eq!(ada.is_answered(&bob, &question).await, [format!("heard: {nasty}")]);
    assert!(!bob.user.home().join("owned").exists());
    assert!(ada.heard().await.iter().all(|message| message.reply_to.as_ref() != Some(&first)));

    // Killed while the program works: the question is still there for the next start.
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let question = ada.asks(&bob, "who is killed?").await;
    let begun = async || fs::read_to_string(bob.user.home().join("begun")).unwrap_or_default().contains("who is killed?").then_some(());
    until("the program's start", PATIENCE, begun).await.unwrap();
    drop(agent);
    fs::remove_file(&pipe).unwrap();
    assert!(bob.heard().await.iter().any(|message| message.id == question && !message.read));

    // Killed after an answer went out and before the question was marked: there is no second answer.
    let answered = ada.asks(&bob, "who is killed later?").await;
    bob.receives("who is killed later?").await;
    let sent = SendRequest {
        to: ada.npub.clone(),
        content: "as somebody said before".into(),
        reply_to: Some(answered.clone()),
        idempotency_key: Some(format!("answer-{answered}")),
        origin: Some(Origin::Agent),
        ..SendRequest::default()
    };
    bob.daemon.client().unwrap().send(&sent).await.unwrap();
    let agent = Agent::start(name, &bob);
    assert_eq!(ada.is_answered(&bob, &question).await, ["heard: who is killed?"]);
    assert_eq!(ada.is_answered(&bob, &answered).await, ["as somebody said before"]);

    // The daemon is killed under the agent, a question comes meanwhile, and the agent finds the daemon again.
    let port = bob.daemon.client().unwrap().endpoint().port;
    bob.daemon.kill9().await.unwrap();
    let question = ada.asks(&bob, "are you back?").await;
    bob.daemon.set_env([("OCMESH_API_PORT", port.to_string().into())]);
    bob.daemon.start().await.unwrap();
    assert_eq!(ada.is_answered(&bob, &question).await, ["heard: are you back?"]);
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_that_answer_each_other_come_to_an_end() {
    let (_relay, ada, bob) = two().await;
    ada.run(&["peer", "trust", &bob.npub, "known"]).expect(0);
    bob.run(&["peer", "trust", &ada.npub, "known"]).expect(0);
    let agents = [Agent::start("answer.py", &ada), Agent::start("answer.sh", &bob)];
    ada.asks(&bob, "shall we talk?").await;

    // One of the two is refused, says so, and leaves the message for later.
    let refused = async || agents.iter().map(|agent| fs::read_to_string(&agent.said).unwrap()).find(|said| said.contains(" 429"));
    until("the loop guard", 3 * PATIENCE, refused).await.unwrap();
    let (at_ada, at_bob) = (ada.heard().await, bob.heard().await);
    assert!((5..=11).contains(&(at_ada.len() + at_bob.len())), "{} and {}", at_ada.len(), at_bob.len());
    let unread = at_ada.iter().chain(&at_bob).filter(|message| !message.read).count();
    assert_eq!(unread, 1, "the answer that was refused is still owed");

    // Others are not kept waiting by it; what the owner asks is a matter of its own.
    let stopped = if at_ada.iter().any(|message| !message.read) { (&bob, &ada) } else { (&ada, &bob) };
    let (asks, answers) = stopped;
    let carol = Person::new("carol", &_relay).await;
    carol.finds(if std::ptr::eq(answers, &ada) { "ada" } else { "bob" }).await;
    answers.run(&["peer", "add", &carol.npub]).expect(0);
    answers.run(&["peer", "trust", &carol.npub, "known"]).expect(0);
    let question = carol.asks(answers, "and me?").await;
    assert_eq!(carol.is_answered(answers, &question).await, ["heard: and me?"]);
    let texts = asks.heard().await.len() + answers.heard().await.len();
    assert_eq!(texts, at_ada.len() + at_bob.len() + 1, "nothing but Carol's question came since");
}
