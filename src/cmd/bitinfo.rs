//! BITINFO: what a bitmap costs, and why.

use super::introspect::map;
use super::{Args, CmdResult, Context, aside};
use crate::bits::{Bitmap, Shape, View};
use crate::resp::Reply;

/// `BITINFO key`: length and ones, how many chunks of 65,536 bits are held in which form, the bytes that all of it takes
/// and those that the flat string would. nil for a missing key. Parts that share their memory with their neighbour, as
/// those of a long range of ones do, count once.
pub(super) fn bitinfo(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let request = args.request();
    let key = args.take()?;
    if cx.look(key).is_none() {
        return Ok(Reply::Null);
    }
    let long = aside::weight(cx, std::iter::once(key)) > aside::LONG;
    let card = aside::look(cx, request, std::iter::once(key), long, |_, views| {
        card(views[0])
    });
    Ok(card)
}

fn card(bytes: View<'_>) -> Reply {
    let (shape, used) = match bytes {
        View::Flat(bytes) => (Shape::default(), bytes.len() as u64),
        View::Chunked(bitmap) => {
            let shape = bitmap.shape();
            (shape, size_of::<Bitmap>() as u64 + shape.heap_bytes)
        }
    };
    let number = |n: u64| Reply::Integer(n as i64);
    let forms = [
        ("few", shape.few),
        ("run", shape.run),
        ("array", shape.array),
        ("runs", shape.runs),
        ("packed", shape.packed),
        ("bytes", shape.bytes),
    ];
    map([
        ("length", number(bytes.len())),
        ("ones", number(bytes.ones())),
        ("chunks", map(forms.map(|(form, n)| (form, number(n))))),
        ("nodes", number(shape.nodes)),
        ("bytes-used", number(used)),
        ("bytes-flat", number(bytes.len())),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;

    #[test]
    fn it_tells_forms_and_bytes() {
        let mut db = Session::alone();
        assert_eq!(db.say("BITINFO missing"), "$-1\r\n");
        let numbers = |db: &mut Session| -> Vec<u64> {
            let reply = db.say("BITINFO k");
            let numbers = reply.lines().filter_map(|line| line.strip_prefix(':'));
            numbers.map(|n| n.parse().expect("a number")).collect()
        };
        db.say("SET k foobar");
        assert_eq!(numbers(&mut db), [6, 26, 0, 0, 0, 0, 0, 0, 0, 6, 6]);
        db.say("SETBITRANGE k 100000 4294967295 1");
        db.say("SETBITS k 1 70000 70002");
        let told = numbers(&mut db);
        assert_eq!(told[..2], [1 << 29, (1 << 32) - 100_000 + 26 + 2]);
        // "foobar", a run with two ones before it, and full chunks, most of which share their memory.
        let [few, run, array, runs, packed, bytes] = told[2..8].try_into().expect("six forms");
        assert_eq!([few, array, runs, packed, bytes], [0, 0, 1, 0, 1]);
        assert!(run > 254, "{told:?}");
        assert_eq!(told[10], 1 << 29);
        assert!(told[9] < 20_000, "{told:?}");
        assert!(
            db.say("BITINFO k")
                .starts_with("*12\r\n$6\r\nlength\r\n:536870912\r\n$4\r\nones\r\n")
        );
    }
}
