//! Items that nobody writes: each is an error, and none a panic.

use super::settled;
use crate::ledger::item::{Item, ItemError, reservation_from, reservation_item};
use aws_sdk_dynamodb::types::AttributeValue;
use cost_sentry_core::quantity::Tokens;
use expect_test::expect;

/// Every item that differs from this one in one value: gone, or of a kind or with a content that is never written there; with its place.
fn broken(item: &Item) -> Vec<(String, Item)> {
    let mut all = Vec::new();
    for (name, value) in item {
        all.push((format!("{name} gone"), item.iter().filter(|(other, _)| *other != name).map(|(k, v)| (k.clone(), v.clone())).collect()));
        for (place, value) in broken_values(name, value) {
            let mut changed = item.clone();
            changed.insert(name.clone(), value);
            all.push((place, changed));
        }
    }
    all
}

fn broken_values(place: &str, value: &AttributeValue) -> Vec<(String, AttributeValue)> {
    let number = |digits: &str| AttributeValue::N(digits.to_owned());
    let (null, text, huge) = (AttributeValue::Null(true), AttributeValue::S("x".to_owned()), number("99999999999999999999"));
    let kinds = [null, text, huge, number("0.5"), number("not a number"), AttributeValue::L(Vec::new()), AttributeValue::M(Item::new())];
    let mut all: Vec<_> = kinds.into_iter().map(|kind| (format!("{place} = {kind:?}"), kind)).collect();
    match value {
        AttributeValue::L(values) => {
            for (at, value) in values.iter().enumerate() {
                all.extend(broken_values(&format!("{place}[{at}]"), value).into_iter().map(|(place, value)| {
                    let mut changed = values.clone();
                    changed[at] = value;
                    (place, AttributeValue::L(changed))
                }));
            }
            let shorter = values.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default();
            all.push((format!("{place} shorter"), AttributeValue::L(shorter)));
        }
        AttributeValue::M(fields) => {
            all.extend(broken(fields).into_iter().map(|(inner, changed)| (format!("{place}.{inner}"), AttributeValue::M(changed))));
        }
        _ => {}
    }
    all
}

#[test]
fn a_broken_item_is_an_error() {
    let mut reservation = settled();
    reservation.charges.truncate(1);
    reservation.largest_max_tokens = Some(Tokens(1));
    let item = reservation_item(&reservation).unwrap();
    let mut readable: Vec<String> =
        broken(&item).into_iter().filter(|(_, item)| reservation_from(item).is_ok()).map(|(place, _)| place).collect();
    readable.sort();
    // What still reads is optional, free text, a list of any length, or there for an index or the time to live alone.
    expect![[r#"
        ch = L([])
        ch shorter
        ch[0][0] = S("x")
        ch[0][1] = S("x")
        ch[0][2] = S("x")
        ch[0][5] = S("x")
        ch[0][7] = L([])
        ch[0][7] shorter
        ci = Null(true)
        ci = S("x")
        ci gone
        co = Null(true)
        co gone
        dayPartition = L([])
        dayPartition = M({})
        dayPartition = N("0.5")
        dayPartition = N("99999999999999999999")
        dayPartition = Null(true)
        dayPartition = S("x")
        dayPartition gone
        expiresAt = L([])
        expiresAt = M({})
        expiresAt = N("0.5")
        expiresAt = N("99999999999999999999")
        expiresAt = Null(true)
        expiresAt = S("x")
        expiresAt gone
        h = S("x")
        lm = Null(true)
        lm gone
        m[0] = S("x")
        m[1] = S("x")
        m[4] = S("x")
        m[5] = S("x")
        p = S("x")
        pr = Null(true)
        pr gone
        pr.cr = Null(true)
        pr.cr gone
        pr.cw = Null(true)
        pr.cw gone
        t = M({})
        t.applicationId = S("x")
        t.applicationId gone
        t.costCenter = S("x")
        t.costCenter gone
        t.environment = S("x")
        t.environment gone
        us = Null(true)
        us gone"#]]
    .assert_eq(&readable.join("\n"));
    for state in ["", "HELD", "he", "XX"] {
        let changed = Item::from([("s".to_owned(), AttributeValue::S(state.to_owned()))]);
        let error = reservation_from(&item.clone().into_iter().chain(changed).collect()).unwrap_err();
        assert!(matches!(error, ItemError::Value("s")), "{state}: {error:?}");
    }
    assert!(reservation_from(&Item::new()).is_err());
}
