//! The deployment's template as data, held against the code: what CloudFormation would deploy without a word, and the functions would
//! then stumble over. `sam validate --lint` looks at the rest; it neither opens the state machine's file nor knows our variables.
//!
//! Each rule lists what is wrong. `tests/data/template-defects.json` plants defects, at least one per rule, and every one must be found.

mod document;
mod permissions;

use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_sdk_dynamodb::operation::create_table::{CreateTableInput, CreateTableOutput};
use aws_smithy_mocks::{MockResponseInterceptor, create_mock_http_client, mock};
use cost_sentry::state_machine;
use cost_sentry_aws::config::{self, Config};
use cost_sentry_aws::table;
use cost_sentry_workflow::steps::{STEPS, SWEEP};
use cost_sentry_workflow::time_outs;
use document::{TEMPLATE, list, read, resources, short};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A rule: what is wrong with a template, if anything.
type Rule = fn(&Value) -> Vec<String>;

const RULES: [(&str, Rule); 13] = [
    ("definitions", definitions),
    ("substitutions", substitutions),
    ("pinned tags", pinned_tags),
    ("functions", functions),
    ("variables", variables),
    ("time-outs", times),
    ("table", ledger_table),
    ("logs", logs),
    ("names", names),
    ("permissions of functions", permissions::functions),
    ("permissions of state machines", permissions::state_machines),
    ("patterns in permissions", permissions::patterns),
    ("tracing", permissions::tracing),
];

fn expect_same(problems: &mut Vec<String>, what: &str, expected: &impl ToString, found: &impl ToString) {
    let (expected, found) = (expected.to_string(), found.to_string());
    if expected != found {
        problems.push(format!("{what}: expected {expected}, found {found}"));
    }
}

