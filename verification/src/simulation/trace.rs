//! What happened, as a number that two runs of one seed must share, and as text where somebody wants to read it.

use super::executor::lock;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Clones share what is noted.
#[derive(Clone, Default)]
pub struct Trace {
    noted: Arc<Mutex<Noted>>,
}

struct Noted {
    hash: u64,
    /// Nothing unless the run is recorded.
    lines: Option<Vec<Line>>,
}

/// FNV-1a's offset and prime, 64 bits.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

impl Default for Noted {
    fn default() -> Self {
        Self { hash: OFFSET, lines: None }
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Line {
    /// When, since the world's beginning.
    pub at: Duration,
    /// To which execution, if to one.
    pub execution: Option<usize>,
    /// What.
    pub text: String,
}

impl Trace {
    /// A trace that keeps its lines.
    pub fn recording() -> Self {
        Self { noted: Arc::new(Mutex::new(Noted { lines: Some(Vec::new()), ..Noted::default() })) }
    }

    /// Takes numbers into the hash.
    pub fn mix(&self, numbers: &[u64]) {
        let mut noted = lock(&self.noted);
        for byte in numbers.iter().flat_map(|number| number.to_le_bytes()) {
            noted.hash = (noted.hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }

    /// Takes a text into the hash.
    pub fn mix_text(&self, text: &str) {
        let mut noted = lock(&self.noted);
        for byte in text.bytes() {
            noted.hash = (noted.hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }

    /// Notes what happened, if the run is recorded.
    pub fn note(&self, at: Duration, execution: Option<usize>, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut lock(&self.noted).lines {
            lines.push(Line { at, execution, text: text() });
        }
    }

    /// The hash of all so far.
    pub fn hash(&self) -> u64 {
        lock(&self.noted).hash
    }

    /// The recorded lines.
    pub fn lines(&self) -> Vec<Line> {
        lock(&self.noted).lines.clone().unwrap_or_default()
    }
}
