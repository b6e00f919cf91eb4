//! Keys and their backups: the one door to the crate that holds them.

pub(crate) use ocmesh_daemon::keys::{Keys, backup, npub, parse_key};
