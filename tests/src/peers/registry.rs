//! The failures of others, one scenario each: its name is what holds here.

use super::designs::{
    AfterTheFact, AsNeeded, BypassedRoute, CacheForFree, CacheTwice, DestructiveDrain, EndIsReadTwice, EveryLimitCounts, LifetimeSpend,
    NegativeCache, NoDefaultYet, OpenWithoutPolicy, OwnFieldOnly, PerProcess, Receipts, Reseeded, ResetWithoutDate, ShortHolds, ShrunkHold,
    SilentBuffer, StreamsOnly, UnreleasedHolds, UnwrittenSpend, WholeNumbers, WholeWindow,
};
use super::ours::{InMemory, OnDynamoDb, Ours};
use super::scripts::{self, Seen};
use std::pin::Pin;

type Play = fn() -> Pin<Box<dyn Future<Output = Seen>>>;

/// A failure of others, and who plays its script.
pub struct Scenario {
    /// What holds here.
    pub name: &'static str,
    /// Where the failure was seen.
    pub reference: &'static str,
    /// What was seen there.
    pub figure: &'static str,
    pub peer: Play,
    pub in_memory: Play,
    pub on_dynamodb: Play,
}

macro_rules! scenarios {
    ($($name:literal, $reference:literal, $figure:literal, $script:ident, $peer:ty;)*) => {
        /// All of them.
        pub const SCENARIOS: &[Scenario] = &[$(Scenario {
            name: $name,
            reference: $reference,
            figure: $figure,
            peer: || Box::pin(scripts::$script::<$peer>()),
            in_memory: || Box::pin(scripts::$script::<Ours<InMemory>>()),
            on_dynamodb: || Box::pin(scripts::$script::<Ours<OnDynamoDb>>()),
        }),*];
    };
}

scenarios! {
    "a budget refuses wherever it was written down", "litellm#26672", "spend 99 against a limit of 30", far_above, OwnFieldOnly;
    "those who ask at once share what is left", "litellm#34732", "every concurrent request admitted", all_at_once, AfterTheFact;
    "a newcomer's first requests have a budget too", "litellm#40095", "8 of 8 admitted on a budget for less than one", newcomer, NoDefaultYet;
    "a hold that no call ends is given back", "litellm#27639", "refusals with a spend near 0", given_back, UnreleasedHolds;
    "the counter that refuses reads what was spent", "litellm#36926, #40050", "2.0 times the spend", reads_what_was_spent, Reseeded;
    "a commit that fails loses no spend", "litellm#33872, #35531, PR#34887", "the drained spend is gone", failing_commit, DestructiveDrain;
    "without its store nothing is admitted", "litellm#19163", "admitted, and never counted", no_store, SilentBuffer;
    "no reset wipes what was just spent", "litellm#22013", "the spend is 0 within minutes", fresh_spend, ResetWithoutDate;
    "a new budget starts from nothing", "litellm#34492", "refused in a brand-new window", new_budget, LifetimeSpend;
    "a window ends", "litellm#24675", "the spend only ever grows", next_window, LifetimeSpend;
    "tokens from the cache have their price", "litellm#29145", "billed at zero", cache_read, CacheForFree;
    "tokens into the cache are paid once", "litellm#9812", "billed twice", cache_write, CacheTwice;
    "no cost is negative", "litellm PR#15292", "negative costs", cache_read, NegativeCache;
    "every route to a model meets the budget", "litellm#12789, bifrost#2873", "one route has no budget", every_route, BypassedRoute;
    "replicas spend one budget", "bifrost#3547", "N times the limit", replicas, PerProcess;
    "a refund goes to the account that paid", "tensorzero PR#3862", "refunds to the wrong accounts", two_accounts, Receipts;
    "an end that comes twice is charged once", "higress#1080", "deducted twice", ended_twice, EndIsReadTwice;
    "a call is paid though its client is gone", "litellm PR#30522", "no row, no spend", client_gone, StreamsOnly;
    "without a policy nothing is admitted", "guidance-for-claude-code PR#778", "allowed, since there is no policy", unconfigured, OpenWithoutPolicy;
    "fractions of a cent add up", "Kong 3.12 changelog", "decreased by whole numbers", fractions, WholeNumbers;
    "once one budget refuses, none counts", "envoyproxy/ratelimit PR#443", "the other limits go on counting", one_refuses, EveryLimitCounts;
    "an unset max_tokens holds what is sent", "LiteLLM 1.106.2, measured", "161 to 178 of 200 refused", unset_max_tokens, WholeWindow;
    "the last hold is whole or refused", "LiteLLM 1.106.2, measured", "201 on a budget of 200.5", last_hold, ShrunkHold;
    "two workers spend one budget", "LiteLLM 1.106.2, measured", "397 on a budget of 200", two_workers, PerProcess;
    "a kill forgets nothing", "LiteLLM 1.106.2, measured", "323 on a budget of 200", killed, UnwrittenSpend;
    "a hold lasts as long as its call", "Limitador 0.14", "holds end after 60 s at most", long_call, ShortHolds;
    "usage beyond the hold is charged all the same", "TensorZero", "overage that does not fit is not charged", overage, AsNeeded;
}
