//! The skill folder against the program: an API reference that matches the API, and commands that exist. Its form is held by `cargo xtask skill`.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use ocmesh_api::*;
use route::Reply;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../skill/ocmesh").join(file)).unwrap()
}

/// The value parses as `T`, and has every key that `T` writes, and no other.
fn fits<T: Serialize + DeserializeOwned>(value: &Value) {
    let parsed: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"));
    assert_eq!(&serde_json::to_value(parsed).unwrap(), value);
}

fn check(name: &str, value: &Value) {
    match name {
        "StatusReport" => fits::<StatusReport>(value),
        "Peer" => fits::<Peer>(value),
        "AddPeerRequest" => fits::<AddPeerRequest>(value),
        "PeerPatch" => fits::<PeerPatch>(value),
        "Done" => fits::<Done>(value),
        "Request" => fits::<Request>(value),
        "Invite" => fits::<Invite>(value),
        "NewInvite" => fits::<NewInvite>(value),
        "InviteRequest" => fits::<InviteRequest>(value),
        "JoinRequest" => fits::<JoinRequest>(value),
        "Message" => fits::<Message>(value),
        "ReadRequest" => fits::<ReadRequest>(value),
        "Marked" => fits::<Marked>(value),
        "MessageDetail" => fits::<MessageDetail>(value),
        "SendRequest" => fits::<SendRequest>(value),
        "SendAnswer" => fits::<SendAnswer>(value),
        "DryRun" => fits::<DryRun>(value),
        "OutboxEntry" => fits::<OutboxEntry>(value),
        "WakeStatus" => fits::<WakeStatus>(value),
        "WakeTested" => fits::<WakeTested>(value),
        "RelayStatus" => fits::<RelayStatus>(value),
        "AddRelayRequest" => fits::<AddRelayRequest>(value),
        "Identity" => fits::<Identity>(value),
        "IdentityPatch" => fits::<IdentityPatch>(value),
        "Event" => fits::<Event>(value),
        "ErrorBody" => fits::<ErrorBody>(value),
        other => panic!("the API has a new type {other}: describe it in references/api.md, and add it here"),
    }
}

/// The JSON block after a label.
fn block(section: &str, label: &str) -> Value {
    let after = section.split(label).nth(1).unwrap_or_else(|| panic!("no {label:?} in: {section}"));
    let json = after.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

#[test]
fn the_reference_has_every_call_with_json_that_fits() {
    let text = read("references/api.md");
    let mut sections: Vec<(&str, &str)> = text.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap()).collect();
    for route in ROUTES {
        let heading = format!("{} {}", route.method, route.path);
        let index = sections.iter().position(|(found, _)| *found == heading).unwrap_or_else(|| panic!("no section \"{heading}\""));
        let (_, section) = sections.remove(index);
        assert!(section.contains(route.summary), "{heading}: not \"{}\"", route.summary);
        if let Some(request) = route.request {
            check(request, &block(section, &format!("Body (`{request}`)")));
        }
        match route.response {
            Reply::One(name) => check(name, &block(section, &format!("Answer (`{name}`)"))),
            Reply::List(name) => {
                let list = block(section, &format!("Answer (array of `{name}`)"));
                assert!(!list.as_array().unwrap().is_empty());
                list.as_array().unwrap().iter().for_each(|value| check(name, value));
            }
            Reply::Stream(name) => {
                let list = block(section, &format!("Events (array of `{name}`)"));
                list.as_array().unwrap().iter().for_each(|value| check(name, value));
                let names: BTreeSet<&str> = list.as_array().unwrap().iter().filter_map(|event| event["event"].as_str()).collect();
                assert_eq!(
                    names,
                    BTreeSet::from([
                        "message",
                        "peer",
                        "receipt",
                        "relay",
                        "gap",
                        "gap_healed",
                        "gap_lost",
                        "chain_broken",
                        "invite",
                        "loop",
                        "status",
                        "resync"
                    ])
                );
            }
            Reply::Other(media_type) => assert!(section.contains(media_type), "{heading}"),
        }
    }
    let left: Vec<&str> = sections.iter().map(|(heading, _)| *heading).collect();
    assert_eq!(left, ["Lists", "Errors"], "sections of calls that do not exist");
    check("ErrorBody", &block(&text, "(`ErrorBody`)"));
    check("DryRun", &block(&text, "(`DryRun`)"));
}

#[test]
fn the_reference_names_every_error_code() {
    let text = read("references/api.md");
    for code in ErrorCode::ALL {
        assert!(text.contains(&format!("`{}`", code.as_str())), "{}", code.as_str());
    }
}

#[test]
fn every_command_in_the_skill_exists() {
    let text = read("SKILL.md");
    let commands = text.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("ocmesh "));
    let mut count = 0;
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase())).take(2).collect();
        let options: Vec<&str> = command.split_whitespace().filter(|word| word.starts_with('-') && word.len() > 1).collect();
        let answer = Command::new(env!("CARGO_BIN_EXE_ocmesh")).env_clear().args(&words).arg("--help").output().unwrap();
        assert!(answer.status.success(), "ocmesh {command}");
        let help = String::from_utf8(answer.stdout).unwrap();
        for option in options {
            let option = option.split('=').next().unwrap();
            assert!(help.contains(option), "ocmesh {command}: no {option} in {help}");
        }
        count += 1;
    }
    assert!(count > 15, "{count}");
}
