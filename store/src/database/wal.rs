//! Whether a write-ahead log of SQLite has lost commits.
//!
//! SQLite reads the log up to the first frame whose checksum is wrong, and takes the rest for the
//! unfinished end that a loss of power leaves. Mostly it is right, but not always: each checksum
//! goes on from that of the frame before, and SQLite goes on from a commit only when that is synced
//! (`synchronous=FULL`). So a frame that goes on from a commit proves that this commit was whole,
//! and somebody has its answer. When it lies beyond a wrong frame, that was damaged afterwards.
//!
//! A commit that nothing goes on from proves nothing. It may be the last one, torn by the loss of
//! power. Or its sync has failed: then SQLite writes the next commit over it, and the rest of a
//! longer one stays behind, with its mark. After several failures there are several such rests.
//!
//! The format is <https://www.sqlite.org/fileformat2.html#walformat>.

/// The first word of a log, without the bit that says in which order its checksums read bytes.
const MAGIC: u32 = 0x377f_0682;
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// How much of a frame's header its checksum covers.
const FRAME_HEADER_COVERED: usize = 8;

/// Looks through a log.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(log: &[u8]) -> Result<(), String> {
    let Some((header, frames)) = log.split_at_checked(HEADER) else {
        return Ok(());
    };
    // The file has grown, and nothing was written before the power went.
    if header.iter().all(|byte| *byte == 0) {
        return Ok(());
    }

    let magic = word(header, 0);
    if magic & !1 != MAGIC {
        return Err("it is not a write-ahead log".to_owned());
    }
    let order = match magic & 1 {
        1 => ByteOrder::BigEndian,
        _ => ByteOrder::LittleEndian,
    };
    let checksum = Checksum::new(order);
    let page = usize::try_from(word(header, 8)).unwrap_or(usize::MAX);
    let (covered, sums) = header.split_at(24);
    let checksum = checksum.over(covered);
    if !checksum.is(sums) || !(512..=65_536).contains(&page) {
        return Err("its header is damaged".to_owned());
    }

    let salts = header.get(16..24).unwrap_or_default();
    let frames: Vec<Frame> = frames
        .chunks_exact(FRAME_HEADER + page)
        .map(Frame)
        .collect();

    let whole = whole_frames(&frames, salts, checksum);
    let left = frames.get(whole..).unwrap_or_default();
    match lost_commits(left, salts, order) {
        0 => Ok(()),
        lost => Err(format!(
            "frame {} of {} is damaged, and with it {lost} later commits are lost",
            whole + 1,
            frames.len()
        )),
    }
}

/// How many frames SQLite would read.
fn whole_frames(frames: &[Frame<'_>], salts: &[u8], mut checksum: Checksum) -> usize {
    frames
        .iter()
        .take_while(|frame| {
            checksum = checksum.over(frame.covered()).over(frame.page());
            frame.salts() == salts && checksum.is(frame.sums())
        })
        .count()
}

/// The commits among frames that are not read from which others go on.
fn lost_commits(frames: &[Frame<'_>], salts: &[u8], order: ByteOrder) -> usize {
    let pairs = frames.iter().zip(frames.iter().skip(1));
    pairs
        .filter(|(frame, next)| {
            frame.ends_a_commit() && next.salts() == salts && next.goes_on_from(frame, order)
        })
        .count()
}

struct Frame<'a>(&'a [u8]);

impl<'a> Frame<'a> {
    fn part(&self, from: usize, to: usize) -> &'a [u8] {
        self.0.get(from..to).unwrap_or_default()
    }

    fn covered(&self) -> &'a [u8] {
        self.part(0, FRAME_HEADER_COVERED)
    }

    /// The size of the database after the commit; 0 in all other frames of it.
    fn ends_a_commit(&self) -> bool {
        word(self.0, 4) != 0
    }

    fn salts(&self) -> &'a [u8] {
        self.part(8, 16)
    }

    fn sums(&self) -> &'a [u8] {
        self.part(16, FRAME_HEADER)
    }

    fn page(&self) -> &'a [u8] {
        self.part(FRAME_HEADER, self.0.len())
    }

    /// Whether its checksum is what follows from that of another frame and its own bytes.
    fn goes_on_from(&self, before: &Frame<'_>, order: ByteOrder) -> bool {
        let sums = (word(before.sums(), 0), word(before.sums(), 4));
        let checksum = Checksum { order, sums };
        checksum
            .over(self.covered())
            .over(self.page())
            .is(self.sums())
    }
}

/// In which order the checksums of a log read bytes.
#[derive(Clone, Copy, PartialEq)]
enum ByteOrder {
    BigEndian,
    LittleEndian,
}

/// The running checksum of a log: each frame goes on from the one before.
#[derive(Clone, Copy)]
struct Checksum {
    order: ByteOrder,
    sums: (u32, u32),
}

impl Checksum {
    fn new(order: ByteOrder) -> Self {
        let sums = (0, 0);
        Checksum { order, sums }
    }

    fn over(mut self, bytes: &[u8]) -> Self {
        let read = |bytes: &[u8; 4]| match self.order {
            ByteOrder::BigEndian => u32::from_be_bytes(*bytes),
            ByteOrder::LittleEndian => u32::from_le_bytes(*bytes),
        };

        let (words, _) = bytes.as_chunks::<4>();
        let (pairs, _) = words.as_chunks::<2>();
        for [first, second] in pairs {
            let (mut one, mut two) = self.sums;
            one = one.wrapping_add(read(first)).wrapping_add(two);
            two = two.wrapping_add(read(second)).wrapping_add(one);
            self.sums = (one, two);
        }

        self
    }

    fn is(self, stored: &[u8]) -> bool {
        self.sums == (word(stored, 0), word(stored, 4))
    }
}

/// The big-endian word at an offset; 0 beyond the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>());
    bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
