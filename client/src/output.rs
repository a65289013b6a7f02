//! Where results and complaints go: results to stdout, everything else to stderr.
//!
//! A reader that has seen enough (`counterfoil sagas list --all | head`) closes the pipe; that is
//! the end of the command, not a failure.

use std::io::{ErrorKind, Write};

use console::Term;
use serde_json::Value;

use super::ClientError;
use super::table::Table;

/// Whether the reader of the output still listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Listening,
    Gone,
}

/// Writes a text to stdout, ending it with a new line if it has none.
pub fn print(text: &str) -> Result<Reader, ClientError> {
    let mut stdout = std::io::stdout().lock();

    let ending = if text.ends_with('\n') || text.is_empty() {
        ""
    } else {
        "\n"
    };

    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(ending.as_bytes()))
        .and_then(|()| stdout.flush());

    match written {
        Ok(()) => Ok(Reader::Listening),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(ClientError::Output(error)),
    }
}

/// How many characters a line of the terminal has that stdout is; absent when it is none.
pub fn terminal_width() -> Option<usize> {
    let (_, columns) = Term::stdout().size_checked()?;
    Some(usize::from(columns))
}

/// Says which columns of a table had no room.
pub fn note_left_out(table: &Table) {
    let left_out = table.left_out();
    if !left_out.is_empty() {
        let columns = left_out.join(", ");
        note(&format!(
            "not shown, as the terminal is too narrow: {columns}"
        ));
    }
}

/// Writes a JSON value as one line, so that several of them are JSON Lines.
pub fn print_json(value: &Value) -> Result<Reader, ClientError> {
    print(&value.to_string())
}

/// One line to stderr. A closed stderr leaves nobody to tell, so it ignores that failure.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "error: {line}");
}

/// One line of progress or note to stderr.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
