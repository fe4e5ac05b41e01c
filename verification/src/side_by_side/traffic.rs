//! The requests that every design gets: seeded, so that each run is the same for all of them, and can be had again.
//!
//! Invented, not measured at anybody's: three kinds of work, in three kinds of text, with the shapes in the tables below.

use fastrand::Rng;
use serde_json::{Value, json};

/// A kind of work: its share of all requests in percent, its prompt's bytes (median, and sigma of a log-normal), the `max_tokens` it asks
/// for (each with its share in percent), and the output it gets in tokens (median and sigma), cut at its `max_tokens`.
struct Work {
    share: u64,
    prompt_bytes: (f64, f64),
    max_tokens: &'static [(u64, u64)],
    output: (f64, f64),
}

const WORK: [Work; 3] = [
    // Chat: most leave `max_tokens` at the default of 2,048.
    Work { share: 50, prompt_bytes: (1_200.0, 1.0), max_tokens: &[(60, 2_048), (20, 1_024), (20, 4_096)], output: (220.0, 0.9) },
    // Answers from documents that were found.
    Work { share: 30, prompt_bytes: (14_000.0, 0.7), max_tokens: &[(70, 1_024), (30, 2_048)], output: (320.0, 0.6) },
    // Extraction and classification.
    Work { share: 20, prompt_bytes: (3_000.0, 0.6), max_tokens: &[(80, 256), (20, 512)], output: (40.0, 0.6) },
];

/// A kind of text: its share in percent, a character that stands for it, and the least and the most characters per token.
struct Text {
    share: u64,
    character: char,
    per_token: (f64, f64),
}

const TEXTS: [Text; 3] = [
    // Prose in Latin script.
    Text { share: 70, character: 'x', per_token: (3.6, 4.8) },
    // Code and JSON.
    Text { share: 20, character: '{', per_token: (2.6, 3.6) },
    // Chinese and Japanese.
    Text { share: 10, character: '字', per_token: (0.7, 1.4) },
];

/// Prompts are cut here, below the largest request.
const MOST_BYTES: f64 = 120_000.0;
/// Tokens that the model's own template adds.
const TEMPLATE: u64 = 12;
/// A call's time to its first token and per output token, in milliseconds, each call by a factor of its own (sigma of a log-normal).
const CALL: (f64, f64, f64) = (400.0, 12.0, 0.3);

/// One request, and what will come of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// From 0.
    pub id: usize,
    /// When it arrives, in milliseconds from the start.
    pub at_millis: u64,
    /// Its prompt.
    pub prompt: String,
    /// The output it asks for at most.
    pub max_tokens: u64,
    /// The input tokens it really has.
    pub input: u64,
    /// The output tokens it will really get.
    pub output: u64,
    /// How long the call takes.
    pub call_millis: u64,
    /// Whether the process that serves it dies after the answer, before it has told anybody.
    pub dies: bool,
}

impl Arrival {
    /// What it really uses.
    pub fn usage(&self) -> u64 {
        self.input + self.output
    }

    /// The least that is safe to hold for it: its input counted exactly, and all the output that it asks for.
    pub fn counted_hold(&self) -> u64 {
        self.input + self.max_tokens
    }

    /// The request that a client sends.
    pub fn request(&self) -> Value {
        json!({
            "model": "haiku",
            "prompt": { "messages": [{ "role": "user", "content": self.prompt }], "parameters": { "max_tokens": self.max_tokens } },
            "tags": { "applicationId": "side-by-side" },
        })
    }

    /// The arrival whose prompt this is: prompts begin with their number.
    pub fn id_in(prompt: &str) -> Option<usize> {
        prompt.split_once(' ')?.0.parse().ok()
    }
}

/// How much of it there is.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How many requests.
    pub requests: usize,
    /// How many arrive per second, on average, at times that nobody can foresee (exponential gaps).
    pub per_second: f64,
    /// Of a thousand, how many are served by a process that dies.
    pub deaths_per_thousand: u64,
}

