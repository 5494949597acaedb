//! New inputs from old ones.

use crate::oracle::Random;

/// Numbers at which things change.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "7",
    "8",
    "63",
    "64",
    "65535",
    "65536",
    "2147483647",
    "-2147483648",
    "4294967295",
    "4294967296",
    "536870912",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "99999999999999999999",
    "00",
    "+1",
    "1e3",
    "0x10",
    "#1",
    "",
];

/// Inputs kept besides the corpus, as a start for others.
const KEPT: usize = 256;

/// The longest input made, in bytes.
const LONGEST: usize = 4096;

pub struct Mutator {
    random: Random,
    inputs: Vec<Vec<u8>>,
    from_corpus: usize,
    words: Vec<Vec<u8>>,
}

impl Mutator {
    pub fn new(seed: u64, corpus: &[Vec<u8>], words: &[&str]) -> Self {
        let words = words.iter().chain(NUMBERS);
        Self {
            random: Random::new(seed),
            inputs: corpus.to_vec(),
            from_corpus: corpus.len(),
            words: words.map(|word| word.as_bytes().to_vec()).collect(),
        }
    }

    /// The next input.
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.pick();
        for _ in 0..=self.random.below(6) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        if self.random.below(64) == 0 {
            if self.inputs.len() < self.from_corpus + KEPT {
                self.inputs.push(input.clone());
            } else {
                let at = self.from_corpus + self.random.below(KEPT as u64) as usize;
                self.inputs[at].clone_from(&input);
            }
        }
        input
    }

    fn pick(&mut self) -> Vec<u8> {
        let at = self.random.below(self.inputs.len() as u64) as usize;
        self.inputs[at].clone()
    }

    /// A position, the end included.
    fn place(&mut self, len: usize) -> usize {
        self.random.below(len as u64 + 1) as usize
    }

    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let start = self.place(len);
        let most = (len - start).min(1 << self.random.below(8));
        start..start + self.place(most)
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let len = input.len();
        let at = self.place(len);
        match self.random.below(9) {
            0 if at < len => input[at] ^= 1 << self.random.below(8),
            1 if at < len => input[at] = self.random.next() as u8,
            2 => drop(input.drain(self.range(len))),
            3 => {
                let piece = input[self.range(len)].to_vec();
                input.splice(at..at, piece);
            }
            4 | 5 => {
                let word = self.random.below(self.words.len() as u64) as usize;
                let range = if self.random.below(2) == 0 {
                    at..at
                } else {
                    word_at(input, at)
                };
                input.splice(range, self.words[word].clone());
            }
            6 => {
                let other = self.pick();
                let piece = other[self.range(other.len())].to_vec();
                let range = self.range(len);
                input.splice(range, piece);
            }
            7 => {
                let bytes = [b' ', b'\n', b'\r', 0, 0xff, b'(', b')', b'"', b'\\'];
                let byte = bytes[self.random.below(bytes.len() as u64) as usize];
                input.insert(at, byte);
            }
            _ if self.random.below(4) == 0 => input.truncate(at),
            _ => {}
        }
    }
}

/// The letters and digits around a place.
fn word_at(input: &[u8], at: usize) -> std::ops::Range<usize> {
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'-';
    let before = input[..at].iter().rev().take_while(is_part).count();
    let after = input[at..].iter().take_while(is_part).count();
    at - before..at + after
}
