//! Inputs that nobody would write, made from a corpus by a generator that gives the same ones on every machine.
//!
//! Each target is a test in [`targets`]: it takes any bytes, must not panic, and holds what it reads to something it can
//! judge (the same request however it was split, a reply that can be taken apart, rules that can be said again). The
//! corpus is in `corpus/TARGET/`; an input that found a mistake goes there, so that it is tried first ever after.
//!
//! ```text
//! cargo test --profile suite --test fuzz                              a second for each target
//! FUZZ_SECONDS=3600 FUZZ_SEED=7 cargo test --profile suite --test fuzz -- --nocapture --test-threads 1
//! FUZZ_INPUT=file cargo test --profile suite --test fuzz requests    one input alone
//! ```
//!
//! Not cargo-fuzz: it needs a nightly compiler. What is lost is the guidance by coverage, which a corpus that reaches every
//! branch makes up for in part.

mod mutate;
mod reply;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use mutate::Mutator;
use parking_lot::Mutex;

#[path = "../support/oracle.rs"]
mod oracle;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Runs `target` on the corpus of that name, then on what can be made of it, until the time is over.
///
/// # Panics
///
/// With the input, if `target` panics. The input is also written to a file below the system's directory for such.
fn fuzz(name: &str, words: &[&str], mut target: impl FnMut(&[u8])) {
    if let Some(path) = env::var_os("FUZZ_INPUT") {
        return target(&fs::read(path).expect("the file FUZZ_INPUT names"));
    }
    let corpus = corpus(name);
    let number = |variable: &str| env::var(variable).ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(1));
    let mut mutator = Mutator::new(number("FUZZ_SEED").unwrap_or(1), &corpus, words);

    let watched = Watched::new(name);
    let mut try_one = |input: &[u8]| {
        watched.begin(input);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
            let path = env::temp_dir().join(format!("fuzz-{name}-{}", std::process::id()));
            fs::write(&path, input).expect("a file for the input");
            let why = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            panic!(
                "{name}: {} on {} bytes, kept in {}: \"{}\"",
                why.unwrap_or_default(),
                input.len(),
                path.display(),
                input.escape_ascii()
            );
        }
    };
    corpus.iter().for_each(|input| try_one(input));
    let (start, mut runs) = (Instant::now(), 0u64);
    while start.elapsed() < time {
        for _ in 0..16 {
            try_one(&mutator.next());
            runs += 1;
        }
    }
    println!("{name}: {runs} inputs in {} s", start.elapsed().as_secs());
}

/// How long one input may take.
const LONGEST: Duration = Duration::from_secs(60);

/// Ends the process, saying so, if one input takes too long: a lock that nobody lets go of is no panic.
struct Watched(Arc<Mutex<Option<Running>>>);

/// Since when an input runs, and which.
type Running = (Instant, Vec<u8>);

impl Watched {
    fn new(name: &str) -> Self {
        let now = Arc::new(Mutex::new(None::<Running>));
        let (weak, name) = (Arc::downgrade(&now), name.to_owned());
        thread::spawn(move || {
            while let Some(now) = weak.upgrade() {
                if let Some((begun, input)) = &*now.lock()
                    && begun.elapsed() > LONGEST
                {
                    eprintln!("{name}: no end of \"{}\"", input.escape_ascii());
                    std::process::abort();
                }
                drop(now);
                thread::sleep(LONGEST / 10);
            }
        });
        Self(now)
    }

    fn begin(&self, input: &[u8]) {
        *self.0.lock() = Some((Instant::now(), input.to_vec()));
    }
}

/// The inputs that the target begins with.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the corpus is there")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
        .iter()
        .map(|path| fs::read(path).expect("a file that can be read"))
        .collect()
}
