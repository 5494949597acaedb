//! Each worker's spare buffers: a connection borrows one while it has bytes to hold, and room for requests while it has many.

use std::{cell::RefCell, thread::LocalKey};

use bytes::BytesMut;

use crate::resp::Room;

/// How large they are: a read takes as much at once, some four hundred small requests.
pub(super) const SIZE: usize = 16 * 1024;

/// How many a worker keeps: one to read into and one to reply into are in use at a time, others come back from
/// connections that had to wait in the middle of something.
const KEPT: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static ROOMS: RefCell<Vec<Room>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for [`SIZE`] bytes.
pub(super) fn take() -> BytesMut {
    SPARE
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| BytesMut::with_capacity(SIZE))
}

/// Gives a buffer back, whatever is in it. One of another size is freed: small ones are of no use, and large ones would
/// stay for ever.
pub(super) fn give(mut buffer: BytesMut) {
    buffer.clear();
    if !(SIZE..=2 * SIZE).contains(&buffer.capacity()) {
        return;
    }
    keep(&SPARE, buffer);
}

/// Room for the requests of a pipeline.
pub(super) fn take_room() -> Room {
    ROOMS.with_borrow_mut(Vec::pop).unwrap_or_else(Room::usual)
}

/// Gives room back, as [`give`] does a buffer.
pub(super) fn give_room(room: Room) {
    if room.is_usual() {
        keep(&ROOMS, room);
    }
}

fn keep<T>(spare: &'static LocalKey<RefCell<Vec<T>>>, one: T) {
    spare.with_borrow_mut(|spare| {
        if spare.len() < KEPT {
            spare.push(one);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_only_if_it_is_of_the_usual_size() {
        let mut buffer = take();
        buffer.extend_from_slice(b"left behind");
        let place = buffer.as_ptr();
        give(buffer);
        give(BytesMut::with_capacity(10));
        give(BytesMut::with_capacity(SIZE * 100));
        let again = take();
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        assert!(SPARE.with_borrow(Vec::is_empty));
        for _ in 0..KEPT * 2 {
            give(BytesMut::with_capacity(SIZE));
        }
        assert_eq!(SPARE.with_borrow(Vec::len), KEPT);
    }
}
