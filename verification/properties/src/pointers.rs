//! Whether a problem's pointer leads somewhere.

use serde_json::Value;

/// What stands at the end of a pointer that is not shown whole.
const CUT: char = '…';

/// Checks that the pointer leads to something in the document, or to a field or an item that its parent lacks.
pub fn check(document: &Value, pointer: &str) {
    if document.pointer(pointer).is_some() {
        return;
    }
    let (parent, _) = pointer.rsplit_once('/').unwrap_or_else(|| panic!("`{pointer}` is no pointer"));
    let is_there = document.pointer(parent).is_some_and(|parent| parent.is_object() || parent.is_array() || pointer.ends_with(CUT));
    assert!(is_there, "`{pointer}` leads nowhere in {document}");
}
