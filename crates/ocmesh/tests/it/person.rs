//! Somebody with a running daemon, who uses the command line.

use ocmesh_localrelay::{LocalRelay, RelayOptions};
use ocmesh_testkit::{
    TestDaemon,
    wait::{PATIENCE, until},
};
use serde_json::Value;

use crate::support::{Ended, User};

/// A person with a running daemon.
pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) daemon: TestDaemon,
    pub(crate) npub: String,
}

impl Person {
    pub(crate) async fn new(name: &str, relay: &LocalRelay) -> Self {
        let builder = TestDaemon::builder().binary(env!("CARGO_BIN_EXE_ocmesh")).relays(&[relay.url()]).name(name);
        let daemon = builder.start().await.unwrap();
        let mut person = Self { user: User::new(), daemon, npub: String::new() };
        until("the relay", PATIENCE, async || {
            person.run(&["status", "--json"]).json()["relay_status"][0]["state"].eq("ready").then_some(())
        })
        .await
        .unwrap();
        person.npub = person.json(&["identity", "show"])["npub"].as_str().unwrap().to_owned();
        person
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.user.ocmesh(arguments);
        command.env("OCMESH_HOME", self.daemon.home());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).expect(0).json()
    }

    pub(crate) async fn finds(&self, name: &str) {
        let look = async || self.json(&["peers", "--online", "-q", name]).as_array().and_then(|peers| peers.first().cloned());
        until(format!("finding {name}"), PATIENCE, look).await.unwrap();
    }

    pub(crate) async fn receives(&self, text: &str) -> Value {
        let look = async || {
            let messages = self.json(&["inbox", "--unread"]);
            messages.as_array().unwrap().iter().find(|message| message["body"] == text).cloned()
        };
        until(format!("receiving {text:?}"), PATIENCE, look).await.unwrap()
    }
}

/// Ada and Bob on a relay of their own, who have found each other.
pub(crate) async fn two() -> (LocalRelay, Person, Person) {
    let relay = LocalRelay::start(RelayOptions::default()).await.unwrap();
    let (ada, bob) = (Person::new("ada", &relay).await, Person::new("bob", &relay).await);
    ada.finds("bob").await;
    bob.finds("ada").await;
    (relay, ada, bob)
}
