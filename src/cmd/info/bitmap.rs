//! The section of bitmaps: how they are held, and what that saves.
//!
//! Nothing of it is kept while commands run. Keys are looked at when somebody asks (see [`Walk`]), no longer than
//! [`PATIENCE`]. Where that reaches every key the numbers are exact; else they are scaled up from the keys that it reached,
//! and `bitmap_looked_at_perc` says from how many.

use std::time::Duration;

use super::super::Context;
use super::Page;
use super::walk::{Walk, scaled};
use crate::bits::View;

/// How long keys are looked at: some ten thousand keys, or bitmaps of a few hundred megabytes.
const PATIENCE: Duration = Duration::from_millis(2);

/// What was found, in the order of the fields.
#[derive(Default)]
struct Found {
    keys: u64,
    bitmaps: u64,
    length: u64,
    ones: u64,
    used: u64,
    few: u64,
    run: u64,
    array: u64,
    runs: u64,
    packed: u64,
    bytes: u64,
    nodes: u64,
}

impl Found {
    fn add(&mut self, view: View<'_>) {
        self.keys += 1;
        self.length = self.length.saturating_add(view.len());
        self.ones = self.ones.saturating_add(view.ones());
        let View::Chunked(bitmap) = view else {
            self.used += view.len();
            return;
        };
        let shape = bitmap.shape();
        self.bitmaps += 1;
        self.used += size_of_val(bitmap) as u64 + shape.heap_bytes;
        self.few += shape.few;
        self.run += shape.run;
        self.array += shape.array;
        self.runs += shape.runs;
        self.packed += shape.packed;
        self.bytes += shape.bytes;
        self.nodes += shape.nodes;
    }
}

pub(super) fn bitmap(cx: &Context<'_>, page: &mut Page) {
    let databases = 0..cx.world.keyspace.databases();
    let all: u64 = databases
        .clone()
        .map(|db| cx.keys().key_count(db) as u64)
        .sum();
    let (mut found, walk) = (Found::default(), Walk::new(PATIENCE));
    for db in databases {
        if walk
            .look(cx, db, |entry| found.add(entry.view()))
            .is_break()
        {
            break;
        }
    }
    let looked_at = match all {
        0 => 100.0,
        // Keys may have come meanwhile.
        _ => (found.keys as f64 * 100.0 / all as f64).min(100.0),
    };
    let scaled = |n| scaled(n, found.keys, all);
    page.field("bitmap_looked_at_perc", format_args!("{looked_at:.2}%"));
    let (length, used) = (scaled(found.length), scaled(found.used));
    for (name, number) in [
        ("bitmap_keys", scaled(found.bitmaps)),
        ("bitmap_ones", scaled(found.ones)),
        ("bitmap_chunks_few", scaled(found.few)),
        ("bitmap_chunks_run", scaled(found.run)),
        ("bitmap_chunks_array", scaled(found.array)),
        ("bitmap_chunks_runs", scaled(found.runs)),
        ("bitmap_chunks_packed", scaled(found.packed)),
        ("bitmap_chunks_bytes", scaled(found.bytes)),
        ("bitmap_nodes", scaled(found.nodes)),
        ("bitmap_bytes_used", used),
        ("bitmap_bytes_flat", length),
    ] {
        page.field(name, number);
    }
    page.field("bitmap_bytes_saved", i128::from(length) - i128::from(used));
}

#[cfg(test)]
mod tests {
    use super::super::super::session::Session;

    fn field(db: &mut Session, name: &str) -> String {
        let page = db.say("INFO bitmap");
        let start = format!("{name}:");
        let line = page.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("{name} is missing"))
            .to_owned()
    }

    #[test]
    fn few_keys_are_all_looked_at() {
        let mut db = Session::alone();
        assert_eq!(field(&mut db, "bitmap_looked_at_perc"), "100.00%");
        assert_eq!(field(&mut db, "bitmap_keys"), "0");
        db.say("SET short abc");
        db.say("SETBIT long 4294967295 1");
        db.say("SELECT 3");
        for bit in (0..600_000).step_by(500) {
            db.say(&format!("SETBIT many {bit} 1"));
        }
        assert_eq!(field(&mut db, "bitmap_looked_at_perc"), "100.00%");
        assert_eq!(field(&mut db, "bitmap_keys"), "2");
        assert_eq!(field(&mut db, "bitmap_ones"), (10 + 1 + 1200).to_string());
        assert_eq!(field(&mut db, "bitmap_chunks_few"), "1");
        assert_eq!(field(&mut db, "bitmap_chunks_array"), "10");
        let flat = 3 + (1u64 << 29) + 599_500 / 8 + 1;
        assert_eq!(field(&mut db, "bitmap_bytes_flat"), flat.to_string());
        let number = |text: String| text.parse::<u64>().expect("a number");
        let used = number(field(&mut db, "bitmap_bytes_used"));
        assert!((2400..6000).contains(&used), "{used}");
        assert_eq!(number(field(&mut db, "bitmap_bytes_saved")), flat - used);
    }

    /// Scaled up from a part, the numbers are near what they are.
    #[test]
    fn many_keys_are_estimated() {
        let mut db = Session::alone();
        const KEYS: u64 = 150_000;
        for n in 0..KEYS {
            db.ask(["SETBIT", &format!("k{n}"), "2000", "1"]);
        }
        let number = |text: String| text.parse::<u64>().expect("a number");
        for name in ["bitmap_keys", "bitmap_ones"] {
            let told = number(field(&mut db, name));
            assert!((KEYS..KEYS + 100).contains(&told), "{name} {told}");
        }
        db.say("MULTI");
        db.say("INFO bitmap");
        assert!(db.say("EXEC").contains("# Bitmap"));
    }
}
