//! The shell around the core: sockets, files, clock, key, HTTP. No decisions of its own.

pub mod engine;
