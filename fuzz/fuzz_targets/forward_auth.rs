#![no_main]

#[path = "../targets/house.rs"]
mod house;
#[path = "../targets/forward_auth.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
