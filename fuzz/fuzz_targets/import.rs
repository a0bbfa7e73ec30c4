//! The target `import`.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| quipu_fuzz::judge("import", input));
