//! A command as the log holds it: RESP, the way a client would send it.

/// Appends `*<words>\r\n` and each word as `$<length>\r\n<bytes>\r\n`.
pub fn command<'w>(out: &mut Vec<u8>, words: impl ExactSizeIterator<Item = &'w [u8]>) {
    out.push(b'*');
    number(out, words.len() as u64);
    for word in words {
        out.extend_from_slice(b"\r\n$");
        number(out, word.len() as u64);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(word);
    }
    out.extend_from_slice(b"\r\n");
}

/// `SELECT db`, which says where the commands after it belong.
pub(super) fn select(out: &mut Vec<u8>, db: usize) {
    let digits = db.to_string();
    command(out, [b"SELECT".as_slice(), digits.as_bytes()].into_iter());
}

/// `SET key`, up to the bytes of a value of `len` bytes. They and a line's end follow.
pub(super) fn set(out: &mut Vec<u8>, key: &[u8], len: u64) {
    out.extend_from_slice(b"*3\r\n$3\r\nSET\r\n$");
    number(out, key.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(key);
    out.extend_from_slice(b"\r\n$");
    number(out, len);
    out.extend_from_slice(b"\r\n");
}

/// Decimal digits. Not `write!`, which takes longer than all the rest of a command.
fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_what_a_client_would_send() {
        let mut out = Vec::new();
        let words: [&[u8]; 3] = [b"SET", b"", b"0123456789"];
        command(&mut out, words.into_iter());
        select(&mut out, 15);
        assert_eq!(
            out.escape_ascii().to_string().replace(r"\r\n", " "),
            "*3 $3 SET $0  $10 0123456789 *2 $6 SELECT $2 15 "
        );
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        for value in [0, 9, 10, 99, 100, 12_345, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(out, value.to_string().as_bytes());
        }
    }
}
