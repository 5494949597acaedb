//! A whole RDB file, from the keys that somebody shows.

use std::io::{self, Write};

use super::format::{MAGIC, STRING, WRITTEN, opcode};
use super::output::Output;
use crate::bits::View;

/// How a file is written.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether strings longer than 20 bytes are compressed where that pays (`rdbcompression`).
    pub compression: bool,
    /// Whether the file ends with a checksum, or zeros in its place (`rdbchecksum`).
    pub checksum: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            compression: true,
            checksum: true,
        }
    }
}

/// What a file tells about its making.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The version of Redis that this server stands for.
    pub redis_version: &'static str,
    /// When it was made, in seconds since the Unix epoch.
    pub created: i64,
    /// Bytes in use then.
    pub used_memory: u64,
    /// Whether it is the base of an append-only file.
    pub aof_base: bool,
}

/// How recently or how often a key is used: what an eviction policy goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hint {
    #[default]
    None,
    /// Seconds since it was used.
    Idle(u64),
    /// The logarithmic counter of an LFU policy.
    Frequency(u8),
}

/// Writes a file to any sink, through a buffer of its own. An error leaves the file unusable.
///
/// [`Writer::new`], then for each database with keys [`Writer::database`] and its entries, then [`Writer::finish`].
pub struct Writer<W> {
    output: Output<W>,
    compression: bool,
}

impl<W: Write> Writer<W> {
    pub fn new(sink: W, options: Options, facts: &Facts) -> io::Result<Self> {
        let mut writer = Self {
            output: Output::new(sink, options.checksum),
            compression: options.compression,
        };
        writer.output.put(MAGIC)?;
        writer.output.put(format!("{WRITTEN:04}").as_bytes())?;
        writer.fact("redis-ver", facts.redis_version)?;
        writer.fact("redis-bits", "64")?;
        writer.fact("ctime", &facts.created.to_string())?;
        writer.fact("used-mem", &facts.used_memory.to_string())?;
        writer.fact("aof-base", if facts.aof_base { "1" } else { "0" })?;
        Ok(writer)
    }

    fn fact(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.output.put(&[opcode::AUX])?;
        self.output.string(View::Flat(name.as_bytes()), false)?;
        self.output.string(View::Flat(value.as_bytes()), false)
    }

    /// Begins a database. The numbers, of keys and of those that expire, are hints for whoever reads the file.
    pub fn database(&mut self, index: usize, keys: u64, expiring: u64) -> io::Result<()> {
        self.output.put(&[opcode::SELECTDB])?;
        self.output.length(index as u64)?;
        self.output.put(&[opcode::RESIZEDB])?;
        self.output.length(keys)?;
        self.output.length(expiring)
    }

    /// A key of the database begun last. `expires_at` is in milliseconds since the Unix epoch.
    pub fn entry(
        &mut self,
        key: &[u8],
        value: View<'_>,
        expires_at: Option<i64>,
        hint: Hint,
    ) -> io::Result<()> {
        if let Some(at) = expires_at {
            self.output.put(&[opcode::EXPIRETIME_MS])?;
            self.output.put(&at.to_le_bytes())?;
        }
        match hint {
            Hint::None => {}
            Hint::Idle(seconds) => {
                self.output.put(&[opcode::IDLE])?;
                self.output.length(seconds)?;
            }
            Hint::Frequency(frequency) => self.output.put(&[opcode::FREQ, frequency])?,
        }
        self.output.put(&[STRING])?;
        self.output.string(View::Flat(key), self.compression)?;
        self.output.string(value, self.compression)
    }

    /// The bytes of the file so far.
    pub fn len(&self) -> u64 {
        self.output.len()
    }

    /// Never: a file has a header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the file, and gives the sink back.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.put(&[opcode::EOF])?;
        let sum = self.output.sum()?;
        self.output.put(&sum.to_le_bytes())?;
        self.output.flush()?;
        Ok(self.output.into_sink())
    }
}
