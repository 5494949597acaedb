//! A string, or a piece of one, as a reply.

use std::ops::Range;

use super::CmdError;
use crate::bits::{Bitmap, View};
use crate::resp::{Reply, Source};

/// The longest piece that is copied into its reply, in bytes. A longer one is sent from the value itself.
const COPY_MAX: usize = 32 * 1024;

/// The longest piece that is sent at all, in bytes: hours at the speed of a network, and more than any client holds. With
/// `proto-max-bulk-len` raised a sparse string can be far longer.
const SEND_MAX: u64 = 1 << 40;

/// The whole string.
pub(super) fn whole(view: View<'_>) -> Reply {
    piece(view, 0..view.len())
}

/// The bytes of `range`, all of them inside the string; an error where they are too many to be sent.
pub(super) fn piece(view: View<'_>, range: Range<u64>) -> Reply {
    if range.end - range.start > SEND_MAX {
        return CmdError::other(format!(
            "ERR string is too long to be sent, {SEND_MAX} bytes is the limit; GETRANGE reads it in parts"
        ))
        .into();
    }
    match (view, usize::try_from(range.end - range.start)) {
        (View::Chunked(bitmap), Ok(len)) if len <= COPY_MAX => {
            let mut bytes = vec![0; len];
            bitmap.read(range.start, &mut bytes);
            Reply::bulk(bytes)
        }
        (View::Chunked(bitmap), _) => Reply::Stream(Box::new(Piece {
            bitmap: bitmap.clone(),
            range,
        })),
        // Both ends are inside the slice, so they fit.
        (View::Flat(bytes), _) => Reply::bulk(&bytes[range.start as usize..range.end as usize]),
    }
}

/// Bytes of a long string as they were when the command ran: the copy shares its chunks, and whoever changes one
/// later changes a copy of that one.
struct Piece {
    bitmap: Bitmap,
    range: Range<u64>,
}

impl Source for Piece {
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn read(&self, at: u64, into: &mut [u8]) {
        self.bitmap.read(self.range.start + at, into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pieces_are_copied_and_long_ones_are_read_from_a_value_that_stands_still() {
        let bytes: Vec<u8> = (0..100_000u32).map(|at| (at % 251) as u8).collect();
        let mut bitmap = Bitmap::from_bytes(&bytes);
        let short = piece(View::Chunked(&bitmap), 7..7 + COPY_MAX as u64);
        let long = piece(View::Chunked(&bitmap), 7..8 + COPY_MAX as u64);
        bitmap.write(0, &[0; 50_000]);

        let Reply::Bulk(short) = short else {
            panic!("{short:?} is no copy");
        };
        assert_eq!(*short, bytes[7..7 + COPY_MAX]);
        let Reply::Stream(long) = long else {
            panic!("{long:?} is a copy");
        };
        let mut read = vec![0; long.len() as usize - 5];
        long.read(5, &mut read);
        assert_eq!(read, bytes[12..8 + COPY_MAX]);
    }

    #[test]
    fn what_no_client_could_take_is_refused_and_its_parts_are_not() {
        let mut bitmap = Bitmap::new();
        bitmap.set(1 << 60, true);
        assert!(whole(View::Chunked(&bitmap)).is_error());
        let end = bitmap.len();
        let Reply::Bulk(last) = piece(View::Chunked(&bitmap), end - 1..end) else {
            panic!("a byte is sent");
        };
        assert_eq!(*last, [0x80]);
    }
}
