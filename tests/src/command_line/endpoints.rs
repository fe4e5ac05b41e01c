//! `AWS_ENDPOINT_URL_…`: what it names is used in place of the embedded part; off this machine only with the flag.

use super::TWO;
use crate::binary::{Desk, Done};
use cost_sentry::local::dynamodb::DynamoDb;
use cost_sentry::local::metrics_sink::MetricsSink;
use cost_sentry::local::simulator::{Script, Simulator};
use cost_sentry::local::stack::{ENDPOINT_VARIABLES, LEDGER_FILE};

fn run(desk: &Desk, variables: &[(&str, &str)]) -> Done {
    let arguments = ["run", desk.sample(), "--policy", desk.file("policy.yaml", TWO), "--data", "books", "--json"];
    desk.run_with(&arguments, variables)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_bedrock_answers() {
    let simulator = Simulator::start(Script::parse("models: { '*': { answer: from elsewhere } }").unwrap()).await.unwrap();
    let done = run(&Desk::new(), &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &simulator.endpoint())]).expect(0);
    assert_eq!(done.json()["response"]["content"], "from elsewhere");
    assert_eq!(simulator.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cloudwatch_counts() {
    let sink = MetricsSink::start().await.unwrap();
    run(&Desk::new(), &[("AWS_ENDPOINT_URL_CLOUDWATCH", &sink.endpoint())]).expect(0);
    assert_eq!(sink.data().iter().filter(|datum| datum.name == "TotalRequests").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_dynamodb_keeps_the_books() {
    let (desk, database) = (Desk::new(), DynamoDb::start(None).await.unwrap());
    let endpoint = database.endpoint();
    let variables = [("AWS_ENDPOINT_URL_DYNAMODB", endpoint.as_str())];
    for (used, status) in [(0, 0), (1, 0), (2, 3)] {
        let done = run(&desk, &variables).expect(status);
        assert_eq!(done.json()["rateLimit"]["budgets"][0]["used"], used, "{done:?}");
    }
    assert!(!desk.books().join(LEDGER_FILE).exists());
    assert_eq!(run(&desk, &[]).expect(0).json()["rateLimit"]["budgets"][0]["used"], 0, "the desk's own books are others");
}

#[test]
fn an_endpoint_off_this_machine_is_refused_without_the_flag() {
    let desk = Desk::new();
    for variable in ENDPOINT_VARIABLES {
        for url in ["https://bedrock-runtime.us-east-1.amazonaws.com", "http://192.0.2.1:8000", "http://127.0.0.1@192.0.2.1"] {
            let done = run(&desk, &[(variable, url)]).expect(1);
            let expected = format!("error: {variable} points to an endpoint that is not on this machine");
            assert!(done.stderr.starts_with(&expected) && done.stderr.contains("--allow-remote-endpoints"), "{done:?}");
            assert!(done.stdout.is_empty() && !desk.books().exists(), "{done:?}");
        }
    }
    assert_eq!(
        run(&desk, &[(ENDPOINT_VARIABLES[0], "")]).expect(0).json()["outcome"],
        "INVOCATION_SUCCEEDED",
        "an empty one names nothing"
    );
}

#[test]
fn an_endpoint_where_nobody_listens_is_a_clear_failure() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let done = run(&Desk::new(), &[("AWS_ENDPOINT_URL_DYNAMODB", &format!("http://{closed}"))]).expect(1);
    assert!(done.stderr.starts_with("error: the ledger's table could not be created"), "{done:?}");
    assert!(done.stdout.is_empty(), "{done:?}");
}
