//! What each role may do: exactly the requests that its function sends, on nothing else.

use super::document::{list, resources, short};
use super::{differences, expect_same};
use cost_sentry_workflow::metrics::NAMESPACE;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = "!GetAtt LedgerTable.Arn";
const LEASE_INDEX: &str = "!Sub ${LedgerTable.Arn}/index/lease";
const MODEL: &str = "!Sub arn:${AWS::Partition}:bedrock:*::foundation-model/*";
const PROFILE: &str = "!Sub arn:${AWS::Partition}:bedrock:*:${AWS::AccountId}:inference-profile/*";
const APPLICATION_PROFILE: &str = "!Sub arn:${AWS::Partition}:bedrock:*:${AWS::AccountId}:application-inference-profile/*";

/// An action, and the resources that it is for.
type Grant = (&'static str, &'static [&'static str]);

/// The requests of each function, and what they are about. Derived by hand from `crates/aws`: a transaction wants the actions of its parts.
const FUNCTIONS: [(&str, &[Grant]); 5] = [
    ("ValidateAndSetContext", &[("dynamodb:GetItem", &[TABLE])]),
    (
        "CheckRateLimit",
        &[
            ("dynamodb:GetItem", &[TABLE]),
            ("dynamodb:BatchGetItem", &[TABLE]),
            ("dynamodb:PutItem", &[TABLE]),
            ("dynamodb:UpdateItem", &[TABLE]),
            ("bedrock:CountTokens", &[MODEL]),
        ],
    ),
    (
        "InvokeModel",
        &[
            ("dynamodb:PutItem", &[TABLE]),
            ("dynamodb:UpdateItem", &[TABLE]),
            ("bedrock:InvokeModel", &[MODEL, PROFILE, APPLICATION_PROFILE]),
        ],
    ),
    (
        "RecordMetrics",
        &[
            ("dynamodb:GetItem", &[TABLE]),
            ("dynamodb:PutItem", &[TABLE]),
            ("dynamodb:UpdateItem", &[TABLE]),
            ("cloudwatch:PutMetricData", &["*"]),
        ],
    ),
    (
        "SweepReservations",
        &[
            ("dynamodb:Query", &[LEASE_INDEX]),
            ("dynamodb:BatchGetItem", &[TABLE]),
            ("dynamodb:PutItem", &[TABLE]),
            ("dynamodb:UpdateItem", &[TABLE]),
            ("cloudwatch:PutMetricData", &["*"]),
        ],
    ),
];

/// The log's delivery, as Step Functions' documentation lists it for its role.
const LOG_DELIVERY: [&str; 8] = [
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
];

/// The actions that know no resource (the Service Authorization Reference), and so the only ones that may name all of them.
const WITHOUT_RESOURCE: [&str; 3] = ["cloudwatch:PutMetricData", "logs:", "xray:"];

/// `action on resource`, for every combination in a policy's statements.
fn grants(policies: &[&Value]) -> BTreeSet<String> {
    let statements = policies.iter().flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]));
    let grants = statements.flat_map(|statement| {
        let effect = statement["Effect"].as_str().unwrap_or("?");
        let condition = if statement["Condition"].is_null() { String::new() } else { format!(" if {}", statement["Condition"]) };
        let pairs = list(&statement["Action"])
            .into_iter()
            .flat_map(|action| list(&statement["Resource"]).into_iter().map(move |resource| (short(action), short(resource))));
        pairs.map(move |(action, resource)| format!("{effect} {action} on {resource}{condition}"))
    });
    grants.collect()
}

fn role<'t>(template: &'t Value, of: &Value) -> &'t Value {
    let id = of["Fn::GetAtt"].as_str().and_then(|text| text.strip_suffix(".Arn")).unwrap_or("none");
    &template["Resources"][id]["Properties"]
}

fn condition(action: &str) -> String {
    if action == "cloudwatch:PutMetricData" {
        format!(" if {{\"StringEquals\":{{\"cloudwatch:namespace\":\"{NAMESPACE}\"}}}}")
    } else {
        String::new()
    }
}

