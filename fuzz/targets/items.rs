//! Any input for `cost_sentry_properties::items`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cost_sentry_properties::items::check(input));
