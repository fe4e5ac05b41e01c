//! The policy as the functions see it.

use crate::ports::{TestStore, ready};
use crate::stage::{noon, policy};
use cost_sentry_workflow::error::ErrorName;
use cost_sentry_workflow::policy_cache::{PolicyCache, compile};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// A store, a cache over it, and what happens at so many milliseconds.
struct World {
    store: TestStore,
    cache: PolicyCache<TestStore>,
}

impl World {
    fn new() -> Self {
        let store = TestStore::default();
        Self { cache: PolicyCache::new(store.clone()), store }
    }

    fn apply(&self, document: &Value) -> String {
        let version = compile(document).unwrap().version;
        *self.store.current.lock().unwrap() = Some((version.clone(), document.clone()));
        version
    }

    fn fail(&self, fails: bool) {
        *self.store.fails.lock().unwrap() = fails;
    }

    /// The version that counts at so many milliseconds after noon, or the error.
    fn at(&self, millis: i64) -> Result<String, ErrorName> {
        let now = noon() + SignedDuration::from_millis(millis);
        ready(self.cache.current(now)).map(|policy| policy.version.clone()).map_err(|thrown| thrown.name)
    }

    fn reads(&self) -> (u32, u32) {
        (*self.store.versions_read.lock().unwrap(), *self.store.documents_read.lock().unwrap())
    }
}

#[test]
fn a_policy_is_looked_for_every_thirty_seconds_and_read_when_it_changed() {
    let world = World::new();
    let first = world.apply(&policy(1));
    assert_eq!(world.at(0), Ok(first.clone()));
    let second = world.apply(&policy(2));
    assert_eq!((world.at(29_999), world.reads()), (Ok(first), (1, 1)));
    assert_eq!((world.at(30_000), world.reads()), (Ok(second.clone()), (2, 2)));
    assert_eq!((world.at(60_000), world.reads()), (Ok(second.clone()), (3, 2)), "the same version is not read again");
    assert_eq!((world.at(89_999), world.reads()), (Ok(second), (3, 2)));
}

#[test]
fn the_last_good_policy_serves_for_five_minutes_while_none_can_be_read() {
    let world = World::new();
    let version = world.apply(&policy(1));
    assert_eq!(world.at(0), Ok(version.clone()));
    world.fail(true);
    assert_eq!(world.at(299_999), Ok(version.clone()));
    assert_eq!(world.at(300_000), Err(ErrorName::PolicyUnavailable));
    assert_eq!(world.at(-300_000), Err(ErrorName::PolicyUnavailable), "nor before its time");
    world.fail(false);
    assert_eq!(world.at(300_001), Ok(version));
}

#[test]
fn a_stored_policy_that_is_not_what_its_version_says_is_unusable() {
    let world = World::new();
    *world.store.current.lock().unwrap() = Some(("0123456789abcdef".to_owned(), policy(1)));
    assert_eq!(world.at(0), Err(ErrorName::PolicyUnavailable));
    let thrown = ready(world.cache.current(noon())).unwrap_err();
    assert_eq!(thrown.message, "the stored policy cannot be used: its content is not what its version says");
    let broken = compile(&json!({ "models": 7 })).unwrap_err();
    assert_eq!(broken.to_string(), "the stored policy cannot be used: /models: expected an object of models by name");
}
