//! Inputs as people have them: plain and compressed, damaged, with marks and lines too long.

use std::io::Write;

use super::*;

const TEXT: &str =
    "{\"type\":\"ship\",\"order\":\"o1\"}\n\n  \n{\"type\":\"ship\",\"order\":\"o2\"}";

fn input(compression: Compression, bytes: Vec<u8>) -> Input {
    let consumed = Arc::new(AtomicU64::new(0));
    let raw = Counted {
        inner: Cursor::new(bytes),
        consumed: Arc::clone(&consumed),
    };
    Input {
        reader: compression.decode(raw).unwrap(),
        name: "test".into(),
        length: None,
        consumed,
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn numbers(input: Input) -> Vec<u64> {
    Lines::new(input)
        .map(|line| line.unwrap())
        .map(|line| line.entry.map(|_| line.number).unwrap())
        .collect()
}

#[test]
fn every_compression_gives_the_same_lines_and_blank_ones_count() {
    assert_eq!(numbers(input(Compression::Plain, TEXT.into())), [1, 4]);
    assert_eq!(numbers(input(Compression::Gzip, gzip(TEXT))), [1, 4]);
    let zstd = zstd::stream::encode_all(TEXT.as_bytes(), 3).unwrap();
    assert_eq!(numbers(input(Compression::Zstd, zstd)), [1, 4]);
}

#[test]
fn an_input_without_a_name_is_known_by_its_first_bytes() {
    for (bytes, expected) in [
        (gzip(TEXT), Compression::Gzip),
        (
            zstd::stream::encode_all(TEXT.as_bytes(), 3).unwrap(),
            Compression::Zstd,
        ),
        (TEXT.into(), Compression::Plain),
        (vec![0x1f], Compression::Plain),
    ] {
        let (found, mut raw) = sniff(Cursor::new(bytes.clone())).unwrap();
        let mut all = Vec::new();
        raw.read_to_end(&mut all).unwrap();
        assert_eq!((found, all), (expected, bytes));
    }
}

#[test]
fn a_byte_order_mark_before_the_first_line_is_not_part_of_it() {
    for (compression, bytes) in [
        (Compression::Plain, format!("\u{feff}{TEXT}").into_bytes()),
        (Compression::Gzip, gzip(&format!("\u{feff}{TEXT}"))),
    ] {
        let lines: Vec<Line> = Lines::new(input(compression, bytes))
            .map(|line| line.unwrap())
            .collect();
        assert!(lines.len() == 2 && lines.iter().all(|line| line.entry.is_ok()));
    }

    let later = format!("{TEXT}\n\u{feff}{TEXT}");
    let lines = Lines::new(input(Compression::Plain, later.into()));
    assert!(
        lines
            .map(|line| line.unwrap())
            .any(|line| line.entry.is_err())
    );
}

#[test]
fn a_line_too_long_is_reported_and_the_next_one_is_read() {
    let text = format!(
        "{}\n{{\"type\":\"ship\",\"order\":\"o1\"}}\n",
        "x".repeat(3 * 1024 * 1024)
    );
    let lines: Vec<Line> = Lines::new(input(Compression::Plain, text.into()))
        .map(|line| line.unwrap())
        .collect();
    assert_eq!((lines.len(), lines[0].number, lines[1].number), (2, 1, 2));
    assert!(lines[0].entry.as_ref().unwrap_err().contains("longer than"));
    assert!(lines[1].entry.is_ok());
}

#[test]
fn a_file_cut_off_says_after_which_line() {
    let mut bytes = gzip(TEXT);
    bytes.truncate(bytes.len() - 9);
    let last = Lines::new(input(Compression::Gzip, bytes)).last().unwrap();
    assert!(
        last.unwrap_err()
            .to_string()
            .contains("cannot read test after line")
    );
}

#[test]
fn the_advances_add_up_to_the_bytes_of_the_file() {
    let bytes = gzip(&format!("{TEXT}\n").repeat(5000));
    let length = u64::try_from(bytes.len()).unwrap();
    let total: u64 = Lines::new(input(Compression::Gzip, bytes))
        .map(|line| line.unwrap().advance)
        .sum();
    assert_eq!(total, length);
}