fn differences(what: &str, expected: &BTreeSet<String>, found: &BTreeSet<String>) -> Vec<String> {
    let missing = expected.difference(found).map(|one| format!("{what}: missing: {one}"));
    missing.chain(found.difference(expected).map(|one| format!("{what}: too much: {one}"))).collect()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn machines(template: &Value) -> Vec<(&str, &Value)> {
    resources(template, "AWS::Serverless::StateMachine").into_iter().map(|(id, body)| (id, &body["Properties"])).collect()
}

/// Both state machines are made from the one file that ships, and that runs locally.
fn definitions(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let types: Vec<String> = machines(template).iter().map(|(_, machine)| short(&machine["Type"])).collect();
    expect_same(&mut problems, "types of state machines", &"EXPRESS STANDARD", &types.join(" "));
    for (id, machine) in machines(template) {
        let path = repository().join("infra").join(short(&machine["DefinitionUri"]));
        match std::fs::read_to_string(&path) {
            Ok(text) if text == state_machine::FILE => {}
            Ok(_) => problems.push(format!("{id}: {} is not the file that ships", path.display())),
            Err(error) => problems.push(format!("{id}: {}: {error}", path.display())),
        }
    }
    problems
}

/// Every placeholder of the file has a value, every value a placeholder, and each value is the one that its name says.
fn substitutions(template: &Value) -> Vec<String> {
    let functions = STEPS.iter().map(|step| (step.placeholder(), format!("!GetAtt {}.Arn", step.function())));
    let pinned = state_machine::PINNED.iter().map(|name| ((*name).to_owned(), format!("!Ref {name}")));
    let expected: BTreeMap<String, String> = functions.chain(pinned).collect();
    let mut problems = Vec::new();
    for (id, machine) in machines(template) {
        let empty = serde_json::Map::new();
        let values = machine["DefinitionSubstitutions"].as_object().unwrap_or(&empty);
        let values: BTreeMap<String, String> = values.iter().map(|(name, value)| (name.clone(), short(value))).collect();
        if let Err(error) = cost_sentry_asl::substitute(state_machine::FILE, &values) {
            problems.push(format!("{id}: {error}"));
        }
        let lines = |values: &BTreeMap<String, String>| values.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        problems.extend(differences(id, &lines(&expected), &lines(&values)));
    }
    problems
}

/// A pinned tag is empty by default, and cannot break out of the JSON string that it is put into.
fn pinned_tags(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for name in state_machine::PINNED {
        let parameter = &template["Parameters"][name];
        if parameter["Default"] != "" {
            problems.push(format!("{name}: its default is not empty"));
        }
        let pattern = short(&parameter["AllowedPattern"]);
        if !pattern.starts_with("^([") || !pattern.ends_with("])?)?$") {
            problems.push(format!("{name}: any value is allowed"));
        }
        for forbidden in ['"', '\\'] {
            if pattern.contains(forbidden) {
                problems.push(format!("{name}: {forbidden} is allowed"));
            }
        }
    }
    problems
}

/// The steps' functions and the sweep's, under the names that all else derives from, each from its own binary.
fn functions(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let binaries = STEPS.iter().map(|step| (step.function(), step.binary()));
    let sweep = (format!("{SWEEP}Function"), "sweep-reservations".to_owned());
    let expected: BTreeSet<String> = binaries.chain([sweep]).map(|(id, binary)| format!("{id} from {binary}")).collect();
    let globals = &template["Globals"]["Function"];
    let found = resources(template, "AWS::Serverless::Function").into_iter().map(|(id, body)| {
        let binary = short(&body["Metadata"]["BuildProperties"]["Binary"]);
        let crate_root = repository().join("infra").join(short(&globals["CodeUri"]));
        if !crate_root.join(format!("src/bin/{binary}.rs")).is_file() {
            problems.push(format!("{id}: there is no binary {binary} in {}", crate_root.display()));
        }
        expect_same(&mut problems, &format!("{id}'s build"), &"rust-cargolambda", &short(&body["Metadata"]["BuildMethod"]));
        format!("{id} from {binary}")
    });
    let found = found.collect();
    problems.extend(differences("functions", &expected, &found));
    expect_same(&mut problems, "handler", &"bootstrap", &short(&globals["Handler"]));
    expect_same(&mut problems, "runtime", &"provided.al2023", &short(&globals["Runtime"]));
    expect_same(&mut problems, "megabytes", &512, &template["Parameters"]["MemorySize"]["Default"]);
    problems
}

/// Each function gets the variables that it needs and no other, all of them together are the ones that the code reads, and the code
/// takes every value that the parameters allow.
fn variables(template: &Value) -> Vec<String> {
    let (table, metrics, converse) = ("!Ref LedgerTable", "!Ref MetricsDelivery", "!Ref ConverseTimeoutSeconds");
    let needs: [(&str, &[(&str, &str)]); 5] = [
        ("ValidateAndSetContext", &[(config::TABLE, table)]),
        ("CheckRateLimit", &[(config::TABLE, table)]),
        ("InvokeModel", &[(config::TABLE, table), (config::CONVERSE_TIMEOUT, converse)]),
        ("RecordMetrics", &[(config::TABLE, table), (config::METRICS, metrics)]),
        (SWEEP, &[(config::TABLE, table), (config::METRICS, metrics)]),
    ];
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    for (name, needed) in needs {
        let empty = serde_json::Map::new();
        let given = template["Resources"][format!("{name}Function")]["Properties"]["Environment"]["Variables"].as_object();
        let given = given.unwrap_or(&empty);
        used.extend(given.keys().cloned());
        let needed = needed.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let given = given.iter().map(|(name, value)| format!("{name}={}", short(value))).collect();
        problems.extend(differences(name, &needed, &given));
    }
    if !template["Globals"]["Function"]["Environment"].is_null() {
        problems.push("a variable for every function is one that some do not need".to_owned());
    }
    problems.extend(differences("variables", &config::VARIABLES.map(str::to_owned).into(), &used));
    let reads = |name: &str, value: String| {
        Config::read(|asked| match asked {
            config::TABLE => Some("t".to_owned()),
            asked => (asked == name).then(|| value.clone()),
        })
        .is_ok()
    };
    for word in list(&template["Parameters"]["MetricsDelivery"]["AllowedValues"]) {
        if !reads(config::METRICS, short(word)) {
            problems.push(format!("MetricsDelivery: the functions do not know {word}"));
        }
    }
    let seconds = &template["Parameters"]["ConverseTimeoutSeconds"];
    for bound in ["MinValue", "Default", "MaxValue"] {
        if !reads(config::CONVERSE_TIMEOUT, seconds[bound].to_string()) {
            problems.push(format!("ConverseTimeoutSeconds: the functions do not take {bound} {}", seconds[bound]));
        }
    }
    expect_same(&mut problems, "the longest call", &time_outs::CONVERSE, &seconds["MaxValue"]);
    problems
}

/// The functions' time-outs are the table's, and the sweep comes as often as it says.
fn times(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let steps = STEPS.iter().map(|step| (step.function(), step.time_outs.function));
    for (id, seconds) in steps.chain([(format!("{SWEEP}Function"), time_outs::SWEEP)]) {
        expect_same(&mut problems, &format!("{id}'s Timeout"), &seconds, &template["Resources"][&id]["Properties"]["Timeout"]);
    }
    let sweep = &template["Resources"][format!("{SWEEP}Function")]["Properties"];
    let schedules: Vec<String> = sweep["Events"].as_object().into_iter().flatten().map(|(_, event)| schedule(event)).collect();
    let minutes = time_outs::SWEEP_INTERVAL / 60;
    let expected = format!("Schedule rate({minutes} minute{})", if minutes == 1 { "" } else { "s" });
    expect_same(&mut problems, "the sweep's events", &expected, &schedules.join(", "));
    problems
}

fn schedule(event: &Value) -> String {
    format!("{} {}", short(&event["Type"]), short(&event["Properties"]["Schedule"]))
}

/// The table is the one that the ledger creates for itself on a laptop, kept when the stack goes, and restorable.
fn ledger_table(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let tables = resources(template, "AWS::DynamoDB::Table");
    let Some((_, body)) = tables.first() else { return vec!["no table".to_owned()] };
    let table = &body["Properties"];
    let created = created_table();
    expect_same(&mut problems, "tables", &1, &tables.len());
    expect_same(&mut problems, "BillingMode", &created["BillingMode"], &table["BillingMode"]);
    for part in ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes"] {
        let lines = |table: &Value| list(&table[part]).into_iter().map(Value::to_string).collect::<BTreeSet<_>>();
        problems.extend(differences(part, &lines(&created), &lines(table)));
    }
    let ttl = json!({ "AttributeName": table::TTL_ATTRIBUTE, "Enabled": true });
    expect_same(&mut problems, "time to live", &ttl, &table["TimeToLiveSpecification"]);
    expect_same(&mut problems, "backups", &true, &table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]);
    for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
        expect_same(&mut problems, policy, &"Retain", &short(&body[policy]));
    }
    problems
}

