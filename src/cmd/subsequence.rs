//! The longest common subsequence of two strings, 64 cells of the usual table at a time.
//!
//! The table's cell `(i, j)` is the length for the first `i` bytes of `a` and the first `j` of `b`. Going right in a row it
//! rises by nothing or by one, so a row is as many bits as `b` has bytes: here a 0 where it rises. The next row
//! follows from it and from the set `m` of places where `b` has the next byte of `a` in a few operations on whole words
//! (H. Hyyrö, "Bit-parallel LCS-length computation revisited", 2004):
//!
//! ```text
//! row' = (row + (row & m)) | (row & !m)
//! ```
//!
//! The walk back through the table only asks, where two bytes differ, whether the cell above is greater than the cell to
//! the left. It is exactly where the row rises, so the rows are all that has to be kept: a bit a cell.

use std::collections::TryReserveError;

/// Bytes that both strings have: `len` of them, from `a` in the one and from `b` in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub a: usize,
    pub b: usize,
    pub len: usize,
}

/// How many words it takes to go through the table for strings of these lengths.
pub(super) fn work(a: u64, b: u64) -> u64 {
    a.saturating_mul(b.div_ceil(64))
}

/// The length of the longest common subsequence.
pub(super) fn length(a: &[u8], b: &[u8]) -> Result<usize, TryReserveError> {
    let places = Places::new(a, b)?;
    let mut row = places.first_row()?;
    for &byte in a {
        places.advance(&mut row, byte);
    }
    Ok(row.iter().map(|word| word.count_zeros() as usize).sum())
}

/// The subsequence itself, as the stretches it is made of, the last one first. Where several are longest, it is the one
/// that Redis finds: it goes left in the table unless going up is better.
pub(super) fn runs(a: &[u8], b: &[u8]) -> Result<Vec<Run>, TryReserveError> {
    let places = Places::new(a, b)?;
    let mut row = places.first_row()?;
    let row_bytes = b.len().div_ceil(8);
    let mut rows: Vec<u8> = Vec::new();
    rows.try_reserve_exact(a.len().saturating_mul(row_bytes))?;
    for &byte in a {
        places.advance(&mut row, byte);
        let bytes = row.iter().flat_map(|word| word.to_le_bytes());
        rows.extend(bytes.take(row_bytes));
    }
    let rises = |i: usize, j: usize| (rows[i * row_bytes + j / 8] >> (j % 8)) & 1 == 0;

    let mut runs: Vec<Run> = Vec::new();
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        if a[i - 1] != b[j - 1] {
            if rises(i - 1, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
            continue;
        }
        match runs.last_mut() {
            Some(run) if (run.a, run.b) == (i, j) => {
                *run = Run {
                    a: i - 1,
                    b: j - 1,
                    len: run.len + 1,
                };
            }
            _ => runs.push(Run {
                a: i - 1,
                b: j - 1,
                len: 1,
            }),
        }
        (i, j) = (i - 1, j - 1);
    }
    Ok(runs)
}

/// Where `b` has each byte that `a` has too: a bit a place, the first one lowest.
struct Places {
    words: usize,
    /// Where in `sets` a byte's begins; for bytes that one of the strings lacks, it has none.
    set_of: [Option<usize>; 256],
    sets: Vec<u64>,
}

impl Places {
    fn new(a: &[u8], b: &[u8]) -> Result<Self, TryReserveError> {
        let mut in_a = [false; 256];
        for &byte in a {
            in_a[usize::from(byte)] = true;
        }
        let words = b.len().div_ceil(64);
        let (mut set_of, mut sets) = ([None; 256], Vec::new());
        for (at, &byte) in b.iter().enumerate() {
            if !in_a[usize::from(byte)] {
                continue;
            }
            let set = match set_of[usize::from(byte)] {
                Some(set) => set,
                None => {
                    let set = sets.len();
                    sets.try_reserve(words)?;
                    sets.resize(set + words, 0);
                    set_of[usize::from(byte)] = Some(set);
                    set
                }
            };
            sets[set + at / 64] |= 1 << (at % 64);
        }
        Ok(Self {
            words,
            set_of,
            sets,
        })
    }

    /// The row above the first byte of `a`: it rises nowhere.
    fn first_row(&self) -> Result<Vec<u64>, TryReserveError> {
        let mut row = Vec::new();
        row.try_reserve_exact(self.words)?;
        row.resize(self.words, !0);
        Ok(row)
    }

    /// Makes of a row the one below it, where `byte` stands at its left. Bits past the end of `b` stay 1.
    fn advance(&self, row: &mut [u64], byte: u8) {
        let Some(set) = self.set_of[usize::from(byte)] else {
            return;
        };
        let mut carry = false;
        let set = &self.sets[set..set + self.words];
        for (word, &places) in row.iter_mut().zip(set) {
            let sum;
            (sum, carry) = word.carrying_add(*word & places, carry);
            *word = sum | (*word & !places);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::oracle::noise;

    /// The table in full, and the walk through it.
    fn naive(a: &[u8], b: &[u8]) -> (usize, Vec<Run>) {
        let mut table = vec![vec![0usize; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = if a[i - 1] == b[j - 1] {
                    table[i - 1][j - 1] + 1
                } else {
                    table[i - 1][j].max(table[i][j - 1])
                };
            }
        }
        let (mut i, mut j, mut runs) = (a.len(), b.len(), Vec::<Run>::new());
        let mut joined = false;
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                let len = if joined {
                    runs.pop().expect("a run to join").len
                } else {
                    0
                };
                runs.push(Run {
                    a: i,
                    b: j,
                    len: len + 1,
                });
                joined = true;
            } else {
                joined = false;
                if table[i - 1][j] > table[i][j - 1] {
                    i -= 1;
                } else {
                    j -= 1;
                }
            }
        }
        (table[a.len()][b.len()], runs)
    }

    fn check(a: &[u8], b: &[u8]) {
        let (len, path) = naive(a, b);
        assert_eq!(length(a, b), Ok(len), "{a:?} {b:?}");
        assert_eq!(runs(a, b), Ok(path), "{a:?} {b:?}");
    }

    #[test]
    fn every_pair_of_short_strings_over_three_letters() {
        let strings: Vec<Vec<u8>> = (0..=5u32)
            .flat_map(|len| {
                (0..3u32.pow(len))
                    .map(move |n| (0..len).map(|at| (n / 3u32.pow(at) % 3) as u8).collect())
            })
            .collect();
        for a in &strings {
            for b in &strings {
                check(a, b);
            }
        }
    }

    #[test]
    fn strings_around_the_edges_of_words_and_with_all_bytes() {
        let noise = noise(3000);
        for letters in [2, 5, 256] {
            let text: Vec<u8> = noise
                .iter()
                .map(|&byte| (u32::from(byte) % letters) as u8)
                .collect();
            for len_a in [0, 1, 7, 64, 300] {
                for len_b in [1, 8, 63, 64, 65, 127, 128, 129, 700] {
                    check(&text[..len_a], &text[1000..1000 + len_b]);
                }
            }
        }
        let all: Vec<u8> = (0..=255).collect();
        check(&all, &all);
    }
}
