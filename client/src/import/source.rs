//! Where lines come from: a file or standard input, plain or compressed, read as a stream by a
//! thread of its own.
//!
//! The thread is held back by a short channel, so a file larger than memory is never in memory.
//! Lines are counted and measured (for progress) on the compressed side, which is the only length
//! known beforehand.

mod gzip;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::line::{self, Entry};
use crate::ClientError;

/// A node takes no request of this size, so a longer line means a broken file; the bound keeps it
/// out of memory.
const LONGEST_LINE: u64 = 1024 * 1024;
/// Lines read ahead of the engine, which itself bounds what it queues by bytes.
const READ_AHEAD: usize = 64;
/// U+FEFF in UTF-8, which some editors and spreadsheets put before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A line, read and checked for itself (its references are not resolved yet).
#[derive(Debug)]
pub struct Line {
    /// From 1.
    pub number: u64,
    /// Size in memory, for the bound on queued lines.
    pub size: usize,
    /// How far the input moved by this line: bytes of the file, so compressed ones where it is
    /// compressed.
    pub advance: u64,
    /// What it asks for, or why it cannot be read.
    pub entry: Result<Entry, String>,
}

/// An opened input.
pub struct Input {
    reader: Box<dyn BufRead + Send>,
    name: String,
    /// Bytes of the file, when it has an end that is known.
    pub length: Option<u64>,
    consumed: Arc<AtomicU64>,
}

/// Opens a file by its name, or standard input for `-`.
pub fn open(path: &Path) -> Result<Input, ClientError> {
    let name = path.display().to_string();
    let failed = |source| ClientError::Input {
        path: name.clone(),
        source,
    };

    let (raw, length, compression): (Box<dyn Read + Send>, _, _) = if path.as_os_str() == "-" {
        let (compression, raw) = sniff(std::io::stdin()).map_err(failed)?;
        (Box::new(raw), None, compression)
    } else {
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(std::io::Error::from(ErrorKind::IsADirectory)));
        }
        (
            Box::new(file),
            metadata.is_file().then_some(metadata.len()),
            Compression::by_name(path),
        )
    };

    let consumed = Arc::new(AtomicU64::new(0));

    let raw = Counted {
        inner: raw,
        consumed: Arc::clone(&consumed),
    };

    let reader = compression.decode(raw).map_err(failed)?;
    Ok(Input {
        reader,
        name,
        length,
        consumed,
    })
}

/// Starts the reading thread. The channel ends with the input, or after the first error that keeps
/// the rest from being read.
pub fn read_in_background(input: Input) -> mpsc::Receiver<Result<Line, ClientError>> {
    let (lines, receiver) = mpsc::channel(READ_AHEAD);
    // A thread, not a blocking task: a runtime that shuts down would wait for one that sits in a
    // read of a terminal.
    std::thread::spawn(move || {
        for line in Lines::new(input) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    fn by_name(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::Plain,
        }
    }

    fn by_magic(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    fn decode(self, raw: impl Read + Send + 'static) -> std::io::Result<Box<dyn BufRead + Send>> {
        Ok(match self {
            Self::Plain => Box::new(BufReader::new(raw)),
            Self::Gzip => Box::new(BufReader::new(gzip::Members::new(BufReader::new(raw)))),
            Self::Zstd => Box::new(BufReader::new(zstd::stream::read::Decoder::new(raw)?)),
        })
    }
}

/// Looks at the first bytes of an input without a name, and gives them back in front of the rest.
fn sniff(mut raw: impl Read) -> std::io::Result<(Compression, impl Read)> {
    let mut head = Vec::new();
    raw.by_ref().take(4).read_to_end(&mut head)?;
    Ok((Compression::by_magic(&head), Cursor::new(head).chain(raw)))
}

/// Counts what is taken from the file.
struct Counted<R> {
    inner: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.consumed
            .fetch_add(u64::try_from(read).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(read)
    }
}

/// The lines of an input, blank ones left out (but counted).
struct Lines {
    input: Input,
    number: u64,
    told: u64,
    failed: bool,
}

impl Lines {
    fn new(input: Input) -> Self {
        Self {
            input,
            number: 0,
            told: 0,
            failed: false,
        }
    }

    fn read(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            let mut text = Vec::new();

            if self
                .input
                .reader
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut text)?
                == 0
            {
                return Ok(None);
            }

            self.number += 1;

            let whole = text.ends_with(b"\n") || self.input.reader.fill_buf()?.is_empty();
            if !whole {
                self.input.reader.skip_until(b'\n')?;
            }

            let mut text = text.as_slice();
            if self.number == 1 {
                text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
            }
            let text = text.trim_ascii();
            if whole && text.is_empty() {
                continue;
            }

            let entry = if whole {
                line::parse(text)
            } else {
                Err(format!("the line is longer than {LONGEST_LINE} bytes"))
            };

            let consumed = self.input.consumed.load(Ordering::Relaxed);
            let advance = consumed.saturating_sub(self.told);
            self.told = consumed;

            return Ok(Some(Line {
                number: self.number,
                size: text.len(),
                advance,
                entry,
            }));
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Line, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match self.read() {
            Ok(line) => line.map(Ok),
            Err(source) => {
                self.failed = true;
                let path = format!("{} after line {}", self.input.name, self.number);
                Some(Err(ClientError::Input { path, source }))
            }
        }
    }
}
