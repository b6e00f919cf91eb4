//! What the scanners of registries look for in every line of every file, whatever the line means.

use super::Folder;

/// Lines, in lower case, that `bad` does not like.
fn lines(folder: &Folder, say: &str, bad: impl Fn(&str) -> bool) -> Vec<String> {
    folder.lines().filter(|(_, line)| bad(&line.to_lowercase())).map(|(place, line)| format!("{place} {say}: {}", line.trim())).collect()
}

fn has(line: &str, words: &[&str]) -> bool {
    words.iter().any(|word| line.contains(word))
}

/// The words of a line as a shell would see them, without quotes and marks around them.
fn words(line: &str) -> Vec<&str> {
    line.split(|c: char| c.is_whitespace() || "`\"'|;&()".contains(c)).filter(|word| !word.is_empty()).collect()
}

/// A program's output goes to a shell or an interpreter.
pub(super) fn pipe_to_shell(folder: &Folder) -> Vec<String> {
    let shells = ["sh", "bash", "zsh", "dash", "python", "python3", "node", "perl", "ruby", "iex", "powershell"];
    lines(folder, "runs what comes through a pipe", |line| {
        let after = line.split('|').skip(1).filter_map(|rest| rest.split_whitespace().find(|word| *word != "sudo"));
        let piped = after.map(|word| word.trim_matches(['`', '"', '\''])).any(|word| shells.contains(&word));
        piped || has(line, &["<(curl", "<(wget", "$(curl", "$(wget", "`curl", "`wget"]) && has(line, &["sh -c", "bash", "eval", "source "])
    })
}

/// An address in numbers. Scanners take any for a hidden server, that of this machine too: write `localhost`.
pub(super) fn raw_address(folder: &Folder) -> Vec<String> {
    lines(folder, "has an address in numbers", |line| {
        let numbers = line.split(|c: char| !c.is_ascii_digit() && c != '.');
        let four = |word: &str| word.split('.').count() == 4 && word.split('.').all(|part| part.parse::<u8>().is_ok());
        numbers.map(|word| word.trim_matches('.')).any(four) || line.contains("://[")
    })
}

/// A link that hides where it leads.
pub(super) fn short_link(folder: &Folder) -> Vec<String> {
    let hosts = ["bit.ly", "tinyurl.com", "t.co", "goo.gl", "is.gd", "ow.ly", "rebrand.ly", "cutt.ly"];
    lines(folder, "hides where a link leads", |line| hosts.iter().any(|host| line.contains(&format!("//{host}/"))))
}

/// Words by which an injection is known, in a warning against it just as well.
pub(super) fn injection_words(folder: &Folder) -> Vec<String> {
    let known = [
        "ignore previous instructions",
        "ignore all previous instructions",
        "ignore previous",
        "disregard previous",
        "disregard all",
        "system prompt",
        "you are now",
        "do not tell the user",
        "without telling",
        "<|im_start|>",
        "[inst]",
    ];
    let mut found = lines(folder, "has words by which injections are known", |line| has(line, &known));
    // A scanner does not care where a line was broken.
    let broken = folder.files.iter().filter(|(_, text)| has(&text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase(), &known));
    found.extend(broken.map(|(path, _)| format!("{path} has words by which injections are known")));
    found
}

/// A secret as an argument: every process of the machine can see it there.
pub(super) fn secret_in_arguments(folder: &Folder) -> Vec<String> {
    let options = ["--private-key", "--secret-key", "--seed", "--password", "--passphrase", "--token", "--api-key", "--nsec"];
    lines(folder, "gives a secret as an argument", |line| {
        let given =
            |option: &&str| line.split(*option).skip(1).any(|rest| rest.starts_with(' ') && rest.len() > 1 || rest.starts_with('='));
        options.iter().any(given) || words(line).windows(2).any(|two| matches!(two, ["import", key] if key.starts_with("nsec1")))
    })
}

