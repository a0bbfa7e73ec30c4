//! The target `live`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| quipu_fuzz::judge("live", input));