/// What `create_if_absent` asks DynamoDB for, in CloudFormation's words.
fn created_table() -> Value {
    let seen: Arc<Mutex<Option<CreateTableInput>>> = Arc::default();
    let keep = Arc::clone(&seen);
    let rule = mock!(aws_sdk_dynamodb::Client::create_table)
        .match_requests(move |request| keep.lock().unwrap().replace(request.clone()).is_none())
        .then_output(|| CreateTableOutput::builder().build());
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version_latest()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .http_client(create_mock_http_client())
        .interceptor(MockResponseInterceptor::new().with_rule(&rule));
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(table::create_if_absent(&client, "any")).unwrap();
    let request = seen.lock().unwrap().take().unwrap();
    let keys = |keys: &[aws_sdk_dynamodb::types::KeySchemaElement]| -> Value {
        keys.iter().map(|key| json!({ "AttributeName": key.attribute_name(), "KeyType": key.key_type().as_str() })).collect()
    };
    let attributes = request.attribute_definitions().iter();
    let indexes = request.global_secondary_indexes().iter().map(|index| {
        json!({
            "IndexName": index.index_name(),
            "KeySchema": keys(index.key_schema()),
            "Projection": { "ProjectionType": index.projection().unwrap().projection_type().unwrap().as_str() },
        })
    });
    json!({
        "BillingMode": request.billing_mode().unwrap().as_str(),
        "AttributeDefinitions": attributes
            .map(|one| json!({ "AttributeName": one.attribute_name(), "AttributeType": one.attribute_type().as_str() }))
            .collect::<Value>(),
        "KeySchema": keys(request.key_schema()),
        "GlobalSecondaryIndexes": indexes.collect::<Value>(),
    })
}

