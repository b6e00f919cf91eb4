//! The real binary, the installer and the skill, seen from outside: each user has a home directory and an environment of their own.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; the configuration allows this in test functions only, not in what they share"
)]

mod connect;
mod connect_openclaw;
mod copied;
mod examples;
mod identity;
mod install;
mod live;
mod locked;
mod mcp;
mod moved;
mod offline;
mod person;
mod security;
mod service;
mod skill;
mod start;
mod support;
mod token;
mod wake;
