//! The built `cost-sentry`, as people run it.

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The binary beside the running test, built from the sources as they are now.
fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "cost-sentry", "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.current_dir(repository()).status().unwrap().success(), "the binary cannot be built");
        profile.join(format!("cost-sentry{}", std::env::consts::EXE_SUFFIX))
    })
}

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A folder of one test's own: the books, and files for the command line.
pub struct Desk {
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Desk {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Where the books are kept.
    pub fn books(&self) -> PathBuf {
        self.folder.path().join("books")
    }

    /// A path on the desk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file; its name.
    pub fn file<'a>(&self, name: &'a str, text: &str) -> &'a str {
        std::fs::write(self.path(name), text).unwrap();
        name
    }

    /// Puts the published sample on the desk; its name.
    pub fn sample(&self) -> &'static str {
        self.file("request.json", include_str!("../../examples/request.json"))
    }

    /// The command, to be run on this desk, with an environment that knows nothing of AWS.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(path());
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let foreign = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_"));
        foreign.for_each(|(name, _)| _ = command.env_remove(name));
        command
    }

    /// Runs a command that reads nothing.
    pub fn run(&self, arguments: &[&str]) -> Done {
        finish(self.command(arguments).spawn().unwrap())
    }

    /// Runs a command with variables.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Done {
        finish(self.command(arguments).envs(variables.iter().copied()).spawn().unwrap())
    }

    /// Runs a command that reads this text.
    pub fn run_on(&self, arguments: &[&str], input: &str) -> Done {
        let mut child = self.command(arguments).spawn().unwrap();
        // A command that never reads its input closes it: that shows in what it says.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        finish(child)
    }
}

/// Waits for a command.
pub fn finish(child: Child) -> Done {
    let output = child.wait_with_output().unwrap();
    let done = Done {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!done.stderr.contains("panicked at") && !done.stdout.contains("panicked at"), "{done:?}");
    done
}

impl Done {
    /// Standard output, which must be exactly one JSON document on lines of its own.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same where it ended as expected.
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}
