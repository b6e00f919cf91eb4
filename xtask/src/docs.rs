//! `cargo xtask docs`: the API documentation of our crates, warnings denied, so that a link to a renamed item fails here.

use anyhow::Result;

use crate::run::{cargo, command, succeed};

/// Builds the documentation.
///
/// # Errors
/// A broken link, or anything else `rustdoc` warns about.
pub(crate) fn run() -> Result<()> {
    let mut docs = command(&cargo(), &["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    docs.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links");
    succeed(docs)
}
