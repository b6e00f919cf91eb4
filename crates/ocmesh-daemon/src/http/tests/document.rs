//! The description and the code agree: route table, router, OpenAPI document, and the samples in it.

use std::collections::BTreeSet;

use ocmesh_api::{
    AddPeerRequest, AddRelayRequest, Done, DryRun, ErrorBody, Event, Identity, IdentityPatch, Invite, InviteRequest, JoinRequest, Marked,
    Message, MessageDetail, Method, NewInvite, OutboxEntry, Peer, PeerPatch, ROUTES, ReadRequest, RelayStatus, Request, SecretSeen,
    SendAnswer, SendRequest, Sent, StatusReport, WakeStatus, WakeTested, route::Reply as Shape,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::*;

async fn document(daemon: &Daemon) -> Value {
    let reply = daemon.get("/openapi.json").await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.value()
}

#[tokio::test]
async fn the_document_lists_exactly_the_route_table() {
    let document = document(&Daemon::new().await).await;
    let mut listed = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            listed.insert((path.clone(), method.to_uppercase()));
        }
    }
    let table: BTreeSet<_> = ROUTES.iter().map(|route| (route.path.to_owned(), route.method.to_string())).collect();
    assert_eq!(listed, table);
    let ids: BTreeSet<_> = ROUTES.iter().map(|route| operation(&document, route)["operationId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), ROUTES.len(), "every operation has its own name");
}

fn operation<'a>(document: &'a Value, route: &ocmesh_api::Route) -> &'a Value {
    &document["paths"][route.path][route.method.as_str().to_lowercase()]
}

fn reference(name: &str) -> Value {
    serde_json::json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[tokio::test]
async fn bodies_and_answers_are_of_the_types_in_the_table() {
    let document = document(&Daemon::new().await).await;
    for route in ROUTES {
        let operation = operation(&document, route);
        assert_eq!(operation["summary"], route.summary);
        assert_eq!(operation["x-scope"], route.scope.as_str());
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(*body, route.request.map_or(Value::Null, reference), "{route:?}");
        let good = &operation["responses"]["200"]["content"];
        match route.response {
            Shape::One(name) => assert_eq!(good["application/json"]["schema"], reference(name), "{route:?}"),
            Shape::List(name) => {
                assert_eq!(good["application/json"]["schema"]["items"], reference(name), "{route:?}");
                assert_eq!(good["application/json"]["schema"]["type"], "array");
            }
            Shape::Stream(name) => assert_eq!(good["text/event-stream"]["schema"], reference(name), "{route:?}"),
            Shape::Other(media) => assert!(good[media.split(';').next().unwrap()].is_object(), "{route:?}"),
        }
        assert_eq!(operation["responses"]["default"]["content"]["application/json"]["schema"], reference("ErrorBody"));
    }
}

#[tokio::test]
async fn the_router_has_every_route_and_the_parameters_it_lists() {
    let daemon = Daemon::new().await;
    let document = document(&daemon).await;
    for route in ROUTES {
        let path = route.path.replace("{pubkey}", ADA).replace("{id}", &id(1).to_hex()).replace("{url}", "wss%3A%2F%2Fx.com");
        // An unknown parameter reaches the call itself, and nothing else does.
        let reply = daemon.json(route.method.as_str(), &format!("{path}?no_such=1"), "{}").await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"), "{route:?}: {reply:?}");
        let hint = reply.value()["error"]["hint"].as_str().unwrap().to_owned();
        let listed: Vec<_> = operation(&document, route)["parameters"].as_array().into_iter().flatten().collect();
        let query: Vec<_> = listed.iter().filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap()).collect();
        let expected = if query.is_empty() { "this call takes none".to_owned() } else { format!("known are: {}", query.join(", ")) };
        assert_eq!(hint, expected, "{route:?}");
        if route.method == Method::Get {
            assert!(query.is_empty() == !matches!(route.path, "/peers" | "/messages" | "/outbox"), "{route:?}");
        }
    }
    assert!(daemon.asked().is_empty());
}

/// The sample in the document reads as its type, and the type writes it back unchanged.
fn reads_as<T: DeserializeOwned + Serialize>(document: &Value, name: &str, checked: &mut BTreeSet<String>) {
    let sample = &document["components"]["schemas"][name]["example"];
    let value: T = serde_json::from_value(sample.clone()).unwrap_or_else(|error| panic!("{name}: {error}: {sample}"));
    assert_eq!(serde_json::to_value(value).unwrap(), *sample, "{name}");
    checked.insert(name.to_owned());
}

#[tokio::test]
async fn every_sample_reads_as_its_type() {
    let document = document(&Daemon::new().await).await;
    let mut checked = BTreeSet::new();
    let done = &mut checked;
    reads_as::<StatusReport>(&document, "StatusReport", done);
    reads_as::<Peer>(&document, "Peer", done);
    reads_as::<AddPeerRequest>(&document, "AddPeerRequest", done);
    reads_as::<PeerPatch>(&document, "PeerPatch", done);
    reads_as::<Request>(&document, "Request", done);
    reads_as::<Invite>(&document, "Invite", done);
    reads_as::<NewInvite>(&document, "NewInvite", done);
    reads_as::<InviteRequest>(&document, "InviteRequest", done);
    reads_as::<JoinRequest>(&document, "JoinRequest", done);
    reads_as::<Message>(&document, "Message", done);
    reads_as::<MessageDetail>(&document, "MessageDetail", done);
    reads_as::<ReadRequest>(&document, "ReadRequest", done);
    reads_as::<Marked>(&document, "Marked", done);
    reads_as::<SendRequest>(&document, "SendRequest", done);
    reads_as::<SendAnswer>(&document, "SendAnswer", done);
    reads_as::<Sent>(&document, "Sent", done);
    reads_as::<DryRun>(&document, "DryRun", done);
    reads_as::<SecretSeen>(&document, "SecretSeen", done);
    reads_as::<OutboxEntry>(&document, "OutboxEntry", done);
    reads_as::<WakeStatus>(&document, "WakeStatus", done);
    reads_as::<WakeTested>(&document, "WakeTested", done);
    reads_as::<RelayStatus>(&document, "RelayStatus", done);
    reads_as::<AddRelayRequest>(&document, "AddRelayRequest", done);
    reads_as::<Identity>(&document, "Identity", done);
    reads_as::<IdentityPatch>(&document, "IdentityPatch", done);
    reads_as::<Event>(&document, "Event", done);
    reads_as::<Done>(&document, "Done", done);
    reads_as::<ErrorBody>(&document, "ErrorBody", done);
    for route in ROUTES {
        let answer = match route.response {
            Shape::One(name) | Shape::List(name) | Shape::Stream(name) => Some(name),
            Shape::Other(_) => None,
        };
        for name in route.request.into_iter().chain(answer) {
            assert!(checked.contains(name), "{name} is not checked");
        }
    }
}

#[test]
fn the_samples_name_real_keys() {
    assert!(ocmesh_wire::invite::read(&JoinRequest::example().code).is_ok());
    for (pubkey, npub) in [(StatusReport::example().pubkey, StatusReport::example().npub), (Peer::example().pubkey, Peer::example().npub)] {
        assert_eq!(ocmesh_wire::npub(&pubkey.parse().unwrap()), npub);
    }
}
