//! Where the command line's own commands write: results to standard output, complaints to standard
//! error. A reader that has seen enough (`counterfoil verify | head -1`) closes the pipe; that is
//! no failure of the command.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// Writes a text to standard output.
///
/// # Errors
/// When it cannot be written though somebody reads it, as on a full disk.
pub fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text).and_then(|()| stdout.flush());
    unless_nobody_reads(written).context("standard output cannot be written")
}

/// One line on standard error, whatever the text looks like. When that is closed there is nobody to
/// tell.
pub fn complain(text: &str) {
    let line = text
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    note(&format!("counterfoil: {line}"));
}

/// One line of progress on standard error.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn unless_nobody_reads(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is_one() {
        let failed = |kind: ErrorKind| unless_nobody_reads(Err(kind.into()));
        assert!(failed(ErrorKind::BrokenPipe).is_ok());
        assert!(failed(ErrorKind::StorageFull).is_err());
    }
}
