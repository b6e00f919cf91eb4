//! Keys and their encrypted copies, as the command line needs them; the code is `ocmesh-wire`'s.

pub use ocmesh_wire::{Keys, backup, npub, parse_key};
