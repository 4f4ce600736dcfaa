#![no_main]

#[path = "../targets/forwarded_client_cert.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
