//! The shell around the core: sockets, files, clock, key, HTTP. No decisions of its own.

pub mod clock;
pub mod config;
pub mod damaged_log;
pub mod engine;
pub mod home;
pub mod http;
pub mod identity;
pub mod keys;
mod limit;
pub mod lock;
pub mod logging;
mod run;
pub mod secrets;
pub mod shutdown;
pub mod start_error;
pub mod token;
pub mod wake;

pub use run::{DaemonOptions, VERSION, run};
