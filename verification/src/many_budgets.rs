//! What a policy of ten thousand budgets costs a request, against one of ten, where the same number of budgets applies to it.
//!
//! The shipped `CheckRateLimit` runs on the memory ledger, so that no network hides the difference. Both sizes take turns in one process,
//! request by request: what the machine does meanwhile meets both alike.

mod bench;
mod documents;
mod report;

pub use bench::{Failed, Options, measure};
pub use documents::{policy, request};
pub use report::{Figures, Policies, Ratios, Row};

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn six_budgets_apply_to_each_request_under_a_small_and_a_large_policy() {
        let mut told = 0;
        let figures = measure(Options { sizes: [10, 500], rounds: 2, requests: 20 }, |_| told += 1).await.unwrap();
        assert_eq!((figures.rows.len(), figures.policies.len(), told), (2, 2, 6));
        assert!(figures.rows.iter().all(|row| row.step_micros.iter().all(|spread| spread.median > 0.0)));
        for part in ["CheckRateLimit", "10 budgets", "500 budgets", "growth"] {
            assert!(figures.to_string().contains(part), "{part}");
        }
    }

    #[tokio::test]
    async fn a_run_without_anything_to_measure_says_so() {
        for (sizes, rounds, requests) in [([10, 20], 0, 1), ([10, 20], 1, 0), ([5, 20], 1, 1)] {
            let failed = measure(Options { sizes, rounds, requests }, |_| {}).await.unwrap_err();
            assert!(matches!(failed, Failed::NothingToDo), "{failed}");
        }
    }
}
