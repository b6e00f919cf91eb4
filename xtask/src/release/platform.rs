//! The platforms we ship for, by the names that compilers and package managers give them, and what a binary asks of the machine.

use anyhow::{Context as _, Result, ensure};

use crate::run::{command, read};

/// A platform.
#[derive(Debug, Clone, Copy)]
pub(super) struct Platform {
    /// As the compiler names it.
    pub(super) triple: &'static str,
    /// As Node names it: system and processor.
    pub(super) npm: (&'static str, &'static str),
    /// As Debian names the processor; none where there is no Debian.
    pub(super) debian: Option<&'static str>,
    /// As Homebrew names it: system and processor; none where there is no Homebrew.
    pub(super) brew: Option<(&'static str, &'static str)>,
    /// The tag of a wheel, without the version of the C library.
    wheel: &'static str,
}

/// What `deny.toml` names as targets, too.
pub(super) const PLATFORMS: [Platform; 5] = [
    Platform {
        triple: "x86_64-unknown-linux-gnu",
        npm: ("linux", "x64"),
        debian: Some("amd64"),
        brew: Some(("linux", "intel")),
        wheel: "x86_64",
    },
    Platform {
        triple: "aarch64-unknown-linux-gnu",
        npm: ("linux", "arm64"),
        debian: Some("arm64"),
        brew: Some(("linux", "arm")),
        wheel: "aarch64",
    },
    // Rust's own floors: macOS 11 on Apple's processors, 10.12 on Intel's.
    Platform {
        triple: "aarch64-apple-darwin",
        npm: ("darwin", "arm64"),
        debian: None,
        brew: Some(("macos", "arm")),
        wheel: "macosx_11_0_arm64",
    },
    Platform {
        triple: "x86_64-apple-darwin",
        npm: ("darwin", "x64"),
        debian: None,
        brew: Some(("macos", "intel")),
        wheel: "macosx_10_12_x86_64",
    },
    Platform { triple: "x86_64-pc-windows-msvc", npm: ("win32", "x64"), debian: None, brew: None, wheel: "win_amd64" },
];

/// Libraries that every glibc system has.
const EVERYWHERE: [&str; 8] = ["libc.so", "libm.so", "libgcc_s.so", "libpthread.so", "libdl.so", "librt.so", "libutil.so", "ld-linux"];

impl Platform {
    /// The platform that a compiler builds for.
    ///
    /// # Errors
    /// We ship nothing for it.
    pub(super) fn of(triple: &str) -> Result<Self> {
        let found = PLATFORMS.iter().find(|platform| platform.triple == triple);
        found.copied().with_context(|| format!("nothing is shipped for {triple}; see xtask/src/release/platform.rs"))
    }

    /// As npm's packages are called: `linux-x64`.
    pub(super) fn npm_name(&self) -> String {
        format!("{}-{}", self.npm.0, self.npm.1)
    }

    /// The tag of a wheel with this binary.
    pub(super) fn wheel_tag(&self, glibc: Option<(u32, u32)>) -> String {
        match glibc {
            Some((major, minor)) => format!("manylinux_{major}_{minor}_{}", self.wheel),
            None => self.wheel.to_owned(),
        }
    }

    /// The oldest C library that the binary runs with; `None` where there is none to speak of.
    ///
    /// # Errors
    /// A binary for Linux that asks for nothing, or for a library that not every Linux has.
    pub(super) fn glibc(&self, binary: &[u8], path: &str) -> Result<Option<(u32, u32)>> {
        if !self.triple.ends_with("linux-gnu") {
            return Ok(None);
        }
        let needed = read(command("readelf", &["--dynamic", "--wide", path]))?;
        let libraries =
            needed.lines().filter(|line| line.contains("(NEEDED)")).filter_map(|line| Some(line.split_once('[')?.1.trim_end_matches(']')));
        for library in libraries {
            ensure!(EVERYWHERE.iter().any(|known| library.starts_with(known)), "the binary needs {library}, which not every Linux has");
        }
        glibc_floor(binary).map(Some).context("the binary names no version of the C library")
    }
}

/// The newest version of the C library's symbols that the binary names: `GLIBC_2.34` stands in its string table.
fn glibc_floor(binary: &[u8]) -> Option<(u32, u32)> {
    let mark = b"GLIBC_2.";
    let number = |at: usize| {
        let digits: String =
            binary.get(at + mark.len()..)?.iter().take_while(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte)).collect();
        digits.parse::<u32>().ok()
    };
    let starts = binary.windows(mark.len()).enumerate().filter(|(_, window)| window == mark);
    starts.filter_map(|(at, _)| number(at)).max().map(|minor| (2, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_runs_from_the_newest_symbol_on_that_it_names() {
        let binary = b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_2.\0GLIBC_PRIVATE\0";
        assert_eq!(glibc_floor(binary), Some((2, 34)));
        assert_eq!(glibc_floor(b"nothing"), None);
        let linux = Platform::of("x86_64-unknown-linux-gnu").unwrap();
        assert_eq!(linux.wheel_tag(Some((2, 34))), "manylinux_2_34_x86_64");
        assert_eq!(Platform::of("aarch64-apple-darwin").unwrap().wheel_tag(None), "macosx_11_0_arm64");
        assert!(Platform::of("m68k-unknown-linux-gnu").is_err());
    }

    #[test]
    fn we_ship_for_what_the_licences_are_checked_for() {
        let text = std::fs::read_to_string(crate::run::root().join("deny.toml")).unwrap();
        let targets = text.split_once("targets = [").unwrap().1.split_once(']').unwrap().0;
        let mut checked: Vec<&str> = targets.split('"').skip(1).step_by(2).collect();
        let mut shipped: Vec<&str> = PLATFORMS.iter().map(|platform| platform.triple).collect();
        checked.sort_unstable();
        shipped.sort_unstable();
        assert_eq!(checked, shipped);
    }
}
