//! Large operands, shared among threads.
//!
//! What is shared is the children of a node two levels above the chunks: 16 million bits each, some hundred microseconds
//! of work where they are dense, and up to 256 of them. Threads take them one by one, so none waits long for another.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{iter, thread};

use super::each_place;
use crate::bits::slot::Slot;
use crate::bits::tree;

/// The height of the nodes whose children are shared.
const HEIGHT: u32 = 2;

/// The ones of such a node, in all sources, from which on it is. Starting a thread takes some ten microseconds, and so
/// many ones take at least some hundred.
const ONES: u64 = 1 << 20;

/// A key, and what the sources have there.
pub type Place<'a> = (u8, Vec<&'a Slot>);

/// Whether these nodes of this height are to be shared.
pub fn worth(threads: usize, height: u32, nodes: &[&Slot]) -> bool {
    threads > 1
        && height == HEIGHT
        && nodes.iter().map(|node| tree::ones(node)).sum::<u64>() >= ONES
}

/// All places of these nodes.
pub fn places<'a>(nodes: &[&'a Slot]) -> Vec<Place<'a>> {
    let mut places = Vec::new();
    let _whole = each_place(nodes, |key, children| {
        places.push((key, children.clone()));
        ControlFlow::Continue(())
    });
    places
}

/// Runs `work` on up to so many threads, this one among them; each is handed items until there are none left. Returns
/// what each made.
pub fn share<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&mut dyn Iterator<Item = &T>) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let part = || {
        work(&mut iter::from_fn(|| {
            items.get(next.fetch_add(1, Ordering::Relaxed))
        }))
    };
    thread::scope(|scope| {
        let start = || {
            let helper = thread::Builder::new().name("combine".into());
            // Where the system has no more threads, those there are do the work.
            helper.spawn_scoped(scope, part).ok()
        };
        let helpers: Vec<_> = iter::from_fn(start)
            .take(threads.saturating_sub(1))
            .collect();
        let mut made = vec![part()];
        for helper in helpers {
            made.push(helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        made
    })
}
