//! The ocmesh binary.
fn main() {}
