//! Every path of the repository that a document names exists, and every link leads somewhere.

use super::{Document, documents, prose, repository};
use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What is written as a path from the root: a token of inline code or of a command whose first part stands in the root.
fn named(document: &Document, roots: &BTreeSet<String>) -> Vec<String> {
    let code = Regex::new("`([^`\n]+)`").unwrap();
    let text = prose(&document.text);
    let inline = code.captures_iter(&text).map(|found| found[1].to_owned());
    let commands = document.text.lines().filter_map(|line| line.strip_prefix("$ ").map(str::to_owned));
    let tokens: Vec<String> = inline.chain(commands).flat_map(|text| text.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    let is_path = |token: &&str| {
        let first = token.split('/').next().unwrap_or_default();
        token.contains('/') && roots.contains(first) && !token.contains(['*', '…', '<', '$'])
    };
    tokens.iter().map(|token| token.trim_start_matches("./")).filter(is_path).map(str::to_owned).collect()
}

/// Links to files, as paths from the root, and the heading each names.
fn links(document: &Document) -> Vec<(String, Option<String>)> {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let text = prose(&document.text);
    let targets = link.captures_iter(&text).map(|found| found[1].to_owned()).filter(|target| !target.contains("://"));
    targets
        .map(|target| {
            let (file, heading) = target.split_once('#').map_or((target.as_str(), None), |(file, heading)| (file, Some(heading)));
            let own = Path::new(&document.path);
            let file = if file.is_empty() { own.to_path_buf() } else { own.parent().unwrap().join(file) };
            (file.to_str().unwrap().to_owned(), heading.map(str::to_owned))
        })
        .collect()
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
}

#[test]
fn every_path_in_a_document_exists() {
    let root = repository();
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap();
    // What a run or a build leaves behind is no part of the repository, whether somebody ran one here before or not.
    let left_behind = |name: &String| ignored.lines().any(|line| line.strip_prefix('/') == Some(name));
    let names = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let roots: BTreeSet<String> = names.filter(|name| !left_behind(name)).collect();
    let mut missing = Vec::new();
    let mut seen = 0;
    for document in documents() {
        for path in named(&document, &roots) {
            seen += 1;
            if !root.join(&path).exists() {
                missing.push(format!("{}: {path}", document.path));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(seen > 30, "only {seen} paths were found");
}

#[test]
fn every_link_leads_somewhere() {
    let root = repository();
    let mut broken = Vec::new();
    for document in documents() {
        for (path, heading) in links(&document) {
            let text = fs::read_to_string(root.join(&path));
            let found = match (&text, &heading) {
                (Ok(text), Some(heading)) => text
                    .lines()
                    .filter_map(|line| line.strip_prefix('#'))
                    .any(|line| anchor(line.trim_start_matches('#').trim()) == *heading),
                _ => root.join(&path).exists(),
            };
            if !found {
                broken.push(format!("{}: {path}#{}", document.path, heading.unwrap_or_default()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
