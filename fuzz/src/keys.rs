//! Keys as the files of the binary ask for them; the code is `ocmesh-wire`'s.

pub(crate) use ocmesh_wire::{npub, parse_key};
