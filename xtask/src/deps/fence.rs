//! The fences themselves: which of our crates a crate may name, and which foreign crates it keeps out.

use super::graph::{Graph, Node};

/// What one crate may depend on.
struct Fence {
    /// The crate.
    of: &'static str,
    /// Our crates it may name.
    may: &'static [&'static str],
    /// Crates it must not name itself.
    never_names: &'static [&'static str],
    /// Crates it must not link even through others.
    never_links: &'static [&'static str],
    /// The reason, shown with every crossing.
    why: &'static str,
}

/// One entry a crate; a crate without an entry is an error, so that a new one gets its fence on its first day.
const FENCES: &[Fence] = &[
    Fence {
        of: "ocmesh-text",
        may: &[],
        never_names: &[],
        never_links: &["tokio", "serde", "serde_json", "getrandom", "rand", "tracing", "nostr", "rusqlite"],
        why: "text is below everything: what is hidden and what steers is said once, for the core, the relays, the logs and every screen",
    },
    Fence {
        of: "ocmesh-proto",
        may: &["ocmesh-text"],
        never_names: &["serde_json", "time", "chrono"],
        never_links: &[
            "tokio",
            "tokio-tungstenite",
            "tungstenite",
            "hyper",
            "axum",
            "rustls",
            "nostr",
            "rusqlite",
            "serde_json",
            "getrandom",
            "rand",
            "secp256k1",
            "tracing",
            "futures-util",
        ],
        why: "the mesh is a pure state machine: no I/O, no clock, no crypto, no async",
    },
    Fence {
        of: "ocmesh-wire",
        may: &["ocmesh-proto"],
        never_names: &[],
        never_links: &["tokio", "tokio-tungstenite", "tungstenite", "hyper", "axum", "rustls", "rusqlite", "nostr-sdk", "nostr-relay-pool"],
        why: "wire has the crypto, but no sockets and no database",
    },
    Fence {
        of: "ocmesh-relay",
        may: &["ocmesh-text"],
        never_names: &[],
        never_links: &["nostr", "rusqlite", "libsqlite3-sys", "axum", "secp256k1"],
        why: "the relay engine has the sockets, but no database and no mesh rules",
    },
    Fence {
        of: "ocmesh-localrelay",
        may: &[],
        never_names: &[],
        never_links: &["rusqlite", "libsqlite3-sys", "axum"],
        why: "the local relay is a program of its own: it must not share code with what it tests",
    },
    Fence {
        of: "ocmesh-store",
        may: &["ocmesh-proto"],
        never_names: &["tokio"],
        never_links: &["tokio", "tokio-tungstenite", "tungstenite", "hyper", "axum", "rustls", "nostr"],
        why: "the store has SQLite, but no network and no async runtime",
    },
    Fence {
        of: "ocmesh-api",
        may: &["ocmesh-text"],
        never_names: &["axum", "clap"],
        never_links: &["nostr", "rusqlite", "axum", "tungstenite", "rustls"],
        why: "the API's types belong to both sides of it: no daemon, no core",
    },
    Fence {
        of: "ocmesh-mcp",
        may: &["ocmesh-api", "ocmesh-text"],
        never_names: &["hyper"],
        never_links: &["nostr", "rusqlite", "axum", "tungstenite"],
        why: "the MCP server talks to the daemon like anyone: by the calls of the Local API",
    },
    Fence {
        of: "ocmesh-daemon",
        may: &["ocmesh-proto", "ocmesh-wire", "ocmesh-relay", "ocmesh-store", "ocmesh-api", "ocmesh-mcp", "ocmesh-text"],
        never_names: &["nostr", "rusqlite", "tokio-tungstenite", "tungstenite", "rustls", "rmcp", "clap", "anyhow"],
        never_links: &["clap", "nostr-sdk", "nostr-relay-pool"],
        why: "the daemon is glue: events go through wire, sockets through relay, SQL through store, the terminal through the binary",
    },
    Fence {
        of: "ocmesh",
        may: &["ocmesh-daemon", "ocmesh-mcp", "ocmesh-api", "ocmesh-localrelay", "ocmesh-text"],
        never_names: &["nostr", "rusqlite", "tokio-tungstenite", "axum", "rustls"],
        never_links: &["nostr-sdk", "nostr-relay-pool", "native-tls"],
        why: "the binary is a command line: it runs the daemon or asks it over the API",
    },
    Fence {
        of: "ocmesh-testkit",
        may: &["ocmesh-proto", "ocmesh-wire", "ocmesh-api", "ocmesh-localrelay"],
        never_names: &["rusqlite"],
        never_links: &["ocmesh-daemon", "ocmesh-relay", "ocmesh-store"],
        why: "the testkit stands outside of what it tests",
    },
    Fence {
        of: "ocmesh-fuzz",
        may: &["ocmesh-proto", "ocmesh-wire", "ocmesh-relay", "ocmesh-api", "ocmesh-text"],
        never_names: &["rusqlite", "axum", "clap"],
        never_links: &["rusqlite", "libsqlite3-sys", "openssl-sys", "axum"],
        why: "the fuzz targets must build in a minute: no SQLCipher, no OpenSSL",
    },
    Fence {
        of: "ocmesh-bench",
        // The daemon for the paths that are counted alone: it must not be linked.
        may: &["ocmesh-proto", "ocmesh-wire", "ocmesh-relay", "ocmesh-store", "ocmesh-api", "ocmesh-daemon"],
        never_names: &["rusqlite", "nostr"],
        never_links: &["ocmesh-daemon", "axum"],
        why: "the laboratory measures from outside: it makes events and stores with our crates, and talks to daemons over sockets",
    },
    Fence {
        of: "xtask",
        may: &["ocmesh-testkit"],
        never_names: &["nostr", "rusqlite", "axum", "hyper"],
        never_links: &[],
        why: "tasks start programs, they are not part of one",
    },
];

