//! The target `nip-11` for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    ocmesh_fuzz::nip_11::check(data);
});
