use std::io::Cursor;

use super::*;

/// Hands out a few bytes at a time, as a pipe may.
struct Dripping {
    bytes: Cursor<Vec<u8>>,
    most: usize,
}

impl Read for Dripping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.most);
        self.bytes.read(&mut buffer[..len])
    }
}

fn all_of(bytes: &[u8], most: usize, lines_max: usize) -> Vec<Vec<u8>> {
    let source = Dripping { bytes: Cursor::new(bytes.to_vec()), most };
    let mut cutter = Cutter::new(Box::new(source), lines_max);
    let mut found = Vec::new();
    let mut block = Block::default();
    loop {
        block = cutter.cut(block).unwrap();
        assert!(block.len() <= lines_max);
        if block.len() == 0 {
            break;
        }
        for index in 0..block.len() {
            let line = block.line(index).unwrap();
            assert_eq!(line.number, found.len() as u64);
            found.push(line.bytes.to_vec());
        }
        assert!(block.line(block.len()).is_none());
        assert_eq!(block.bytes_from(block.len()), 0);
    }
    found
}

#[test]
fn lines_are_cut_the_same_however_they_arrive() {
    let inputs: [(&[u8], &[&[u8]]); 8] = [
        (b"", &[]),
        (b"\n", &[b""]),
        (b"a", &[b"a"]),
        (b"a\n", &[b"a"]),
        (b"a\nb", &[b"a", b"b"]),
        (b"a\n\nb\n", &[b"a", b"", b"b"]),
        (b"a\r\nlonger line\n", &[b"a\r", b"longer line"]),
        (b"\n\n", &[b"", b""]),
    ];
    for (bytes, expected) in inputs {
        for most in [1, 2, 3, 5, 1 << 20] {
            for lines_max in [1, 2, 100] {
                assert_eq!(all_of(bytes, most, lines_max), expected, "{bytes:?} by {most}");
            }
        }
        assert_eq!(split(bytes).collect::<Vec<_>>(), expected, "{bytes:?} in memory");
    }
}

#[test]
fn many_blocks_keep_their_order() {
    let mut bytes = Vec::new();
    for number in 0..50_000 {
        bytes.extend_from_slice(format!("line {number}\n").as_bytes());
    }
    let found = all_of(&bytes, usize::MAX, 999);
    assert_eq!(found.len(), 50_000);
    assert!(found.iter().zip(split(&bytes)).all(|(a, b)| a == b));
}

#[test]
fn a_line_longer_than_a_block_is_one_line() {
    let mut bytes = vec![b'x'; BLOCK_BYTES + 17];
    bytes.extend_from_slice(b"\ny\n");
    let found = all_of(&bytes, usize::MAX, 10);
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [BLOCK_BYTES + 17, 1]);
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let source = Cursor::new(b"a\nb\n").chain(io::repeat(b'x'));
    let broken = Cutter::new(Box::new(source), 10).cut(Block::default()).unwrap_err();
    assert!(matches!(broken, Broken { line: 2, why: Why::TooLong }));
}

#[test]
fn a_failing_source_is_told_with_the_line() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let source = Cursor::new(b"a\nb\nc").chain(Failing);
    let mut cutter = Cutter::new(Box::new(source), 2);
    assert_eq!(cutter.cut(Block::default()).unwrap().len(), 2);
    let broken = cutter.cut(Block::default()).unwrap_err();
    assert!(matches!(broken, Broken { line: 2, why: Why::Io(_) }));
}
