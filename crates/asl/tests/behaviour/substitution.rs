use std::collections::BTreeMap;

use cost_sentry_asl::{SubstitutionError, placeholders, substitute};

fn check(text: &str, values: &[(&str, &str)], expected: &Result<&str, (&[&str], &[&str])>) {
    let values: BTreeMap<String, String> = values.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let expected = match expected {
        Ok(text) => Ok((*text).to_owned()),
        Err((missing, unused)) => Err(SubstitutionError { missing: set(missing), unused: set(unused) }),
    };
    assert_eq!(substitute(text, &values), expected, "{text}");
}

#[test]
fn values_replace_placeholders_character_for_character() {
    check("plain", &[], &Ok("plain"));
    check("", &[], &Ok(""));
    check(r#"{"a": "${A}-${B}${A}", "t": ${T}}"#, &[("A", "x"), ("B", "\"é"), ("T", "30")], &Ok(r#"{"a": "x-"éx", "t": 30}"#));
    check("${A}", &[("A", "${B}")], &Ok("${B}"));
    check("$$.a $.b {A}", &[], &Ok("$$.a $.b {A}"));
    check("x${y", &[], &Ok("x${y"));
    check("${", &[], &Ok("${"));
}

#[test]
fn missing_and_unused_values_are_all_named() {
    check("${A}${B}${C}", &[("B", ""), ("D", ""), ("E", "")], &Err((&["A", "C"], &["D", "E"])));
    check("${Name }", &[("Name", "x")], &Err((&["Name "], &["Name"])));
    let error = substitute("${A}", &BTreeMap::from([("B".into(), "x".into())])).unwrap_err();
    assert_eq!(error.to_string(), "placeholders without a value: A; values without a placeholder: B");
}

#[test]
fn placeholders_are_found_once_each() {
    assert_eq!(placeholders("${B}${A}${B}").into_iter().collect::<Vec<_>>(), ["A", "B"]);
}
