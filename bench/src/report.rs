//! A run in words and tables, for the terminal and the page alike.

use std::{fmt::Write as _, fs};

use anyhow::Result;

use crate::{
    contestant::Who,
    figures::{Figure, Samples, exponent},
    forge,
    lab::Lab,
    primitives::Primitives,
};

/// Samples from which on the slowest in a hundred says something.
const P99_MIN: usize = 100;

/// The whole run.
pub(crate) fn text(lab: &Lab) -> Result<String> {
    let mut text = machine(lab)?;
    for others in Who::TABLES {
        text.push_str(&table(lab.figures.all(), others)?);
    }
    for failed in &lab.failed {
        write!(text, "\n\n**Not measured**: {failed}.")?;
    }
    text.push_str(&remarks(lab.figures.all()));
    text.push_str(&growth(lab)?);
    Ok(text)
}

/// Ours beside two of the others, where one of them has a figure; what nobody else has stands beside the daemons.
fn table(figures: &[Figure], others: [Who; 2]) -> Result<String> {
    let is_here = |figure: &&Figure| others == Who::TABLES[0] || others.iter().any(|who| figure.get(*who).is_some());
    // A run of some workloads may have nothing for it.
    if !figures.iter().any(|figure| is_here(&figure)) {
        return Ok(String::new());
    }
    let mut text = "\n\n| workload | unit | ocmesh median | p99 | n | goal |".to_owned();
    for who in others {
        write!(text, " {} median | p99 | n | ocmesh is |", who.name())?;
    }
    text.push_str("\n| --- | --- | ---: | ---: | ---: | :--- |");
    others.iter().for_each(|_| text.push_str(" ---: | ---: | ---: | ---: |"));
    for figure in figures.iter().filter(is_here) {
        write!(text, "\n| {} | {} |{} {} |", figure.what, figure.unit, cells(figure, Who::Ocmesh), goal(figure))?;
        for who in others {
            write!(text, "{} {} |", cells(figure, who), figure.ratio(who).map_or_else(|| "–".to_owned(), times))?;
        }
    }
    Ok(text)
}

fn machine(lab: &Lab) -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")).map_or("unknown", |rest| rest.trim_start_matches(['\t', ' ', ':']));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let (least, most) = lab.loads.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), load| (least.min(*load), most.max(*load)));
    Ok(format!(
        "Run of {}: {model}, {cores} cores, Linux {}, Node {}. Load of the machine (1 minute) {least:.1} to {most:.1}, of which the laboratory itself \
         is a part. One append with `fdatasync` on the disk of the homes: median {} ms, p99 {} ms (n = {}). {} rounds, {:.0} minutes.\n\n{}",
        date(),
        kernel.trim(),
        node_version().unwrap_or_else(|| "?".to_owned()),
        number(lab.syncs.median()),
        number(lab.syncs.quantile(0.99)),
        lab.syncs.len(),
        lab.rounds,
        lab.took_s / 60.0,
        floors(&lab.primitives, lab.syncs.median()),
    ))
}

/// As `node` says it: 20 is what the comparison is about.
fn node_version() -> Option<String> {
    let said = std::process::Command::new("node").arg("--version").output().ok()?;
    Some(String::from_utf8(said.stdout).ok()?.trim().to_owned())
}

/// What cannot be gone below here, whoever wrote the program.
fn floors(primitives: &Primitives, sync_ms: f64) -> String {
    let (check, seal, open) = (primitives.check.median(), primitives.seal.median(), primitives.open.median());
    // Written before it is sent and before it is told: one after the other.
    let message_ms = 2.0 * sync_ms + (seal + open) / 1e3;
    format!(
        "The floor on this machine (medians of {}, by our own wire crate in this run): a presence read and checked {} µs of a core, a NIP-17 message \
         sealed {} µs, opened {} µs; the program loaded to say its version {} ms ({} times). So 100,000 presences of as many agents take {:.1} s of a \
         core or more; a core receives {:.0} NIP-17 messages a second at most, {:.0} where each is answered with a receipt, and sends {:.0}, each \
         sealed for the reader and for ourselves. A message takes {} ms or more: sealed, synced, opened, synced.",
        primitives.check.len(),
        number(check),
        number(seal),
        number(open),
        number(primitives.load.median()),
        primitives.load.len(),
        check / 10.0,
        1e6 / open,
        1e6 / (open + seal),
        1e6 / (2.0 * seal),
        number(message_ms),
    )
}

