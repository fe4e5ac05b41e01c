//! What it costs that counters are in the day index: one write when a counter starts, and nothing afterwards.

use super::books_under_test::another;
use crate::ledger_suite::books::{claim, release, settle};
use crate::ledger_suite::{Embedded, drive_all};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use aws_smithy_runtime_api::client::interceptors::context::{BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextMut};
use cost_sentry::local::stack::TABLE;
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_aws::table::DAY_INDEX;
use cost_sentry_workflow::ports::Ledger;
use std::sync::{Arc, Mutex};

/// The write units of each transaction: the table's, and the day index's.
#[derive(Debug, Default, Clone)]
struct Meter(Arc<Mutex<Vec<(f64, f64)>>>);

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(transaction) = context.input_mut().downcast_mut::<TransactWriteItemsInput>() {
            transaction.return_consumed_capacity = Some(ReturnConsumedCapacity::Indexes);
        }
        Ok(())
    }

    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Ok(output)) = context.output_or_error_mut()
            && let Some(written) = output.downcast_ref::<TransactWriteItemsOutput>()
        {
            for consumed in written.consumed_capacity() {
                let units = |capacity: Option<&aws_sdk_dynamodb::types::Capacity>| {
                    capacity.and_then(|capacity| capacity.write_capacity_units().or(capacity.capacity_units())).unwrap_or_default()
                };
                let day = consumed.global_secondary_indexes().and_then(|indexes| indexes.get(DAY_INDEX));
                self.0.lock().unwrap().push((units(consumed.table()), units(day)));
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_counter_is_written_to_the_day_index_once() {
    let store = Embedded::start().await;
    let meter = Meter::default();
    let config = store.stack.clients.dynamodb().config().to_builder().interceptor(meter.clone()).build();
    let ledger = DynamoDbLedger::new(aws_sdk_dynamodb::Client::from_conf(config), TABLE);
    for n in 0..5 {
        ledger.create(&another(&format!("r{n}"))).await.unwrap();
    }
    drive_all(&ledger, "r0", &[claim("c"), settle("c", 1, 1)]).await;
    drive_all(&ledger, "r1", &[release(None)]).await;
    let written = meter.0.lock().unwrap().clone();
    println!("write units of each transaction, of the table and of the day index: {written:?}");
    // Of the index: the reservation and the counter with the first hold, the reservation with each further one, nothing for a settlement.
    let index: Vec<f64> = written.iter().map(|(_, index)| *index).collect();
    let (first, further) = (index[0], &index[1..5]);
    assert!(further.iter().all(|units| *units > 0.0 && 2.0 * units <= first), "{written:?}");
    assert!(index[5..].iter().all(|units| units.abs() < 0.5), "{written:?}");
    // Of the table: the same for every hold, counter and reservation.
    assert!(written[..5].windows(2).all(|two| (two[0].0 - two[1].0).abs() < 0.5), "{written:?}");
}
