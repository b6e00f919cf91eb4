//! The dependency graph as the fences need it: who names whom directly, and who reaches whom through others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cargo_metadata::{DependencyKind, Metadata};

/// A crate and its edges.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The crate's name.
    pub(super) name: String,
    /// A member of this workspace.
    pub(super) ours: bool,
    /// Crates it names in `[dependencies]` or `[build-dependencies]`, optional ones and other platforms' included.
    pub(super) direct: BTreeSet<String>,
    /// Crates it names in `[dev-dependencies]`.
    pub(super) dev: BTreeSet<String>,
    /// Keys of the nodes it links (build and dev edges left out).
    links: Vec<String>,
}

/// All crates, by an opaque key: one name may stand for two versions.
#[derive(Debug, Default)]
pub(super) struct Graph(BTreeMap<String, Node>);

impl Graph {
    /// Reads what cargo resolved.
    pub(super) fn from_metadata(metadata: &Metadata) -> Self {
        let members: BTreeSet<_> = metadata.workspace_members.iter().collect();
        let mut nodes: BTreeMap<String, Node> = BTreeMap::new();
        for package in &metadata.packages {
            let mut node = Node { name: package.name.to_string(), ours: members.contains(&package.id), ..Node::default() };
            for dependency in &package.dependencies {
                let side = if dependency.kind == DependencyKind::Development { &mut node.dev } else { &mut node.direct };
                side.insert(dependency.name.clone());
            }
            nodes.insert(package.id.repr.clone(), node);
        }
        for resolved in metadata.resolve.iter().flat_map(|resolve| &resolve.nodes) {
            let linked = resolved.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
            let links = linked.map(|dep| dep.pkg.repr.clone()).collect();
            if let Some(node) = nodes.get_mut(&resolved.id.repr) {
                node.links = links;
            }
        }
        Self(nodes)
    }

    /// The members of this workspace.
    pub(super) fn ours(&self) -> impl Iterator<Item = &Node> {
        self.0.values().filter(|node| node.ours)
    }

    /// The shortest way from one of our crates to a crate named `goal`, as names, both ends included. It does not lead through our other
    /// crates: those have fences of their own.
    pub(super) fn way(&self, from: &Node, goal: &str) -> Option<Vec<String>> {
        let mut seen = BTreeSet::new();
        let mut queue = VecDeque::from([(from, vec![from.name.clone()])]);
        while let Some((node, way)) = queue.pop_front() {
            for key in &node.links {
                let Some(next) = self.0.get(key) else { continue };
                if !seen.insert(key) {
                    continue;
                }
                let longer = [way.clone(), vec![next.name.clone()]].concat();
                if next.name == goal {
                    return Some(longer);
                }
                if !next.ours {
                    queue.push_back((next, longer));
                }
            }
        }
        None
    }

    /// A made-up graph: `(name, ours, direct, dev)`; what is named is also linked.
    #[cfg(test)]
    pub(super) fn made_up(crates: &[(&str, bool, &[&str], &[&str])]) -> Self {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let set = |names: &[&str]| own(names).into_iter().collect();
        let node = |&(name, ours, direct, dev): &(&str, bool, &[&str], &[&str])| {
            let node = Node { name: name.to_owned(), ours, direct: set(direct), dev: set(dev), links: own(direct) };
            (name.to_owned(), node)
        };
        Self(crates.iter().map(node).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two packages as `cargo metadata` writes them: `a` (ours) links `b`, names `c` for tests only.
    fn metadata() -> Metadata {
        let package = |name: &str, dependencies: &str| {
            format!(
                r#"{{"name":"{name}","version":"1.0.0","id":"id-{name}","license":null,"license_file":null,"description":null,"source":null,
                "dependencies":[{dependencies}],"targets":[],"features":{{}},"manifest_path":"/{name}/Cargo.toml","metadata":null,"publish":null,
                "authors":[],"categories":[],"keywords":[],"readme":null,"repository":null,"homepage":null,"documentation":null,
                "edition":"2024","links":null,"default_run":null,"rust_version":null}}"#
            )
        };
        let dependency = |name: &str, kind: &str| {
            format!(
                r#"{{"name":"{name}","source":null,"req":"*","kind":{kind},"rename":null,"optional":false,"uses_default_features":true,
                "features":[],"target":null,"registry":null}}"#
            )
        };
        let a = package("a", &[dependency("b", "null"), dependency("c", "\"dev\"")].join(","));
        let edge =
            |name: &str, kind: &str| format!(r#"{{"name":"{name}","pkg":"id-{name}","dep_kinds":[{{"kind":{kind},"target":null}}]}}"#);
        let text = format!(
            r#"{{"packages":[{a},{},{}],"workspace_members":["id-a"],"workspace_default_members":["id-a"],"resolve":{{"nodes":[
            {{"id":"id-a","dependencies":["id-b","id-c"],"deps":[{},{}],"features":[]}},
            {{"id":"id-b","dependencies":[],"deps":[],"features":[]}}, {{"id":"id-c","dependencies":[],"deps":[],"features":[]}}],"root":null}},
            "target_directory":"/t","version":1,"workspace_root":"/","metadata":null}}"#,
            package("b", ""),
            package("c", ""),
            edge("b", "null"),
            edge("c", "\"dev\""),
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn metadata_becomes_a_graph_with_dev_edges_apart() {
        let graph = Graph::from_metadata(&metadata());
        let ours: Vec<_> = graph.ours().collect();
        assert_eq!(ours.len(), 1);
        let a = ours[0];
        let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!((names(&a.direct), names(&a.dev)), ("b".to_owned(), "c".to_owned()));
        assert_eq!(graph.way(a, "b"), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(graph.way(a, "c"), None, "a dev-dependency is not linked");
    }
}
