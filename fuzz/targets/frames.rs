//! The target `frames` for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    ocmesh_fuzz::frames::check(data);
});
