//! The documents are true: commands are run, paths exist, tables agree with the source, samples are accepted.
//!
//! With `UPDATE_EXPECT=1` commands' real output and the transition table are written into the documents.

mod console;
mod ledger;
mod paths;
mod samples;
mod simulator;
mod tables;
mod words;

use crate::binary::repository;
use std::fs;
use std::path::{Path, PathBuf};

/// A document of the repository.
struct Document {
    /// From the root, with slashes.
    path: String,
    text: String,
}

/// A fenced block.
struct Block {
    language: String,
    /// The lines between the fences.
    body: String,
}

/// Every Markdown file.
fn documents() -> Vec<Document> {
    let markdown = files().into_iter().filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "md"));
    let documents: Vec<Document> = markdown.map(|path| document(&path)).collect();
    assert!(documents.len() >= 7, "only {} documents found", documents.len());
    documents
}

fn document(path: &str) -> Document {
    let text = fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Document { path: path.to_owned(), text }
}

/// Every file that is kept under version control, or would be, from the root.
fn files() -> Vec<String> {
    const LEFT_OUT: [&str; 6] = ["target", ".git", ".tools", "node_modules", ".cost-sentry", ".aws-sam"];
    let root = repository();
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let kind = entry.file_type().unwrap();
            // In a second work tree, `.git` is a file.
            if LEFT_OUT.contains(&name.as_str()) {
                continue;
            }
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(relative(&entry.path(), &root));
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path, root: &Path) -> String {
    let parts: Vec<_> = path.strip_prefix(root).unwrap().components().map(|part| part.as_os_str().to_str().unwrap()).collect();
    parts.join("/")
}

/// A document's fenced blocks, in order.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some(Block { language: language.to_owned(), body: String::new() }),
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => block.body += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// The text without its fenced blocks.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let lines = text.lines().filter(|line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The rows of all tables, each as its cells.
fn rows(text: &str) -> Vec<Vec<String>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The first cells of all rows that are one word in backticks.
fn first_words(text: &str) -> Vec<String> {
    let word = |cells: Vec<String>| Some(cells.first()?.strip_prefix('`')?.strip_suffix('`')?.to_owned());
    rows(text).into_iter().filter_map(word).filter(|word| !word.contains('`')).collect()
}

/// A section, from its heading to the next one.
fn section<'a>(document: &'a Document, heading: &str) -> &'a str {
    let start = document.text.find(&format!("\n## {heading}\n"));
    let start = start.unwrap_or_else(|| panic!("{} has no section `{heading}`", document.path));
    let rest = &document.text[start + 1..];
    rest[2..].find("\n## ").map_or(rest, |end| &rest[..end + 2])
}

/// Holds what a document shows between `<!-- NAME: … -->` and `<!-- end -->` to what it should; with `UPDATE_EXPECT=1` writes it there.
pub fn shown(path: &str, name: &str, expected: &str) {
    const END: &str = "<!-- end -->\n";
    let document = document(path);
    let begin = document.text.find(&format!("<!-- {name}: ")).unwrap_or_else(|| panic!("{path} shows no {name}"));
    let from = begin + document.text[begin..].find('\n').unwrap() + 1;
    let until = from + document.text[from..].find(END).unwrap();
    if updating() && &document.text[from..until] != expected {
        let text = format!("{}{expected}{}", &document.text[..from], &document.text[until..]);
        return fs::write(repository().join(path), text).unwrap();
    }
    assert_eq!(&document.text[from..until], expected, "UPDATE_EXPECT=1 writes it");
}

/// Whether documents are to be rewritten.
fn updating() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1")
}

/// Where the shipped files that commands name are found: the same files, in a folder of one's own.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