/// Every log is forgotten in time, and no prompt or answer gets into one.
fn logs(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut groups = BTreeSet::new();
    for (id, body) in resources(template, "AWS::Logs::LogGroup") {
        groups.insert(id.to_owned());
        expect_same(&mut problems, &format!("{id}'s retention"), &"!Ref LogRetentionDays", &short(&body["Properties"]["RetentionInDays"]));
    }
    let mut used = BTreeSet::new();
    for (_, body) in resources(template, "AWS::Serverless::Function") {
        used.extend(body["Properties"]["LoggingConfig"]["LogGroup"]["Ref"].as_str().map(str::to_owned));
    }
    for (id, machine) in machines(template) {
        let logging = &machine["Logging"];
        if machine["Type"] == "EXPRESS" {
            // A Standard execution has its history; an Express one leaves nothing but this.
            expect_same(&mut problems, &format!("{id}'s level"), &"ERROR", &short(&logging["Level"]));
            expect_same(&mut problems, &format!("{id}: execution data in the log"), &false, &logging["IncludeExecutionData"]);
        } else if logging["IncludeExecutionData"] == true {
            problems.push(format!("{id}: execution data in the log"));
        }
        let destinations = list(&logging["Destinations"]);
        let destinations = destinations.iter().filter_map(|one| one["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"].as_str());
        used.extend(destinations.map(|arn| arn.trim_end_matches(".Arn").to_owned()));
    }
    expect_same(&mut problems, "logs of functions and Express", &(STEPS.len() + 2), &used.len());
    problems.extend(differences("logs", &groups, &used));
    problems
}

/// Nothing has a fixed name, which a second deployment or a replacement would collide with; everything that a person fills in or reads
/// is described.
fn names(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (id, body) in template["Resources"].as_object().into_iter().flatten() {
        for name in ["TableName", "FunctionName", "RoleName", "Name", "LogGroupName"] {
            let value = &body["Properties"][name];
            if !value.is_null() && !short(value).contains("${AWS::StackName}") {
                problems.push(format!("{id}: {name} is fixed"));
            }
        }
    }
    for part in ["Parameters", "Outputs"] {
        for (name, body) in template[part].as_object().into_iter().flatten() {
            if body["Description"].as_str().is_none_or(str::is_empty) {
                problems.push(format!("{name} is not described"));
            }
            if part == "Parameters" && body["Default"].is_null() {
                problems.push(format!("{name} has no default"));
            }
        }
    }
    problems
}

#[test]
fn the_template_keeps_every_rule() {
    let template = read(TEMPLATE);
    let problems: Vec<String> =
        RULES.iter().flat_map(|(name, rule)| rule(&template).into_iter().map(move |problem| format!("{name}: {problem}"))).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A planted defect.
#[derive(Debug, Deserialize)]
struct Defect {
    /// The rule that must see it.
    rule: String,
    /// Where, as a JSON pointer.
    at: String,
    /// What is put there; nothing removes what is there.
    plant: Option<Value>,
}

const DEFECTS: &str = include_str!("../data/template-defects.json");

/// Puts a value in its place, or takes away what is there.
fn plant(template: &mut Value, pointer: &str, value: Option<&Value>) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let before = template.clone();
    match (template.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}")), value) {
        (Value::Object(fields), Some(value)) => drop(fields.insert(name.to_owned(), value.clone())),
        (Value::Object(fields), None) => drop(fields.remove(name)),
        (Value::Array(items), Some(value)) if name == items.len().to_string() => items.push(value.clone()),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value.clone(),
        (Value::Array(items), None) => drop(items.remove(name.parse().unwrap())),
        (other, _) => panic!("{parent} is {other}"),
    }
    assert_ne!(*template, before, "{pointer}: nothing was planted");
}

#[test]
fn each_planted_defect_is_found_by_its_rule() {
    let shipped = read(TEMPLATE);
    let defects: Vec<Defect> = serde_json::from_str(DEFECTS).unwrap();
    for defect in &defects {
        let (_, rule) = RULES.iter().find(|(name, _)| *name == defect.rule).unwrap();
        let mut template = shipped.clone();
        plant(&mut template, &defect.at, defect.plant.as_ref());
        assert!(!rule(&template).is_empty(), "not seen: {defect:?}");
    }
    for (name, _) in RULES {
        assert!(defects.iter().any(|defect| defect.rule == name), "no defect proves the rule on {name}");
    }
}
