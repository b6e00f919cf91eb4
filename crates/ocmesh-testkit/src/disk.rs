//! A disk that fails as told (Linux): a small library, compiled here with `cc` and loaded before libc into a child process, that watches
//! one directory. Calls fail by number ([`Control`]), or every change is recorded ([`record`]), so that the disk can be built as a power
//! cut at any moment may leave it ([`power`]).
//!
//! The lints forbid unsafe Rust; this way the code under test is the real one, down to its calls of the system.

pub mod control;
pub mod power;
pub mod record;

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use tempfile::TempDir;

pub use control::{Control, Failure, Kind};
pub use power::{Disk, Left};
pub use record::{Op, What};

/// The library's source.
const SOURCE: &str = include_str!("disk/preload.c");
/// What the library takes from its environment.
const DIRECTORY: &str = "OCMESH_DISK_DIR";
const CONTROL: &str = "OCMESH_DISK_CONTROL";
const RECORD: &str = "OCMESH_DISK_RECORD";
const ACKS: &str = "OCMESH_DISK_ACKS";
/// Size of the page that library and test share.
const CONTROL_BYTES: u64 = 4_096;

/// Compiled once in a process.
static LIBRARY: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();

fn compile(directory: &Path) -> Result<Vec<u8>> {
    let (source, library) = (directory.join("preload.c"), directory.join("compiled.so"));
    fs::write(&source, SOURCE)?;
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o"]);
    let made = cc.arg(&library).arg(&source).args(["-ldl", "-lpthread"]).output().context("a C compiler is needed: cc")?;
    ensure!(made.status.success(), "cc said: {}", String::from_utf8_lossy(&made.stderr));
    Ok(fs::read(&library)?)
}

/// A watched directory, and the files through which the library is told and tells.
#[derive(Debug)]
pub struct Layer {
    dir: TempDir,
    watched: PathBuf,
    records: bool,
}

impl Layer {
    /// Compiles the library to watch what is below `watched`, which must exist.
    ///
    /// # Errors
    /// When there is no C compiler: install one (`cc`).
    pub fn over(watched: &Path) -> Result<Self> {
        let dir = TempDir::with_prefix("ocmesh-disk-")?;
        let library = LIBRARY.get_or_init(|| compile(dir.path()).map_err(|error| format!("{error:#}")));
        fs::write(dir.path().join("preload.so"), library.as_ref().map_err(|said| anyhow!("{said}"))?)?;
        File::create(dir.path().join("control"))?.set_len(CONTROL_BYTES)?;
        for file in ["record", "acks"] {
            File::create(dir.path().join(file))?;
        }
        let layer = Self { dir, watched: watched.canonicalize()?, records: false };
        layer.control()?.choose(&[Kind::Write])?;
        Ok(layer)
    }

    /// Records every change too.
    #[must_use]
    pub const fn recording(mut self) -> Self {
        self.records = true;
        self
    }

    /// What the child process needs in its environment.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, OsString)> {
        let file = |name: &str| self.dir.path().join(name).into_os_string();
        let mut env = vec![
            ("LD_PRELOAD", file("preload.so")),
            (DIRECTORY, self.watched.clone().into_os_string()),
            (CONTROL, file("control")),
            (ACKS, file("acks")),
        ];
        if self.records {
            env.push((RECORD, file("record")));
        }
        env
    }

    /// The switch, while the child runs or before.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn control(&self) -> Result<Control> {
        Control::open(&self.dir.path().join("control"))
    }

    /// Every change so far, oldest first.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn record(&self) -> Result<Vec<Op>> {
        record::parse(&fs::read(self.dir.path().join("record"))?)
    }

    /// What the child noted so far with [`Inside::note`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn notes(&self) -> Result<String> {
        Ok(fs::read_to_string(self.dir.path().join("acks"))?)
    }
}

/// The layer as the child process below it sees it.
#[derive(Debug)]
pub struct Inside {
    /// The watched directory.
    pub watched: PathBuf,
    /// The switch.
    pub control: Control,
    notes: File,
}

impl Inside {
    /// `None` in a process that was not started with [`Layer::env`].
    ///
    /// # Errors
    /// When the library was not loaded: then nothing would ever fail, and a test would prove nothing.
    pub fn of_this_process() -> Result<Option<Self>> {
        let Some(watched) = std::env::var_os(DIRECTORY) else { return Ok(None) };
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from).with_context(|| format!("no {name}"));
        let control = Control::open(&path(CONTROL)?)?;
        ensure!(control.attached()? > 0, "the library is not loaded into this process");
        let notes = File::options().append(true).open(path(ACKS)?)?;
        Ok(Some(Self { watched: watched.into(), control, notes }))
    }

    /// Notes a line, in the record's order; it is on no disk that fails.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&mut self, line: &str) -> Result<()> {
        use std::io::Write as _;
        Ok(self.notes.write_all(format!("{line}\n").as_bytes())?)
    }
}
