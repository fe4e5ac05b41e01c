//! What must stand in no file of the repository.

use super::{files, repository};
use std::fs;

/// Each in two parts, so that this file has none of them. Package registries' own hosts, machines' own paths, and words that
/// promise rather than say.
const FORBIDDEN: [(&str, &str); 24] = [
    ("registry.npm", "js"),
    ("index.crates", ".io"),
    ("static.crates", ".io"),
    ("py", "pi.org"),
    ("python", "hosted.org"),
    ("proxy.golang", ".org"),
    ("art", "ifactory"),
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/tmp/", "bash"),
    ("sub", "agent"),
    ("as an ", "ai "),
    ("language ", "model, i"),
    ("blazing", "ly"),
    ("seam", "less"),
    ("effort", "less"),
    ("world-", "class"),
    ("cutting-", "edge"),
    ("game-", "chang"),
    ("best-in-", "class"),
    ("state-of-the", "-art"),
    ("battle-", "tested"),
    ("super", "charge"),
];

/// Files that are data of others, or generated.
const LEFT_OUT: [&str; 2] = ["Cargo.lock", "LICENSE"];

#[test]
fn no_file_names_a_registry_a_machine_or_a_promise() {
    let mut found = Vec::new();
    let mut read = 0;
    for path in files().into_iter().filter(|path| !LEFT_OUT.contains(&path.as_str())) {
        let Ok(text) = fs::read_to_string(repository().join(&path)) else { continue };
        read += 1;
        for (number, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            let words = FORBIDDEN.iter().map(|(start, end)| format!("{start}{end}")).filter(|word| lower.contains(word.as_str()));
            found.extend(words.map(|word| format!("{path}:{}: {word}", number + 1)));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(read > 100);
}
