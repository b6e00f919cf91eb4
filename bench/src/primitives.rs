//! What the machine itself takes for what no program can leave out: a signature checked, a message sealed, a message opened.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::Result;
use ocmesh_proto::Form;
use ocmesh_wire::open;

use crate::{figures::Samples, forge};

/// Of each, every time the machine is looked at.
const TIMES: u64 = 40;
/// Starts of the program each time.
const LOADS: u64 = 10;
/// A key that is nobody else's.
const READER: u8 = 11;

/// Microseconds of one core, all through the run.
#[derive(Debug, Default)]
pub(crate) struct Primitives {
    /// A presence read, its id and its signature checked.
    pub(crate) check: Samples,
    /// A NIP-17 message sealed and wrapped.
    pub(crate) seal: Samples,
    /// The same opened.
    pub(crate) open: Samples,
    /// The program started to say its version, in milliseconds: loading it, and nothing of the daemon.
    pub(crate) load: Samples,
}

impl Primitives {
    pub(crate) fn measure(&mut self, program: &Path) -> Result<()> {
        let (reader, writer, now) = (forge::keys(READER, 1)?, forge::keys(forge::WRITERS, 1)?, forge::now());
        let presence = forge::presence(1, &forge::name(1, 0), now, now)?;
        for number in 0..TIMES {
            let began = Instant::now();
            open(&reader, &presence, now)?;
            self.check.push(began.elapsed().as_secs_f64() * 1e6);
            let began = Instant::now();
            let wrap = forge::message(&writer, Form::Nip17, reader.public(), number, now)?;
            self.seal.push(began.elapsed().as_secs_f64() * 1e6);
            let began = Instant::now();
            open(&reader, &wrap, now)?;
            self.open.push(began.elapsed().as_secs_f64() * 1e6);
        }
        for _ in 0..LOADS {
            let began = Instant::now();
            Command::new(program).arg("--version").stdout(Stdio::null()).status()?;
            self.load.push(began.elapsed().as_secs_f64() * 1e3);
        }
        Ok(())
    }
}
