//! Reads all members of a gzip file, one after the other.
//!
//! Zeros may stand behind the last one: what was written in blocks, to a tape or a device, is
//! filled up with them. gzip itself ignores them too; anything else behind a member is damage.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The contents of the members of `R`.
pub struct Members<R> {
    /// Absent when the input has ended, or cannot be read.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    /// Starts with the first member, and reads its header at once; an error shows at the first
    /// read.
    pub fn new(input: R) -> Self {
        Self {
            member: Some(GzDecoder::new(input)),
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }

            let Some(mut input) = self.member.take().map(GzDecoder::into_inner) else {
                break;
            };
            if skip_zeros(&mut input)? {
                self.member = Some(GzDecoder::new(input));
            }
        }
        Ok(0)
    }
}

/// Whether anything but zeros comes.
fn skip_zeros(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(false);
        }

        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        if zeros == 0 {
            return Ok(true);
        }
        input.consume(zeros);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn member(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        // A small buffer, so that zeros go over its end.
        Members::new(BufReader::with_capacity(7, bytes)).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn members_and_the_zeros_behind_them_are_read() {
        let two = [member("one "), member(""), member("two")].concat();
        assert_eq!(read(&two).unwrap(), "one two");

        let padded = [two, vec![0; 1000]].concat();
        assert_eq!(read(&padded).unwrap(), "one two");
        let blocks = [member("one "), vec![0; 512], member("two")].concat();
        assert_eq!(read(&blocks).unwrap(), "one two");
    }

    #[test]
    fn anything_else_behind_a_member_and_a_missing_end_are_damage() {
        let whole = member("one");
        for bytes in [
            &[][..],
            &whole[..whole.len() - 1],
            &[whole.clone(), b"garbage".to_vec()].concat(),
            &[whole.clone(), vec![0; 9], b"garbage".to_vec()].concat(),
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