pub fn functions(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, calls) in FUNCTIONS {
        let function = &template["Resources"][format!("{name}Function")]["Properties"];
        let mut expected: BTreeSet<String> = ["logs:CreateLogStream", "logs:PutLogEvents"]
            .map(|action| format!("Allow {action} on !GetAtt {}.Arn", log_group(function)))
            .into_iter()
            .collect();
        for (action, on) in calls {
            expected.extend(on.iter().map(|resource| format!("Allow {action} on {resource}{}", condition(action))));
        }
        let role = role(template, &function["Role"]);
        problems.extend(differences(&format!("{name}'s role"), &expected, &grants(&list(&role["Policies"]))));
        if !role["ManagedPolicyArns"].is_null() {
            problems.push(format!("{name}'s role takes over permissions of somebody else's"));
        }
        expect_same(&mut problems, &format!("who may take {name}'s role"), &"lambda.amazonaws.com", &trusted(role));
    }
    let roles: BTreeSet<String> =
        FUNCTIONS.iter().map(|(name, _)| short(&template["Resources"][format!("{name}Function")]["Properties"]["Role"])).collect();
    expect_same(&mut problems, "roles of their own", &FUNCTIONS.len(), &roles.len());
    problems
}

fn log_group(function: &Value) -> String {
    function["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap_or("none").to_owned()
}

fn trusted(role: &Value) -> String {
    let statements = list(&role["AssumeRolePolicyDocument"]["Statement"]);
    statements.iter().map(|statement| short(&statement["Principal"]["Service"])).collect::<Vec<_>>().join(", ")
}

pub fn state_machines(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (id, machine) in resources(template, "AWS::Serverless::StateMachine") {
        let mut expected: BTreeSet<String> = cost_sentry_workflow::steps::STEPS
            .iter()
            .map(|step| format!("Allow lambda:InvokeFunction on !GetAtt {}.Arn", step.function()))
            .collect();
        if !machine["Properties"]["Logging"].is_null() {
            expected.extend(LOG_DELIVERY.map(|action| format!("Allow {action} on *")));
        }
        let role = role(template, &machine["Properties"]["Role"]);
        problems.extend(differences(&format!("{id}'s role"), &expected, &grants(&list(&role["Policies"]))));
        expect_same(&mut problems, &format!("who may take {id}'s role"), &"states.amazonaws.com", &trusted(role));
        if role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"]["aws:SourceAccount"]["Ref"] != "AWS::AccountId" {
            problems.push(format!("{id}'s role may be taken for another account's state machine"));
        }
    }
    problems
}

/// No action is a pattern; all resources only where an action knows none; patterns only for models and profiles, in this account.
pub fn patterns(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let roles = resources(template, "AWS::IAM::Role").into_iter().flat_map(|(id, body)| {
        let policies = list(&body["Properties"]["Policies"]).into_iter();
        policies.map(move |policy| (id, policy))
    });
    let policies = ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"];
    let policies = policies.into_iter().flat_map(|kind| resources(template, kind)).map(|(id, body)| (id, &body["Properties"]));
    for (id, policy) in roles.chain(policies) {
        for statement in list(&policy["PolicyDocument"]["Statement"]) {
            for action in list(&statement["Action"]).into_iter().map(short) {
                if action.contains('*') {
                    problems.push(format!("{id}: {action} is a pattern"));
                }
                for resource in list(&statement["Resource"]).into_iter().map(short) {
                    let all = resource == "*" && WITHOUT_RESOURCE.iter().any(|known| action.starts_with(known));
                    let models = [MODEL, PROFILE, APPLICATION_PROFILE].contains(&resource.as_str()) && action.starts_with("bedrock:");
                    if resource.contains('*') && !all && !models {
                        problems.push(format!("{id}: {action} on {resource}"));
                    }
                }
            }
        }
    }
    problems
}

/// X-Ray is off unless asked for, and then every role may send its traces.
pub fn tracing(template: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    expect_same(&mut problems, "Tracing's default", &"off", &short(&template["Parameters"]["Tracing"]["Default"]));
    let policies = resources(template, "AWS::IAM::Policy");
    let roles: BTreeMap<&str, &Value> = resources(template, "AWS::IAM::Role").into_iter().collect();
    for (id, policy) in policies {
        expect_same(&mut problems, &format!("{id}'s condition"), &"IsTraced", &short(&policy["Condition"]));
        let named: BTreeSet<String> = list(&policy["Properties"]["Roles"]).into_iter().map(short).collect();
        let expected = roles.keys().map(|role| format!("!Ref {role}")).collect();
        problems.extend(differences(&format!("{id}'s roles"), &expected, &named));
    }
    problems
}
