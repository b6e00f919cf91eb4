//! `ocmesh invite` and `ocmesh join`.

use clap::{Args, Subcommand};

/// `ocmesh invite`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct InviteArgs {
    /// How long the code is of use, from 1m to 7d: a number with s, m, h or d.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = seconds)]
    pub(crate) expires: u64,
    /// What you call whoever joins.
    #[arg(long, value_name = "PETNAME")]
    pub(crate) name: Option<String>,
    /// Print no QR code.
    #[arg(long)]
    pub(crate) no_qr: bool,
    /// Stay until somebody joins, and show the words to compare.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(subcommand)]
    pub(crate) command: Option<InviteCommand>,
}

/// `ocmesh invite …`.
#[derive(Debug, Subcommand)]
pub(crate) enum InviteCommand {
    /// The invites that were made or given, and where they stand.
    List,
    /// Take an open invite back.
    Revoke {
        /// Its id, or the start of it, as the list shows it.
        id: String,
    },
}

/// `ocmesh join`.
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// The code, ocmesh1…; `-` or nothing reads standard input.
    pub(crate) code: Option<String>,
    /// What you call the inviter.
    #[arg(long, value_name = "PETNAME")]
    pub(crate) name: Option<String>,
    /// How long to wait for the inviter's answer, in seconds; 0 does not wait. The invite goes on by itself.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(crate) timeout: u64,
}

/// A length of time as people write it.
fn seconds(text: &str) -> Result<u64, String> {
    let plain = text.trim();
    let unit = plain.chars().next_back().and_then(|unit| match unit {
        's' => Some(1u64),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    });
    let number = plain.strip_suffix(['s', 'm', 'h', 'd']).and_then(|number| number.parse::<u64>().ok());
    let seconds = unit.zip(number).and_then(|(unit, number)| number.checked_mul(unit));
    seconds.filter(|seconds| (60..=7 * 86_400).contains(seconds)).ok_or_else(|| "give a time from 1m to 7d, like 15m, 2h or 1d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_bounded() {
        for (text, wanted) in [("60s", 60), ("15m", 900), ("2h", 7_200), ("7d", 604_800), (" 1d ", 86_400)] {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for bad in ["", "m", "15", "59s", "8d", "-1h", "1w", "1.5h", "99999999999999999999d", "18446744073709551615d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
