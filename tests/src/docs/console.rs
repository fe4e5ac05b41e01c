//! Every `console` block of the documents that users read shows what its commands print, on standard output and standard error together, and how they end.
//!
//! The commands of a document run in order, in one fresh folder that has the repository's examples. What varies from run to run
//! (ids, times, durations, versions) is masked on both sides before they are compared.

use super::{Document, copy, document, documents, repository, updating};
use crate::binary::Desk;
use regex::Regex;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Commands that take minutes or install something: only checked to exist.
const NOT_RUN: [&str; 1] = ["./gate"];

/// What a user sees: a command, and what it printed.
struct Shown {
    command: String,
    output: String,
}

/// A document's shell: each command knows how the one before ended.
struct Shell {
    folder: tempfile::TempDir,
    tool: PathBuf,
    status: i32,
}

impl Shell {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["examples", "crates/cli/policy", "statemachine"] {
            copy(&repository().join(name), &folder.path().join(name));
        }
        let tool = Path::new(Desk::new().command(&[]).get_program()).parent().unwrap().to_path_buf();
        Self { folder, tool, status: 0 }
    }

    /// Runs a command; what it printed.
    fn run(&mut self, command: &str) -> String {
        let command = command.replace("cargo run -q --", "cost-sentry");
        let script = format!("exec 2>&1\n(exit {})\n{command}", self.status);
        let path = format!("{}:{}", self.tool.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).env("PATH", path).env("LC_ALL", "C.UTF-8").current_dir(self.folder.path()).stdin(Stdio::null());
        let foreign = |name: &str| ["AWS_", "COST_SENTRY_", "CLICOLOR"].iter().any(|prefix| name.starts_with(prefix));
        std::env::vars().filter(|(name, _)| foreign(name)).for_each(|(name, _)| _ = shell.env_remove(name));
        let output = shell.output().unwrap();
        self.status = output.status.code().unwrap_or(-1);
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The commands of a block's body, each with what is shown below it.
fn shown(body: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in body.lines() {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => all.push(Shown { command: command.to_owned(), output: String::new() }),
            (None, Some(last)) => last.output += &format!("{line}\n"),
            (None, None) => panic!("a console block starts with a command, not with `{line}`"),
        }
    }
    all
}

/// What is left when everything is masked that another run prints differently.
fn masked(text: &str) -> String {
    const MASKS: [(&str, &str); 8] = [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "TIME"),
        (r"(?m)^ *\d+\.\d{3} s ", "DURATION "),
        (r"in \d+\.\d s", "in DURATION"),
        (r"after \d+ s", "after DURATION"),
        (r"\b[0-9a-f]{16}\b", "VERSION"),
        // Models come near their end of life as time goes by.
        (r"(?m)^warning: .* end of life .*\n", ""),
        (r"\d+ warnings?", "WARNINGS"),
    ];
    MASKS.iter().fold(text.to_owned(), |text, (pattern, mask)| Regex::new(pattern).unwrap().replace_all(&text, *mask).into_owned())
}

/// Runs a document's commands; the document with what they printed now, where that differs, and the differences.
fn replay(document: &Document) -> (String, Vec<String>) {
    let mut shell = Shell::new();
    let mut differences = Vec::new();
    let (mut text, mut rest) = (String::new(), document.text.as_str());
    while let Some((before, after)) = rest.split_once("```console\n") {
        let (body, after) = after.split_once("```\n").unwrap();
        text += before;
        text += "```console\n";
        for Shown { command, output } in shown(body) {
            let not_run = NOT_RUN.iter().find(|name| command.split(' ').next() == Some(name));
            let now = match not_run {
                Some(name) => {
                    assert!(repository().join(name).is_file(), "{}: `{name}` does not exist", document.path);
                    output.clone()
                }
                None => shell.run(&command),
            };
            let differs = masked(&now) != masked(&output);
            if differs {
                differences.push(format!("$ {command}\n--- shown\n{output}--- printed now\n{now}"));
            }
            text += &format!("$ {command}\n{}", if differs { now } else { output });
        }
        text += "```\n";
        rest = after;
    }
    (text + rest, differences)
}

#[test]
fn every_console_block_shows_what_its_commands_print() {
    let read_by_users = |path: &str| ["README.md", "statemachine/README.md"].contains(&path) || path.starts_with("docs/");
    let documents = documents().into_iter().filter(|document| read_by_users(&document.path) && document.text.contains("```console\n"));
    let replayed: Vec<_> = documents.map(|document| std::thread::spawn(move || (replay(&document), document))).collect();
    assert!(replayed.len() >= 3);
    let mut all = Vec::new();
    for thread in replayed {
        let ((text, differences), document) = thread.join().unwrap();
        if updating() && !differences.is_empty() {
            fs::write(repository().join(&document.path), text).unwrap();
        } else {
            all.extend(differences.iter().map(|difference| format!("{}\n{difference}", document.path)));
        }
    }
    assert!(all.is_empty(), "UPDATE_EXPECT=1 writes what is printed now into the documents:\n\n{}", all.join("\n"));
}

#[test]
fn the_first_command_of_the_readme_needs_cargo_and_nothing_else() {
    let readme = document("README.md");
    let first = super::blocks(&readme.text).into_iter().find(|block| block.language == "console").unwrap();
    assert!(first.body.starts_with("$ cargo run -q -- run examples/request.json\n"), "{}", first.body);
}

#[test]
fn masks_hide_what_varies_and_nothing_else() {
    let check = |text: &str, expected: &str| assert_eq!(masked(text), expected);
    check("   0.018 s  ■ RateLimitDenied\n", "DURATION  ■ RateLimitDenied\n");
    check("(f4e80eb99bfb0eac), requestId=f2e144c1-7410-8b86-9eab-4f8c37f11504", "(VERSION), requestId=ID");
    check("limit 0.0085 usd, used 0.00; resets 2026-11-22T00:00:00Z", "limit 0.0085 usd, used 0.00; resets TIME");
    check("retry: after 7978 s, retry 1 of 5, in 0.5 s", "retry: after DURATION, retry 1 of 5, in DURATION");
}
