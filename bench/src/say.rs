//! What the laboratory prints while it works.

/// One line for whoever watches.
#[allow(clippy::print_stderr, reason = "the laboratory's own progress; its results go to files and standard output")]
pub(crate) fn note(line: impl AsRef<str>) {
    eprintln!("{}", line.as_ref());
}

/// Results, for whoever asked.
#[allow(clippy::print_stdout, reason = "the laboratory's own results")]
pub(crate) fn result(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}