/// The requests of a seed.
pub fn arrivals(seed: u64, shape: Shape) -> Vec<Arrival> {
    let mut rng = Rng::with_seed(seed);
    let mut at = 0.0;
    (0..shape.requests)
        .map(|id| {
            at += -(1.0 - rng.f64()).ln() * 1_000.0 / shape.per_second;
            arrival(&mut rng, id, whole(at), shape.deaths_per_thousand)
        })
        .collect()
}

fn arrival(rng: &mut Rng, id: usize, at_millis: u64, deaths_per_thousand: u64) -> Arrival {
    let [work, text] = [rng.u64(0..100), rng.u64(0..100)];
    let work = pick(WORK.iter().map(|work| (work.share, work)), work);
    let text = pick(TEXTS.iter().map(|text| (text.share, text)), text);
    let (Some(work), Some(text)) = (work, text) else { unreachable!("shares add up to a hundred") };
    let bytes = log_normal(rng, work.prompt_bytes).clamp(40.0, MOST_BYTES);
    let wide = u32::try_from(text.character.len_utf8()).unwrap_or(1);
    let characters = whole(bytes / f64::from(wide)).max(1);
    let per_token = text.per_token.0 + rng.f64() * (text.per_token.1 - text.per_token.0);
    let max_tokens = pick(work.max_tokens.iter().copied(), rng.u64(0..100)).unwrap_or(2_048);
    let output = whole(log_normal(rng, work.output)).clamp(1, max_tokens);
    let (first, per_output, sigma) = CALL;
    let millis = (first + per_output * float(output)) * log_normal(rng, (1.0, sigma));
    let repeated: String = std::iter::repeat_n(text.character, usize::try_from(characters).unwrap_or(1)).collect();
    Arrival {
        id,
        at_millis,
        prompt: format!("{id} {repeated}"),
        max_tokens,
        input: whole(float(characters) / per_token).max(1) + TEMPLATE,
        output,
        call_millis: whole(millis),
        dies: rng.u64(0..1_000) < deaths_per_thousand,
    }
}

/// The first whose share, added to those before it, is above the draw.
fn pick<T>(shares: impl Iterator<Item = (u64, T)>, draw: u64) -> Option<T> {
    let mut sum = 0;
    shares
        .map(|(share, item)| {
            sum += share;
            (sum, item)
        })
        .find(|(sum, _)| draw < *sum)
        .map(|(_, item)| item)
}

fn log_normal(rng: &mut Rng, (median, sigma): (f64, f64)) -> f64 {
    // Box and Muller.
    let normal = (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos();
    median * (sigma * normal).exp()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small positive figures of a made-up load")]
pub(super) fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "small figures of a made-up load")]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { requests: 3_000, per_second: 10.0, deaths_per_thousand: 10 };

    #[test]
    fn a_seed_gives_the_same_requests_again_and_another_seed_others() {
        assert_eq!(arrivals(1, SHAPE), arrivals(1, SHAPE));
        assert_ne!(arrivals(1, SHAPE), arrivals(2, SHAPE));
    }

    #[test]
    fn usage_is_never_above_the_counted_hold_and_arrivals_come_in_order_at_their_rate() {
        let arrivals = arrivals(7, SHAPE);
        assert!(arrivals.iter().all(|arrival| arrival.usage() <= arrival.counted_hold()));
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at_millis));
        let seconds = arrivals.last().unwrap().at_millis / 1_000;
        assert!((270..330).contains(&seconds), "{seconds}");
        let dying = arrivals.iter().filter(|arrival| arrival.dies).count();
        assert!((15..50).contains(&dying), "{dying}");
        assert!(arrivals.iter().enumerate().all(|(i, arrival)| Arrival::id_in(&arrival.prompt) == Some(i)));
    }
}
