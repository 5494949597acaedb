//! The list of files that make up the log, as Redis 7 and later keep it.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b      what there was when the log was last rewritten; at most one
//! file appendonly.aof.1.base.rdb seq 1 type h      no longer needed, still to be deleted
//! file appendonly.aof.3.incr.aof seq 3 type i      what came after, oldest first
//! file appendonly.aof.4.incr.aof seq 4 type i
//! ```
//!
//! A line is pairs of a key and a value; ones with other keys are passed over (Redis 8.2 adds `startoffset`, which is about
//! replication and is not written here), as are lines that start with `#`. The list is replaced as a whole, by renaming, so it
//! is always one or the other.

use std::fmt::Write as _;

use crate::words;

/// The longest line that Redis reads.
const MAX_LINE: usize = 1024;

/// One file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name inside the log's directory.
    pub name: String,
    /// What number it is among the files of its kind, from 1.
    pub seq: u64,
}

/// Which files there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub base: Option<File>,
    /// Oldest first, numbers going up. New commands go to the last.
    pub incremental: Vec<File>,
    /// To be deleted.
    pub history: Vec<File>,
    /// The highest numbers ever given, as far as the list shows.
    base_seq: u64,
    incremental_seq: u64,
}

/// Why a list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the AOF manifest is damaged at line {line}: {why}")]
pub struct BadManifest {
    /// Counted from 1.
    pub line: usize,
    pub why: &'static str,
}

/// The name of the list of the log called `name` (`appendfilename`).
pub fn file_name(name: &str) -> String {
    format!("{name}.manifest")
}

impl Manifest {
    /// Reads a list.
    ///
    /// # Errors
    /// Where Redis refuses it: no line at all, a line that is not closed or too long, one without a name, number and kind, a
    /// second base, increments out of order.
    pub fn parse(text: &[u8]) -> Result<Self, BadManifest> {
        let mut manifest = Self::default();
        let mut number = 0;
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            number += 1;
            let bad = |why| BadManifest { line: number, why };
            if line.first() == Some(&b'#') {
                continue;
            }
            let Some(line) = line.strip_suffix(b"\n") else {
                return Err(bad("the line has no end"));
            };
            if line.len() >= MAX_LINE {
                return Err(bad("the line is too long"));
            }
            manifest.take_line(line).map_err(bad)?;
        }
        if number == 0 {
            return Err(BadManifest {
                line: 1,
                why: "it is empty",
            });
        }
        Ok(manifest)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        const FORMAT: &str = "not pairs of a key and a value that give file, seq and type";
        let words = words::split(line).ok_or(FORMAT)?;
        if words.len() < 6 || !words.len().is_multiple_of(2) {
            return Err(FORMAT);
        }
        let (mut name, mut seq, mut kind) = (None, None, None);
        for pair in words.chunks_exact(2) {
            let (key, value) = (pair[0].to_ascii_lowercase(), &pair[1]);
            let known = match key.as_slice() {
                b"file" => name.is_some(),
                b"seq" => seq.is_some(),
                b"type" => kind.is_some(),
                _ => false,
            };
            if known {
                // Two lines whose break was damaged.
                return Err("a key that comes twice");
            }
            match key.as_slice() {
                b"file" => {
                    let value = std::str::from_utf8(value).map_err(|_| "the name is no text")?;
                    if value.contains(['/', '\\']) || matches!(value, "" | "." | "..") {
                        return Err("the name is a path");
                    }
                    name = Some(value.to_owned());
                }
                b"seq" => {
                    let value = std::str::from_utf8(value).ok();
                    seq = Some(value.and_then(|value| value.parse().ok()).unwrap_or(0));
                }
                b"type" => kind = value.first().copied(),
                _ => {}
            }
        }
        let (Some(name), Some(seq @ 1..), Some(kind)) = (name, seq, kind) else {
            return Err(FORMAT);
        };
        let file = File { name, seq };
        match kind {
            b'b' if self.base.is_some() => return Err("a second base file"),
            b'b' => {
                self.base_seq = self.base_seq.max(seq);
                self.base = Some(file);
            }
            b'h' => self.history.push(file),
            b'i' if self.incremental.last().is_some_and(|last| last.seq >= seq) => {
                return Err("a number that is not larger than the one before");
            }
            b'i' => {
                self.incremental_seq = seq;
                self.incremental.push(file);
            }
            _ => return Err("a type of file that is not known"),
        }
        Ok(())
    }

    /// The list as it stands in its file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut add = |files: &[File], kind: char| {
            for File { name, seq } in files {
                let name = written_name(name);
                let written = writeln!(text, "file {name} seq {seq} type {kind}");
                written.expect("a string takes everything");
            }
        };
        add(self.base.as_slice(), 'b');
        add(&self.history, 'h');
        add(&self.incremental, 'i');
        text
    }

    /// A log that is one file of another name, which becomes the base: how a log of Redis 6 is taken over.
    pub fn of_single_file(name: &str) -> Self {
        Self {
            base: Some(File {
                name: name.to_owned(),
                seq: 1,
            }),
            base_seq: 1,
            ..Self::default()
        }
    }

    /// The file that comes after the last increment of the log called `name`.
    pub fn next_incremental(&self, name: &str) -> File {
        let seq = self.incremental_seq + 1;
        File {
            name: format!("{name}.{seq}.incr.aof"),
            seq,
        }
    }

    /// The file that replaces the base.
    pub fn next_base(&self, name: &str, rdb: bool) -> File {
        let seq = self.base_seq + 1;
        let format = if rdb { "rdb" } else { "aof" };
        File {
            name: format!("{name}.{seq}.base.{format}"),
            seq,
        }
    }

    /// From now on commands go to `file`.
    pub fn add_incremental(&mut self, file: File) {
        self.incremental_seq = file.seq;
        self.incremental.push(file);
    }

    /// `base` holds what the old base and all increments before the one numbered `from` hold: those are history.
    pub fn replace_base(&mut self, base: File, from: u64) {
        self.base_seq = base.seq;
        self.history.extend(self.base.replace(base));
        let keep = self.incremental.partition_point(|file| file.seq < from);
        self.history.extend(self.incremental.drain(..keep));
    }

    /// The files that are the log, in the order in which they are to be read.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.base.iter().chain(&self.incremental)
    }
}