/// `YYYY-MM-DD` of today, by the civil calendar.
fn date() -> String {
    // Howard Hinnant's days-to-civil, for days since 1970: years begin in March, so that leap days come last.
    let days = forge::now().secs() / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{:02}", day_of_year - (153 * shifted + 2) / 5 + 1)
}

fn cells(figure: &Figure, who: Who) -> String {
    figure.get(who).map_or_else(
        || " – | – | – |".to_owned(),
        |samples| {
            // Of a few samples there is no slowest in a hundred.
            let worst = if samples.len() < P99_MIN { "–".to_owned() } else { number(figure.worst(samples)) };
            format!(" {} | {worst} | {} |", number(samples.median()), samples.len())
        },
    )
}

fn goal(figure: &Figure) -> String {
    let sign = if figure.less_is_better { "≤" } else { "≥" };
    let one = |(goal, is_p99, reached): (f64, bool, bool)| {
        format!("{sign} {}{}: {}", number(goal), if is_p99 { " (p99)" } else { "" }, if reached { "yes" } else { "**no**" })
    };
    figure.goals().into_iter().map(one).collect::<Vec<_>>().join("; ")
}

fn times(ratio: f64) -> String {
    if ratio >= 1.0 { format!("{}× better", number(ratio)) } else { format!("**{}× worse**", number(1.0 / ratio)) }
}

/// Three digits that matter.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        big if big >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn remarks(figures: &[Figure]) -> String {
    let of = |figure: &Figure, who: Who, samples: &Samples| {
        samples.remark.as_ref().map(|remark| format!("\n- {}, {}: {remark}.", figure.what, who.name()))
    };
    let all: String =
        figures.iter().flat_map(|figure| figure.samples.iter().filter_map(move |(who, samples)| of(figure, *who, samples))).collect();
    if all.is_empty() { all } else { format!("\n\nWhere a contestant got less, or a figure was scaled:\n{all}") }
}

fn growth(lab: &Lab) -> Result<String> {
    let mut text = String::new();
    for (what, points) in lab.growth.all() {
        let Some(exponent) = exponent(points) else { continue };
        let shown: Vec<String> = points.iter().map(|(size, value)| format!("{size:.0}: {}", number(*value))).collect();
        write!(text, "\n| {what} | {} | {exponent:.2} |", shown.join(", "))?;
    }
    if text.is_empty() {
        return Ok(text);
    }
    Ok(format!(
        "\n\nHow ocmesh grows: the exponent e of size^e that fits best; 0 does not grow, 1 grows as the size does.\n\n| what | size: value | e |\n| --- | --- | ---: |{text}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_matter() {
        assert_eq!([12_345.6, 12.34, 1.234, 0.01234].map(number), ["12346", "12.3", "1.23", "0.0123"]);
    }

    #[test]
    fn a_ratio_says_who_wins() {
        assert_eq!(times(22.0), "22.0× better");
        assert_eq!(times(0.5), "**2.00× worse**");
    }

    #[test]
    fn a_table_holds_what_its_contestants_were_measured_in() {
        let mut figures = crate::figures::Figures::default();
        figures.of("start", "first answer", "ms").add(Who::Ocmesh, 10.0).add(Who::NodeJs, 220.0);
        figures.of("start", "ours alone", "ms").add(Who::Ocmesh, 10.0);
        let [daemons, bare] = Who::TABLES;
        let of_daemons = table(figures.all(), daemons).unwrap();
        assert!(
            of_daemons.contains("| first answer | ms | 10.0 |") && of_daemons.contains("22.0× better") && of_daemons.contains("ours alone")
        );
        assert_eq!(table(figures.all(), bare).unwrap(), "", "nobody of it was measured");
        figures.of("inbound", "rate", "/s").more_is_better().add(Who::Ocmesh, 2.0).add(Who::RustBare, 4.0);
        let of_bare = table(figures.all(), bare).unwrap();
        assert!(of_bare.contains("**2.00× worse**") && !of_bare.contains("first answer") && !of_bare.contains("ours alone"), "{of_bare}");
    }

    #[test]
    fn today_is_a_date() {
        let today = date();
        let parts: Vec<u32> = today.split('-').map(|part| part.parse().unwrap()).collect();
        assert!(parts[0] >= 2_026 && (1..=12).contains(&parts[1]) && (1..=31).contains(&parts[2]), "{today}");
    }
}
