//! Takes replies apart, to see that they can be.

use bitmapd::resp::{Output, Version};

/// Everything that waits in `out`, in pieces as a socket might take them.
pub fn drain(out: &mut Output, piece: usize) -> Vec<u8> {
    let announced = out.len();
    let mut sent = Vec::new();
    while !out.is_empty() {
        let chunk = out.chunk();
        assert!(!chunk.is_empty(), "something waits and nothing comes");
        let count = chunk.len().min(piece);
        sent.extend_from_slice(&chunk[..count]);
        out.advance(count);
    }
    assert_eq!(sent.len() as u64, announced);
    sent
}

/// How many whole values `bytes` are.
///
/// # Panics
///
/// If they are anything but whole values of this version.
pub fn count(mut bytes: &[u8], version: Version) -> usize {
    let mut values = 0;
    while !bytes.is_empty() {
        let attributed = bytes[0] == b'|';
        bytes = value(bytes, version);
        values += usize::from(!attributed);
    }
    values
}

/// What is behind the value that `bytes` begin with.
fn value(bytes: &[u8], version: Version) -> &[u8] {
    let kind = bytes[0];
    let end = bytes
        .windows(2)
        .position(|two| two == b"\r\n")
        .expect("a line has an end");
    let line = &bytes[1..end];
    let rest = &bytes[end + 2..];
    let text = std::str::from_utf8(line);
    let number = || -> i64 { text.expect("digits").parse().expect("a number") };
    let three = matches!(version, Version::Resp3);
    match kind {
        b'+' | b'-' => {
            assert!(!line.contains(&b'\r') && !line.contains(&b'\n'));
            rest
        }
        b':' => {
            number();
            rest
        }
        b'$' | b'=' => match number() {
            -1 => rest,
            len => {
                assert!(kind == b'$' || (three && len >= 4 && rest[3] == b':'));
                let len = usize::try_from(len).expect("a length");
                assert_eq!(&rest[len..len + 2], b"\r\n");
                &rest[len + 2..]
            }
        },
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            assert!(kind == b'*' || three);
            let each = if matches!(kind, b'%' | b'|') { 2 } else { 1 };
            let count = number().max(0) * each;
            (0..count).fold(rest, |rest, _| value(rest, version))
        }
        b'_' | b',' | b'#' | b'(' => {
            assert!(three);
            rest
        }
        other => panic!("nothing begins with {:?}", char::from(other)),
    }
}