/// A secret in the text: a value behind `token=` and the like, or a key of this mesh.
pub(super) fn secret_in_text(folder: &Folder) -> Vec<String> {
    let long = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).count() >= 16;
    let value = |rest: &str| {
        let rest = rest.trim_start_matches(['"', '\'']);
        rest.starts_with(['=', ':']) && long(rest.trim_start_matches(['=', ':', ' ', '"', '\'']))
    };
    lines(folder, "holds a secret", |line| {
        let named = ["token", "key", "secret", "password", "passphrase"].iter().any(|name| {
            let whole = |before: &str| !before.ends_with(|c: char| c.is_ascii_alphabetic());
            line.match_indices(name).any(|(at, _)| line.get(..at).is_some_and(whole) && line.get(at + name.len()..).is_some_and(value))
        });
        let bearer = line.split("bearer ").skip(1).any(long);
        let key = |word: &&str| (word.starts_with("nsec1") || word.starts_with("ncryptsec1")) && long(word);
        named || bearer || words(line).iter().any(key)
    })
}

/// Something is deleted with all that is in it, or overwritten for good.
pub(super) fn deletes(folder: &Folder) -> Vec<String> {
    lines(folder, "deletes without asking", |line| {
        let words = words(line);
        let flags = |word: &&&str| word.starts_with('-') && !word.starts_with("--") && word.contains(['r', 'f']);
        let removes = words.windows(2).any(|two| matches!(two, ["rm", flag] if flags(&flag)));
        removes
            || has(
                line,
                &[
                    "--purge",
                    "rmtree",
                    "remove-item -recurse",
                    "shred ",
                    "mkfs",
                    "dd if=",
                    "find / -delete",
                    " -delete",
                    "--recursive --force",
                ],
            )
    })
}

/// Code from elsewhere is run without anybody having looked at it.
pub(super) fn runs_what_it_fetches(folder: &Folder) -> Vec<String> {
    let ways = [
        "npx ",
        "bunx ",
        "uvx ",
        "pipx run",
        "pip install",
        "npm install",
        "npm i ",
        "cargo install --git",
        "git+http",
        "@latest",
        "go run ",
    ];
    let mut found = lines(folder, "runs what it fetches", |line| has(line, &ways));
    let fetches = ["curl", "wget", "invoke-webrequest", "git clone"];
    found.extend(folder.files.iter().filter(|(path, _)| path.starts_with("scripts/")).flat_map(|(path, text)| {
        let used = fetches.iter().filter(|program| text.to_lowercase().split_whitespace().any(|word| word == **program));
        used.map(move |program| format!("{path} fetches something with {program}"))
    }));
    found
}

/// Text that a reader does not see, or cannot read.
pub(super) fn hidden(folder: &Folder) -> Vec<String> {
    let unseen = |c: char| {
        matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e007f}')
            || (c.is_control() && !matches!(c, '\n' | '\t'))
    };
    let mut found: Vec<String> = folder
        .lines()
        .filter(|(_, line)| line.contains(unseen))
        .map(|(place, _)| format!("{place} has a character that nobody sees"))
        .collect();
    found.extend(lines(folder, "hides what it does", |line| {
        has(line, &["base64", "eval ", "eval(", "exec(", "child_process", "fromcharcode", "\\x", "<!--", "xxd -r", "openssl enc"])
    }));
    found
}

/// A certificate is not looked at.
pub(super) fn certificates(folder: &Folder) -> Vec<String> {
    let off =
        ["--insecure", "--no-check-certificate", "rejectunauthorized", "node_tls_reject", "verify=false", "verify_ssl", "--trusted-host"];
    lines(folder, "does not look at certificates", |line| {
        has(line, &off) || words(line).windows(2).any(|two| matches!(two, ["curl", "-k"]))
    })
}

/// Rights that a program of this user does not need, and places where things start by themselves.
pub(super) fn more_rights(folder: &Folder) -> Vec<String> {
    let ways =
        ["sudo ", "doas ", "chmod 777", "setuid", "crontab", "/etc/", ".bashrc", ".zshrc", "authorized_keys", "--dangerously", "runas "];
    lines(folder, "wants more rights or another place to start from", |line| has(line, &ways))
}
