//! A user of the real binary: a home directory of their own, an empty environment, nothing of this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A user with an empty home directory, removed at the end.
pub(crate) struct User {
    directory: tempfile::TempDir,
}

impl User {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn home(&self) -> &Path {
        self.directory.path()
    }

    /// `~/.ocmesh`
    pub(crate) fn data(&self) -> PathBuf {
        self.home().join(".ocmesh")
    }

    /// A directory first on the user's PATH.
    pub(crate) fn bin(&self) -> PathBuf {
        self.home().join("bin")
    }

    /// A program with a clean environment.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", format!("{}:/usr/bin:/bin", self.bin().display()))
            .env("TMPDIR", std::env::temp_dir())
            .env("OCMESH_KEYCHAIN", "off")
            // Nobody listens there: no test reaches the real network.
            .env("OCMESH_RELAYS", "ws://127.0.0.1:9")
            .current_dir(self.home());
        command
    }

    pub(crate) fn ocmesh(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_ocmesh"));
        command.args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.ocmesh(arguments))
    }

    /// Puts a shell script on the user's PATH.
    pub(crate) fn program(&self, name: &str, script: &str) {
        fs::create_dir_all(self.bin()).unwrap();
        let path = self.bin().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        Self { code: status.code().unwrap(), stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    #[track_caller]
    pub(crate) fn error_json(&self) -> serde_json::Value {
        assert_eq!(self.stdout, "", "an error leaves standard output empty");
        serde_json::from_str::<serde_json::Value>(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:#?}"))["error"].clone()
    }
}