/// The name as a word of the list: between quotes where it would not be read back otherwise.
fn written_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if name.bytes().all(plain) {
        return name.to_owned();
    }
    let mut quoted = Vec::new();
    words::quote(name.as_bytes(), &mut quoted);
    String::from_utf8_lossy(&quoted).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIS_8: &str = "file appendonly.aof.4.base.rdb seq 4 type b\n\
                           file appendonly.aof.3.base.rdb seq 3 type h\n\
                           file appendonly.aof.3.incr.aof seq 3 type i startoffset 1\n\
                           file appendonly.aof.5.incr.aof seq 5 type i startoffset 70\n";

    fn file(name: &str, seq: u64) -> File {
        File {
            name: name.to_owned(),
            seq,
        }
    }

    #[test]
    fn a_list_of_redis_8_is_read_and_written_without_its_offsets() {
        let manifest = Manifest::parse(REDIS_8.as_bytes()).unwrap();
        assert_eq!(manifest.base, Some(file("appendonly.aof.4.base.rdb", 4)));
        assert_eq!(manifest.incremental.len(), 2);
        assert_eq!(manifest.history.len(), 1);
        let written = manifest.text();
        assert!(!written.contains("startoffset"), "{written}");
        assert_eq!(Manifest::parse(written.as_bytes()), Ok(manifest));
    }

    #[test]
    fn a_rewrite_moves_what_it_replaces_to_history() {
        let mut manifest = Manifest::parse(REDIS_8.as_bytes()).unwrap();
        let next = manifest.next_incremental("appendonly.aof");
        assert_eq!(next, file("appendonly.aof.6.incr.aof", 6));
        manifest.add_incremental(next.clone());
        let base = manifest.next_base("appendonly.aof", false);
        assert_eq!(base, file("appendonly.aof.5.base.aof", 5));
        manifest.replace_base(base.clone(), next.seq);
        assert_eq!(manifest.files().collect::<Vec<_>>(), [&base, &next]);
        assert_eq!(manifest.history.len(), 4);
        assert_eq!(manifest.next_base("appendonly.aof", true).seq, 6);
        assert_eq!(manifest.next_incremental("appendonly.aof").seq, 7);
    }

    #[test]
    fn comments_and_odd_names_are_read() {
        let text = "# a comment\nTYPE i FILE \"a b\" SEQ 2\n";
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.incremental, [file("a b", 2)]);
        assert_eq!(manifest.text(), "file \"a b\" seq 2 type i\n");
    }

    #[test]
    fn what_redis_refuses_is_refused_with_its_line() {
        let base = "file a seq 1 type b\n";
        for (text, line) in [
            (String::new(), 1),
            ("file a seq 1 type b".into(), 1),
            (format!("{base}{base}"), 2),
            (format!("{base}\n"), 2),
            (format!("{base}file b seq 1\n"), 2),
            (format!("{base}file b seq 1 type\n"), 2),
            (format!("{base}file b seq x type i\n"), 2),
            (format!("{base}file b seq 0 type i\n"), 2),
            (format!("{base}file b seq -1 type i\n"), 2),
            (format!("{base}file b seq 1 type x\n"), 2),
            (format!("{base}file a/b seq 1 type i\n"), 2),
            (format!("{base}file \"b seq 1 type i\n"), 2),
            ("file a seq 2 type i\nfile b seq 2 type i\n".into(), 2),
            (format!("file {} seq 1 type b\n", "x".repeat(1100)), 1),
        ] {
            let error = Manifest::parse(text.as_bytes()).expect_err(&text);
            assert_eq!(error.line, line, "{text:?}: {error}");
        }
    }
}
