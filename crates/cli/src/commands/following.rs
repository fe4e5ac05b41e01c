//! Applying a policy over the one that is current: what changes, and when it counts.

use super::Failure;
use super::policy::PolicyFile;
use crate::local::stack::{LEDGER_FILE, Options, Stack};
use cost_sentry_aws::clients::{Clients, Endpoints};
use cost_sentry_aws::config::{Config, TABLE};
use cost_sentry_aws::policy_store::DynamoDbPolicyStore;
use cost_sentry_core::policy::{Change, Policy, Succession};
use cost_sentry_workflow::policy_cache::compile;
use cost_sentry_workflow::ports::{PolicyError, PolicyStore};
use jiff::Timestamp;
use std::path::Path;

/// How often a policy is made to follow anew when another is applied meanwhile.
const ROUNDS: usize = 5;

/// What to do about a policy that leaves budgets without a bound until what it changes counts.
const UNBOUNDED: &str =
    "list the values under `tags`, say `effective: atOnce` of the change that waits, or leave the budget out until then";

/// What came of applying a policy.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The policy as it counts, definitions that stay in force for a while among it.
    pub policy: Policy,
    /// Whether it was not current already.
    pub changed: bool,
    /// What changed; of a policy that was current already, what still waits for the end of a window.
    pub changes: Vec<Change>,
}

/// What applying a policy would do.
#[derive(Debug)]
pub enum Following {
    /// The same document is current already.
    Same(Box<Policy>),
    /// It would follow the version that is current, if any is.
    New(Box<Succession>, Option<String>),
}

impl Following {
    /// The policy that would count.
    pub fn policy(&self) -> &Policy {
        match self {
            Self::Same(policy) => policy,
            Self::New(succession, _) => &succession.policy,
        }
    }

    /// What would change, or still waits.
    pub fn changes(&self, now: Timestamp) -> Vec<Change> {
        match self {
            Self::Same(policy) => policy.pending(now),
            Self::New(succession, _) => succession.changes.clone(),
        }
    }
}

/// Works out what a policy would become in a store; changes nothing.
pub async fn follow(store: &DynamoDbPolicyStore, file: &PolicyFile, now: Timestamp) -> Result<Following, Failure> {
    let version = match store.current_version().await {
        Ok(version) => Some(version),
        Err(PolicyError::Absent) => None,
        Err(error) => return Err(Failure::from_error(&error)),
    };
    let current = match &version {
        Some(version) => store.document(version).await.and_then(|document| compile(&document)),
        None => Err(PolicyError::Absent),
    };
    match current {
        Ok(current) if current.reviewed == file.policy.reviewed => Ok(Following::Same(Box::new(current))),
        Ok(current) => {
            let succession = file.policy.clone().succeed(&file.document, &current, now);
            match &succession.unbounded[..] {
                [] => Ok(Following::New(Box::new(succession), version)),
                unbounded => Err(Failure::new(unbounded.join("\n")).hint(UNBOUNDED)),
            }
        }
        Err(PolicyError::Unavailable(error)) => Err(Failure::from_error(&PolicyError::Unavailable(error))),
        Err(error) => {
            if let PolicyError::Unusable(why) = error {
                anstream::eprintln!("the policy that was current cannot be used ({why}): the new one counts at once, in whole");
            }
            let succession =
                Succession { policy: file.policy.clone(), document: file.document.clone(), changes: Vec::new(), unbounded: Vec::new() };
            Ok(Following::New(Box::new(succession), version))
        }
    }
}

/// Makes a policy the current one, unless it is already; what it changes counts when it says.
pub async fn apply_to(store: &DynamoDbPolicyStore, file: &PolicyFile, now: Timestamp) -> Result<Applied, Failure> {
    for _ in 0..ROUNDS {
        let following = follow(store, file, now).await?;
        let changes = following.changes(now);
        match following {
            Following::Same(policy) => return Ok(Applied { policy: *policy, changed: false, changes }),
            Following::New(succession, before) => {
                let Succession { policy, document, .. } = *succession;
                let applied = store.apply_after(before.as_deref(), &policy.version, &document, now).await;
                if applied.map_err(|error| Failure::from_error(&error))? {
                    return Ok(Applied { policy, changed: true, changes });
                }
            }
        }
    }
    Err(Failure::new("other policies were applied at the same time, again and again").hint("see who applies them, then try again"))
}

/// The policies of a table on AWS.
pub async fn table_store(table: &str) -> Result<DynamoDbPolicyStore, Failure> {
    let config = Config::read(|name| if name == TABLE { Some(table.to_owned()) } else { std::env::var(name).ok() });
    let config = config.map_err(|error| Failure::from_error(&error))?;
    let clients = Clients::load(&config, Endpoints::default()).await;
    Ok(DynamoDbPolicyStore::new(clients.dynamodb(), table))
}

/// What to do about a table that does not answer.
pub fn table_hint(failure: Failure) -> Failure {
    failure.hint("credentials and region are looked for as the AWS CLI does; the table must exist")
}

/// The policies of local books, where there are any: looking must not create them.
pub async fn local_books(folder: &Path) -> Result<Option<Stack>, Failure> {
    if !folder.join(LEDGER_FILE).is_file() {
        return Ok(None);
    }
    let options = Options { data: Some(folder.to_path_buf()), ..Options::default() };
    Stack::start(options).await.map(Some).map_err(super::run::stack_failure)
}