/// Our crates anyone may use in tests; `ocmesh-proto` may not, its tests need nothing but itself.
const FOR_TESTS: &[&str] = &["ocmesh-testkit", "ocmesh-localrelay"];

/// The crate that stays free of our other crates even in tests.
const PURE: &str = "ocmesh-proto";

/// Every edge that crosses a fence, in words.
pub(super) fn check(graph: &Graph) -> Vec<String> {
    let mut crossings = Vec::new();
    for node in graph.ours() {
        match FENCES.iter().find(|fence| fence.of == node.name) {
            Some(fence) => check_one(graph, node, fence, &mut crossings),
            None => crossings.push(format!("{} has no fence: add one to xtask/src/deps/fence.rs and to ARCHITECTURE.md", node.name)),
        }
    }
    for fence in FENCES.iter().filter(|fence| !graph.ours().any(|node| node.name == fence.of)) {
        crossings.push(format!("{} has a fence but is not in the workspace", fence.of));
    }
    crossings
}

fn check_one(graph: &Graph, node: &Node, fence: &Fence, crossings: &mut Vec<String>) {
    let ours = |name: &str| graph.ours().any(|other| other.name == name);
    let mut cross = |edge: String| crossings.push(format!("{edge}: {}", fence.why));
    for name in node.direct.iter().filter(|name| ours(name) && !fence.may.contains(&name.as_str())) {
        cross(format!("{} -> {name}", node.name));
    }
    for name in node.dev.iter().filter(|name| ours(name)) {
        let allowed = fence.may.contains(&name.as_str()) || (node.name != PURE && FOR_TESTS.contains(&name.as_str()));
        if !allowed {
            cross(format!("{} -> {name} (in tests)", node.name));
        }
    }
    for name in fence.never_names.iter().filter(|name| node.direct.contains(**name)) {
        cross(format!("{} -> {name}", node.name));
    }
    for name in fence.never_links {
        if let Some(way) = graph.way(node, name) {
            cross(way.join(" -> "));
        } else if node.direct.contains(*name) {
            // An optional dependency, or one for another platform: not linked here, but named.
            cross(format!("{} -> {name} (optional or for another platform)", node.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Made = (&'static str, bool, &'static [&'static str], &'static [&'static str]);

    /// The workspace as it should be, with one crate replaced.
    fn check_with(changed: &[Made]) -> Vec<String> {
        let mut crates: Vec<Made> = vec![
            ("ocmesh-text", true, &[], &[]),
            ("ocmesh-proto", true, &["ocmesh-text", "serde"], &[]),
            ("ocmesh-wire", true, &["ocmesh-proto", "nostr"], &[]),
            ("ocmesh-relay", true, &["tokio"], &["ocmesh-testkit"]),
            ("ocmesh-localrelay", true, &["nostr", "tokio"], &[]),
            ("ocmesh-store", true, &["ocmesh-proto", "rusqlite"], &[]),
            ("ocmesh-api", true, &["serde"], &[]),
            ("ocmesh-mcp", true, &["ocmesh-api"], &[]),
            (
                "ocmesh-daemon",
                true,
                &["ocmesh-proto", "ocmesh-wire", "ocmesh-relay", "ocmesh-store", "ocmesh-api", "ocmesh-mcp"],
                &["ocmesh-localrelay"],
            ),
            ("ocmesh", true, &["ocmesh-daemon", "ocmesh-mcp", "ocmesh-api", "ocmesh-localrelay"], &["ocmesh-testkit"]),
            ("ocmesh-testkit", true, &["ocmesh-localrelay", "ocmesh-api"], &[]),
            ("ocmesh-fuzz", true, &["ocmesh-proto", "ocmesh-wire", "ocmesh-relay", "ocmesh-api"], &[]),
            ("ocmesh-bench", true, &["ocmesh-proto", "ocmesh-wire", "ocmesh-relay", "ocmesh-store"], &["ocmesh-daemon"]),
            ("xtask", true, &["ocmesh-testkit"], &[]),
            ("serde", false, &[], &[]),
            ("nostr", false, &["serde"], &[]),
            ("tokio", false, &[], &[]),
            ("rusqlite", false, &[], &[]),
        ];
        crates.retain(|(name, ..)| !changed.iter().any(|(other, ..)| name == other));
        crates.extend_from_slice(changed);
        check(&Graph::made_up(&crates))
    }

    #[track_caller]
    fn assert_only(found: &[String], edge: &str) {
        assert!(found.len() == 1 && found[0].starts_with(edge), "wanted `{edge}` alone, found {found:#?}");
        assert!(found[0].len() > edge.len() + 10, "a crossing says why: {}", found[0]);
    }

    #[test]
    fn the_planned_workspace_is_inside_its_fences() {
        assert_eq!(check_with(&[]), Vec::<String>::new());
    }

    #[test]
    fn proto_stays_pure() {
        assert_only(&check_with(&[("ocmesh-proto", true, &["serde", "tokio"], &[])]), "ocmesh-proto -> tokio: the mesh is a pure");
    }

    #[test]
    fn a_forbidden_crate_behind_another_is_found_with_the_way_to_it() {
        let found =
            check_with(&[("nostr", false, &["reqwest"], &[]), ("reqwest", false, &["tokio"], &[]), ("ocmesh-localrelay", true, &[], &[])]);
        assert_only(&found, "ocmesh-wire -> nostr -> reqwest -> tokio");
    }

    #[test]
    fn an_optional_dependency_that_is_not_linked_counts_too() {
        assert_only(&check_with(&[("ocmesh-store", true, &["ocmesh-proto", "rusqlite", "hyper"], &[])]), "ocmesh-store -> hyper (optional");
    }

    #[test]
    fn the_binary_does_not_reach_past_the_daemon() {
        let found = check_with(&[("ocmesh", true, &["ocmesh-daemon", "ocmesh-store"], &[])]);
        assert_only(&found, "ocmesh -> ocmesh-store");
    }

    #[test]
    fn mcp_uses_the_api_alone() {
        assert_only(&check_with(&[("ocmesh-mcp", true, &["ocmesh-api", "ocmesh-proto"], &[])]), "ocmesh-mcp -> ocmesh-proto");
    }

    #[test]
    fn tests_may_use_the_testkit_and_nothing_else_beyond_the_fence() {
        assert_only(
            &check_with(&[("ocmesh-store", true, &["rusqlite"], &["ocmesh-testkit", "ocmesh-wire"])]),
            "ocmesh-store -> ocmesh-wire (in tests)",
        );
        assert_only(&check_with(&[("ocmesh-proto", true, &["serde"], &["ocmesh-testkit"])]), "ocmesh-proto -> ocmesh-testkit (in tests)");
        assert_only(&check_with(&[("ocmesh-relay", true, &["tokio", "ocmesh-testkit"], &[])]), "ocmesh-relay -> ocmesh-testkit");
    }

    #[test]
    fn the_laboratory_counts_the_daemon_and_does_not_link_it() {
        assert_only(&check_with(&[("ocmesh-bench", true, &["ocmesh-daemon"], &[])]), "ocmesh-bench -> ocmesh-daemon");
    }

    #[test]
    fn a_crate_without_a_fence_is_an_error() {
        assert_only(&check_with(&[("ocmesh-new", true, &[], &[])]), "ocmesh-new has no fence");
    }
}
