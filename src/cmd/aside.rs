//! Long looks at values, which hold nobody up.
//!
//! Going through gigabits takes milliseconds, and nobody should wait for them who only wants a bit. So a large piece of
//! work takes the values while they are locked, which is cheap as their chunks are shared, lets go of the locks, and
//! works beside the threads that serve connections. What it finds is true of the moment the values were taken, and that
//! is enough for a command that only reads.
//!
//! A command that stores what it made of them takes the locks again and looks whether they are what they were. If one
//! changed meanwhile it starts over; the last try runs under the locks and cannot fail. Either way the result is what it
//! would be if the command had run alone at the moment of storing it. Inside a transaction, all happens under the locks.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Context, World};
use crate::bits::View;
use crate::resp::Request;
use crate::store::Value;

/// Values that weigh more bytes than this, all together, are worked on off the locks. Below it the work is shorter than
/// what it would save: a mebibyte combines in less than a hundred microseconds, and a thread for it takes some thirty.
pub(super) const LONG: u64 = 1024 * 1024;

/// How often a long piece of work is tried off the locks.
pub(super) const TRIES: usize = 3;

/// What stands for a missing key.
const NOTHING: View<'_> = View::Flat(&[]);

/// The keys of a request that are looked at.
pub(super) trait Keys<'k>: Iterator<Item = &'k [u8]> + Clone {}

impl<'k, T: Iterator<Item = &'k [u8]> + Clone> Keys<'k> for T {}

/// About how many bytes there are to go through in the values of these keys: two a one, never more than a string has.
pub(super) fn weight<'k>(cx: &Context<'_>, keys: impl Keys<'k>) -> u64 {
    let of = |bytes: View<'_>| bytes.len().min(bytes.ones().saturating_mul(2));
    keys.filter_map(|key| Some(of(cx.peek(key)?.view()))).sum()
}

/// What `look` makes of the values of these keys; off the locks where it is `long`. They are locked when it returns.
pub(super) fn look<'k, R: Send>(
    cx: &mut Context<'_>,
    request: Request<'_>,
    keys: impl Keys<'k>,
    long: bool,
    look: impl Fn(&World, &[View<'_>]) -> R + Sync,
) -> R {
    if long && !cx.in_exec {
        // The values go there too: who deletes a key meanwhile leaves its memory to be freed to whoever holds it last.
        let (mut values, mut result) = (Some(take(cx, keys)), None);
        off_the_locks(cx, request, |world| {
            result = values.take().map(|values| look(world, &views(&values)));
        });
        return result.expect("what is moved aside is done");
    }
    let views: Vec<View<'_>> = keys.map(|key| cx.view(key).unwrap_or(NOTHING)).collect();
    look(cx.world, &views)
}

/// Work that needs no key, done off the locks where it is `long`. Whoever looked a key up before has to do so again.
pub(super) fn work<R: Send>(
    cx: &mut Context<'_>,
    request: Request<'_>,
    long: bool,
    work: impl Fn() -> R + Sync,
) -> R {
    look(cx, request, std::iter::empty(), long, |_, _| work())
}

/// As [`look`], for who stores the result: the values have not changed since, and stay locked.
pub(super) fn look_and_keep<'k, R: Send + 'static>(
    cx: &mut Context<'_>,
    request: Request<'_>,
    keys: impl Keys<'k>,
    long: bool,
    look: impl Fn(&World, &[View<'_>]) -> R + Sync,
) -> R {
    if long && !cx.in_exec {
        for _ in 0..TRIES {
            let values = take(cx, keys.clone());
            let mut result = None;
            off_the_locks(cx, request, |world| {
                result = Some(look(world, &views(&values)));
            });
            if is_unchanged(cx, keys.clone(), &values) {
                return result.expect("what is moved aside is done");
            }
            // Of what has changed since, these may be the last that hold it.
            cx.world.lazyfree.free((result, values), 0);
        }
    }
    self::look(cx, request, keys, false, look)
}

fn take<'k>(cx: &Context<'_>, keys: impl Keys<'k>) -> Vec<Option<Value>> {
    keys.map(|key| cx.read(key).map(|entry| entry.value()))
        .collect()
}

fn views(values: &[Option<Value>]) -> Vec<View<'_>> {
    let values = values.iter().map(Option::as_ref);
    values
        .map(|value| value.map_or(NOTHING, Value::view))
        .collect()
}

/// Runs `work` once, beside the threads that serve connections, with no key locked.
fn off_the_locks(cx: &mut Context<'_>, request: Request<'_>, mut work: impl FnMut(&World) + Send) {
    cx.unlocked(request, |world| world.aside(&mut || work(world)));
}

fn is_unchanged<'k>(cx: &Context<'_>, keys: impl Keys<'k>, values: &[Option<Value>]) -> bool {
    keys.zip(values)
        .all(|(key, was)| match (was, cx.peek(key)) {
            (Some(was), Some(is)) => same(was.view(), is.view()),
            (None, None) => true,
            _ => false,
        })
}

/// Whether a value is what it was when it was read. A bitmap that was changed has another root, since the one that was
/// read is still held.
fn same(was: View<'_>, is: View<'_>) -> bool {
    match (was, is) {
        (View::Flat(was), View::Flat(is)) => was == is,
        (View::Chunked(was), View::Chunked(is)) => was.same(is),
        _ => false,
    }
}

/// The cores that one piece of work at a time may share. The next one that comes while it runs has its own thread only,
/// so that whatever clients ask for, there are never many more busy threads than cores.
#[derive(Default)]
pub struct Cores {
    taken: AtomicBool,
}

impl Cores {
    /// Lets `work` know how many threads it may run on, itself included.
    pub(super) fn share<R>(&self, most: usize, work: impl FnOnce(usize) -> R) -> R {
        if self.taken.swap(true, Ordering::Acquire) {
            return work(1);
        }
        let _taken = Taken(self);
        work(most)
    }
}

/// Given back also where the work panics.
struct Taken<'a>(&'a Cores);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Release);
    }
}
