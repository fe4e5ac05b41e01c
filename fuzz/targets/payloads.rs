//! Any input for `cost_sentry_properties::payloads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cost_sentry_properties::payloads::check(input));
