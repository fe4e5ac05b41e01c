//! A client whose pages are small, and one in whose requests something else happens first.

use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::context::{BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextMut};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::config_bag::{Layer, Storable, StoreReplace};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pages of two, and of each batch only the first half is read at a time, as DynamoDB may do.
#[derive(Debug, Default, Clone)]
pub struct SmallPages(pub Arc<AtomicUsize>);

#[derive(Debug)]
struct Left(HashMap<String, KeysAndAttributes>);

impl Storable for Left {
    type Storer = StoreReplace<Self>;
}

impl Intercept for SmallPages {
    fn name(&self) -> &'static str {
        "SmallPages"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        if let Some(query) = context.input_mut().downcast_mut::<QueryInput>() {
            query.limit = Some(2);
        }
        if let Some(batch) = context.input_mut().downcast_mut::<BatchGetItemInput>() {
            let mut left = HashMap::new();
            for (table, keys) in batch.request_items.iter_mut().flatten() {
                let half = keys.keys.len().div_ceil(2);
                let rest = keys.keys.split_off(half);
                if !rest.is_empty() {
                    let rest = KeysAndAttributes::builder().set_keys(Some(rest)).build()?;
                    left.insert(table.clone(), rest);
                }
            }
            let mut layer = Layer::new("left");
            layer.store_put(Left(left));
            bag.push_layer(layer);
        }
        Ok(())
    }

    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(Ok(output)), Some(left)) = (context.output_or_error_mut(), bag.load::<Left>())
            && let Some(batch) = output.downcast_mut::<BatchGetItemOutput>()
        {
            batch.unprocessed_keys = Some(left.0.clone());
        }
        Ok(())
    }
}

/// What is done before a request.
type Before = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A client for the same store, before each of whose requests something is done, which sees the request's body.
pub fn with_something_before<W>(
    client: &aws_sdk_dynamodb::Client,
    before: impl Fn(String) -> W + Send + Sync + 'static,
) -> aws_sdk_dynamodb::Client
where
    W: Future<Output = ()> + Send + 'static,
{
    let before: Before = Arc::new(move |body| Box::pin(before(body)));
    let http = SharedHttpClient::new(Meddled { before, client: cost_sentry_aws::clients::http_client() });
    aws_sdk_dynamodb::Client::from_conf(client.config().to_builder().http_client(http).build())
}

#[derive(Clone)]
struct Meddled {
    before: Before,
    client: SharedHttpClient,
}

impl fmt::Debug for Meddled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meddled")
    }
}

impl HttpClient for Meddled {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &aws_smithy_runtime_api::client::runtime_components::RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(MeddledConnector {
            before: Arc::clone(&self.before),
            connector: self.client.http_connector(settings, components),
        })
    }
}

struct MeddledConnector {
    before: Before,
    connector: SharedHttpConnector,
}

impl fmt::Debug for MeddledConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeddledConnector")
    }
}

impl HttpConnector for MeddledConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let (before, connector) = ((self.before)(body), self.connector.clone());
        HttpConnectorFuture::new(async move {
            before.await;
            connector.call(request).await
        })
    }
}
